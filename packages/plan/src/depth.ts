/**
 * How deep expressions and plans are. Everything that works on them recurses, so what is too deep for a call stack is
 * refused when it is built, and nothing behind that needs a bound of its own.
 */
import { makeError } from '@spillway/stdx'

/** Operators within operators. A chain of `and` or `or` of any length counts as its logarithm (logic-chain.ts). */
export const EXPR_DEPTH_MAX = 1000
/** Operators of a plan behind one another. */
export const PLAN_DEPTH_MAX = 1000

/** How to walk one kind of tree, and how deep it may be. */
export interface Depths<N extends object> {
  readonly childrenOf: (node: N) => readonly N[]
  /** Levels of a node beside its own. */
  readonly extra: (node: N) => number
  readonly most: number
  /** For the message. */
  readonly what: string
}

const noted = new WeakMap<object, number>()

/**
 * Notes how deep a tree is; of parts that were noted before nothing is looked at again.
 * @throws PlanError INVALID_PLAN
 */
export function noteDepth<N extends object>(node: N, depths: Depths<N>): number {
  const known = noted.get(node)
  if (known !== undefined) return known
  const { childrenOf, extra, most, what } = depths
  // Not Math.max(...): there may be more children than arguments.
  const below = childrenOf(node).reduce((deepest, child) => Math.max(deepest, noteDepth(child, depths)), 0)
  const depth = below + 1 + extra(node)
  if (depth > most) {
    const text = `${what} too deep: more than ${most} operations within each other.`
    const advice = 'Collect a part of it first, or give and, or, isIn and filter a list.'
    throw makeError('INVALID_PLAN', `${text} ${advice}`, { depth })
  }
  noted.set(node, depth)
  return depth
}
