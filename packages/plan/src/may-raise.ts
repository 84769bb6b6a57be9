/**
 * Which expressions can end a query with an error on some row.
 *
 * Such expressions run only on the rows that reach them and are never moved past a filter, slice or aggregate. A wrong
 * "no" here turns a correct query into a failing one; a wrong "yes" only loses an optimisation.
 */
import { type DataType, isFloat, isInteger, isSignedInteger, isUnsignedInteger } from '@spillway/columnar'
import type { TypedExpr } from './expr-node.ts'
import { exprChildren } from './expr-walk.ts'
import { integerBits, integerDigits } from './supertype.ts'

/** True when evaluating the expression can raise OVERFLOW or CAST_FAILED on some row. */
export function mayRaise(expr: TypedExpr): boolean {
  return raisesItself(expr) || exprChildren(expr).some(mayRaise)
}

function raisesItself(expr: TypedExpr): boolean {
  switch (expr.kind) {
    case 'binary': {
      if (expr.op !== 'add' && expr.op !== 'sub' && expr.op !== 'mul' && expr.op !== 'mod') return false
      // A remainder is never larger than its operands.
      return !isFloat(expr.type) && expr.op !== 'mod'
    }
    case 'unary':
      // The smallest integer has no positive twin; decimals are symmetric.
      return expr.op === 'negate' && isInteger(expr.type)
    case 'cast':
      return expr.strict && castMayFail(expr.operand.type, expr.type)
    default:
      return false
  }
}

/** True when some value of `from` does not fit `to`. */
export function castMayFail(from: DataType, to: DataType): boolean {
  if (from.kind === 'null' || to.kind === 'utf8') return false
  if (from.kind === 'utf8') return true
  if (isFloat(to)) return from.kind === 'decimal' ? false : !isCastToFloatTotal(from)
  if (isFloat(from)) return true
  if (from.kind === 'boolean') return !(isInteger(to) || to.kind === 'boolean')
  if (to.kind === 'boolean') return true
  if (from.kind === 'timestamp' && to.kind === 'timestamp') return unitRank(to.unit) > unitRank(from.unit)
  if (from.kind === 'date') return to.kind === 'timestamp' ? to.unit === 'ns' || to.unit === 'us' : to.kind !== 'date'
  if (from.kind === 'timestamp') return to.kind !== 'date' || from.unit === 's' || from.unit === 'ms'
  if (from.kind === 'decimal' && to.kind === 'decimal') {
    if (to.scale < from.scale) return to.precision - to.scale <= from.precision - from.scale
    return to.precision - to.scale < from.precision - from.scale
  }
  if (isInteger(from) && to.kind === 'decimal') return to.precision - to.scale < integerDigits(from)
  if (isInteger(from) && isInteger(to)) return !integerFits(from, to)
  return true
}

/** Integers and booleans round to the nearest float; nothing overflows, not even uint64 to float32. */
const isCastToFloatTotal = (from: DataType): boolean => isInteger(from) || isFloat(from) || from.kind === 'boolean'

const unitRank = (unit: 's' | 'ms' | 'us' | 'ns'): number => ['s', 'ms', 'us', 'ns'].indexOf(unit)

function integerFits(from: DataType, to: DataType): boolean {
  const fromBits = integerBits(from)
  const toBits = integerBits(to)
  if (isSignedInteger(from)) return isSignedInteger(to) && fromBits <= toBits
  return isUnsignedInteger(to) ? fromBits <= toBits : fromBits < toBits
}
