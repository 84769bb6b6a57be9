/**
 * Data types under the names that nodejs-polars uses: `DataType.Int64`, `DataType.Datetime('us', 'UTC')`.
 * Each is plain frozen data; the static type of a constant is exact, so schemas can be inferred from it.
 */
import type { DataType as AnyDataType, TimeUnit } from '@spillway/columnar'
import { makeError } from '@spillway/stdx'
import { MAX_DECIMAL_PRECISION } from './supertype.ts'

const plain = <const K extends string>(kind: K): { readonly kind: K } => Object.freeze({ kind })

export const Null = plain('null')
export const Bool = plain('boolean')
export const Int8 = plain('int8')
export const Int16 = plain('int16')
export const Int32 = plain('int32')
export const Int64 = plain('int64')
export const UInt8 = plain('uint8')
export const UInt16 = plain('uint16')
export const UInt32 = plain('uint32')
export const UInt64 = plain('uint64')
export const Float32 = plain('float32')
export const Float64 = plain('float64')
export const Utf8 = plain('utf8')
/** Bytes of any kind. */
export const Binary = plain('binary')
/** Days since 1970-01-01. `DataType.Date` is the same; the plain name would hide JavaScript's Date. */
const CalendarDate = plain('date')

/** A point in time in units since 1970-01-01 UTC. The zone is carried along, never applied. */
export function Datetime(
  unit: TimeUnit = 'us',
  timezone: string | undefined = undefined,
): Extract<AnyDataType, { kind: 'timestamp' }> {
  if (!['s', 'ms', 'us', 'ns'].includes(unit)) {
    throw makeError('INVALID_OPTION', `Unknown time unit: ${JSON.stringify(unit)}. Use "s", "ms", "us" or "ns".`)
  }
  return Object.freeze({ kind: 'timestamp', unit, timezone })
}

/** An exact decimal with `precision` digits, 1 to 38, of which `scale` stand behind the point. */
export function Decimal(precision = MAX_DECIMAL_PRECISION, scale = 0): Extract<AnyDataType, { kind: 'decimal' }> {
  const isValid =
    Number.isInteger(precision) &&
    Number.isInteger(scale) &&
    precision >= 1 &&
    precision <= MAX_DECIMAL_PRECISION &&
    scale >= 0 &&
    scale <= precision
  if (!isValid) {
    throw makeError(
      'INVALID_OPTION',
      `Decimal needs precision 1 to 38 and scale 0 to precision: got (${precision}, ${scale}).`,
    )
  }
  return Object.freeze({ kind: 'decimal', precision, scale })
}

/** All data types by name. */
export const DataType = Object.freeze({
  Null,
  Bool,
  Boolean: Bool,
  Int8,
  Int16,
  Int32,
  Int64,
  UInt8,
  UInt16,
  UInt32,
  UInt64,
  Float32,
  Float64,
  Utf8,
  String: Utf8,
  Binary,
  Date: CalendarDate,
  Datetime,
  Decimal,
})

/** Any data type. */
export type DataType = AnyDataType
