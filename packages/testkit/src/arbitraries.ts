/**
 * Generators (fast-check): schemas over all types, tables with nulls, NaN, -0, infinities, extremes of each type,
 * short, long and non-ASCII strings. Sums of generated floats are exact in 64 bits, because all finite floats are small
 * multiples of 2^-10: so an order of addition cannot hide a wrong sum.
 */
import { type DataType, makeSchema, type Schema } from '@spillway/columnar'
import { unreachable } from '@spillway/stdx'
import fc from 'fast-check'
import type { GeneratedTable, RawCell } from './generated-table.ts'

const INTEGER_BITS = {
  int8: [8, true],
  int16: [16, true],
  int32: [32, true],
  int64: [64, true],
  uint8: [8, false],
  uint16: [16, false],
  uint32: [32, false],
  uint64: [64, false],
} as const

/** Smallest and largest value of an integer type. */
export function integerRange(kind: keyof typeof INTEGER_BITS): { readonly min: bigint; readonly max: bigint } {
  const [bits, signed] = INTEGER_BITS[kind]
  const span = 1n << BigInt(bits)
  return signed ? { min: -span / 2n, max: span / 2n - 1n } : { min: 0n, max: span - 1n }
}

/** A few values over and over (so that groups form), sometimes any value, sometimes an extreme. */
function clustered<T>(few: fc.Arbitrary<T>, any: fc.Arbitrary<T>, extremes: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 6, arbitrary: few },
    { weight: 3, arbitrary: any },
    { weight: 1, arbitrary: fc.constantFrom(...extremes) },
  )
}

function integers(kind: keyof typeof INTEGER_BITS): fc.Arbitrary<bigint> {
  const { min, max } = integerRange(kind)
  return clustered(fc.bigInt(0n, 5n), fc.bigInt(min, max), [min, max, 0n, 1n])
}

const finiteFloats = fc.integer({ min: -(2 ** 23), max: 2 ** 23 }).map((value) => value / 1024)

const floats = fc.oneof(
  { weight: 8, arbitrary: clustered(fc.constantFrom(0, 0.5, 1, -1.25), finiteFloats, [0, 1, -8192, 8191.75]) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(Number.NaN, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  },
)

const alphabet = fc.constantFrom(...'abcxyzABC019 _-\'"%\\', 'ä', 'ß', '€', '漢', '𝄞', '\u0301')
const strings = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('', 'a', 'b', 'id007', 'twelve bytes', 'thirteen byte') },
  { weight: 4, arbitrary: fc.array(alphabet, { maxLength: 40, size: 'max' }).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: fc.integer({ min: 41, max: 300 }).map((length) => 'long'.repeat(length).slice(0, length)) },
)

/** Days and times that every engine can hold in every unit: years 1700 to 2250. */
const days = clustered(fc.bigInt(0n, 3n), fc.bigInt(-98_000n, 102_000n), [-1n, 0n, 19_000n])

/** Non-null values of one type, raw. */
export function valuesOf(type: DataType): fc.Arbitrary<RawCell> {
  switch (type.kind) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'float32':
    case 'float64':
      return floats
    case 'utf8':
    case 'binary':
      return strings
    case 'date':
      return days
    case 'timestamp': {
      const perSecond = { s: 1n, ms: 1_000n, us: 1_000_000n, ns: 1_000_000_000n }[type.unit]
      return fc
        .tuple(days, fc.bigInt(0n, 86_400n * perSecond - 1n))
        .map(([day, rest]) => day * 86_400n * perSecond + rest)
    }
    case 'decimal': {
      const limit = 10n ** BigInt(type.precision) - 1n
      return clustered(fc.bigInt(0n, 3n), fc.bigInt(-limit, limit), [limit, -limit, 0n])
    }
    default:
      return type.kind in INTEGER_BITS ? integers(type.kind) : unreachable(type as never)
  }
}

/** Types that DuckDB writes to Parquet and reads back as the same type (it has no seconds or zones per column). */
export const parquetTypes: readonly DataType[] = [
  { kind: 'boolean' },
  { kind: 'int8' },
  { kind: 'int16' },
  { kind: 'int32' },
  { kind: 'int64' },
  { kind: 'uint8' },
  { kind: 'uint16' },
  { kind: 'uint32' },
  { kind: 'uint64' },
  { kind: 'float32' },
  { kind: 'float64' },
  { kind: 'utf8' },
  { kind: 'date' },
  { kind: 'timestamp', unit: 'us', timezone: undefined },
  { kind: 'timestamp', unit: 'ns', timezone: undefined },
  { kind: 'decimal', precision: 4, scale: 2 },
  { kind: 'decimal', precision: 9, scale: 0 },
  { kind: 'decimal', precision: 15, scale: 3 },
  { kind: 'decimal', precision: 38, scale: 10 },
]

/** Schemas of 1…`maxColumns` nullable columns named c0, c1, … over `types`. */
export function schemas(
  options: { readonly types?: readonly DataType[]; readonly maxColumns?: number } = {},
): fc.Arbitrary<Schema> {
  const { types = parquetTypes, maxColumns = 6 } = options
  return fc
    .array(fc.constantFrom(...types), { minLength: 1, maxLength: maxColumns, size: 'max' })
    .map((chosen) => makeSchema(chosen.map((type, index) => ({ name: `c${index}`, type, nullable: true }))))
}

/** Tables of a schema: 0…`maxRows` rows; each column has no, some or only nulls. */
export function tablesOf(schema: Schema, maxRows = 130): fc.Arbitrary<GeneratedTable> {
  return fc.integer({ min: 0, max: maxRows }).chain((rowCount) => {
    const columns = schema.fields.map(({ type }) =>
      fc
        .constantFrom(0, 0, 3, 10, 20)
        .chain((nulls) =>
          fc.array(
            fc.oneof(
              { weight: 20 - nulls, arbitrary: valuesOf(type) },
              { weight: nulls, arbitrary: fc.constant(null) },
            ),
            { minLength: rowCount, maxLength: rowCount },
          ),
        ),
    )
    return fc.tuple(...columns).map((cells) => ({ schema, rowCount, columns: cells }))
  })
}

/** Tables over random schemas. */
export function tables(
  options: { readonly types?: readonly DataType[]; readonly maxColumns?: number; readonly maxRows?: number } = {},
): fc.Arbitrary<GeneratedTable> {
  return schemas(options).chain((schema) => tablesOf(schema, options.maxRows))
}
