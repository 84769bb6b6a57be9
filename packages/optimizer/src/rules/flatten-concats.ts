/**
 * flatten-concats: a concat of concats is one concat; a concat of one input is that input.
 *
 *   CONCAT              CONCAT
 *     CONCAT              a
 *       a           →     b
 *       b                 c
 *     c
 */
import { type LogicalNode, makeConcat } from '@spillway/plan'
import { rewriteUp } from '../rewrite.ts'
import type { Rule } from '../rule.ts'

export const flattenConcats: Rule = {
  name: 'flatten-concats',
  before: 'CONCAT(CONCAT(a, b), c)',
  after: 'CONCAT(a, b, c)',
  apply: (root) => rewriteUp(root, flatten),
}

function flatten(node: LogicalNode): LogicalNode {
  if (node.kind !== 'concat') return node
  const [only] = node.inputs
  if (only !== undefined && node.inputs.length === 1) return only
  if (!node.inputs.some((input) => input.kind === 'concat')) return node
  return makeConcat(node.inputs.flatMap((input) => (input.kind === 'concat' ? input.inputs : [input])))
}
