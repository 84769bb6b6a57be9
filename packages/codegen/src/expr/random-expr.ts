/** Random typed expressions and values from a seed, for comparing generated code with its twin. For tests only. */
import type { DataType } from '@spillway/columnar'
import type { BinaryOp, LiteralValue, TypedExpr } from '@spillway/plan'
import type { CellValue } from './arena-batch.ts'

/** Small deterministic generator (xorshift). */
export class Random {
  #state: number
  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) | 1
  }
  /** Integer in 0 … bound-1. */
  below(bound: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % bound
  }
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }
}

const timestamp = (unit: 's' | 'ms' | 'us' | 'ns'): DataType => ({ kind: 'timestamp', unit, timezone: undefined })
const decimal = (precision: number, scale: number): DataType => ({ kind: 'decimal', precision, scale })

/** Every kind of type, decimals and timestamps in several forms. */
export const sampleTypes: readonly DataType[] = [
  ...(['boolean', 'int8', 'int16', 'int32', 'int64'] as const).map((kind) => ({ kind })),
  ...(['uint8', 'uint16', 'uint32', 'uint64', 'float32', 'float64', 'utf8', 'date'] as const).map((kind) => ({ kind })),
  timestamp('s'),
  timestamp('us'),
  timestamp('ns'),
  decimal(9, 2),
  decimal(38, 4),
  decimal(20, 0),
]

const whole = [0n, 0n, 1n, -1n, 2n, 3n, 7n, 10n, 100n, -128n, 127n, 255n, 32767n, 65535n, 1000000n, -2147483648n]
const wide = [2147483647n, 4294967295n, 9007199254740993n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n, 86400000000n]
const floats = [
  0,
  -0,
  1,
  -1,
  0.5,
  2.5,
  -3.75,
  1e10,
  0.1,
  1e300,
  5e-324,
  1e21,
  123456.789,
  16777217,
  NaN,
  NaN,
  Infinity,
  -Infinity,
]
const texts = [
  '',
  'a',
  'b',
  'ab',
  'id12',
  'twelve bytes',
  'thirteen byte',
  'thirteen bytf',
  'a long string of many bytes',
  'é',
  '€uro',
]
const numerals = [
  '12',
  '-7',
  ' 3.5 ',
  '1e3',
  'true',
  'False',
  '2024-02-29',
  '2024-02-30',
  '1999-12-31 23:59:59.25',
  'nan',
]

/** A value of `type`, often an edge of its range; never null. */
export function randomValue(random: Random, type: DataType): Exclude<CellValue, null> {
  switch (type.kind) {
    case 'boolean':
      return random.below(2) === 1
    case 'utf8':
      return random.pick(random.below(3) === 0 ? numerals : texts)
    case 'float64':
      return random.below(3) === 0 ? random.below(1e9) / 997 : random.pick(floats)
    case 'float32':
      return Math.fround(random.below(3) === 0 ? random.below(1e6) / 97 : random.pick(floats))
    case 'date':
      return random.below(40000) - 10000
    case 'timestamp':
      return BigInt(random.below(2 ** 31)) * random.pick([1n, -1n, 1000n, 1001n])
    case 'decimal': {
      const bound = 10n ** BigInt(type.precision)
      return (random.pick([...whole, ...wide, 10n ** 37n - 1n]) * random.pick([1n, 5n, -3n])) % bound
    }
    default: {
      const bits = { int8: 8, uint8: 8, int16: 16, uint16: 16, int32: 32, uint32: 32 }[type.kind as string] ?? 64
      const value = random.below(2) === 0 ? BigInt(random.below(20)) : random.pick([...whole, ...wide])
      const fitted = type.kind.startsWith('u') ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value)
      return bits === 64 ? fitted : Number(fitted)
    }
  }
}

const bool = sampleTypes[0] as DataType

/** The columns of the input: one per sample type, named by position. */
export const columnName = (type: DataType): string => `c${sampleTypes.indexOf(type)}`

/** An expression of `type`, one of `sampleTypes`. */
export function randomExpr(random: Random, type: DataType, depth: number): TypedExpr {
  const facts = { type, nullable: true }
  const sub = (of: DataType = type): TypedExpr => randomExpr(random, of, depth - 1)
  const any = (): DataType => random.pick(sampleTypes)
  if (depth === 0 || random.below(6) === 0) {
    const choice = random.below(4)
    if (choice > 0) return { kind: 'column', name: columnName(type), ...facts }
    const value: LiteralValue = random.below(8) === 0 ? null : randomValue(random, type)
    return { kind: 'literal', value, type, nullable: value === null }
  }
  const choice = random.below(10)
  if (choice === 0) return { kind: 'fillNull', operand: sub(), fill: sub(), ...facts }
  if (choice === 1) {
    const branches = Array.from({ length: 1 + random.below(2) }, () => ({ when: sub(bool), then: sub() }))
    return { kind: 'when', branches, otherwise: sub(), ...facts }
  }
  if (choice === 2) {
    const from = any()
    const isTime = (of: DataType): boolean => of.kind === 'date' || of.kind === 'timestamp'
    const odd =
      (isTime(from) && (type.kind === 'decimal' || type.kind === 'boolean')) ||
      (isTime(type) && from.kind === 'decimal')
    const operand = sub(odd ? sampleTypes[3] : from)
    return { kind: 'cast', operand, strict: random.below(4) === 0, ...facts }
  }
  if (type.kind === 'boolean') return randomCondition(random, depth, sub, any())
  if (type.kind === 'utf8' || type.kind === 'date' || type.kind === 'timestamp') return sub()
  const isFloat = type.kind === 'float32' || type.kind === 'float64'
  if (choice === 3 && !type.kind.startsWith('u')) return { kind: 'unary', op: 'negate', operand: sub(), ...facts }
  const ops: readonly BinaryOp[] = isFloat ? ['add', 'sub', 'mul', 'div', 'mod'] : ['add', 'sub', 'mul', 'mod', 'mod']
  return { kind: 'binary', op: random.pick(ops), left: sub(), right: sub(), ...facts }
}

function randomCondition(random: Random, depth: number, sub: (of?: DataType) => TypedExpr, type: DataType): TypedExpr {
  const facts = { type: bool, nullable: true }
  const choice = random.below(8)
  if (choice === 0) return { kind: 'unary', op: 'not', operand: sub(bool), ...facts }
  if (choice === 1)
    return { kind: 'unary', op: random.pick(['isNull', 'isNotNull'] as const), operand: sub(type), ...facts }
  if (choice === 2) {
    const values = Array.from({ length: random.below(6) }, () => randomValue(random, type))
    return { kind: 'isIn', operand: sub(type), values, ...facts }
  }
  if (choice < 5)
    return { kind: 'binary', op: random.pick(['and', 'or'] as const), left: sub(bool), right: sub(bool), ...facts }
  const op = random.pick(['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const)
  return {
    kind: 'binary',
    op,
    left: sub(type),
    right: randomExpr(random, type, random.below(2) * (depth - 1)),
    ...facts,
  }
}
