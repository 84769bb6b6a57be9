/**
 * GroupBy: one row per distinct key (null, NaN and zero of either sign are one key each), unordered; keys first, then
 * aggregates. Without keys there is exactly one row, also for no input.
 */
import { type Field, makeSchema } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import type { NamedAggregate, NamedExpr } from '../expr-node.ts'
import { namedAggregateText, namedExprText } from '../expr-text.ts'
import type { GroupBy, LogicalNode } from '../logical-node.ts'
import { assertColumnsMatch, fieldsOf, type NodeDef, onlyChild } from '../node-def.ts'

/** @throws PlanError DUPLICATE_COLUMN when two outputs have one name. */
export function makeGroupBy(
  input: LogicalNode,
  keys: readonly NamedExpr[],
  aggregates: readonly NamedAggregate[],
): GroupBy {
  const outputs = aggregates.map(({ name, type, nullable }): Field => Object.freeze({ name, type, nullable }))
  const schema = makeSchema([...fieldsOf(keys), ...outputs])
  for (const { expr } of keys) assertColumnsMatch(expr, input.schema)
  for (const { function: aggregateFunction, operand } of aggregates) {
    assert((operand === undefined) === (aggregateFunction === 'len'), 'every aggregate but len has an operand')
    if (operand !== undefined) assertColumnsMatch(operand, input.schema)
  }
  return Object.freeze({
    kind: 'groupBy',
    input,
    keys: Object.freeze(keys.map(({ name, expr }) => Object.freeze({ name, expr }))),
    aggregates: Object.freeze([...aggregates]),
    schema,
  })
}

export const groupBy: NodeDef<GroupBy> = {
  childrenOf: (node) => [node.input],
  withChildren: (node, children) => makeGroupBy(onlyChild(children), node.keys, node.aggregates),
  explain: (node) => {
    const keys = node.keys.map(namedExprText).join(', ')
    const aggregates = node.aggregates.map(namedAggregateText).join(', ')
    return `${keys === '' ? 'AGGREGATE' : `GROUP BY [${keys}]`} [${aggregates}]`
  },
}
