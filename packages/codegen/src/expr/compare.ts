/** Comparisons of two values of one type: total order for floats, UTF-8 bytes for strings, false before true. */
import { hasOwnLength, type DataType, isUnsignedInteger, STRING_INLINE_MAX } from '@spillway/columnar'
import { call, type Code, i32, i64, ifElse, ifValue, local } from '../wasm/instructions.ts'
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
  if (hasOwnLength(type)) return { words: [compareTexts(code, op, left, right, valid)], valid }
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
  const compared = orderTexts(code, op, left, right, result)
  if (valid === 'valid') code.emit(compared)
  else code.emit(ifElse(whereValid(valid, i32.const(1)), compared, local.set(result, i32.const(0))))
  return result
}

/** Statements: `result` = left op right, without a call where the first four bytes differ or both strings are short. */
function orderTexts(code: RowCode, op: CompareOp, left: Value, right: Value, result: number): Code {
  const { get, set } = local
  const [aLow, aHigh] = left.words.map(get) as [Code, Code]
  const [bLow, bHigh] = right.words.map(get) as [Code, Code]
  const [a4, b4] = [code.builder.local('i32'), code.builder.local('i32')]
  const [a8, b8] = [code.builder.local('i64'), code.builder.local('i64')]
  const prefix = (low: Code): Code => i32.wrapI64(i64.shrU(low, i64.const(32n)))
  const inline = i32.const(STRING_INLINE_MAX)
  const areShort = i32.and(i32.leU(i32.wrapI64(aLow), inline), i32.leU(i32.wrapI64(bLow), inline))
  const order = call(code.kernel('textCompare'), aLow, aHigh, bLow, bHigh)
  const byLength = compareIntegers('i32', true, op, i32.wrapI64(aLow), i32.wrapI64(bLow))
  return [
    set(a4, swap32(code, prefix(aLow))),
    set(b4, swap32(code, prefix(bLow))),
    ifElse(
      i32.ne(get(a4), get(b4)),
      set(result, compareIntegers('i32', true, op, get(a4), get(b4))),
      ifElse(
        areShort,
        [
          set(a8, swap64(code, aHigh)),
          set(b8, swap64(code, bHigh)),
          set(
            result,
            ifValue('i32', i64.eq(get(a8), get(b8)), byLength, compareIntegers('i64', true, op, get(a8), get(b8))),
          ),
        ],
        set(result, compareIntegers('i32', false, op, order, i32.const(0))),
      ),
    ),
  ]
}

/** The bytes of a word in the opposite order, so that the first one counts most. */
function swap32(code: RowCode, word: Code): Code {
  const kept = code.let('i32', word)
  const odd = i32.and(i32.rotl(local.get(kept), i32.const(8)), i32.const(0x00ff00ff))
  return i32.or(odd, i32.and(i32.rotl(local.get(kept), i32.const(24)), i32.const(0xff00ff00 | 0)))
}

function swap64(code: RowCode, word: Code): Code {
  const { get } = local
  const swapped = (of: Code, bits: bigint, mask: bigint): Code => {
    const kept = code.let('i64', of)
    const up = i64.shl(i64.and(get(kept), i64.const(mask)), i64.const(bits))
    return i64.or(up, i64.and(i64.shrU(get(kept), i64.const(bits)), i64.const(mask)))
  }
  const halves = code.let('i64', swapped(word, 8n, 0x00ff00ff00ff00ffn))
  return i64.rotl(swapped(get(halves), 16n, 0x0000ffff0000ffffn), i64.const(32n))
}
