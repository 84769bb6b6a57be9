/**
 * What a predicate may be over a set of rows (a row group, some pages), judged by their statistics alone.
 *
 * A predicate's possible outcomes are a subset of {true, false, null}; rows are skipped only when true is not among
 * them. What cannot be judged has every outcome. Statistics leave NaN out, and NaN is greater than every number, so a
 * float column's values are its interval plus, possibly, NaN: `>`, `>=`, `!=` and `= NaN` never skip by the upper
 * bound.
 */
import type { TypedExpr } from '@spillway/plan'
import { compareBounds } from '../statistics.ts'
import { literalSet, readValueSet, unknownSet } from './value-set.ts'
import type { RowsStatistics, ValueSet } from './value-set.ts'

/** What a predicate can be over a set of rows. */
export interface Outcomes {
  readonly canBeTrue: boolean
  readonly canBeFalse: boolean
  readonly canBeNull: boolean
}

const anyOutcome: Outcomes = { canBeTrue: true, canBeFalse: true, canBeNull: true }

type Binary = Extract<TypedExpr, { kind: 'binary' }>

/** What `predicate` can be over the rows that `rows` speaks of. */
export function judge(expr: TypedExpr, rows: RowsStatistics): Outcomes {
  switch (expr.kind) {
    case 'binary':
      return judgeBinary(expr, rows)
    case 'unary':
      return judgeUnary(expr, rows)
    case 'isIn':
      return judgeIsIn(expr, rows)
    case 'column':
    case 'literal':
    case 'cast':
      return booleanOutcomes(readValueSet(expr, rows))
    case 'fillNull':
    case 'when':
      return anyOutcome
  }
}

/** A boolean value as an outcome: the set holds 0n, 1n or both. */
function booleanOutcomes(set: ValueSet): Outcomes {
  return {
    canBeTrue: set.hasNumbers && set.max !== 0n,
    canBeFalse: set.hasNumbers && set.min !== 1n,
    canBeNull: set.hasNull,
  }
}

function judgeUnary(expr: Extract<TypedExpr, { kind: 'unary' }>, rows: RowsStatistics): Outcomes {
  switch (expr.op) {
    case 'not': {
      const { canBeTrue, canBeFalse, canBeNull } = judge(expr.operand, rows)
      return { canBeTrue: canBeFalse, canBeFalse: canBeTrue, canBeNull }
    }
    case 'isNull':
    case 'isNotNull': {
      const { hasNull, hasNumbers, hasNaN } = readValueSet(expr.operand, rows)
      const hasValue = hasNumbers || hasNaN
      const isNull = expr.op === 'isNull'
      return { canBeTrue: isNull ? hasNull : hasValue, canBeFalse: isNull ? hasValue : hasNull, canBeNull: false }
    }
    case 'negate':
      return anyOutcome
  }
}

function judgeBinary(expr: Binary, rows: RowsStatistics): Outcomes {
  switch (expr.op) {
    case 'and':
    case 'or': {
      const left = judge(expr.left, rows)
      const right = judge(expr.right, rows)
      const canBeNull = left.canBeNull || right.canBeNull
      if (expr.op === 'and') {
        const canBeTrue = left.canBeTrue && right.canBeTrue
        return { canBeTrue, canBeFalse: left.canBeFalse || right.canBeFalse, canBeNull }
      }
      const canBeFalse = left.canBeFalse && right.canBeFalse
      return { canBeTrue: left.canBeTrue || right.canBeTrue, canBeFalse, canBeNull }
    }
    case 'eq':
    case 'ne':
    case 'lt':
    case 'le':
    case 'gt':
    case 'ge':
      return judgeComparison(expr, rows)
    default:
      return anyOutcome
  }
}

function judgeComparison({ op, left: leftExpr, right: rightExpr }: Binary, rows: RowsStatistics): Outcomes {
  const left = readValueSet(leftExpr, rows)
  const right = readValueSet(rightExpr, rows)
  const less = canBeLess(left, right)
  const equal = canBeEqual(left, right) && mayHold(leftExpr, right, rows) && mayHold(rightExpr, left, rows)
  const greater = canBeLess(right, left)
  const canBeNull = left.hasNull || right.hasNull
  switch (op) {
    case 'eq':
      return { canBeTrue: equal, canBeFalse: less || greater, canBeNull }
    case 'ne':
      return { canBeTrue: less || greater, canBeFalse: equal, canBeNull }
    case 'lt':
      return { canBeTrue: less, canBeFalse: equal || greater, canBeNull }
    case 'le':
      return { canBeTrue: less || equal, canBeFalse: greater, canBeNull }
    case 'gt':
      return { canBeTrue: greater, canBeFalse: less || equal, canBeNull }
    case 'ge':
      return { canBeTrue: greater || equal, canBeFalse: less, canBeNull }
    default:
      return anyOutcome
  }
}

/** Asks the Bloom filter when `expr` is a column and `values` a single value. */
function mayHold(expr: TypedExpr, values: ValueSet, rows: RowsStatistics): boolean {
  if (expr.kind !== 'column' || rows.mayContain === undefined) return true
  const { min, max, hasNaN } = values
  if (hasNaN || min === undefined || max === undefined || compareBounds(min, max) !== 0) return true
  return rows.mayContain(expr.name, min, expr.type)
}

/** Whether some value of `left` may be below some value of `right`, NaN being above every number. */
function canBeLess(left: ValueSet, right: ValueSet): boolean {
  if (!left.hasNumbers) return false
  if (right.hasNaN) return true
  if (!right.hasNumbers) return false
  return left.min === undefined || right.max === undefined || compareBounds(left.min, right.max) < 0
}

function canBeEqual(left: ValueSet, right: ValueSet): boolean {
  if (left.hasNaN && right.hasNaN) return true
  if (!left.hasNumbers || !right.hasNumbers) return false
  const leftBelow = left.max !== undefined && right.min !== undefined && compareBounds(left.max, right.min) < 0
  const rightBelow = right.max !== undefined && left.min !== undefined && compareBounds(right.max, left.min) < 0
  return !leftBelow && !rightBelow
}

function judgeIsIn(expr: Extract<TypedExpr, { kind: 'isIn' }>, rows: RowsStatistics): Outcomes {
  const operand = readValueSet(expr.operand, rows)
  const canBeTrue = expr.values.some((value) => {
    const set = literalSet(value, expr.operand.type) ?? unknownSet
    return canBeEqual(operand, set) && mayHold(expr.operand, set, rows)
  })
  return { canBeTrue, canBeFalse: operand.hasNumbers || operand.hasNaN, canBeNull: operand.hasNull }
}
