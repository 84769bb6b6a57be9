/**
 * Reads Arrow's C data interface out of a 32-bit WebAssembly memory: addresses in structs become views.
 *
 *   ArrowSchema  format 0, name 4, metadata 8, flags 16, childCount 24, children 32, dictionary 36
 *   ArrowArray   length 0, nullCount 8, offset 16, bufferCount 24, childCount 32, buffers 40, children 44
 *
 * Counts are 64-bit, addresses 32-bit. Nothing is copied; the views live as long as the structs and the buffer.
 */
import type { ArrowColumn, DataType } from '@spillway/columnar'
import { hasOwnLength, widthOf } from '@spillway/columnar'
import { assert } from '@spillway/stdx'

/** Children of a struct array as columns. `types` are the expected types, in the children's order. */
export function readArrowColumns(
  memory: ArrayBufferLike,
  schemaAddress: number,
  arrayAddress: number,
  types: readonly DataType[],
): { rowCount: number; columns: ArrowColumn[] } {
  const view = new DataView(memory)
  const count = (address: number): number => Number(view.getBigInt64(address, true))
  const rowCount = count(arrayAddress)
  const structOffset = count(arrayAddress + 16)
  assert(count(arrayAddress + 32) === types.length, 'The codec gives the columns that were asked for.')
  const schemas = view.getUint32(schemaAddress + 32, true)
  const arrays = view.getUint32(arrayAddress + 44, true)
  const columns = types.map((type, index) => {
    const format = readText(memory, view.getUint32(view.getUint32(schemas + 4 * index, true), true))
    assert(acceptsFormat(type, format), `The codec gives a column of the expected type, not "${format}".`)
    // INT96 is converted to nanoseconds by the codec.
    const given: DataType = format === 'tsn:' ? { kind: 'timestamp', unit: 'ns', timezone: undefined } : type
    const array = view.getUint32(arrays + 4 * index, true)
    return readColumn(memory, view, array, given, rowCount, structOffset, format)
  })
  return { rowCount, columns }
}

function readColumn(
  memory: ArrayBufferLike,
  view: DataView,
  address: number,
  type: DataType,
  length: number,
  structOffset: number,
  format: string,
): ArrowColumn {
  const offset = Number(view.getBigInt64(address + 16, true)) + structOffset
  const nullCount = Number(view.getBigInt64(address + 8, true))
  const buffers = view.getUint32(address + 40, true)
  const buffer = (index: number, bytes: number): Uint8Array => {
    const start = view.getUint32(buffers + 4 * index, true)
    return start === 0 ? new Uint8Array(bytes) : new Uint8Array(memory, start, bytes)
  }
  const end = offset + length
  const hasValidity = nullCount !== 0 && view.getUint32(buffers, true) !== 0
  const shared = {
    type,
    length,
    offset,
    nullCount: hasValidity ? nullCount : 0,
    validity: hasValidity ? buffer(0, Math.ceil(end / 8)) : undefined,
    offsetBytes: 4,
    dictionary: undefined,
    indexBytes: 4,
  } as const
  if (format.startsWith('w:')) {
    const width = Number(format.slice(2))
    const offsets = new Uint8Array(Int32Array.from({ length: end + 1 }, (_, index) => index * width).buffer)
    return { ...shared, offsets, values: buffer(1, end * width) }
  }
  if (hasOwnLength(type)) {
    const offsets = buffer(1, 4 * (end + 1))
    const textBytes = new DataView(offsets.buffer, offsets.byteOffset).getInt32(4 * end, true)
    return { ...shared, offsets, values: buffer(2, textBytes) }
  }
  if (type.kind === 'null') return allNull(shared, end)
  const valueBytes = type.kind === 'boolean' ? Math.ceil(end / 8) : end * widthOf(type)
  return { ...shared, offsets: undefined, values: buffer(1, valueBytes) }
}

function allNull(shared: Omit<ArrowColumn, 'values' | 'offsets'>, end: number): ArrowColumn {
  const validity = new Uint8Array(Math.ceil(end / 8))
  return { ...shared, nullCount: shared.length, validity, offsets: undefined, values: new Uint8Array(end) }
}

/**
 * Whether the codec's format string has the bits of `type`. Types that differ only in meaning come as plain integers,
 * since the codec was not told about them.
 */
function acceptsFormat(type: DataType, format: string): boolean {
  switch (type.kind) {
    case 'null':
      return true
    case 'boolean':
      return format === 'b'
    case 'int8':
      return format === 'c'
    case 'uint8':
      return format === 'C'
    case 'int16':
      return format === 's'
    case 'uint16':
      return format === 'S'
    case 'int32':
    case 'uint32':
    case 'date':
      return format === 'i'
    case 'int64':
    case 'uint64':
      return format === 'l'
    case 'timestamp':
      return format === 'l' || format === 'tsn:'
    case 'float32':
      return format === 'f'
    case 'float64':
      return format === 'g'
    case 'utf8':
      return format === 'u'
    case 'binary':
      return format === 'z' || format.startsWith('w:')
    case 'decimal':
      return format === `d:${type.precision},${type.scale}`
    default:
      return false
  }
}

function readText(memory: ArrayBufferLike, address: number): string {
  const bytes = new Uint8Array(memory)
  let text = ''
  for (let i = address; bytes[i] !== 0; i++) text += String.fromCharCode(bytes[i] ?? 0)
  return text
}
