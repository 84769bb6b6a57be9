/**
 * Arrow columns for tests, and naive ways to read what lies in Arrow's layout and in the arena's: the twins of
 * importing and exporting. Values are plain: number, bigint, boolean, string, null.
 */
import { assert } from '@spillway/stdx'
import type { ArrowColumn } from './arrow-column.ts'
import { type DataType, physicalOf, widthOf } from './data-type.ts'

export type TwinValue = number | bigint | boolean | string | null

export interface TwinOptions {
  /** Rows of garbage before and after the column's rows. */
  readonly offset: number
  readonly offsetBytes: 4 | 8
  /** Bytes by which each buffer is misaligned. */
  readonly misalign: number
}

const plainLayout: TwinOptions = { offset: 0, offsetBytes: 4, misalign: 0 }

/** Reads the fixed-width value at a byte position, by type. */
export function readFixed(type: DataType, view: DataView, at: number): TwinValue {
  switch (physicalOf(type)) {
    case 'i8':
      return type.kind === 'uint8' ? view.getUint8(at) : view.getInt8(at)
    case 'i16':
      return type.kind === 'uint16' ? view.getUint16(at, true) : view.getInt16(at, true)
    case 'i32':
      return type.kind === 'uint32' ? view.getUint32(at, true) : view.getInt32(at, true)
    case 'i64':
      return type.kind === 'uint64' ? view.getBigUint64(at, true) : view.getBigInt64(at, true)
    case 'f32':
      return view.getFloat32(at, true)
    case 'f64':
      return view.getFloat64(at, true)
    default:
      return (view.getBigInt64(at + 8, true) << 64n) | view.getBigUint64(at, true)
  }
}

function writeFixed(type: DataType, view: DataView, at: number, value: number | bigint): void {
  switch (physicalOf(type)) {
    case 'i8':
      view.setInt8(at, Number(value))
      break
    case 'i16':
      view.setInt16(at, Number(value), true)
      break
    case 'i32':
      view.setInt32(at, Number(value), true)
      break
    case 'i64':
      view.setBigInt64(at, BigInt(value), true)
      break
    case 'f32':
      view.setFloat32(at, Number(value), true)
      break
    case 'f64':
      view.setFloat64(at, Number(value), true)
      break
    default:
      view.setBigInt64(at, BigInt.asIntN(64, BigInt(value)), true)
      view.setBigInt64(at + 8, BigInt(value) >> 64n, true)
  }
}

const misaligned = (bytes: number, options: TwinOptions): Uint8Array =>
  new Uint8Array(new ArrayBuffer(bytes + options.misalign + 8), options.misalign, bytes)

function bitmapOf(bits: readonly boolean[], options: TwinOptions): Uint8Array {
  const bitmap = misaligned((options.offset + bits.length + 7) >>> 3, options).fill(0)
  bits.forEach((bit, row) => {
    const at = options.offset + row
    if (bit) bitmap[at >>> 3] = (bitmap[at >>> 3] as number) | (1 << (at & 7))
  })
  return bitmap
}

/** An ArrowColumn of the given values. */
export function twinColumn(
  type: DataType,
  values: readonly TwinValue[],
  options: TwinOptions = plainLayout,
): ArrowColumn {
  const nullCount = values.filter((value) => value === null).length
  const base = {
    type,
    length: values.length,
    offset: options.offset,
    nullCount: values.length % 2 === 0 ? nullCount : -1,
    validity:
      nullCount === 0
        ? undefined
        : bitmapOf(
            values.map((value) => value !== null),
            options,
          ),
    offsets: undefined,
    offsetBytes: options.offsetBytes,
    dictionary: undefined,
    indexBytes: 4,
  } as const
  if (type.kind === 'null') return { ...base, validity: undefined, values: new Uint8Array(0) }
  if (type.kind === 'boolean')
    return {
      ...base,
      values: bitmapOf(
        values.map((value) => value === true),
        options,
      ),
    }
  if (type.kind === 'utf8') return { ...base, ...stringBuffers(values, options) }
  const width = widthOf(type)
  const bytes = misaligned((options.offset + values.length) * width, options)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  values.forEach((value, row) => {
    // A null row's bytes are garbage on purpose.
    writeFixed(type, view, (options.offset + row) * width, value === null ? 77 : (value as number | bigint))
  })
  return { ...base, values: bytes }
}

function stringBuffers(
  values: readonly TwinValue[],
  options: TwinOptions,
): { readonly offsets: Uint8Array; readonly values: Uint8Array } {
  const before = Array.from({ length: options.offset }, () => 'garbage')
  const parts = [...before, ...values].map((value) => Buffer.from(value === null ? 'null row' : String(value)))
  const offsets = misaligned((parts.length + 1) * options.offsetBytes, options)
  const view = new DataView(offsets.buffer, offsets.byteOffset)
  let cursor = 0
  for (let row = 0; row <= parts.length; row++) {
    if (options.offsetBytes === 4) view.setUint32(row * 4, cursor, true)
    else view.setBigUint64(row * 8, BigInt(cursor), true)
    cursor += parts[row]?.byteLength ?? 0
  }
  const bytes = misaligned(cursor, options)
  bytes.set(Buffer.concat(parts))
  return { offsets, values: bytes }
}

/** The values of an ArrowColumn without dictionary. */
export function readTwinColumn(column: ArrowColumn): TwinValue[] {
  const { type, offset, validity, values, offsets } = column
  const bit = (bitmap: Uint8Array, at: number): boolean => (((bitmap[at >>> 3] as number) >> (at & 7)) & 1) === 1
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength)
  return Array.from({ length: column.length }, (_, row) => {
    const at = offset + row
    if (type.kind === 'null' || (validity !== undefined && !bit(validity, at))) return null
    if (type.kind === 'boolean') return bit(values, at)
    if (type.kind !== 'utf8') return readFixed(type, view, at * widthOf(type))
    assert(offsets !== undefined && column.offsetBytes === 4, 'The twin reads 32-bit offsets.')
    const offsetView = new DataView(offsets.buffer, offsets.byteOffset)
    const [from, to] = [offsetView.getInt32(at * 4, true), offsetView.getInt32(at * 4 + 4, true)]
    return Buffer.from(values.slice(from, to)).toString()
  })
}

/** The values of a column in the arena: `rowCount` rows from `values`, validity bytes or 0. */
export function readArenaColumn(
  memory: WebAssembly.Memory,
  type: DataType,
  values: number,
  validity: number,
  rowCount: number,
): TwinValue[] {
  const view = new DataView(memory.buffer)
  return Array.from({ length: rowCount }, (_, row) => {
    if (validity !== 0 && view.getUint8(validity + row) === 0) return null
    const at = values + row * widthOf(type)
    if (type.kind === 'boolean') return view.getUint8(at) === 1
    if (type.kind !== 'utf8') return readFixed(type, view, at)
    const length = view.getUint32(at, true)
    const address = length <= 12 ? at + 4 : view.getUint32(at + 8, true)
    return Buffer.from(new Uint8Array(memory.buffer).slice(address, address + length)).toString()
  })
}
