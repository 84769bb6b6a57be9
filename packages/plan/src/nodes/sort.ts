/**
 * Sort: the input's rows in the order of the keys. Rows with equal keys keep the order of the input; NaN is greater
 * than every number, -0 equals 0, text goes by its UTF-8 bytes, false comes before true. Schema: the input's.
 * With a limit it is a top-k: the first rows of the sorted input.
 */
import { makeError } from '@spillway/stdx'
import { exprText } from '../expr-text.ts'
import type { LogicalNode, Sort, SortKey } from '../logical-node.ts'
import { assertColumnsMatch, type NodeDef, onlyChild } from '../node-def.ts'

/** @throws PlanError INVALID_PLAN (no key), INVALID_OPTION (the limit is not a whole number from 0) */
export function makeSort(input: LogicalNode, keys: readonly SortKey[], limit: number | undefined): Sort {
  if (keys.length === 0) throw makeError('INVALID_PLAN', 'Sort needs at least one key: got 0. Name a column.')
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw makeError('INVALID_OPTION', `Top-k needs a whole number of rows from 0: got ${limit}.`, { limit })
  }
  for (const { expr } of keys) assertColumnsMatch(expr, input.schema)
  const frozen = keys.map(({ expr, descending, nullsLast }) => Object.freeze({ expr, descending, nullsLast }))
  return Object.freeze({ kind: 'sort', input, keys: Object.freeze(frozen), limit, schema: input.schema })
}

/** `col("a") descending nulls last`: what is not said is ascending with nulls first. */
export function sortKeyText({ expr, descending, nullsLast }: SortKey): string {
  return `${exprText(expr)}${descending ? ' descending' : ''}${nullsLast ? ' nulls last' : ''}`
}

function explain({ keys, limit }: Sort): string {
  const text = `[${keys.map(sortKeyText).join(', ')}]`
  return limit === undefined ? `SORT ${text}` : `TOP ${limit} ${limit === 1 ? 'row' : 'rows'} by ${text}`
}

export const sort: NodeDef<Sort> = {
  childrenOf: (node) => [node.input],
  withChildren: (node, children) => makeSort(onlyChild(children), node.keys, node.limit),
  explain,
}
