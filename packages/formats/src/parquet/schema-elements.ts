/** Parquet's schema elements and Spillway's types: reading a footer's schema, and writing one. */
import { type DataType, type LeftOutColumn, type Schema, type TimeUnit, typeName } from '@spillway/columnar'
import { unreachable } from '@spillway/stdx'
import type { ParquetPhysical, ParquetStorage } from './file-meta.ts'
import {
  booleanField,
  byteField,
  findBoolean,
  findNumber,
  findStruct,
  findText,
  i32Field,
  structField,
  structsOf,
  textField,
  ThriftError,
} from './thrift.ts'
import type { ThriftField, ThriftStruct } from './thrift.ts'

/** By the format's code. */
export const physicalTypes: readonly ParquetPhysical[] = [
  'boolean',
  'int32',
  'int64',
  'int96',
  'float',
  'double',
  'byteArray',
  'fixedLengthByteArray',
]

const Converted = {
  utf8: 0,
  map: 1,
  mapKeyValue: 2,
  list: 3,
  enum: 4,
  decimal: 5,
  date: 6,
  timestampMillis: 9,
  timestampMicros: 10,
  uint8: 11,
  uint16: 12,
  uint32: 13,
  uint64: 14,
  int8: 15,
  int16: 16,
  int32: 17,
  int64: 18,
  json: 19,
} as const

/** By the code of the format's ConvertedType. */
const unsupportedConverted: Readonly<Record<number, string>> = {
  7: 'time',
  8: 'time',
  20: 'bson',
  21: 'interval',
}

/** Bytes of a fixed-length value that are believed: the engine's types need 16. */
const LENGTH_MAX = 1 << 20

const Repetition = { required: 0, optional: 1, repeated: 2 } as const

/** A column that can be read, and which of the file's leaf columns it is. */
export interface LeafColumn {
  readonly name: string
  readonly leafIndex: number
  readonly type: DataType
  readonly storage: ParquetStorage
}

/** Without the file's name, which its elements do not know. */
export type LeftOutElement = Omit<LeftOutColumn, 'file'>

export interface ParsedSchema {
  readonly columns: readonly LeafColumn[]
  readonly leftOut: readonly LeftOutElement[]
  /** Leaf columns of the file, including those left out: chunks of a row group. */
  readonly leafCount: number
}

/** Reads the footer's elements, root first, depth first. @throws ThriftError */
export function parseSchemaElements(footer: ThriftStruct): ParsedSchema {
  const elements = structsOf(footer, 2)
  const columns: LeafColumn[] = []
  const leftOut: LeftOutElement[] = []
  let position = 1
  let leafCount = 0
  const skipTree = (): void => {
    // Counts pending elements rather than recursing: a damaged count then ends at the end of the list.
    for (let pending = 1; pending > 0; pending--) {
      const element = elements[position++]
      if (element === undefined) throw new ThriftError('the schema ends before its last column')
      const children = findNumber(element, 5) ?? 0
      if (children > 0) pending += children
      else if (findNumber(element, 1) !== undefined) leafCount++
    }
  }
  const root = elements[0]
  if (root === undefined) throw new ThriftError('the schema has no root')
  for (let left = findNumber(root, 5) ?? 0; left > 0; left--) {
    const element = elements[position]
    if (element === undefined) throw new ThriftError('the schema ends before its last column')
    const name = findText(element, 4) ?? ''
    const read = readColumn(element)
    if ('reason' in read) leftOut.push({ name, ...read, code: 'UNSUPPORTED_TYPE' })
    else columns.push({ name, leafIndex: leafCount, ...read })
    skipTree()
  }
  return { ...withoutRepeatedNames(columns, leftOut), leafCount }
}

/** Columns of one name cannot be told apart in a query: none of them is read, and whoever asks hears why. */
export function withoutRepeatedNames<C extends { readonly name: string; readonly type: DataType }>(
  columns: readonly C[],
  leftOut: readonly LeftOutElement[],
): { readonly columns: readonly C[]; readonly leftOut: readonly LeftOutElement[] } {
  const types = new Map<string, string[]>()
  for (const { name, type } of [...columns, ...leftOut]) {
    const text = typeof type === 'string' ? type : typeName(type)
    const known = types.get(name)
    if (known === undefined) types.set(name, [text])
    else known.push(text)
  }
  if (types.size === columns.length + leftOut.length) return { columns, leftOut }
  const isOnly = ({ name }: { readonly name: string }): boolean => types.get(name)?.length === 1
  const repeated = [...types].flatMap(([name, of]): LeftOutElement[] =>
    of.length === 1
      ? []
      : [{ name, type: of.join(', '), reason: `${of.length} columns have this name`, code: 'DUPLICATE_COLUMN' }],
  )
  return { columns: columns.filter(isOnly), leftOut: [...leftOut.filter(isOnly), ...repeated] }
}

/** What the file calls a type, and why it is not read. */
type Unread = Pick<LeftOutColumn, 'type' | 'reason'>

const unread = (type: string, reason: string): Unread => ({ type, reason })
const isUnread = (type: DataType | Unread): type is Unread => 'reason' in type

/** The type and storage of a top-level element, or why it cannot be read. */
function readColumn(element: ThriftStruct): { type: DataType; storage: ParquetStorage } | Unread {
  const physical = physicalTypes[findNumber(element, 1) ?? -1]
  const repetition = findNumber(element, 3)
  if (physical === undefined || (findNumber(element, 5) ?? 0) > 0) return readNested(element)
  const typeLength = findNumber(element, 2)
  const type = readType(element, physical)
  if (repetition === Repetition.repeated) {
    return unread(`list<${isUnread(type) ? type.type : typeName(type)}>`, 'nested columns are not read')
  }
  if (isUnread(type)) return type
  // Readers ask for so many bytes: a negative number, or none, must not reach them.
  const isSized = typeLength !== undefined && typeLength >= 0 && typeLength <= LENGTH_MAX
  if (physical === 'fixedLengthByteArray' && !isSized) throw new ThriftError(`values of ${typeLength} bytes`)
  return { type, storage: { physical, typeLength, required: repetition === Repetition.required } }
}

function readNested(element: ThriftStruct): Unread {
  const logical = findStruct(element, 10)?.[0]?.id
  const converted = findNumber(element, 6)
  const isList = logical === 3 || converted === Converted.list
  const isMap = logical === 2 || converted === Converted.map || converted === Converted.mapKeyValue
  const isVariant = logical === 16
  return unread(isList ? 'list' : isMap ? 'map' : isVariant ? 'variant' : 'struct', 'nested columns are not read')
}

function readType(element: ThriftStruct, physical: ParquetPhysical): DataType | Unread {
  const annotation = readLogicalType(element) ?? readConvertedType(element)
  if (annotation !== undefined && isUnread(annotation)) return annotation
  if (annotation !== undefined) {
    if (holds(physical, annotation)) return annotation
    return unread(typeName(annotation), `it is stored as ${physical}, which is not a form of it`)
  }
  switch (physical) {
    case 'boolean':
    case 'int32':
    case 'int64':
      return { kind: physical }
    case 'int96':
      // Spark's dates reach to the year 9999, which 64 bits of nanoseconds do not hold.
      return { kind: 'timestamp', unit: 'us', timezone: undefined }
    case 'float':
      return { kind: 'float32' }
    case 'double':
      return { kind: 'float64' }
    case 'byteArray':
    case 'fixedLengthByteArray':
      return { kind: 'binary' }
    default:
      return unreachable(physical)
  }
}

/** Whether a value of `type` may be stored as `physical`. */
function holds(physical: ParquetPhysical, type: DataType): boolean {
  switch (type.kind) {
    case 'null':
      return true
    case 'utf8':
    case 'binary':
      return physical === 'byteArray'
    case 'int64':
    case 'uint64':
    case 'timestamp':
      return physical === 'int64'
    case 'decimal':
      return ['int32', 'int64', 'byteArray', 'fixedLengthByteArray'].includes(physical)
    default:
      return physical === 'int32'
  }
}

/** By the field number in the format's LogicalType union. */
const unsupportedLogical: Readonly<Record<number, string>> = {
  2: 'map',
  3: 'list',
  7: 'time',
  13: 'bson',
  14: 'uuid',
  15: 'float16',
  16: 'variant',
  17: 'geometry',
  18: 'geography',
}

const NO_SUCH_TYPE = 'there is no such type here yet'

function readLogicalType(element: ThriftStruct): DataType | Unread | undefined {
  const union = findStruct(element, 10)
  const id = union?.[0]?.id
  if (union === undefined || id === undefined) return undefined
  const body = findStruct(union, id) ?? []
  switch (id) {
    case 1:
    case 4:
    case 12:
      return { kind: 'utf8' }
    case 5:
      return decimalType(findNumber(body, 2) ?? 0, findNumber(body, 1) ?? 0)
    case 6:
      return { kind: 'date' }
    case 8:
      return timestampType(findStruct(body, 2)?.[0]?.id, findBoolean(body, 1) === true)
    case 10:
      return integerType(findNumber(body, 1) ?? 0, findBoolean(body, 2) !== false)
    case 11:
      return { kind: 'null' }
    default: {
      // What a later version of the format adds is read as the values that it annotates.
      const name = unsupportedLogical[id]
      return name === undefined ? undefined : unread(name, NO_SUCH_TYPE)
    }
  }
}

function readConvertedType(element: ThriftStruct): DataType | Unread | undefined {
  const converted = findNumber(element, 6)
  switch (converted) {
    case undefined:
      return undefined
    case Converted.utf8:
    case Converted.enum:
    case Converted.json:
      return { kind: 'utf8' }
    case Converted.decimal:
      return decimalType(findNumber(element, 8) ?? 0, findNumber(element, 7) ?? 0)
    case Converted.date:
      return { kind: 'date' }
    case Converted.timestampMillis:
      return { kind: 'timestamp', unit: 'ms', timezone: 'UTC' }
    case Converted.timestampMicros:
      return { kind: 'timestamp', unit: 'us', timezone: 'UTC' }
    default:
      if (converted >= Converted.uint8 && converted <= Converted.uint64) {
        return integerType(8 << (converted - Converted.uint8), false)
      }
      if (converted >= Converted.int8 && converted <= Converted.int64) {
        return integerType(8 << (converted - Converted.int8), true)
      }
      return unsupportedConverted[converted] === undefined
        ? undefined
        : unread(unsupportedConverted[converted] as string, NO_SUCH_TYPE)
  }
}

function decimalType(precision: number, scale: number): DataType | Unread {
  const name = `decimal(${precision},${scale})`
  if (precision < 1 || precision > 38) return unread(name, 'decimals have 1 to 38 digits here')
  if (scale < 0 || scale > precision) return unread(name, 'its scale exceeds its digits')
  return { kind: 'decimal', precision, scale }
}

function timestampType(unitId: number | undefined, isUtc: boolean): DataType | Unread {
  const unit = ([undefined, 'ms', 'us', 'ns'] as const)[unitId ?? 0]
  return unit === undefined
    ? unread('timestamp', 'its unit is not known')
    : { kind: 'timestamp', unit, timezone: isUtc ? 'UTC' : undefined }
}

function integerType(bits: number, isSigned: boolean): DataType | Unread {
  switch (bits) {
    case 8:
      return { kind: isSigned ? 'int8' : 'uint8' }
    case 16:
      return { kind: isSigned ? 'int16' : 'uint16' }
    case 32:
      return { kind: isSigned ? 'int32' : 'uint32' }
    case 64:
      return { kind: isSigned ? 'int64' : 'uint64' }
    default:
      return unread(`integer of ${bits} bits`, NO_SUCH_TYPE)
  }
}

/** The type a column must be cast to before it is written: Parquet has no timestamps in seconds. */
export function parquetStorageType(type: DataType): DataType {
  return type.kind === 'timestamp' && type.unit === 's' ? { ...type, unit: 'ms' } : type
}

/** The elements of a file that has no row group to take them from, root first. */
export function schemaElementsOf(schema: Schema): ThriftStruct[] {
  const root = [textField(4, 'schema'), i32Field(5, schema.fields.length)]
  return [
    root,
    ...schema.fields.map(({ name, type, nullable }) => [
      // A column of type null is null everywhere, whatever its source promised.
      i32Field(3, nullable || type.kind === 'null' ? Repetition.optional : Repetition.required),
      textField(4, name),
      ...storedFields(parquetStorageType(type)),
    ]),
  ]
}

/** Physical type and annotations for a type, as the encoder writes them. */
function storedFields(type: DataType): ThriftField[] {
  const physical = (name: ParquetPhysical): ThriftField => i32Field(1, physicalTypes.indexOf(name))
  const logical = (id: number, body: ThriftStruct): ThriftField => structField(10, [structField(id, body)])
  switch (type.kind) {
    case 'null':
      return [physical('int32'), logical(11, [])]
    case 'boolean':
      return [physical('boolean')]
    case 'float32':
      return [physical('float')]
    case 'float64':
      return [physical('double')]
    case 'utf8':
      return [physical('byteArray'), i32Field(6, Converted.utf8), logical(1, [])]
    case 'binary':
      return [physical('byteArray')]
    case 'date':
      return [physical('int32'), i32Field(6, Converted.date), logical(6, [])]
    case 'timestamp':
      return [physical('int64'), logical(8, timestampBody(type.unit, type.timezone !== undefined))]
    case 'decimal':
      return decimalFields(type.precision, type.scale)
    case 'int32':
    case 'int64':
      return [physical(type.kind)]
    case 'int8':
    case 'int16':
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint64': {
      const bits = Number(type.kind.replace(/\D+/, ''))
      const isSigned = type.kind.startsWith('i')
      const body = [byteField(1, bits), booleanField(2, isSigned)]
      return [physical(bits === 64 ? 'int64' : 'int32'), i32Field(6, Converted[type.kind]), logical(10, body)]
    }
    default:
      return unreachable(type)
  }
}

function timestampBody(unit: TimeUnit, isUtc: boolean): ThriftStruct {
  const unitId = { s: 1, ms: 1, us: 2, ns: 3 }[unit]
  return [booleanField(1, isUtc), structField(2, [structField(unitId, [])])]
}

function decimalFields(precision: number, scale: number): ThriftField[] {
  const fields = [
    i32Field(6, Converted.decimal),
    i32Field(7, scale),
    i32Field(8, precision),
    structField(10, [structField(5, [i32Field(1, scale), i32Field(2, precision)])]),
  ]
  if (precision <= 18) return [i32Field(1, physicalTypes.indexOf(precision <= 9 ? 'int32' : 'int64')), ...fields]
  const length = Math.ceil((Math.log2(10) * precision + 1) / 8)
  return [i32Field(1, physicalTypes.indexOf('fixedLengthByteArray')), i32Field(2, length), ...fields]
}

/**
 * The element under which the codec shall read a column. Annotations that do not change the bits in Arrow's layout
 * are left out (a timestamp is read as the int64 that it is), so little depends on the codec's understanding of them.
 */
export function codecElement(name: string, type: DataType, storage: ParquetStorage): ThriftStruct {
  const fields = [
    i32Field(1, physicalTypes.indexOf(storage.physical)),
    i32Field(3, storage.required ? Repetition.required : Repetition.optional),
    textField(4, name),
  ]
  if (storage.typeLength !== undefined) fields.push(i32Field(2, storage.typeLength))
  switch (type.kind) {
    case 'utf8':
    case 'int8':
    case 'int16':
    case 'uint8':
    case 'uint16':
      return [...fields, i32Field(6, Converted[type.kind])]
    case 'decimal':
      return [...fields, i32Field(6, Converted.decimal), i32Field(7, type.scale), i32Field(8, type.precision)]
    default:
      return fields
  }
}
