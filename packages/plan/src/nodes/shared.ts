/**
 * Shared: a subplan that several places of a query read. They are told apart from equal ones by identity: nodes with
 * the same `input` object belong together.
 */
import { assert } from '@spillway/stdx'
import type { LogicalNode, Shared } from '../logical-node.ts'
import { type NodeDef, onlyChild } from '../node-def.ts'

/** @param own `input`, or a scan whose columns and rows `input` has too */
export function makeShared(input: LogicalNode, own: LogicalNode): Shared {
  assert(input === own || input.kind === own.kind, 'a part of a shared node is a scan like the shared one')
  return Object.freeze({ kind: 'shared', input, own, schema: own.schema })
}

export const shared: NodeDef<Shared> = {
  childrenOf: (node) => [node.input],
  withChildren: (node, children) => {
    const input = onlyChild(children)
    return makeShared(input, node.own === node.input ? input : node.own)
  },
  explain: () => 'SHARED',
}
