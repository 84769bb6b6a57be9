/** The plans behind filter: one for each condition, or one for all. */
import { containsAggregate, type Expr, exprText, type LogicalNode, makeFilter, nodeOf, typeExpr } from '@spillway/plan'
import { makeError } from '@spillway/stdx'

/** More conditions become one filter, so that the plan is not deep. */
const FILTERS_MAX = 8

/** Rows for which all conditions hold. @throws PlanError COLUMN_NOT_FOUND, TYPE_MISMATCH, INVALID_PLAN */
export function planFilters(input: LogicalNode, predicates: readonly Expr[]): LogicalNode {
  const [first, ...rest] = predicates
  if (first === undefined || predicates.length <= FILTERS_MAX) return predicates.reduce<LogicalNode>(planFilter, input)
  return planFilter(input, first.and(...rest))
}

function planFilter(input: LogicalNode, predicate: Expr): LogicalNode {
  const node = nodeOf(predicate)
  if (containsAggregate(node)) {
    throw makeError(
      'INVALID_PLAN',
      `Aggregate in filter: ${exprText(node)}. Aggregate first with groupBy().agg(), then filter the result.`,
      { expression: exprText(node) },
    )
  }
  return makeFilter(input, typeExpr(node, input.schema))
}
