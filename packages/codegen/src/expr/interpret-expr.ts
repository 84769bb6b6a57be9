/**
 * The naive twin of the expression compiler: evaluates a typed expression for one row of JavaScript values.
 * For tests only; generated code and this must agree on every value and on what raises.
 */
import { type DataType, isFloat } from '@spillway/columnar'
import type { TypedExpr } from '@spillway/plan'
import { SpillwayError, unreachable } from '@spillway/stdx'
import type { CellValue } from './arena-batch.ts'
import { findIntegerRange } from './integer-range.ts'
import { castCell } from './interpret-cast.ts'

/** One row: column values by name. */
export type Row = Readonly<Record<string, CellValue>>

const overflow = (): never => {
  throw new SpillwayError('OVERFLOW', 'Overflow in the twin')
}

/** The value of `expr` for `row`. @throws OVERFLOW or CAST_FAILED where generated code raises */
export function interpretExpr(expr: TypedExpr, row: Row): CellValue {
  switch (expr.kind) {
    case 'column':
      return row[expr.name] ?? null
    case 'literal':
      return expr.value === null ? null : normalise(expr.value, expr.type)
    case 'binary':
      return interpretBinary(expr, row)
    case 'unary': {
      const value = interpretExpr(expr.operand, row)
      if (expr.op === 'isNull') return value === null
      if (expr.op === 'isNotNull') return value !== null
      if (value === null) return null
      if (expr.op === 'not') return !value
      if (isFloat(expr.type)) return -Number(value)
      return exactResult(-BigInt(value), expr.type)
    }
    case 'fillNull':
      return interpretExpr(expr.operand, row) ?? interpretExpr(expr.fill, row)
    case 'isIn': {
      const value = interpretExpr(expr.operand, row)
      if (value === null) return null
      const type = expr.operand.type
      return expr.values.some((entry) => entry !== null && compareCells(normalise(entry, type), value, type) === 0)
    }
    case 'cast':
      return castCell(interpretExpr(expr.operand, row), expr.operand.type, expr.type, expr.strict)
    case 'when': {
      const branch = expr.branches.find((candidate) => interpretExpr(candidate.when, row) === true)
      return interpretExpr(branch === undefined ? expr.otherwise : branch.then, row)
    }
    default:
      return unreachable(expr)
  }
}

/** A literal in the form that cells of its type have. */
function normalise(value: boolean | number | bigint | string, type: DataType): CellValue {
  if (isFloat(type)) return type.kind === 'float32' ? Math.fround(Number(value)) : Number(value)
  if (type.kind === 'utf8' || type.kind === 'boolean') return value
  return fromExact(BigInt(value), type)
}

/** An exact integer in the form that cells of `type` have. */
export function fromExact(value: bigint, type: DataType): CellValue {
  const wide = type.kind === 'decimal' || type.kind === 'timestamp' || type.kind === 'int64' || type.kind === 'uint64'
  return wide ? value : Number(value)
}

function exactResult(value: bigint, type: DataType): CellValue {
  const range = type.kind === 'decimal' ? ([1n - 10n ** 38n, 10n ** 38n - 1n] as const) : findIntegerRange(type)
  if (range === undefined || value < range[0] || value > range[1]) return overflow()
  return fromExact(value, type)
}

/** value / 10^digits, half away from zero. */
export function dropDigits(value: bigint, digits: number): bigint {
  const power = 10n ** BigInt(digits)
  const magnitude = ((value < 0n ? -value : value) + power / 2n) / power
  return value < 0n ? -magnitude : magnitude
}

function interpretBinary(expr: TypedExpr & { kind: 'binary' }, row: Row): CellValue {
  const { op, type } = expr
  const left = interpretExpr(expr.left, row)
  if (op === 'and' || op === 'or') {
    if (left === (op === 'or')) return left
    const right = interpretExpr(expr.right, row)
    if (right === (op === 'or')) return right
    return left === null || right === null ? null : op === 'and'
  }
  const right = interpretExpr(expr.right, row)
  if (left === null || right === null) return null
  if (op !== 'add' && op !== 'sub' && op !== 'mul' && op !== 'div' && op !== 'mod') {
    const order = compareCells(left, right, expr.left.type)
    return { eq: order === 0, ne: order !== 0, lt: order < 0, le: order <= 0, gt: order > 0, ge: order >= 0 }[op]
  }
  if (isFloat(type)) {
    const [a, b] = [Number(left), Number(right)]
    const result = { add: a + b, sub: a - b, mul: a * b, div: a / b, mod: a % b }[op]
    return type.kind === 'float32' ? Math.fround(result) : result
  }
  const [a, b] = [BigInt(left), BigInt(right)]
  if (op === 'mod') return b === 0n ? null : fromExact(a % b, type)
  if (op !== 'mul') return exactResult(op === 'add' ? a + b : a - b, type)
  const scale = (part: DataType): number => (part.kind === 'decimal' ? part.scale : 0)
  return exactResult(dropDigits(a * b, scale(expr.left.type) + scale(expr.right.type) - scale(type)), type)
}

/** Order of two non-null values: NaN greatest and equal to itself, strings by UTF-8 bytes. */
export function compareCells(a: CellValue, b: CellValue, type: DataType): number {
  if (type.kind === 'utf8') return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)))
  if (isFloat(type)) {
    const [left, right] = [Number(a), Number(b)]
    if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right))
    return left < right ? -1 : left > right ? 1 : 0
  }
  const [left, right] = [BigInt(a ?? 0), BigInt(b ?? 0)]
  return left < right ? -1 : left > right ? 1 : 0
}
