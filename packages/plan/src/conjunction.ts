/** Predicates as lists of the conditions that AND joins. */
import type { TypedExpr } from './expr-node.ts'

/** `a and (b and c)` is [a, b, c], in evaluation order. */
export function conjunctsOf(predicate: TypedExpr): TypedExpr[] {
  if (predicate.kind !== 'binary' || predicate.op !== 'and') return [predicate]
  return [...conjunctsOf(predicate.left), ...conjunctsOf(predicate.right)]
}

/** Joins conditions, first evaluated first; undefined for none. */
export function joinConjuncts(conjuncts: readonly TypedExpr[]): TypedExpr | undefined {
  const [first, ...rest] = conjuncts
  if (first === undefined || conjuncts.length <= FLAT_MAX) return first && rest.reduce(makeAnd, first)
  const middle = conjuncts.length >>> 1
  const halves = [conjuncts.slice(0, middle), conjuncts.slice(middle)].map(joinConjuncts)
  return makeAnd(halves[0] as TypedExpr, halves[1] as TypedExpr)
}

/** More conditions become a tree, so that it is not deep. */
const FLAT_MAX = 64

function makeAnd(left: TypedExpr, right: TypedExpr): TypedExpr {
  const nullable = left.nullable || right.nullable
  return Object.freeze({ kind: 'binary', op: 'and', left, right, type: left.type, nullable })
}
