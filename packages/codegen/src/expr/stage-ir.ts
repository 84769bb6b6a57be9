/**
 * The tree that code is generated from: a TypedExpr whose columns are input positions and whose literals are offsets
 * in a parameter block. It holds no value of a literal, so its JSON text is the cache key of the module: equal keys
 * give equal bytes by construction.
 */
import type { DataType } from '@spillway/columnar'
import type { BinaryOp, UnaryOp } from '@spillway/plan'
import { unreachable } from '@spillway/stdx'

/** Facts that every node carries. */
interface NodeFacts {
  readonly type: DataType
  /** Evaluating it may end the query; see `site`. Includes what stands below. */
  readonly mayRaise: boolean
  /** Rough nanoseconds per row, with everything below; chooses between branches and select. */
  readonly cost: number
}

export type Ir = NodeFacts &
  (
    | { readonly kind: 'column'; readonly index: number }
    /** A literal. `isNumber` is true for a float that is not NaN. */
    | { readonly kind: 'param'; readonly offset: number; readonly isNull: boolean; readonly isNumber: boolean }
    | { readonly kind: 'binary'; readonly op: BinaryOp; readonly left: Ir; readonly right: Ir; readonly site: number }
    | { readonly kind: 'unary'; readonly op: UnaryOp; readonly operand: Ir; readonly site: number }
    | { readonly kind: 'fillNull'; readonly operand: Ir; readonly fill: Ir }
    /** `offset` holds { address of the sorted table, count }. */
    | { readonly kind: 'isIn'; readonly operand: Ir; readonly offset: number }
    | { readonly kind: 'cast'; readonly operand: Ir; readonly strict: boolean; readonly site: number }
    | { readonly kind: 'when'; readonly branches: readonly { when: Ir; then: Ir }[]; readonly otherwise: Ir }
  )

export type IrOf<K extends Ir['kind']> = Extract<Ir, { kind: K }>

/** Direct children, in evaluation order. */
export function irChildren(node: Ir): readonly Ir[] {
  switch (node.kind) {
    case 'column':
    case 'param':
      return []
    case 'binary':
      return [node.left, node.right]
    case 'unary':
    case 'isIn':
    case 'cast':
      return [node.operand]
    case 'fillNull':
      return [node.operand, node.fill]
    case 'when':
      return [...node.branches.flatMap((branch) => [branch.when, branch.then]), node.otherwise]
    default:
      return unreachable(node)
  }
}

/** Input positions that an expression reads, ascending. */
export function columnsOf(node: Ir): readonly number[] {
  const found = new Set<number>()
  const visit = (part: Ir): void => {
    if (part.kind === 'column') found.add(part.index)
    for (const child of irChildren(part)) visit(child)
  }
  visit(node)
  return [...found].sort((a, b) => a - b)
}

const sizes = new WeakMap<Ir, number>()

/** Nodes of an expression. */
export function irSize(node: Ir): number {
  const known = sizes.get(node)
  if (known !== undefined) return known
  const size = irChildren(node).reduce((sum, child) => sum + irSize(child), 1)
  sizes.set(node, size)
  return size
}
