/**
 * Filter: the rows for which the predicate is true (not false, not null), in input order.
 * Schema: the input's.
 */
import { typeName } from '@spillway/columnar'
import { makeError } from '@spillway/stdx'
import type { TypedExpr } from '../expr-node.ts'
import { exprText } from '../expr-text.ts'
import type { Filter, LogicalNode } from '../logical-node.ts'
import { assertColumnsMatch, type NodeDef, onlyChild } from '../node-def.ts'

/** @throws PlanError TYPE_MISMATCH when the predicate is not boolean. */
export function makeFilter(input: LogicalNode, predicate: TypedExpr): Filter {
  if (predicate.type.kind !== 'boolean') {
    throw makeError(
      'TYPE_MISMATCH',
      `Filter needs a boolean: ${exprText(predicate)} is ${typeName(predicate.type)}. Compare it with a value.`,
      { expression: exprText(predicate), type: typeName(predicate.type) },
    )
  }
  assertColumnsMatch(predicate, input.schema)
  return Object.freeze({ kind: 'filter', input, predicate, schema: input.schema })
}

export const filter: NodeDef<Filter> = {
  childrenOf: (node) => [node.input],
  withChildren: (node, children) => makeFilter(onlyChild(children), node.predicate),
  explain: (node) => `FILTER ${exprText(node.predicate)}`,
}
