/**
 * The smallest type that two operands share, as `docs/semantics.md` decides it.
 *
 *          same signedness   wider of the two
 *   int ×  other signedness  smallest signed that holds both; uint64 gives int64 (a checked cast)
 *          float32           float32 up to 16 bits, else float64
 *   decimal × integer        decimal that holds both; decimal × float: float64
 *   date × timestamp         timestamp; timestamps: the finer unit
 */
import { type DataType, isFloat, isInteger, isSignedInteger, type TimeUnit, typeEquals } from '@spillway/columnar'
import { makeError } from '@spillway/stdx'

export const MAX_DECIMAL_PRECISION = 38

const signedByBits = { 8: 'int8', 16: 'int16', 32: 'int32', 64: 'int64' } as const
const digitsByBits: Record<number, number> = { 8: 3, 16: 5, 32: 10, 64: 19 }
const units: readonly TimeUnit[] = ['s', 'ms', 'us', 'ns']

/** Bits of an integer type. */
export function integerBits(type: DataType): 8 | 16 | 32 | 64 {
  const digits = /[0-9]+$/.exec(type.kind)?.[0]
  if (!isInteger(type) || digits === undefined) {
    throw makeError('INVARIANT', `Invariant broken: integerBits needs an integer type, got ${type.kind}`)
  }
  return Number(digits) as 8 | 16 | 32 | 64
}

/** Decimal digits that every value of an integer type fits in. */
export function integerDigits(type: DataType): number {
  return type.kind === 'uint64' ? 20 : (digitsByBits[integerBits(type)] ?? 20)
}

/** The decimal type that holds every value of an integer or decimal type. */
export function decimalOf(type: DataType): Extract<DataType, { kind: 'decimal' }> {
  if (type.kind === 'decimal') return type
  return { kind: 'decimal', precision: integerDigits(type), scale: 0 }
}

/** The common type of two types, or undefined when they have none. A null type takes the other type. */
export function findSupertype(a: DataType, b: DataType): DataType | undefined {
  if (typeEquals(a, b)) return a
  if (a.kind === 'null') return b
  if (b.kind === 'null') return a
  if (isInteger(a) && isInteger(b)) return integerSupertype(a, b)
  if (isFloat(a) || isFloat(b)) return floatSupertype(a, b)
  if (a.kind === 'decimal' || b.kind === 'decimal') return decimalSupertype(a, b)
  return timeSupertype(a, b)
}

/**
 * The type in which values of two types compare: the supertype, but no 64-bit integer holds both a signed and an
 * unsigned 64-bit one, and a comparison never needs to fail.
 */
export function findComparableType(a: DataType, b: DataType): DataType | undefined {
  const isMixed = (x: DataType, y: DataType): boolean => x.kind === 'uint64' && isInteger(y) && isSignedInteger(y)
  return isMixed(a, b) || isMixed(b, a) ? decimalOf({ kind: 'uint64' }) : findSupertype(a, b)
}

function integerSupertype(a: DataType, b: DataType): DataType {
  const aBits = integerBits(a)
  const bBits = integerBits(b)
  if (isSignedInteger(a) === isSignedInteger(b)) return aBits >= bBits ? a : b
  const signedBits = isSignedInteger(a) ? aBits : bBits
  const unsignedBits = isSignedInteger(a) ? bBits : aBits
  const needed = Math.min(64, Math.max(signedBits, unsignedBits * 2)) as 16 | 32 | 64
  return { kind: signedByBits[needed] }
}

function floatSupertype(a: DataType, b: DataType): DataType | undefined {
  const other = isFloat(a) ? b : a
  const float = isFloat(a) ? a : b
  if (isFloat(other) || other.kind === 'decimal') return { kind: 'float64' }
  if (!isInteger(other)) return undefined
  return float.kind === 'float32' && integerBits(other) <= 16 ? float : { kind: 'float64' }
}

function decimalSupertype(a: DataType, b: DataType): DataType | undefined {
  const isExact = (type: DataType): boolean => type.kind === 'decimal' || isInteger(type)
  if (!isExact(a) || !isExact(b)) return undefined
  const left = decimalOf(a)
  const right = decimalOf(b)
  const scale = Math.max(left.scale, right.scale)
  const whole = Math.max(left.precision - left.scale, right.precision - right.scale)
  return { kind: 'decimal', precision: Math.min(MAX_DECIMAL_PRECISION, whole + scale), scale }
}

function timeSupertype(a: DataType, b: DataType): DataType | undefined {
  if (a.kind === 'date' && b.kind === 'timestamp') return b
  if (a.kind === 'timestamp' && b.kind === 'date') return a
  if (a.kind !== 'timestamp' || b.kind !== 'timestamp') return undefined
  // A zone is a label only; two different labels have no common one.
  if (a.timezone !== undefined && b.timezone !== undefined && a.timezone !== b.timezone) return undefined
  const unit = units.indexOf(a.unit) >= units.indexOf(b.unit) ? a.unit : b.unit
  return { kind: 'timestamp', unit, timezone: a.timezone ?? b.timezone }
}
