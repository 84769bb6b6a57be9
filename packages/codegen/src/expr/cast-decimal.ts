/** Casts between decimals and numbers, and between decimals of different scale. */
import { type DataType, isFloat, isUnsignedInteger } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { call, type Code, f32, f64, i32, i64, local } from '../wasm/instructions.ts'
import type { Conversion } from './cast.ts'
import { findIntegerRange, integerFits } from './integer-range.ts'
import { wordTypes } from './load-value.ts'
import type { RowCode, Value } from './row-code.ts'
import type { IrOf } from './stage-ir.ts'

/** Digits of the greatest value: an integer is a decimal(digits, 0). */
const integerDigits = {
  boolean: 1,
  int8: 3,
  int16: 5,
  int32: 10,
  int64: 19,
  uint8: 3,
  uint16: 5,
  uint32: 10,
  uint64: 20,
}

/** Emits a cast in which at least one side is a decimal and none is text. */
export function castDecimal(code: RowCode, node: IrOf<'cast'>, operand: Value): Conversion {
  const from = node.operand.type
  const to = node.type
  const words = operand.words.map(local.get)
  if (to.kind !== 'decimal') return fromDecimal(code, from, to, words)
  if (from.kind === 'decimal') {
    // More digits before the point than after the cast are needed: nothing can fail.
    const total = to.scale >= from.scale && to.precision - to.scale >= from.precision - from.scale
    return rescale(code, words, from.scale, to, total)
  }
  if (isFloat(from)) {
    const value = from.kind === 'float32' ? f64.promoteF32(words[0] ?? []) : (words[0] ?? [])
    const low = code.let(
      'i64',
      call(code.kernel('decimalFromFloat'), value, i32.const(to.precision), i32.const(to.scale)),
    )
    return finishWide(code, low)
  }
  const word = words[0] ?? []
  const isWide = wordTypes(from)[0] === 'i64'
  const unsigned = isUnsignedInteger(from)
  const low = code.let('i64', isWide ? word : unsigned ? i64.extendI32U(word) : i64.extendI32S(word))
  const high = code.let('i64', unsigned ? i64.const(0n) : i64.shrS(local.get(low), i64.const(63n)))
  const digits = integerDigits[from.kind as keyof typeof integerDigits] ?? 20
  return rescale(code, [local.get(low), local.get(high)], 0, to, to.precision - to.scale >= digits)
}

/** @param total the new type holds every value of the old one */
function rescale(
  code: RowCode,
  words: readonly Code[],
  fromScale: number,
  to: DataType & { kind: 'decimal' },
  total: boolean,
): Conversion {
  if (total && fromScale === to.scale) {
    return { words: words.map((word) => code.let('i64', word)), ok: undefined }
  }
  const scales = [fromScale, to.scale, to.precision].map(i32.const)
  const result = finishWide(code, code.let('i64', call(code.kernel('decimalRescale'), ...words, ...scales)))
  return total ? { ...result, ok: undefined } : result
}

/** Fetches what the kernel left behind. */
function finishWide(code: RowCode, low: number): Conversion {
  const high = code.let('i64', call(code.kernel('wideHigh')))
  const ok = code.let('i32', call(code.kernel('castStatus')))
  return { words: [low, high], ok: local.get(ok) }
}

function fromDecimal(code: RowCode, from: DataType, to: DataType, words: readonly Code[]): Conversion {
  assert(from.kind === 'decimal', 'the other side of a decimal cast is a decimal')
  if (isFloat(to)) {
    const value = call(code.kernel('decimalToFloat'), ...words, i32.const(from.scale))
    const isNarrow = to.kind === 'float32'
    return { words: [code.let(isNarrow ? 'f32' : 'f64', isNarrow ? f32.demoteF64(value) : value)], ok: undefined }
  }
  if (to.kind === 'boolean') {
    return { words: [code.let('i32', i64.ne(i64.or(words[0] ?? [], words[1] ?? []), i64.const(0n)))], ok: undefined }
  }
  const range = findIntegerRange(to)
  assert(range !== undefined, 'a decimal is cast to an integer type here')
  const whole = call(code.kernel('decimalRescale'), ...words, i32.const(from.scale), i32.const(0), i32.const(38))
  const low = code.let('i64', whole)
  const high = local.get(code.let('i64', call(code.kernel('wideHigh'))))
  if (to.kind === 'uint64') return { words: [low], ok: i64.eqz(high) }
  const fits64 = i64.eq(high, i64.shrS(local.get(low), i64.const(63n)))
  const all = [-(2n ** 63n), 2n ** 63n - 1n] as const
  const fits = integerFits(all, range, false, local.get(low))
  const word = to.kind === 'int64' ? low : code.let('i32', i32.wrapI64(local.get(low)))
  return { words: [word], ok: fits === undefined ? fits64 : i32.and(fits64, fits) }
}
