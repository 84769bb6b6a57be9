/** How Spillway's data types and Apache Arrow's correspond. */
import { makeError, unreachable } from '@spillway/stdx'
import type * as Arrow from 'apache-arrow'
import type { DataType, TimeUnit } from '../data-type.ts'
import type { Schema } from '../schema.ts'
import { makeSchema } from '../schema.ts'
import { arrowLibrary } from './arrow-library.ts'

/**
 * The data type of an Arrow type. A dictionary gives the type of its values, LargeUtf8 gives utf8, LargeBinary gives
 * binary, and a date in milliseconds (Date64) gives timestamp[ms], which holds the same number.
 * @throws DataError UNSUPPORTED_TYPE for nested, time, interval, duration, half float, wider decimals and binary of
 * fixed size.
 */
export function dataTypeFromArrow(type: Arrow.DataType, columnName?: string): DataType {
  const arrow = arrowLibrary()
  if (arrow.DataType.isNull(type)) return { kind: 'null' }
  if (arrow.DataType.isBool(type)) return { kind: 'boolean' }
  if (arrow.DataType.isUtf8(type) || arrow.DataType.isLargeUtf8(type)) return { kind: 'utf8' }
  if (arrow.DataType.isBinary(type) || arrow.DataType.isLargeBinary(type)) return { kind: 'binary' }
  if (arrow.DataType.isInt(type)) return integerType(type)
  if (arrow.DataType.isDictionary(type)) return dataTypeFromArrow(type.dictionary, columnName)
  if (arrow.DataType.isFloat(type) && type.precision !== arrow.Precision.HALF) {
    return { kind: type.precision === arrow.Precision.SINGLE ? 'float32' : 'float64' }
  }
  if (arrow.DataType.isDate(type)) {
    return type.unit === arrow.DateUnit.DAY ? { kind: 'date' } : { kind: 'timestamp', unit: 'ms', timezone: undefined }
  }
  if (arrow.DataType.isTimestamp(type)) {
    return { kind: 'timestamp', unit: unitFromArrow(type.unit), timezone: type.timezone ?? undefined }
  }
  if (arrow.DataType.isDecimal(type) && type.bitWidth === 128) {
    return { kind: 'decimal', precision: type.precision, scale: type.scale }
  }
  const where = columnName === undefined ? '' : ` in column "${columnName}"`
  throw makeError('UNSUPPORTED_TYPE', `Unsupported Arrow type${where}: ${String(type)}. Drop or convert the column.`, {
    column: columnName,
    type: String(type),
  })
}

/** The schema of an Arrow schema; see `dataTypeFromArrow`. */
export function schemaFromArrow(schema: Arrow.Schema): Schema {
  return makeSchema(
    schema.fields.map((field) => ({
      name: field.name,
      type: dataTypeFromArrow(field.type, field.name),
      nullable: field.nullable,
    })),
  )
}

/** The plain Arrow type (no dictionary, 4-byte string offsets) of a data type. */
export function arrowType(type: DataType): Arrow.DataType {
  const arrow = arrowLibrary()
  switch (type.kind) {
    case 'null':
      return new arrow.Null()
    case 'boolean':
      return new arrow.Bool()
    case 'int8':
      return new arrow.Int8()
    case 'int16':
      return new arrow.Int16()
    case 'int32':
      return new arrow.Int32()
    case 'int64':
      return new arrow.Int64()
    case 'uint8':
      return new arrow.Uint8()
    case 'uint16':
      return new arrow.Uint16()
    case 'uint32':
      return new arrow.Uint32()
    case 'uint64':
      return new arrow.Uint64()
    case 'float32':
      return new arrow.Float32()
    case 'float64':
      return new arrow.Float64()
    case 'utf8':
      return new arrow.Utf8()
    case 'binary':
      return new arrow.Binary()
    case 'date':
      return new arrow.DateDay()
    case 'timestamp':
      return new arrow.Timestamp(unitToArrow(type.unit), type.timezone ?? null)
    case 'decimal':
      return new arrow.Decimal(type.scale, type.precision, 128)
    default:
      return unreachable(type)
  }
}

/** The Arrow schema of a schema, with plain types. */
export function arrowSchema(schema: Schema): Arrow.Schema {
  const arrow = arrowLibrary()
  return new arrow.Schema(
    schema.fields.map((field) => new arrow.Field(field.name, arrowType(field.type), field.nullable)),
  )
}

function integerType(type: Arrow.Int): DataType {
  const kinds = type.isSigned
    ? ({ 8: 'int8', 16: 'int16', 32: 'int32', 64: 'int64' } as const)
    : ({ 8: 'uint8', 16: 'uint16', 32: 'uint32', 64: 'uint64' } as const)
  return { kind: kinds[type.bitWidth] }
}

function unitFromArrow(unit: Arrow.TimeUnit): TimeUnit {
  const arrow = arrowLibrary()
  switch (unit) {
    case arrow.TimeUnit.SECOND:
      return 's'
    case arrow.TimeUnit.MILLISECOND:
      return 'ms'
    case arrow.TimeUnit.MICROSECOND:
      return 'us'
    case arrow.TimeUnit.NANOSECOND:
      return 'ns'
    default:
      return unreachable(unit)
  }
}

function unitToArrow(unit: TimeUnit): Arrow.TimeUnit {
  const arrow = arrowLibrary()
  const units = {
    s: arrow.TimeUnit.SECOND,
    ms: arrow.TimeUnit.MILLISECOND,
    us: arrow.TimeUnit.MICROSECOND,
    ns: arrow.TimeUnit.NANOSECOND,
  } as const
  return units[unit]
}
