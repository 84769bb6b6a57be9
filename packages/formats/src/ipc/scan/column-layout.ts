/**
 * How the columns of an Arrow IPC file are stored: which types Spillway reads, and where each column's node and buffers
 * stand among those of a record batch, which are listed depth first over all columns, unsupported ones too.
 */
import { type DataType, type LeftOutColumn, typeName } from '@spillway/columnar'
import { type LeftOutElement, withoutRepeatedNames } from '../../parquet/schema-elements.ts'
import {
  decimalSlot,
  dictionaryEncodingSlot,
  fieldSlot,
  intSlot,
  schemaSlot,
  timestampSlot,
  timeUnits,
  typeKind,
} from '../arrow-slots.ts'
import { findDataType } from '../arrow-type.ts'
import {
  type FlatTable,
  findTable,
  findText,
  readInt16,
  readInt32,
  readInt64,
  readInt8,
  readVector,
  tableAt,
} from '../flat-table.ts'
import { ipcDamage, type IpcPlace, ipcUnsupported } from './ipc-damage.ts'

/** How values lie in their buffers. */
export type IpcStorage =
  | { readonly kind: 'null' }
  /** As in the arena. */
  | { readonly kind: 'fixed'; readonly width: number }
  /** Decimals of 32 or 64 bits. */
  | { readonly kind: 'widened'; readonly width: 4 | 8 }
  | { readonly kind: 'bits' }
  /** Text or bytes behind offsets. */
  | { readonly kind: 'offsets'; readonly offsetBytes: 4 | 8; readonly isText: boolean }
  /** Text or bytes behind views, in any number of buffers. */
  | { readonly kind: 'views'; readonly isText: boolean }

/** Where a column stands in a record batch. */
export interface IpcPosition {
  /** Index of its field node and of its first buffer, those of views aside. */
  readonly node: number
  readonly buffer: number
  /** How many columns of views stand before it: each has a number of buffers more that the batch tells. */
  readonly viewsBefore: number
}

export interface IpcColumn {
  readonly name: string
  readonly type: DataType
  readonly nullable: boolean
  /** Of the values; those of a dictionary lie in batches of their own. */
  readonly storage: IpcStorage
  readonly dictionary: { readonly id: number; readonly indexBytes: 1 | 2 | 4 } | undefined
  readonly position: IpcPosition
}

export interface IpcColumns {
  readonly columns: readonly IpcColumn[]
  readonly leftOut: readonly LeftOutColumn[]
  /** Of a whole record batch, buffers of views aside. */
  readonly nodes: number
  readonly buffers: number
  readonly viewColumns: number
}

/** A damaged schema may refer to itself: it must not be walked for ever. */
const FIELDS_MAX = 100_000
const DEPTH_MAX = 64

interface Walk {
  node: number
  buffer: number
  views: number
  fields: number
  readonly place: IpcPlace
}

/** Lists the columns of a Schema table. @throws ARROW_INVALID */
export function listColumns(schema: FlatTable, place: IpcPlace): IpcColumns {
  if (readInt16(schema, schemaSlot.endianness, 0) !== 0) throw ipcUnsupported('its numbers are big-endian', place)
  const vector = readVector(schema, schemaSlot.fields, 4)
  const walk: Walk = { node: 0, buffer: 0, views: 0, fields: 0, place }
  const columns: IpcColumn[] = []
  const leftOut: LeftOutElement[] = []
  for (let index = 0; index < vector.length; index++) {
    const field = tableAt(schema, vector, index)
    const name = findText(field, fieldSlot.name) ?? ''
    const position = { node: walk.node, buffer: walk.buffer, viewsBefore: walk.views }
    const found = readField(field)
    skipField(field, walk, 0)
    if ('reason' in found) leftOut.push({ name, ...found, code: 'UNSUPPORTED_TYPE' })
    else columns.push({ name, nullable: readInt8(field, fieldSlot.nullable, 0) !== 0, position, ...found })
  }
  const distinct = withoutRepeatedNames(columns, leftOut)
  return {
    columns: distinct.columns,
    leftOut: distinct.leftOut.map((column) => ({ ...column, file: place.file })),
    nodes: walk.node,
    buffers: walk.buffer,
    viewColumns: walk.views,
  }
}

/** What a field is for Spillway, or why it is nothing. */
function readField(field: FlatTable): Pick<IpcColumn, 'type' | 'storage' | 'dictionary'> | Unread {
  const kind = readInt8(field, fieldSlot.typeKind, 0)
  const typeTable = findTable(field, fieldSlot.type)
  if (typeTable === undefined) return unread('none', 'the file does not say its type')
  const stored = storedAs(kind, typeTable)
  if ('reason' in stored) return stored
  const encoding = findTable(field, fieldSlot.dictionary)
  if (encoding === undefined) return { ...stored, dictionary: undefined }
  if (stored.type.kind === 'null') return unread('dictionary<null>', 'dictionaries of nulls are not read')
  const indexType = findTable(encoding, dictionaryEncodingSlot.indexType)
  const bits = indexType === undefined ? 32 : readInt32(indexType, intSlot.bitWidth, 0)
  if (bits !== 8 && bits !== 16 && bits !== 32) {
    return unread(`dictionary<${typeName(stored.type)}>`, `indices of ${bits} bits are not read`)
  }
  const id = readInt64(encoding, dictionaryEncodingSlot.id, 0)
  return { ...stored, dictionary: { id, indexBytes: (bits / 8) as 1 | 2 | 4 } }
}

/** What the file calls a type, and why it is not read. */
type Unread = Pick<LeftOutColumn, 'type' | 'reason'>

const unread = (type: string, reason = 'there is no such type here yet'): Unread => ({ type, reason })

function storedAs(kind: number, table: FlatTable): { type: DataType; storage: IpcStorage } | Unread {
  const isText = kind === typeKind.largeUtf8 || kind === typeKind.utf8View
  const type: DataType = { kind: isText ? 'utf8' : 'binary' }
  if (kind === typeKind.largeUtf8 || kind === typeKind.largeBinary) {
    return { type, storage: { kind: 'offsets', offsetBytes: 8, isText } }
  }
  if (kind === typeKind.utf8View || kind === typeKind.binaryView) return { type, storage: { kind: 'views', isText } }
  return storedOtherwise(kind, table)
}

function storedOtherwise(kind: number, table: FlatTable): { type: DataType; storage: IpcStorage } | Unread {
  if (kind === typeKind.decimal) return storedDecimal(table)
  // A date in milliseconds holds the same number as a timestamp.
  const type = findDataType(kind, table) ?? (kind === typeKind.date ? milliseconds : undefined)
  if (type === undefined) {
    const name = nameOfKind.get(kind) ?? `Arrow type ${kind}`
    return unread(name, nested.has(kind) ? 'nested columns are not read' : undefined)
  }
  if (type.kind === 'timestamp' && kind === typeKind.timestamp) {
    const timezone = findText(table, timestampSlot.timezone)
    return {
      type: { kind: 'timestamp', unit: type.unit, timezone: timezone === '' ? undefined : timezone },
      storage: { kind: 'fixed', width: 8 },
    }
  }
  return { type, storage: plainStorage(type) }
}

const milliseconds: DataType = { kind: 'timestamp', unit: timeUnits[1], timezone: undefined }
const DECIMAL_DIGITS_MAX = 38

function storedDecimal(table: FlatTable): { type: DataType; storage: IpcStorage } | Unread {
  const bits = readInt32(table, decimalSlot.bitWidth, 128)
  const digits = readInt32(table, decimalSlot.precision, 0)
  const scale = readInt32(table, decimalSlot.scale, 0)
  const name = `decimal(${digits},${scale})`
  if (bits !== 32 && bits !== 64 && bits !== 128) return unread(name, `decimals of ${bits} bits are not read`)
  if (!(digits >= 1 && digits <= DECIMAL_DIGITS_MAX && scale >= 0 && scale <= digits)) {
    return unread(name, 'decimals have 1 to 38 digits and no negative scale here')
  }
  const type = { kind: 'decimal', precision: digits, scale } as const
  return {
    type,
    storage: bits === 128 ? { kind: 'fixed', width: 16 } : { kind: 'widened', width: bits === 32 ? 4 : 8 },
  }
}

function plainStorage(type: DataType): IpcStorage {
  switch (type.kind) {
    case 'null':
      return { kind: 'null' }
    case 'boolean':
      return { kind: 'bits' }
    case 'utf8':
    case 'binary':
      return { kind: 'offsets', offsetBytes: 4, isText: type.kind === 'utf8' }
    default:
      return { kind: 'fixed', width: fixedWidth[type.kind] }
  }
}

const fixedWidth = {
  ...{ int8: 1, uint8: 1, int16: 2, uint16: 2, int32: 4, uint32: 4, int64: 8, uint64: 8 },
  ...{ float32: 4, float64: 8, date: 4, timestamp: 8, decimal: 16 },
} as const

const nameOfKind: ReadonlyMap<number, string> = new Map([
  [typeKind.fixedSizeBinary, 'fixed-size binary'],
  [typeKind.floatingPoint, 'float16'],
  [typeKind.time, 'time'],
  [typeKind.interval, 'interval'],
  [typeKind.duration, 'duration'],
  [typeKind.list, 'list'],
  [typeKind.largeList, 'list'],
  [typeKind.listView, 'list'],
  [typeKind.largeListView, 'list'],
  [typeKind.fixedSizeList, 'fixed-size list'],
  [typeKind.struct, 'struct'],
  [typeKind.map, 'map'],
  [typeKind.union, 'union'],
  [typeKind.runEndEncoded, 'run-end encoded'],
])

const nested: ReadonlySet<number> = new Set([
  ...[typeKind.list, typeKind.largeList, typeKind.listView, typeKind.largeListView, typeKind.fixedSizeList],
  ...[typeKind.struct, typeKind.map, typeKind.union],
])

/** Buffers of a type itself, without those of its children and of views; 2 where nothing else is said. */
const ownBuffers: ReadonlyMap<number, number> = new Map([
  ...([typeKind.null, typeKind.runEndEncoded] as const).map((kind): [number, number] => [kind, 0]),
  ...([typeKind.struct, typeKind.fixedSizeList] as const).map((kind): [number, number] => [kind, 1]),
  ...[typeKind.binary, typeKind.utf8, typeKind.largeBinary, typeKind.largeUtf8].map((kind): [number, number] => [
    kind,
    3,
  ]),
  ...[typeKind.listView, typeKind.largeListView].map((kind): [number, number] => [kind, 3]),
])
const DENSE_UNION = 1

/** Counts the nodes and buffers of a field and its children. */
function skipField(field: FlatTable, walk: Walk, depth: number): void {
  walk.fields += 1
  if (walk.fields > FIELDS_MAX || depth > DEPTH_MAX) throw ipcDamage('its schema is endless', walk.place)
  walk.node += 1
  // The values of a dictionary lie elsewhere: here are only indices.
  if (findTable(field, fieldSlot.dictionary) !== undefined) {
    walk.buffer += 2
    return
  }
  const kind = readInt8(field, fieldSlot.typeKind, 0)
  if (kind === typeKind.union) {
    const table = findTable(field, fieldSlot.type)
    walk.buffer += table !== undefined && readInt16(table, 0, 0) === DENSE_UNION ? 2 : 1
  } else walk.buffer += ownBuffers.get(kind) ?? 2
  if (kind === typeKind.utf8View || kind === typeKind.binaryView) walk.views += 1
  const children = readVector(field, fieldSlot.children, 4)
  for (let index = 0; index < children.length; index++) skipField(tableAt(field, children, index), walk, depth + 1)
}
