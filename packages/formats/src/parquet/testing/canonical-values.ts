/** For tests: a table of all types, and its values as text that is the same for equal values of all readers. */
import type { ArrowColumn } from '@spillway/columnar'
import { makeExactReader } from '@spillway/columnar'

/** Query of a table with nulls, runs, repeated and unique values of every type that the engine reads. */
export const allTypes = (rows: number): string => allTypesQuery.replace('ROWS', String(rows))

const allTypesQuery = `
  select i,
    case when i % 7 = 3 then null else i % 2 = 0 end as bool_,
    case when i % 5 = 1 then null else (i * 37 % 256 - 128)::tinyint end as int8_,
    case when i % 5 = 2 then null else (i * 7919 % 65536 - 32768)::smallint end as int16_,
    case when i % 5 = 3 then null else ((hash(i) % 4294967296)::bigint - 2147483648)::integer end as int32_,
    case when i = 0 then 9223372036854775807 when i = 1 then -9223372036854775808 when i % 5 = 4 then null
      else (hash(i) >> 1)::bigint end as int64_,
    (i * 37 % 256)::utinyint as uint8_,
    case when i % 3 = 1 then null else (i * 7919 % 65536)::usmallint end as uint16_,
    case when i % 3 = 2 then null else (hash(i) % 4294967296)::uinteger end as uint32_,
    hash(i)::ubigint as uint64_,
    case when i % 11 = 1 then 'nan' when i % 11 = 2 then '-0'::float when i % 11 = 3 then null
      else (i / 3)::float end as float32_,
    case when i % 11 = 1 then 'nan' when i % 11 = 2 then '-inf' when i % 11 = 3 then null
      else i / 7.0::double end as float64_,
    case when i % 9 = 1 then null when i % 9 = 2 then '' when i % 9 = 3 then 'Grüße 🌍 ' || i
      else repeat('x', (i % 40)::int) || i end as text_,
    case when i % 4 = 1 then null else ['red', 'green', 'a colour with a long name'][1 + i % 3] end as low_,
    case when i % 6 = 1 then null else date '1900-01-01' + (i % 30000)::int end as date_,
    make_timestamp(i * 1234567890123) as timestamp_us_,
    make_timestamp_ns(case when i % 4 = 0 then null else i * 12345678901234 - 1000 end) as timestamp_ns_,
    make_timestamp(i * 123456789000)::timestamp_ms as timestamp_ms_,
    make_timestamp(i * 1234567890123)::timestamptz as timestamp_tz_,
    case when i % 8 = 1 then null else (i * 1.25 - 100)::decimal(9, 2) end as decimal32_,
    (i * 123456.789 - 1000000)::decimal(18, 4) as decimal64_,
    case when i % 8 = 2 then null when i = 0 then '9999999999999999999999999999.9999999999'::decimal(38, 10)
      else (i * -98765432109.0123456789)::decimal(38, 10) end as decimal128_,
    case when i % 2 = 0 then null else i end as half_null_,
    case when i % 1000 < 500 then null else i end as runs_,
    (i // 700)::integer as sorted_,
    null::integer as all_null_
  from range(ROWS) t(i)`

/** A value of DuckDB, or an exact one of ours, as text; timestamps in nanoseconds. */
export function canonical(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Object.is(value, -0)) return '-0'
  if (typeof value !== 'object') return String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  const object = value as Record<string, bigint | number | Uint8Array>
  const scales = { seconds: 1_000_000_000n, millis: 1_000_000n, micros: 1_000n, nanos: 1n }
  for (const [unit, scale] of Object.entries(scales)) {
    if (object[unit] !== undefined) return String(BigInt(object[unit] as bigint) * scale)
  }
  if (object['bytes'] instanceof Uint8Array) return Buffer.from(object['bytes']).toString('hex')
  return String(object['days'] ?? object['value'])
}

/** The values of a column of ours. */
export function canonicalColumn(column: ArrowColumn): string[] {
  const read = makeExactReader(column)
  const { type } = column
  const scale = type.kind === 'timestamp' ? { s: 1_000_000_000n, ms: 1_000_000n, us: 1_000n, ns: 1n }[type.unit] : 1n
  return Array.from({ length: column.length }, (_, row) => {
    const value = read(row)
    return canonical(typeof value === 'bigint' ? value * scale : value)
  })
}
