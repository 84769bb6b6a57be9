/**
 * Long chains of `and` and `or`, as programs build them in a loop, as trees that are not deep.
 *
 * Both operations are associative, also with nulls and in what they reach: an operand is reached where those before it
 * do not decide, however they are grouped. A chain of up to 64 operands stays as it was written. A longer one grows at
 * its right end, where there is always a smaller tree than to its left; so the depth follows the logarithm of the
 * length, and appending costs that too.
 */
import type { ExprNode } from './expr-node.ts'

type ChainOp = 'and' | 'or'
type ChainNode = Extract<ExprNode, { kind: 'binary' }>

/** Operands that stand one behind the other without a tree. */
const FLAT_MAX = 64

/** Operands of the chains that were made here. */
const lengths = new WeakMap<ExprNode, number>()

/** `left op right`; all operands keep their order. */
export function joinChain(op: ChainOp, left: ExprNode, right: ExprNode): ExprNode {
  const [leftLength, rightLength] = [lengthOf(op, left), lengthOf(op, right)]
  if (leftLength + rightLength <= FLAT_MAX) return makeLink(op, left, right)
  if (leftLength >= rightLength) {
    // There is room in the right half of the left side.
    const { left: first, right: second } = left as ChainNode
    const room = lengthOf(op, first) - lengthOf(op, second)
    return leftLength > FLAT_MAX && room >= rightLength
      ? makeLink(op, first, joinChain(op, second, right))
      : makeLink(op, left, right)
  }
  const { left: first, right: second } = right as ChainNode
  const room = lengthOf(op, second) - lengthOf(op, first)
  return rightLength > FLAT_MAX && room >= leftLength
    ? makeLink(op, joinChain(op, left, first), second)
    : makeLink(op, left, right)
}

function lengthOf(op: ChainOp, node: ExprNode): number {
  return node.kind === 'binary' && node.op === op ? (lengths.get(node) ?? 1) : 1
}

function makeLink(op: ChainOp, left: ExprNode, right: ExprNode): ExprNode {
  const node: ExprNode = Object.freeze({ kind: 'binary', op, left, right })
  lengths.set(node, lengthOf(op, left) + lengthOf(op, right))
  return node
}
