/**
 * Arithmetic on two values of one type. Integers and decimals raise OVERFLOW instead of wrapping; the test is part of
 * the code and counts only for rows that are not null.
 */
import { type DataType, isUnsignedInteger, raiseCode } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { call, type Code, f32, f64, i32, i64, ifElse, ifValue, local, select } from '../wasm/instructions.ts'
import { decimalArithmetic, negateWide } from './decimal-arithmetic.ts'
import { wordTypes } from './load-value.ts'
import { bothValid, type RowCode, type Validity, validAnd, type Value, whereValid } from './row-code.ts'
import type { IrOf } from './stage-ir.ts'

type Node = IrOf<'binary'>
type ExactOp = 'add' | 'sub' | 'mul'

/** Emits add, sub, mul, div or mod. */
export function compileArithmetic(code: RowCode, node: Node, left: Value, right: Value): Value {
  const { type } = node
  if (type.kind === 'decimal') return decimalArithmetic(code, node, left, right)
  const valid = bothValid(code, left.valid, right.valid)
  const [a, b] = [local.get(left.words[0] ?? 0), local.get(right.words[0] ?? 0)]
  const [word] = wordTypes(type)
  if (word === 'f32' || word === 'f64') return { words: [floatArithmetic(code, node, word, a, b)], valid }
  assert(node.op !== 'div', 'division is typed as floating point')
  if (node.op === 'mod') return integerRemainder(code, type, a, b, valid)
  const op = node.op as ExactOp
  if (word === 'i64') {
    const unsigned = isUnsignedInteger(type)
    return {
      words: [unsigned ? unsigned64(code, node, op, a, b, valid) : signed64(code, node, op, a, b, valid)],
      valid,
    }
  }
  return { words: [narrowArithmetic(code, node, op, a, b, valid)], valid }
}

function floatArithmetic(code: RowCode, node: Node, word: 'f32' | 'f64', a: Code, b: Code): number {
  const family = word === 'f32' ? f32 : f64
  if (node.op !== 'mod') return code.let(word, family[node.op as ExactOp | 'div'](a, b))
  // The remainder of two float32 is exact in float64 and fits float32 again.
  const remainder = call(
    code.kernel('fmod64'),
    word === 'f32' ? f64.promoteF32(a) : a,
    word === 'f32' ? f64.promoteF32(b) : b,
  )
  return code.let(word, word === 'f32' ? f32.demoteF64(remainder) : remainder)
}

function raiseOverflow(code: RowCode, site: number, valid: Validity, overflow: Code): void {
  code.raiseIf(whereValid(valid, overflow), raiseCode.overflow, site)
}

/** 8, 16 and 32 bits: the exact result fits 64 bits, so it is computed there and tested for its range. */
function narrowArithmetic(code: RowCode, node: Node, op: ExactOp, a: Code, b: Code, valid: Validity): number {
  const { kind } = node.type
  const unsigned = isUnsignedInteger(node.type)
  const extend = unsigned ? i64.extendI32U : i64.extendI32S
  if (kind === 'int32' || kind === 'uint32') {
    const wide = local.get(code.let('i64', i64[op](extend(a), extend(b))))
    const overflow = unsigned ? i64.gtU(wide, i64.const(0xffffffffn)) : i64.ne(i64.extend32S(wide), wide)
    raiseOverflow(code, node.site, valid, overflow)
    return code.let('i32', i32.wrapI64(wide))
  }
  const result = code.let('i32', i32[op](a, b))
  const value = local.get(result)
  if (unsigned) raiseOverflow(code, node.site, valid, i32.gtU(value, i32.const(kind === 'uint8' ? 0xff : 0xffff)))
  else raiseOverflow(code, node.site, valid, i32.ne((kind === 'int8' ? i32.extend8S : i32.extend16S)(value), value))
  return result
}

/** Sign trick for add and sub; for mul a cheap test that both fit 32 bits, then a division to check. */
function signed64(code: RowCode, node: Node, op: ExactOp, a: Code, b: Code, valid: Validity): number {
  const result = code.let('i64', i64[op](a, b))
  const value = local.get(result)
  if (op !== 'mul') {
    const signs =
      op === 'add' ? i64.and(i64.xor(a, value), i64.xor(b, value)) : i64.and(i64.xor(a, b), i64.xor(a, value))
    raiseOverflow(code, node.site, valid, i64.ltS(signs, i64.const(0n)))
    return result
  }
  const fits = (part: Code): Code => i64.add(part, i64.const(0x80000000n))
  const large = i64.ne(i64.shrU(i64.or(fits(a), fits(b)), i64.const(32n)), i64.const(0n))
  const check = code.collect(() => {
    // -1 × the smallest integer is the one overflow that division cannot test (it would trap).
    const minusOne = i32.and(i64.eq(a, i64.const(-1n)), i64.eq(b, i64.const(-(2n ** 63n))))
    const divided = i64.ne(i64.divS(value, select(a, i64.const(1n), i64.ne(a, i64.const(0n)))), b)
    const nonzero = i64.ne(a, i64.const(0n))
    const isMinusOne = i64.eq(a, i64.const(-1n))
    raiseOverflow(code, node.site, valid, ifValue('i32', isMinusOne, minusOne, i32.and(nonzero, divided)))
  })
  code.emit(ifElse(large, check))
  return result
}

function unsigned64(code: RowCode, node: Node, op: ExactOp, a: Code, b: Code, valid: Validity): number {
  const result = code.let('i64', i64[op](a, b))
  const value = local.get(result)
  if (op !== 'mul') {
    raiseOverflow(code, node.site, valid, op === 'add' ? i64.ltU(value, a) : i64.ltU(a, b))
    return result
  }
  const large = i64.ne(i64.shrU(i64.or(a, b), i64.const(32n)), i64.const(0n))
  const check = code.collect(() => {
    const nonzero = i64.ne(a, i64.const(0n))
    const divided = i64.ne(i64.divU(value, select(a, i64.const(1n), nonzero)), b)
    raiseOverflow(code, node.site, valid, i32.and(nonzero, divided))
  })
  code.emit(ifElse(large, check))
  return result
}

/** Remainder with the sign of the dividend; x % 0 is null. */
function integerRemainder(code: RowCode, type: DataType, a: Code, b: Code, valid: Validity): Value {
  const unsigned = isUnsignedInteger(type)
  const [word] = wordTypes(type)
  const family = word === 'i64' ? i64 : i32
  const zero = word === 'i64' ? i64.const(0n) : i32.const(0)
  const one = word === 'i64' ? i64.const(1n) : i32.const(1)
  const nonzero = code.let('i32', family.ne(b, zero))
  const divisor = select(b, one, local.get(nonzero))
  const result = code.let(word ?? 'i32', unsigned ? family.remU(a, divisor) : family.remS(a, divisor))
  return { words: [result], valid: validAnd(code, valid, local.get(nonzero)) }
}

/** Emits -operand. */
export function compileNegate(code: RowCode, node: IrOf<'unary'>, operand: Value): Value {
  const { type } = node
  if (type.kind === 'decimal') return negateWide(code, operand)
  const value = local.get(operand.words[0] ?? 0)
  const [word] = wordTypes(type)
  if (word === 'f32') return { words: [code.let('f32', f32.neg(value))], valid: operand.valid }
  if (word === 'f64') return { words: [code.let('f64', f64.neg(value))], valid: operand.valid }
  if (word === 'i64') {
    raiseOverflow(code, node.site, operand.valid, i64.eq(value, i64.const(-(2n ** 63n))))
    return { words: [code.let('i64', i64.sub(i64.const(0n), value))], valid: operand.valid }
  }
  const smallest = type.kind === 'int8' ? -128 : type.kind === 'int16' ? -32768 : -(2 ** 31)
  raiseOverflow(code, node.site, operand.valid, i32.eq(value, i32.const(smallest)))
  return { words: [code.let('i32', i32.sub(i32.const(0), value))], valid: operand.valid }
}
