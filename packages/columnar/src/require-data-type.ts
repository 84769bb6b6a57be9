/** What a program gives where a data type belongs: a type, or an error that says how the meant one is written. */
import { makeError } from '@spillway/stdx'
import type { DataType, TypeKind } from './data-type.ts'

/** How programs write each type. */
const writtenAs: { readonly [K in TypeKind]: string } = {
  null: 'DataType.Null',
  boolean: 'DataType.Bool',
  int8: 'DataType.Int8',
  int16: 'DataType.Int16',
  int32: 'DataType.Int32',
  int64: 'DataType.Int64',
  uint8: 'DataType.UInt8',
  uint16: 'DataType.UInt16',
  uint32: 'DataType.UInt32',
  uint64: 'DataType.UInt64',
  float32: 'DataType.Float32',
  float64: 'DataType.Float64',
  utf8: 'DataType.Utf8',
  binary: 'DataType.Binary',
  date: 'DataType.Date',
  timestamp: "DataType.Datetime('us')",
  decimal: 'DataType.Decimal(precision, scale)',
}

/** Names that other systems use. */
const otherNames: ReadonlyMap<string, TypeKind> = new Map<string, TypeKind>([
  ...(['string', 'str', 'text', 'varchar'] as const).map((name) => [name, 'utf8'] as const),
  ...(['bytes', 'blob', 'bytea', 'varbinary'] as const).map((name) => [name, 'binary'] as const),
  ...(['bool', 'boolean'] as const).map((name) => [name, 'boolean'] as const),
  ...(['int', 'integer', 'i32'] as const).map((name) => [name, 'int32'] as const),
  ...(['bigint', 'long', 'i64'] as const).map((name) => [name, 'int64'] as const),
  ...(['number', 'double', 'float', 'f64'] as const).map((name) => [name, 'float64'] as const),
  ...(['datetime', 'timestamp'] as const).map((name) => [name, 'timestamp'] as const),
])

/**
 * Checks what a program gives where a data type belongs.
 * @param where `cast`, `column "a" of the schema`: the end of the message
 * @throws PlanError INVALID_OPTION that says what to write
 */
export function requireDataType(value: unknown, where: string): DataType {
  const kind = (value as { readonly kind?: unknown } | null | undefined)?.kind
  if (typeof value === 'object' && typeof kind === 'string' && Object.hasOwn(writtenAs, kind)) return value as DataType
  const given = typeof value === 'string' ? `"${value}"` : typeof value === 'function' ? 'a function' : String(value)
  const name = typeof value === 'string' ? value.toLowerCase() : ''
  const meant = Object.hasOwn(writtenAs, name) ? (name as TypeKind) : otherNames.get(name)
  const advice =
    typeof value === 'function'
      ? "Call it: DataType.Datetime('us'), DataType.Decimal(12, 2)."
      : `Write ${meant === undefined ? 'a type such as DataType.Int64' : writtenAs[meant]}.`
  throw makeError('INVALID_OPTION', `Not a data type: ${given} in ${where}. ${advice}`, {})
}
