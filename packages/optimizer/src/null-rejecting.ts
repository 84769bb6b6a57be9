/**
 * Which conditions cannot be true in a row whose columns of one side of a join are all null, and what that makes of the
 * join: rows in which that side is missing would be filtered out, so the join need not make them.
 *
 *   FILTER v > 1                   FILTER v > 1
 *     LEFT JOIN … right v     →      INNER JOIN … right v
 */
import { canBeMissing, type Join, makeJoin, type TypedExpr } from '@spillway/plan'
import { unreachable } from '@spillway/stdx'

/** The join that gives the same rows under these conditions; the node itself when none of them rejects nulls. */
export function withoutRejectedRows(node: Join, conjuncts: readonly TypedExpr[]): Join {
  const isRejected = (side: 'left' | 'right'): boolean => {
    if (!canBeMissing(node.how, side)) return false
    const names = new Set(node.outputs.filter((output) => output.side === side).map(({ name }) => name))
    return conjuncts.some((conjunct) => rejectsNulls(conjunct, names))
  }
  const keepsRight = canBeMissing(node.how, 'left') && !isRejected('left')
  const keepsLeft = canBeMissing(node.how, 'right') && !isRejected('right')
  const how = keepsLeft ? (keepsRight ? 'full' : 'left') : keepsRight ? 'right' : 'inner'
  if (how === node.how || (!canBeMissing(node.how, 'left') && !canBeMissing(node.how, 'right'))) return node
  const { leftKeys, rightKeys, nullsEqual, buildSide, outputs } = node
  return makeJoin(node.left, node.right, { how, leftKeys, rightKeys, nullsEqual, buildSide, outputs })
}

/** True when a boolean expression is false or null whenever all columns of `names` are null. */
function rejectsNulls(expr: TypedExpr, names: ReadonlySet<string>): boolean {
  if (expr.kind === 'unary' && expr.op === 'isNotNull') return isNullWith(expr.operand, names)
  if (expr.kind === 'binary' && expr.op === 'and')
    return rejectsNulls(expr.left, names) || rejectsNulls(expr.right, names)
  if (expr.kind === 'binary' && expr.op === 'or')
    return rejectsNulls(expr.left, names) && rejectsNulls(expr.right, names)
  if (expr.kind === 'literal') return expr.value !== true
  return isNullWith(expr, names)
}

/** True when an expression is null whenever all columns of `names` are null. A "no" is always allowed. */
function isNullWith(expr: TypedExpr, names: ReadonlySet<string>): boolean {
  const isNull = (operand: TypedExpr): boolean => isNullWith(operand, names)
  switch (expr.kind) {
    case 'column':
      return names.has(expr.name)
    case 'literal':
      return expr.value === null
    case 'cast':
    case 'isIn':
      return isNull(expr.operand)
    case 'unary':
      return (expr.op === 'not' || expr.op === 'negate') && isNull(expr.operand)
    case 'binary':
      // Of AND and OR one side can decide alone; every other operator is null where an operand is.
      if (expr.op === 'and' || expr.op === 'or') return isNull(expr.left) && isNull(expr.right)
      return isNull(expr.left) || isNull(expr.right)
    case 'fillNull':
      return isNull(expr.operand) && isNull(expr.fill)
    case 'when':
      return isNull(expr.otherwise) && expr.branches.every((branch) => isNull(branch.then))
    default:
      return unreachable(expr)
  }
}
