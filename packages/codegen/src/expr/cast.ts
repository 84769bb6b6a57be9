/**
 * Casts between numbers, booleans, dates and timestamps; text and decimals are dispatched to their own files.
 *
 * Every cast comes down to converted words and a test `ok`; a strict cast raises CAST_FAILED where the test fails, the
 * other kind makes the row null.
 */
import { type DataType, isFloat, isUnsignedInteger, raiseCode, type TimeUnit, typeEquals } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { type Code, f32, f64, i32, i64, local, select, type ValueType } from '../wasm/instructions.ts'
import { castDecimal } from './cast-decimal.ts'
import { castText } from './cast-text.ts'
import { wordTypes } from './load-value.ts'
import { findIntegerRange, integerFits } from './integer-range.ts'
import { type RowCode, type Validity, validAnd, type Value, whereValid } from './row-code.ts'
import type { IrOf } from './stage-ir.ts'

/** Converted words, and code that is 1 where the value fits (undefined: it always fits). */
export interface Conversion {
  readonly words: readonly number[]
  readonly ok: Code | undefined
}

/** Emits a cast of `operand` to the node's type. */
export function compileCast(code: RowCode, node: IrOf<'cast'>, operand: Value): Value {
  const from = node.operand.type
  const to = node.type
  if (from.kind === 'null') {
    return { words: wordTypes(to).map((word) => code.builder.local(word)), valid: 'null' }
  }
  if (typeEquals(from, to)) return operand
  const conversion = convert(code, node, operand)
  return { words: conversion.words, valid: settle(code, node, operand.valid, conversion.ok) }
}

function convert(code: RowCode, node: IrOf<'cast'>, operand: Value): Conversion {
  const from = node.operand.type
  const to = node.type
  if (from.kind === 'utf8' || to.kind === 'utf8') return castText(code, node, operand)
  if (from.kind === 'decimal' || to.kind === 'decimal') return castDecimal(code, node, operand)
  const word = operand.words[0] ?? 0
  const toTime = to.kind === 'timestamp' || to.kind === 'date'
  if (toTime && (from.kind === 'timestamp' || from.kind === 'date')) return castTime(code, from, to, word)
  return castNumber(code, asNumber(from), asNumber(to), word)
}

/** Raises or nulls where `ok` is 0. Returns the validity of the result. */
function settle(code: RowCode, node: IrOf<'cast'>, valid: Validity, ok: Code | undefined): Validity {
  if (ok === undefined) return valid
  if (!node.strict) return validAnd(code, valid, ok)
  code.raiseIf(whereValid(valid, i32.eqz(ok)), raiseCode.castFailed, node.site)
  return valid
}

/** Dates and timestamps meet numbers as the integers they are stored as. */
function asNumber(type: DataType): DataType {
  if (type.kind === 'date') return { kind: 'int32' }
  return type.kind === 'timestamp' ? { kind: 'int64' } : type
}

/** Casts among integers, floats and booleans. */
export function castNumber(code: RowCode, from: DataType, to: DataType, word: number): Conversion {
  const value = local.get(word)
  const [fromWord, toWord] = [wordTypes(from)[0] ?? 'i32', wordTypes(to)[0] ?? 'i32']
  if (to.kind === 'boolean') {
    const nonzero = { i32: i32.ne(value, i32.const(0)), i64: i64.ne(value, i64.const(0n)) }
    const nonzeroFloat = { f32: f32.ne(value, f32.const(0)), f64: f64.ne(value, f64.const(0)) }
    return { words: [code.let('i32', { ...nonzero, ...nonzeroFloat }[fromWord])], ok: undefined }
  }
  if (isFloat(from)) {
    if (!isFloat(to)) return floatToInteger(code, from, to, value)
    return { words: [code.let(toWord, toWord === 'f64' ? f64.promoteF32(value) : f32.demoteF64(value))], ok: undefined }
  }
  const unsigned = isUnsignedInteger(from)
  if (toWord === 'f32' || toWord === 'f64') {
    return { words: [code.let(toWord, integerToFloat(toWord, fromWord, unsigned, value))], ok: undefined }
  }
  return integerToInteger(code, from, to, value)
}

function integerToFloat(to: 'f32' | 'f64', from: ValueType, unsigned: boolean, value: Code): Code {
  const family = to === 'f32' ? f32 : f64
  if (from === 'i64') return unsigned ? family.convertI64U(value) : family.convertI64S(value)
  return unsigned ? family.convertI32U(value) : family.convertI32S(value)
}

function integerToInteger(code: RowCode, from: DataType, to: DataType, value: Code): Conversion {
  const [source, target] = [findIntegerRange(from), findIntegerRange(to)]
  assert(source !== undefined && target !== undefined, 'a cast between these types is typed')
  const fromWord = wordTypes(from)[0]
  const toWord = wordTypes(to)[0] ?? 'i32'
  const unsigned = isUnsignedInteger(from)
  const wide = code.let('i64', fromWord === 'i64' ? value : unsigned ? i64.extendI32U(value) : i64.extendI32S(value))
  const word = toWord === 'i64' ? wide : code.let('i32', i32.wrapI64(local.get(wide)))
  return { words: [word], ok: integerFits(source, target, from.kind === 'uint64', local.get(wide)) }
}

/** Truncates toward zero. Bounds are powers of two, so the test is exact in floating point; NaN fails it. */
function floatToInteger(code: RowCode, from: DataType, to: DataType, value: Code): Conversion {
  const number = code.let('f64', from.kind === 'float32' ? f64.promoteF32(value) : value)
  const range = findIntegerRange(to)
  assert(range !== undefined, 'a float is cast to an integer type here')
  const unsigned = isUnsignedInteger(to)
  const whole = f64.trunc(local.get(number))
  const lower = f64.ge(whole, f64.const(Number(range[0])))
  const upper = f64.lt(whole, f64.const(Number(range[1] + 1n)))
  const ok = code.let('i32', i32.and(lower, upper))
  const wide = wordTypes(to)[0] === 'i64'
  const convertTo = wide
    ? unsigned
      ? i64.truncSatF64U
      : i64.truncSatF64S
    : unsigned
      ? i32.truncSatF64U
      : i32.truncSatF64S
  return { words: [code.let(wide ? 'i64' : 'i32', convertTo(local.get(number)))], ok: local.get(ok) }
}

export const unitsPerSecond = {
  s: 1n,
  ms: 1_000n,
  us: 1_000_000n,
  ns: 1_000_000_000n,
} as const satisfies Record<TimeUnit, bigint>

/** Units of a date or timestamp in one day; a date counts whole days. */
const unitsPerDay = (type: DataType): bigint => (type.kind === 'timestamp' ? unitsPerSecond[type.unit] * 86_400n : 1n)

/** date ↔ timestamp and between units: finer is an exact product that may overflow, coarser is a floor. */
function castTime(code: RowCode, from: DataType, to: DataType, word: number): Conversion {
  const value = from.kind === 'date' ? i64.extendI32S(local.get(word)) : local.get(word)
  const wide = code.let('i64', value)
  const [source, target] = [unitsPerDay(from), unitsPerDay(to)]
  if (target >= source) {
    const factor = target / source
    const limit = (2n ** 63n - 1n) / factor
    const product = code.let('i64', i64.mul(local.get(wide), i64.const(factor)))
    if (factor === 1n) return { words: [wide], ok: undefined }
    const lower = i64.geS(local.get(wide), i64.const(-limit))
    return { words: [product], ok: i32.and(lower, i64.leS(local.get(wide), i64.const(limit))) }
  }
  const divisor = source / target
  const quotient = i64.divS(local.get(wide), i64.const(divisor))
  const remainder = i64.remS(local.get(wide), i64.const(divisor))
  const down = select(i64.const(1n), i64.const(0n), i64.ltS(remainder, i64.const(0n)))
  const floored = code.let('i64', i64.sub(quotient, down))
  if (to.kind !== 'date') return { words: [floored], ok: undefined }
  const days = code.let('i32', i32.wrapI64(local.get(floored)))
  return { words: [days], ok: i64.eq(i64.extendI32S(local.get(days)), local.get(floored)) }
}
