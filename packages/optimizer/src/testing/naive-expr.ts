/** Expressions over one row, evaluated as plainly as possible: what the optimizer's rewrites are compared with. */
import { type DataType, isFloat, isInteger } from '@spillway/columnar'
import type { LiteralValue, TypedExpr } from '@spillway/plan'

export type Row = Readonly<Record<string, LiteralValue>>

/** What a raising expression throws. */
export class Raised extends Error {}

export function evaluate(expr: TypedExpr, row: Row): LiteralValue {
  switch (expr.kind) {
    case 'column': {
      const value = row[expr.name]
      if (value === undefined) throw new Error(`no column ${expr.name} in the row`)
      if (value === null && !expr.nullable) throw new Error(`null in ${expr.name}, which is not nullable`)
      return value
    }
    case 'literal':
      return expr.value
    case 'binary':
      return evaluateBinary(expr, row)
    case 'unary': {
      const value = evaluate(expr.operand, row)
      if (expr.op === 'isNull') return value === null
      if (expr.op === 'isNotNull') return value !== null
      if (value === null) return null
      if (expr.op === 'not') return !value
      return isFloat(expr.type) ? -Number(value) : integer(-BigInt(value as bigint), expr.type)
    }
    case 'fillNull':
      return evaluate(expr.operand, row) ?? evaluate(expr.fill, row)
    case 'isIn': {
      const value = evaluate(expr.operand, row)
      return value === null ? null : expr.values.some((other) => compare(value, other) === 0)
    }
    case 'cast': {
      const value = evaluate(expr.operand, row)
      return value === null ? null : cast(value, expr.operand.type, expr.type, expr.strict)
    }
    case 'when': {
      for (const branch of expr.branches) if (evaluate(branch.when, row) === true) return evaluate(branch.then, row)
      return evaluate(expr.otherwise, row)
    }
  }
}

function evaluateBinary(expr: Extract<TypedExpr, { kind: 'binary' }>, row: Row): LiteralValue {
  const { op, type } = expr
  const left = evaluate(expr.left, row)
  if (op === 'and' && left === false) return false
  if (op === 'or' && left === true) return true
  const right = evaluate(expr.right, row)
  if (op === 'and') return right === false ? false : left === null || right === null ? null : true
  if (op === 'or') return right === true ? true : left === null || right === null ? null : false
  if (left === null || right === null) return null
  if (op === 'add' || op === 'sub' || op === 'mul' || op === 'mod' || op === 'div') {
    if (isFloat(type)) {
      const [a, b] = [Number(left), Number(right)]
      return { add: a + b, sub: a - b, mul: a * b, mod: a % b, div: a / b }[op]
    }
    const [a, b] = [BigInt(left as bigint), BigInt(right as bigint)]
    if (op === 'mod') return b === 0n ? null : integer(a % b, type)
    return integer(op === 'add' ? a + b : op === 'sub' ? a - b : a * b, type)
  }
  const order = compare(left, right)
  return { eq: order === 0, ne: order !== 0, lt: order < 0, le: order <= 0, gt: order > 0, ge: order >= 0 }[op]
}

/** NaN is equal to itself and the greatest; -0 equals 0; test strings are ASCII. */
export function compare(left: LiteralValue, right: LiteralValue): number {
  if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right))
  if (left === right) return 0
  return (left as number) < (right as number) ? -1 : 1
}

function integer(value: bigint, type: DataType): LiteralValue {
  const bits = Number(/\d+$/.exec(type.kind)?.[0])
  const fits = type.kind.startsWith('u') ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value)
  if (fits !== value) throw new Raised('OVERFLOW')
  return bits === 64 ? value : Number(value)
}

function cast(value: LiteralValue, from: DataType, to: DataType, strict: boolean): LiteralValue {
  if (to.kind === 'utf8') return Object.is(value, -0) ? '-0.0' : String(value)
  if (isFloat(to)) return Number(value)
  if (!isInteger(to)) throw new Error(`no naive cast from ${from.kind} to ${to.kind}`)
  try {
    if (isFloat(from) && !Number.isFinite(value)) throw new Raised('CAST_FAILED')
    return integer(BigInt(isFloat(from) ? Math.trunc(value as number) : (value as bigint)), to)
  } catch (error) {
    if (!strict && error instanceof Raised) return null
    throw error
  }
}
