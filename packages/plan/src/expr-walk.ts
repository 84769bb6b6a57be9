/**
 * Walking typed expressions: children, rebuilding, the columns an expression reads, structural equality.
 *
 * Every function here works on typed expressions, so that optimizer rules and lowering share one notion of "child".
 */
import { typeEquals } from '@spillway/columnar'
import { unreachable } from '@spillway/stdx'
import type { LiteralValue, TypedExpr } from './expr-node.ts'

/** Direct operands, in evaluation order: for `when` the conditions and values alternate and `otherwise` is last. */
export function exprChildren(expr: TypedExpr): readonly TypedExpr[] {
  switch (expr.kind) {
    case 'column':
    case 'literal':
      return []
    case 'binary':
      return [expr.left, expr.right]
    case 'unary':
    case 'isIn':
    case 'cast':
      return [expr.operand]
    case 'fillNull':
      return [expr.operand, expr.fill]
    case 'when':
      return [...expr.branches.flatMap((branch) => [branch.when, branch.then]), expr.otherwise]
    default:
      return unreachable(expr)
  }
}

/** The same expression with every direct operand replaced by `map(operand)`; types and nullability are kept. */
export function mapChildren(expr: TypedExpr, map: (child: TypedExpr) => TypedExpr): TypedExpr {
  const { type, nullable } = expr
  switch (expr.kind) {
    case 'column':
    case 'literal':
      return expr
    case 'binary':
      return Object.freeze({
        kind: 'binary',
        op: expr.op,
        left: map(expr.left),
        right: map(expr.right),
        type,
        nullable,
      })
    case 'unary':
      return Object.freeze({ kind: 'unary', op: expr.op, operand: map(expr.operand), type, nullable })
    case 'fillNull':
      return Object.freeze({ kind: 'fillNull', operand: map(expr.operand), fill: map(expr.fill), type, nullable })
    case 'isIn':
      return Object.freeze({ kind: 'isIn', operand: map(expr.operand), values: expr.values, type, nullable })
    case 'cast':
      return Object.freeze({ kind: 'cast', operand: map(expr.operand), type, strict: expr.strict, nullable })
    case 'when': {
      const branches = expr.branches.map((branch) => Object.freeze({ when: map(branch.when), then: map(branch.then) }))
      return Object.freeze({
        kind: 'when',
        branches: Object.freeze(branches),
        otherwise: map(expr.otherwise),
        type,
        nullable,
      })
    }
    default:
      return unreachable(expr)
  }
}

/** Replaces every column reference by `map(reference)`, which must have the type of the reference. */
export function mapColumns(
  expr: TypedExpr,
  map: (column: Extract<TypedExpr, { kind: 'column' }>) => TypedExpr,
): TypedExpr {
  return expr.kind === 'column' ? map(expr) : mapChildren(expr, (child) => mapColumns(child, map))
}

/** Names of the columns that the expression reads. */
export function columnsUsed(expr: TypedExpr): Set<string> {
  const names = new Set<string>()
  const visit = (node: TypedExpr): void => {
    if (node.kind === 'column') names.add(node.name)
    for (const child of exprChildren(node)) visit(child)
  }
  visit(expr)
  return names
}

/** `Object.is` on values: NaN equals NaN, and 0 differs from -0, since they print differently. */
function valuesEqual(a: readonly LiteralValue[], b: readonly LiteralValue[]): boolean {
  return a.length === b.length && a.every((value, index) => Object.is(value, b[index]))
}

/** Facts of a node apart from its operands and its kind; equal facts and equal operands mean equal expressions. */
function factsOf(expr: TypedExpr): { readonly text: string; readonly values: readonly LiteralValue[] } {
  switch (expr.kind) {
    case 'column':
      return { text: expr.name, values: [] }
    case 'literal':
      return { text: '', values: [expr.value] }
    case 'binary':
    case 'unary':
      return { text: expr.op, values: [] }
    case 'isIn':
      return { text: '', values: expr.values }
    case 'cast':
      return { text: expr.strict ? 'strict' : 'lenient', values: [] }
    case 'fillNull':
    case 'when':
      return { text: '', values: [] }
    default:
      return unreachable(expr)
  }
}

/** Structural equality, including types. It does not know algebra: `a + b` differs from `b + a`. */
export function exprEquals(a: TypedExpr, b: TypedExpr): boolean {
  if (a === b) return true
  if (a.kind !== b.kind || !typeEquals(a.type, b.type)) return false
  const left = factsOf(a)
  const right = factsOf(b)
  if (left.text !== right.text || !valuesEqual(left.values, right.values)) return false
  const leftChildren = exprChildren(a)
  const rightChildren = exprChildren(b)
  if (leftChildren.length !== rightChildren.length) return false
  return leftChildren.every((child, index) => {
    const other = rightChildren[index]
    return other !== undefined && exprEquals(child, other)
  })
}
