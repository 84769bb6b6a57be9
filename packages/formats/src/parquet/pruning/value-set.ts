/**
 * The values an expression may take over a set of rows: an interval, and whether NaN and null are among them.
 *
 * Columns take theirs from statistics, literals are a point. A cast maps the interval when it is monotone and no
 * value of it can fail or round differently from the engine; anything else is unknown.
 */
import type { DataType, TimeUnit } from '@spillway/columnar'
import { isInteger, typeEquals } from '@spillway/columnar'
import type { LiteralValue, TypedExpr } from '@spillway/plan'
import type { ChunkBounds } from '../statistics.ts'
import type { StatisticsBound } from '../file-meta.ts'

/** What is known of the rows of a row group or of some pages. */
export interface RowsStatistics {
  readonly rowCount: number
  /** By column name; a column that is missing may hold anything. */
  readonly chunks: Readonly<Record<string, { readonly type: DataType } & Omit<ChunkBounds, 'minExact' | 'maxExact'>>>
  /** False when a Bloom filter proves that no row of the column has this value; undefined without filters. */
  readonly mayContain?: (column: string, value: StatisticsBound, type: DataType) => boolean
}

export interface ValueSet {
  /** Lower and upper bound of the values that are neither NaN nor null; undefined = unbounded. */
  readonly min: StatisticsBound | undefined
  readonly max: StatisticsBound | undefined
  /** There may be a value that is neither NaN nor null (of any type, not just numbers). */
  readonly hasNumbers: boolean
  readonly hasNaN: boolean
  readonly hasNull: boolean
}

export const unknownSet: ValueSet = { min: undefined, max: undefined, hasNumbers: true, hasNaN: true, hasNull: true }

const isFloatType = (type: DataType): boolean => type.kind === 'float32' || type.kind === 'float64'

/** The values of `expr` over the rows. */
export function readValueSet(expr: TypedExpr, rows: RowsStatistics): ValueSet {
  switch (expr.kind) {
    case 'column':
      return columnSet(expr.name, expr.type, rows)
    case 'literal':
      return literalSet(expr.value, expr.type) ?? unknownSet
    case 'cast':
      return castSet(readValueSet(expr.operand, rows), expr.operand.type, expr.type)
    default:
      return unknownSet
  }
}

function columnSet(name: string, type: DataType, rows: RowsStatistics): ValueSet {
  const chunk = Object.hasOwn(rows.chunks, name) ? rows.chunks[name] : undefined
  if (chunk === undefined || !typeEquals(chunk.type, type)) return unknownSet
  const hasValues = chunk.nullCount !== rows.rowCount
  return {
    min: chunk.min,
    max: chunk.max,
    hasNumbers: hasValues,
    hasNaN: hasValues && isFloatType(type),
    hasNull: chunk.nullCount !== 0,
  }
}

/** The set of one literal; undefined for a value that does not fit its type's form. */
export function literalSet(value: LiteralValue, type: DataType): ValueSet | undefined {
  if (value === null) return { min: undefined, max: undefined, hasNumbers: false, hasNaN: false, hasNull: true }
  if (typeof value === 'number' && Number.isNaN(value)) {
    return { min: undefined, max: undefined, hasNumbers: false, hasNaN: true, hasNull: false }
  }
  const bound = literalBound(value, type)
  if (bound === undefined) return undefined
  return { min: bound, max: bound, hasNumbers: true, hasNaN: false, hasNull: false }
}

function literalBound(value: boolean | number | bigint | string, type: DataType): StatisticsBound | undefined {
  if (type.kind === 'utf8') return typeof value === 'string' ? new TextEncoder().encode(value) : undefined
  if (type.kind === 'binary') return typeof value === 'string' ? Buffer.from(value, 'latin1') : undefined
  if (typeof value === 'string') return undefined
  if (isFloatType(type)) {
    const number = Number(value)
    return type.kind === 'float32' ? Math.fround(number) : number
  }
  if (typeof value === 'number' && !Number.isInteger(value)) return undefined
  return BigInt(value)
}

function castSet(set: ValueSet, from: DataType, to: DataType): ValueSet {
  if (typeEquals(from, to)) return set
  const convert = findConversion(from, to)
  if (convert === undefined) return unknownSet
  const { min, max, hasNumbers, hasNull } = set
  const toNaN = isFloatType(from) && isFloatType(to) && set.hasNaN
  if (!hasNumbers) return { min: undefined, max: undefined, hasNumbers, hasNaN: toNaN, hasNull }
  // An unbounded side may hold a value that the cast refuses: error or null are then the engine's business.
  if (min === undefined || max === undefined) return unknownSet
  const low = convert(min)
  const high = convert(max)
  if (low === undefined || high === undefined) return unknownSet
  return { min: low, max: high, hasNumbers, hasNaN: toNaN, hasNull }
}

/** Maps a bound, or gives undefined when the value does not fit. */
type Conversion = (bound: StatisticsBound) => StatisticsBound | undefined

const onIntegers =
  (convert: (value: bigint) => StatisticsBound | undefined): Conversion =>
  (bound) =>
    typeof bound === 'bigint' ? convert(bound) : undefined

/** A monotone conversion that agrees with the engine's cast, if there is one. */
function findConversion(from: DataType, to: DataType): Conversion | undefined {
  if (from.kind === 'float32' && to.kind === 'float64') return (bound) => bound
  if (isInteger(from) && isInteger(to)) return onIntegers((value) => inRange(value, integerBits(to), isSigned(to)))
  if (isInteger(from) && to.kind === 'float64') return onIntegers(Number)
  if (isInteger(from) && to.kind === 'float32') return onIntegers(toFloat32)
  if (isInteger(from) && to.kind === 'decimal') {
    return onIntegers((value) => inPrecision(value * 10n ** BigInt(to.scale), to.precision))
  }
  if (from.kind === 'decimal' && to.kind === 'decimal' && to.scale >= from.scale) {
    return onIntegers((value) => inPrecision(value * 10n ** BigInt(to.scale - from.scale), to.precision))
  }
  if (from.kind === 'date' && to.kind === 'timestamp') {
    return onIntegers((value) => inRange(value * 86_400n * unitsPerSecond[to.unit], 64, true))
  }
  if (from.kind === 'timestamp' && to.kind === 'timestamp') {
    return onIntegers((value) => rescaleTime(value, unitsPerSecond[from.unit], unitsPerSecond[to.unit]))
  }
  return undefined
}

const unitsPerSecond: Readonly<Record<TimeUnit, bigint>> = { s: 1n, ms: 1_000n, us: 1_000_000n, ns: 1_000_000_000n }

const isSigned = (type: DataType): boolean => type.kind.startsWith('int')
const integerBits = (type: DataType): number => Number(type.kind.replace(/\D+/, ''))

function inRange(value: bigint, bits: number, signed: boolean): bigint | undefined {
  const wrapped = signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)
  return wrapped === value ? value : undefined
}

function inPrecision(value: bigint, precision: number): bigint | undefined {
  const limit = 10n ** BigInt(precision)
  return value > -limit && value < limit ? value : undefined
}

/** Exact up to 2^53; beyond, rounding in two steps may differ from the engine's single one. */
function toFloat32(value: bigint): number | undefined {
  const number = Number(value)
  return Number.isSafeInteger(number) ? Math.fround(number) : undefined
}

/** To a finer unit by multiplication, to a coarser one by flooring. */
function rescaleTime(value: bigint, from: bigint, to: bigint): bigint | undefined {
  if (to >= from) return inRange(value * (to / from), 64, true)
  const divisor = from / to
  const quotient = value / divisor
  return value < 0n && quotient * divisor !== value ? quotient - 1n : quotient
}
