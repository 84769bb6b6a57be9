/**
 * Decimal arithmetic on { low, high } words. Sums and comparisons are inline; products, remainders and the bound of 38
 * digits are kernels, which return the low word and keep the high one for `wideHigh`.
 */
import { raiseCode } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { call, i32, i64, local } from '../wasm/instructions.ts'
import { bothValid, type RowCode, validAnd, type Value, whereValid } from './row-code.ts'
import type { Ir, IrOf } from './stage-ir.ts'

export const scaleOf = (node: Ir): number => (node.type.kind === 'decimal' ? node.type.scale : 0)

/** Emits add, sub, mul or mod of decimals. mul may be given operands of any scales that add up to at least its own. */
export function decimalArithmetic(code: RowCode, node: IrOf<'binary'>, left: Value, right: Value): Value {
  const valid = bothValid(code, left.valid, right.valid)
  const parts = [...left.words, ...right.words].map(local.get)
  const { op } = node
  assert(op === 'add' || op === 'sub' || op === 'mul' || op === 'mod', 'decimals are divided as floats')
  if (op === 'mod') {
    const nonzero = code.let('i32', i64.ne(i64.or(parts[2] ?? [], parts[3] ?? []), i64.const(0n)))
    const low = code.let('i64', call(code.kernel('decimalRemainder'), ...parts))
    const high = code.let('i64', call(code.kernel('wideHigh')))
    return { words: [low, high], valid: validAnd(code, valid, local.get(nonzero)) }
  }
  if (op === 'mul') {
    const drop = scaleOf(node.left) + scaleOf(node.right) - scaleOf(node)
    assert(drop >= 0, 'the scale of a product is at most the sum of its operands scales')
    parts.push(i32.const(drop))
  }
  const name = { add: 'decimalAdd', sub: 'decimalSub', mul: 'decimalMul' }[op]
  const low = code.let('i64', call(code.kernel(name), ...parts))
  const high = code.let('i64', call(code.kernel('wideHigh')))
  const failed = i32.eqz(call(code.kernel('castStatus')))
  code.raiseIf(whereValid(valid, failed), raiseCode.overflow, node.site)
  return { words: [low, high], valid }
}

/** -value of a decimal: its range is symmetric, so it cannot overflow. */
export function negateWide(code: RowCode, operand: Value): Value {
  const [low, high] = operand.words.map(local.get) as [readonly number[], readonly number[]]
  const negativeLow = code.let('i64', i64.sub(i64.const(0n), low))
  const borrow = i64.extendI32U(i64.ne(low, i64.const(0n)))
  const negativeHigh = code.let('i64', i64.sub(i64.sub(i64.const(0n), high), borrow))
  return { words: [negativeLow, negativeHigh], valid: operand.valid }
}
