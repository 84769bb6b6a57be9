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
  return first === undefined ? undefined : rest.reduce(makeAnd, first)
}

function makeAnd(left: TypedExpr, right: TypedExpr): TypedExpr {
  const nullable = left.nullable || right.nullable
  return Object.freeze({ kind: 'binary', op: 'and', left, right, type: left.type, nullable })
}
