/**
 * Which row groups may hold a row for which a predicate is true, judged by their statistics alone.
 *
 * A predicate's possible outcomes over a row group are a subset of {true, false, null}; the group is skipped only
 * when true is not among them. What cannot be judged has every outcome. Statistics leave NaN out, and NaN is greater
 * than every number, so a float column's values are its interval plus, possibly, NaN: `>`, `>=`, `!=` and `= NaN`
 * never skip by the upper bound.
 */
import type { TypedExpr } from '@spillway/plan'
import type { ParquetFileMeta, ParquetRowGroup } from './file-meta.ts'
import { compareBounds } from './statistics.ts'
import { literalSet, readValueSet, unknownSet } from './value-set.ts'
import type { ValueSet } from './value-set.ts'

/** What a predicate can be over the rows of a row group. */
interface Outcomes {
  readonly canBeTrue: boolean
  readonly canBeFalse: boolean
  readonly canBeNull: boolean
}

const anyOutcome: Outcomes = { canBeTrue: true, canBeFalse: true, canBeNull: true }

type Binary = Extract<TypedExpr, { kind: 'binary' }>

/** For each row group of the file: whether it may hold a row for which `predicate` is true. Main thread. */
export function pruneRowGroups(meta: ParquetFileMeta, predicate: TypedExpr): boolean[] {
  return meta.rowGroups.map((rowGroup) => rowGroup.rowCount > 0 && judge(predicate, rowGroup).canBeTrue)
}

function judge(expr: TypedExpr, rowGroup: ParquetRowGroup): Outcomes {
  switch (expr.kind) {
    case 'binary':
      return judgeBinary(expr, rowGroup)
    case 'unary':
      return judgeUnary(expr, rowGroup)
    case 'isIn':
      return judgeIsIn(expr, rowGroup)
    case 'column':
    case 'literal':
    case 'cast':
      return booleanOutcomes(readValueSet(expr, rowGroup))
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

function judgeUnary(expr: Extract<TypedExpr, { kind: 'unary' }>, rowGroup: ParquetRowGroup): Outcomes {
  switch (expr.op) {
    case 'not': {
      const { canBeTrue, canBeFalse, canBeNull } = judge(expr.operand, rowGroup)
      return { canBeTrue: canBeFalse, canBeFalse: canBeTrue, canBeNull }
    }
    case 'isNull':
    case 'isNotNull': {
      const { hasNull, hasNumbers, hasNaN } = readValueSet(expr.operand, rowGroup)
      const hasValue = hasNumbers || hasNaN
      const isNull = expr.op === 'isNull'
      return { canBeTrue: isNull ? hasNull : hasValue, canBeFalse: isNull ? hasValue : hasNull, canBeNull: false }
    }
    case 'negate':
      return anyOutcome
  }
}

function judgeBinary(expr: Binary, rowGroup: ParquetRowGroup): Outcomes {
  switch (expr.op) {
    case 'and':
    case 'or': {
      const left = judge(expr.left, rowGroup)
      const right = judge(expr.right, rowGroup)
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
      return judgeComparison(expr.op, readValueSet(expr.left, rowGroup), readValueSet(expr.right, rowGroup))
    default:
      return anyOutcome
  }
}

function judgeComparison(op: 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge', left: ValueSet, right: ValueSet): Outcomes {
  const less = canBeLess(left, right)
  const equal = canBeEqual(left, right)
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
  }
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

function judgeIsIn(expr: Extract<TypedExpr, { kind: 'isIn' }>, rowGroup: ParquetRowGroup): Outcomes {
  const operand = readValueSet(expr.operand, rowGroup)
  const canBeTrue = expr.values.some((value) => {
    return canBeEqual(operand, literalSet(value, expr.operand.type) ?? unknownSet)
  })
  return { canBeTrue, canBeFalse: operand.hasNumbers || operand.hasNaN, canBeNull: operand.hasNull }
}
