/**
 * Operations on literal values, by the semantics of the engine. `undefined` means: not folded, because it would raise
 * or is left to the engine.
 *
 * Forms of values: integers up to 32 bits, floats and dates are numbers; 64-bit integers, timestamps and decimals
 * (scaled) are bigints.
 */
import { type DataType, isFloat, isInteger, isSignedInteger, type TypeKind } from '@spillway/columnar'
import type { BinaryOp, LiteralValue } from '@spillway/plan'

type ArithmeticOp = 'add' | 'sub' | 'mul' | 'div' | 'mod'
type ComparisonOp = Exclude<BinaryOp, ArithmeticOp | 'and' | 'or'>

/** Both values are present and of `type`. Decimals are left to the engine. */
export function foldArithmetic(
  op: ArithmeticOp,
  left: LiteralValue,
  right: LiteralValue,
  type: DataType,
): LiteralValue | undefined {
  if (isFloat(type)) return foldFloat(op, Number(left), Number(right), type.kind === 'float32')
  if (!isInteger(type) || op === 'div') return undefined
  return foldInteger(op, BigInt(left as bigint), BigInt(right as bigint), type)
}

/** A float32 result of one operation in doubles rounds as if computed in single precision. */
function foldFloat(op: ArithmeticOp, left: number, right: number, isSingle: boolean): number {
  const result = { add: left + right, sub: left - right, mul: left * right, div: left / right, mod: left % right }[op]
  return isSingle ? Math.fround(result) : result
}

function foldInteger(op: Exclude<ArithmeticOp, 'div'>, left: bigint, right: bigint, type: DataType) {
  if (op === 'mod') return right === 0n ? null : integerLiteral(left % right, type)
  return integerLiteral({ add: left + right, sub: left - right, mul: left * right }[op], type)
}

const bitsOfInteger: { readonly [K in TypeKind]?: number } = {
  int8: 8,
  int16: 16,
  int32: 32,
  int64: 64,
  uint8: 8,
  uint16: 16,
  uint32: 32,
  uint64: 64,
}

/** The value in the form of an integer type, or undefined when it does not fit. */
function integerLiteral(value: bigint, type: DataType): LiteralValue | undefined {
  const bits = bitsOfInteger[type.kind]
  if (bits === undefined) return undefined
  const wrapped = isSignedInteger(type) ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)
  if (wrapped !== value) return undefined
  return bits === 64 ? value : Number(value)
}

export function foldNegate(value: LiteralValue, type: DataType): LiteralValue | undefined {
  if (isFloat(type)) return -Number(value)
  if (type.kind === 'decimal') return -BigInt(value as bigint)
  return integerLiteral(-BigInt(value as bigint), type)
}

/** Both values are present and of `type`. */
export function foldComparison(op: ComparisonOp, left: LiteralValue, right: LiteralValue, type: DataType): boolean {
  const order = compareValues(left, right, type)
  return { eq: order === 0, ne: order !== 0, lt: order < 0, le: order <= 0, gt: order > 0, ge: order >= 0 }[op]
}

/** NaN equals NaN and is greater than every number, -0 equals 0, strings order by their UTF-8 bytes. */
function compareValues(left: LiteralValue, right: LiteralValue, type: DataType): number {
  if (type.kind === 'utf8') return Buffer.compare(Buffer.from(left as string), Buffer.from(right as string))
  if (isFloat(type) && (Number.isNaN(left) || Number.isNaN(right))) {
    return Number(Number.isNaN(left)) - Number(Number.isNaN(right))
  }
  if (left === right) return 0
  return (left as number) < (right as number) ? -1 : 1
}

export function valuesAreEqual(left: LiteralValue, right: LiteralValue, type: DataType): boolean {
  return left !== null && right !== null && compareValues(left, right, type) === 0
}

const LARGEST_EXACT = 2n ** 53n

/** Casts of numbers to wider or other numbers; everything else is left to the engine. */
export function foldCast(value: LiteralValue, from: DataType, to: DataType): LiteralValue | undefined {
  if (isInteger(from)) {
    const exact = BigInt(value as bigint)
    if (isInteger(to)) return integerLiteral(exact, to)
    if (to.kind === 'float64') return Number(exact)
    // Rounding to a double first and then to single precision could round twice.
    if (to.kind === 'float32')
      return exact > LARGEST_EXACT || exact < -LARGEST_EXACT ? undefined : Math.fround(Number(exact))
    if (to.kind !== 'decimal') return undefined
    const scaled = exact * 10n ** BigInt(to.scale)
    const limit = 10n ** BigInt(to.precision)
    return scaled < limit && scaled > -limit ? scaled : undefined
  }
  if (from.kind === 'float32' && to.kind === 'float64') return value
  if (from.kind === 'float64' && to.kind === 'float32') return Math.fround(Number(value))
  return undefined
}
