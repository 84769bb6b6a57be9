/**
 * How one value of a column moves between the arena and WebAssembly locals, and how two values compare.
 *
 * A value is one word (i32, i64, f32, f64) or two i64 words: a string view is { length and prefix, rest }, a decimal
 * is { low, high }. Small integers are kept in i32, extended by their sign; a boolean is 0 or 1.
 * Nothing here knows of batches, nulls or expressions; the group-by generator uses it as well.
 */
import { type DataType, isUnsignedInteger, physicalBytes, physicalOf } from '@spillway/columnar'
import { unreachable } from '@spillway/stdx'
import { type Code, f32, f64, i32, i64, local, type ValueType } from '../wasm/instructions.ts'

/** The types of the locals that hold one value of `type`. */
export function wordTypes(type: DataType): readonly ValueType[] {
  const physical = physicalOf(type)
  switch (physical) {
    case 'i8':
    case 'i16':
    case 'i32':
      return ['i32']
    case 'i64':
    case 'f32':
    case 'f64':
      return [physical]
    case 'i128':
    case 'view':
      return ['i64', 'i64']
    default:
      return unreachable(physical)
  }
}

/** Code that loads each word of the value at `address`. */
export function loadWords(type: DataType, address: Code, offset = 0): readonly Code[] {
  const unsigned = isUnsignedInteger(type) || type.kind === 'boolean'
  const physical = physicalOf(type)
  switch (physical) {
    case 'i8':
      return [unsigned ? i32.load8U(address, offset) : i32.load8S(address, offset)]
    case 'i16':
      return [unsigned ? i32.load16U(address, offset) : i32.load16S(address, offset)]
    case 'i32':
      return [i32.load(address, offset)]
    case 'i64':
      return [i64.load(address, offset)]
    case 'f32':
      return [f32.load(address, offset)]
    case 'f64':
      return [f64.load(address, offset)]
    case 'i128':
    case 'view':
      return [i64.load(address, offset), i64.load(address, offset + 8)]
    default:
      return unreachable(physical)
  }
}

/** Statement that stores the words of a value at `address`, which is evaluated once per word. */
export function storeWords(type: DataType, address: Code, words: readonly Code[], offset = 0): Code {
  const first = words[0] ?? []
  const physical = physicalOf(type)
  switch (physical) {
    case 'i8':
      return i32.store8(address, first, offset)
    case 'i16':
      return i32.store16(address, first, offset)
    case 'i32':
      return i32.store(address, first, offset)
    case 'i64':
      return i64.store(address, first, offset)
    case 'f32':
      return f32.store(address, first, offset)
    case 'f64':
      return f64.store(address, first, offset)
    case 'i128':
    case 'view':
      return [i64.store(address, first, offset), i64.store(address, words[1] ?? [], offset + 8)]
    default:
      return unreachable(physical)
  }
}

/** Code for zero in each word. */
export function zeroWords(type: DataType): readonly Code[] {
  return wordTypes(type).map((word) => {
    if (word === 'i32') return i32.const(0)
    if (word === 'i64') return i64.const(0n)
    return word === 'f32' ? f32.const(0) : f64.const(0)
  })
}

/** base + index × width of the type. */
export function elementAddress(type: DataType, base: Code, index: Code): Code {
  const shift = Math.log2(physicalBytes[physicalOf(type)])
  return i32.add(base, shift === 0 ? index : i32.shl(index, i32.const(shift)))
}

export type CompareOp = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge'

/** Integer comparison, result 0 or 1. */
export function compareIntegers(word: 'i32' | 'i64', unsigned: boolean, op: CompareOp, a: Code, b: Code): Code {
  const family = word === 'i32' ? i32 : i64
  switch (op) {
    case 'eq':
      return family.eq(a, b)
    case 'ne':
      return family.ne(a, b)
    case 'lt':
      return unsigned ? family.ltU(a, b) : family.ltS(a, b)
    case 'le':
      return unsigned ? family.leU(a, b) : family.leS(a, b)
    case 'gt':
      return unsigned ? family.gtU(a, b) : family.gtS(a, b)
    case 'ge':
      return unsigned ? family.geU(a, b) : family.geS(a, b)
    default:
      return unreachable(op)
  }
}

/**
 * Float comparison in the total order NaN = NaN, NaN greater than all, -0 = 0. Operands are locals or other pure code:
 * they are evaluated several times.
 * @param rightIsNumber the right operand is known not to be NaN, which needs one instruction instead of four
 */
export function compareFloats(word: 'f32' | 'f64', op: CompareOp, a: Code, b: Code, rightIsNumber = false): Code {
  const family = word === 'f32' ? f32 : f64
  const isNan = (value: Code): Code => family.ne(value, value)
  switch (op) {
    case 'eq':
      return rightIsNumber ? family.eq(a, b) : i32.or(family.eq(a, b), i32.and(isNan(a), isNan(b)))
    case 'ne':
      return i32.eqz(compareFloats(word, 'eq', a, b, rightIsNumber))
    case 'lt':
      return rightIsNumber ? family.lt(a, b) : i32.or(family.lt(a, b), i32.and(family.eq(a, a), isNan(b)))
    case 'le':
      return rightIsNumber ? family.le(a, b) : i32.or(family.le(a, b), isNan(b))
    case 'gt':
      return i32.eqz(compareFloats(word, 'le', a, b, rightIsNumber))
    case 'ge':
      return i32.eqz(compareFloats(word, 'lt', a, b, rightIsNumber))
    default:
      return unreachable(op)
  }
}

/** Comparison of two signed 128-bit integers given as locals { low, high }. */
export function compareI128(op: CompareOp, a: readonly number[], b: readonly number[]): Code {
  const [aLow, aHigh, bLow, bHigh] = [...a, ...b].map(local.get) as [Code, Code, Code, Code]
  switch (op) {
    case 'eq':
      return i32.and(i64.eq(aLow, bLow), i64.eq(aHigh, bHigh))
    case 'ne':
      return i32.eqz(compareI128('eq', a, b))
    case 'lt':
      return i32.or(i64.ltS(aHigh, bHigh), i32.and(i64.eq(aHigh, bHigh), i64.ltU(aLow, bLow)))
    case 'gt':
      return compareI128('lt', b, a)
    case 'le':
      return i32.eqz(compareI128('lt', b, a))
    case 'ge':
      return i32.eqz(compareI128('lt', a, b))
    default:
      return unreachable(op)
  }
}
