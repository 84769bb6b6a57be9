/**
 * Ordinal: the input's rows with one more column (int64, never null) that says where a row stands in the input's order.
 * Without `denseFrom` the numbers are unique and increase, with gaps, so filters and slices may move below. With it
 * they are denseFrom, denseFrom + 1, …
 */
import { type Field, makeSchema } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import type { LogicalNode, Ordinal } from '../logical-node.ts'
import { type NodeDef, onlyChild } from '../node-def.ts'

/** @throws PlanError DUPLICATE_COLUMN when the input has a column of that name. */
export function makeOrdinal(input: LogicalNode, name: string, denseFrom: number | undefined): Ordinal {
  assert(denseFrom === undefined || Number.isSafeInteger(denseFrom), 'row numbers start at a whole number')
  const field: Field = Object.freeze({ name, type: Object.freeze({ kind: 'int64' }), nullable: false })
  return Object.freeze({
    kind: 'ordinal',
    input,
    name,
    denseFrom,
    schema: makeSchema([...input.schema.fields, field], input.schema.leftOut),
  })
}

export const ordinal: NodeDef<Ordinal> = {
  childrenOf: (node) => [node.input],
  withChildren: (node, children) => makeOrdinal(onlyChild(children), node.name, node.denseFrom),
  explain: ({ name, denseFrom }) => {
    const text = JSON.stringify(name)
    return denseFrom === undefined ? `ORDINAL ${text}` : `ROW INDEX ${text} from ${denseFrom}`
  },
}
