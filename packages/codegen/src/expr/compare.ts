/** Comparisons of two values of one type: total order for floats, UTF-8 bytes for strings, false before true. */
import { type DataType, isUnsignedInteger, STRING_INLINE_MAX } from '@spillway/columnar'
import { call, type Code, i32, i64, ifElse, local } from '../wasm/instructions.ts'
import { type CompareOp, compareFloats, compareI128, compareIntegers, wordTypes } from './load-value.ts'
import { bothValid, type RowCode, type Validity, type Value, whereValid } from './row-code.ts'

/** Emits a comparison; the result is null when either side is. */
export function compileComparison(
  code: RowCode,
  op: CompareOp,
  type: DataType,
  left: Value,
  right: Value,
  rightIsNumber: boolean,
): Value {
  const valid = bothValid(code, left.valid, right.valid)
  if (type.kind === 'utf8') return { words: [compareTexts(code, op, left, right, valid)], valid }
  if (type.kind === 'decimal') return { words: [code.let('i32', compareI128(op, left.words, right.words))], valid }
  const [a, b] = [local.get(left.words[0] ?? 0), local.get(right.words[0] ?? 0)]
  const [word] = wordTypes(type)
  const result =
    word === 'f32' || word === 'f64'
      ? compareFloats(word, op, a, b, rightIsNumber)
      : compareIntegers(word ?? 'i32', isUnsignedInteger(type) || type.kind === 'boolean', op, a, b)
  return { words: [code.let('i32', result)], valid }
}

/**
 * Equality of views needs no memory access unless both strings are long with equal length and prefix.
 * Null rows never follow an address: what a view of a null row points to is unknown.
 */
function compareTexts(code: RowCode, op: CompareOp, left: Value, right: Value, valid: Validity): number {
  const [aLow, aHigh] = left.words.map(local.get) as [Code, Code]
  const [bLow, bHigh] = right.words.map(local.get) as [Code, Code]
  if (op === 'eq' || op === 'ne') {
    const equal = code.let('i32', i32.and(i64.eq(aLow, bLow), i64.eq(aHigh, bHigh)))
    const length = i32.wrapI64(aLow)
    const mustLook = i32.and(
      i32.and(i64.eq(aLow, bLow), i64.ne(aHigh, bHigh)),
      i32.gtU(length, i32.const(STRING_INLINE_MAX)),
    )
    const order = call(code.kernel('compareBytes'), i32.wrapI64(aHigh), length, i32.wrapI64(bHigh), length)
    code.emit(ifElse(whereValid(valid, mustLook), local.set(equal, i32.eqz(order))))
    return op === 'eq' ? equal : code.let('i32', i32.eqz(local.get(equal)))
  }
  const result = code.builder.local('i32')
  const order = call(code.kernel('textCompare'), aLow, aHigh, bLow, bHigh)
  const compared = local.set(result, compareIntegers('i32', false, op, order, i32.const(0)))
  if (valid === 'valid') code.emit(compared)
  else code.emit(ifElse(whereValid(valid, i32.const(1)), compared, local.set(result, i32.const(0))))
  return result
}
