/**
 * push-predicates: each condition of a filter goes as near to its source as it can, into the Parquet scan if possible;
 * conditions that meet become one filter, those of the lower filter first.
 *
 *   FILTER b < 5 and n > 3                       FILTER n > 3
 *     GROUP BY b: len() as n                       GROUP BY b: len() as n
 *       PROJECT a + 1.5 as b, c             →        PROJECT a + 1.5 as b, c
 *         FILTER c = 1                                 PARQUET SCAN predicate c = 1 and a + 1.5 < 5
 *           PARQUET SCAN
 *
 * A join whose unmatched rows a condition removes becomes one that does not make them.
 *
 * Stops at a slice, at a sort with a limit, at a groupBy when the condition reads an aggregate, at a join whose rows of
 * that side may be missing, and at whatever may raise an error: a row that a pushed filter removes would no longer
 * raise it. For the same reason a condition that may raise stays where it is, and with it those before it that can be
 * null (AND evaluates its right side where the left one is null, a filter below would not). The overflow of a sum is
 * the exception: a filter on keys removes whole groups, and their sums with them.
 */
import { isFloat } from '@spillway/columnar'
import {
  columnsUsed,
  conjunctsOf,
  exprEquals,
  joinConjuncts,
  type LogicalNode,
  makeFilter,
  changeFileScan,
  mapColumns,
  mayRaise,
  type NamedExpr,
  type TypedExpr,
  withChildren,
} from '@spillway/plan'
import { assert, unreachable } from '@spillway/stdx'
import { seesSignOfZero } from '../fold-expr.ts'
import { withoutRejectedRows } from '../null-rejecting.ts'
import { expressionsOf, mapSame } from '../rewrite.ts'
import { sidesOf } from '../join-sides.ts'
import type { Rule } from '../rule.ts'

export const pushPredicates: Rule = {
  name: 'push-predicates',
  before: 'FILTER a < 5 over PROJECT over PARQUET SCAN',
  after: 'PROJECT over PARQUET SCAN predicate a < 5',
  apply: (root) => push(root, []),
}

type Of<K extends LogicalNode['kind']> = Extract<LogicalNode, { kind: K }>

/** The plan of `node` filtered by all `conjuncts`, none of which may raise. */
function push(node: LogicalNode, conjuncts: readonly TypedExpr[]): LogicalNode {
  switch (node.kind) {
    case 'filter':
      return pushThroughFilter(node, conjuncts)
    case 'project':
      return pushThroughProject(node, conjuncts)
    case 'groupBy':
      return pushThroughGroupBy(node, conjuncts)
    case 'concat':
      return withChildren(
        node,
        mapSame(node.inputs, (input) => push(input, conjuncts)),
      )
    case 'join':
      return pushThroughJoin(node, conjuncts)
    case 'ordinal':
      return pushThroughOrdinal(node, conjuncts)
    case 'guard':
      // What is checked stays as it was written: a filter above the guard must not hide a violation.
      return withChildren(node, [push(node.input, conjuncts), push(node.violations, [])])
    case 'sort':
      return pushThroughSort(node, conjuncts)
    case 'slice':
      return filtered(withChildren(node, [push(node.input, [])]), conjuncts)
    case 'scanParquet':
    case 'scanIpc':
      return pushIntoScan(node, conjuncts)
    case 'inMemory':
    case 'generated':
    case 'shared':
      return filtered(node, conjuncts)
    default:
      return unreachable(node)
  }
}

function filtered(node: LogicalNode, conjuncts: readonly TypedExpr[]): LogicalNode {
  const predicate = joinConjuncts(conjuncts)
  return predicate === undefined ? node : makeFilter(node, predicate)
}

function pushThroughFilter(node: Of<'filter'>, conjuncts: readonly TypedExpr[]): LogicalNode {
  const { movable, staying } = splitMovable(node.predicate)
  const predicate = joinConjuncts(staying)
  if (predicate !== undefined) {
    const input = push(node.input, movable)
    const isSame = input === node.input && exprEquals(predicate, node.predicate)
    return filtered(isSame ? node : makeFilter(input, predicate), conjuncts)
  }
  const result = push(node.input, [...movable, ...conjuncts])
  const isSame = result.kind === 'filter' && result.input === node.input && exprEquals(result.predicate, node.predicate)
  return isSame ? node : result
}

/** Conditions that may be evaluated earlier than they are, and the rest in its order. */
function splitMovable(predicate: TypedExpr): { movable: TypedExpr[]; staying: TypedExpr[] } {
  const conjuncts = conjunctsOf(predicate)
  const firstRaising = conjuncts.findIndex(mayRaise)
  if (firstRaising === -1) return { movable: conjuncts, staying: [] }
  const isMovable = (conjunct: TypedExpr, index: number) => index < firstRaising && !conjunct.nullable
  return {
    movable: conjuncts.filter(isMovable),
    staying: conjuncts.filter((conjunct, index) => !isMovable(conjunct, index)),
  }
}

function pushThroughProject(node: Of<'project'>, conjuncts: readonly TypedExpr[]): LogicalNode {
  if (expressionsOf(node).some(mayRaise)) return filtered(withChildren(node, [push(node.input, [])]), conjuncts)
  const substituted = conjuncts.map((conjunct) => substitute(conjunct, node.exprs))
  return withChildren(node, [push(node.input, substituted)])
}

function pushThroughGroupBy(node: Of<'groupBy'>, conjuncts: readonly TypedExpr[]): LogicalNode {
  const below = expressionsOf(node).some(mayRaise) ? [] : conjuncts.filter((conjunct) => readsOnlyKeys(conjunct, node))
  const above = conjuncts.filter((conjunct) => !below.includes(conjunct))
  const substituted = below.map((conjunct) => substitute(conjunct, node.keys))
  return filtered(withChildren(node, [push(node.input, substituted)]), above)
}

/** Without keys there is a row even for no input, so a filter may not go below. */
function readsOnlyKeys(conjunct: TypedExpr, node: Of<'groupBy'>): boolean {
  const names = [...columnsUsed(conjunct)]
  const keys = node.keys.filter((key) => names.includes(key.name))
  if (node.keys.length === 0 || keys.length !== names.length) return false
  // A group's key is 0 for rows of -0: below, a condition must not tell them apart.
  return !keys.some((key) => isFloat(key.expr.type)) || !seesSignOfZero(conjunct)
}

/** A filter and a full sort may change places; a top-k of fewer rows is another one. */
function pushThroughSort(node: Of<'sort'>, conjuncts: readonly TypedExpr[]): LogicalNode {
  const isFixed = node.limit !== undefined || expressionsOf(node).some(mayRaise)
  const sorted = withChildren(node, [push(node.input, isFixed ? [] : conjuncts)])
  return isFixed ? filtered(sorted, conjuncts) : sorted
}

function pushThroughOrdinal(node: Of<'ordinal'>, conjuncts: readonly TypedExpr[]): LogicalNode {
  const isFree = (conjunct: TypedExpr) => node.denseFrom === undefined && !columnsUsed(conjunct).has(node.name)
  const input = push(node.input, conjuncts.filter(isFree))
  return filtered(
    withChildren(node, [input]),
    conjuncts.filter((conjunct) => !isFree(conjunct)),
  )
}

/** A condition goes to each side that it can be written for; where its rows may be missing it stays above. */
function pushThroughJoin(written: Of<'join'>, conjuncts: readonly TypedExpr[]): LogicalNode {
  const node = withoutRejectedRows(written, conjuncts)
  const left: TypedExpr[] = []
  const right: TypedExpr[] = []
  const above: TypedExpr[] = []
  const isFixed = node.how === 'full' || expressionsOf(node).some(mayRaise)
  for (const conjunct of conjuncts) {
    const sides = isFixed ? {} : sidesOf(conjunct, node)
    if (sides.left !== undefined) left.push(sides.left)
    if (sides.right !== undefined) right.push(sides.right)
    if (sides.left === undefined && sides.right === undefined) above.push(conjunct)
  }
  return filtered(withChildren(node, [push(node.left, left), push(node.right, right)]), above)
}

function pushIntoScan(node: Of<'scanParquet' | 'scanIpc'>, conjuncts: readonly TypedExpr[]): LogicalNode {
  if (conjuncts.length === 0) return node
  if (node.slice !== undefined) return filtered(node, conjuncts)
  const predicate = joinConjuncts(node.predicate === undefined ? conjuncts : [node.predicate, ...conjuncts])
  return changeFileScan(node, { predicate })
}

/** The condition over the inputs of `exprs` instead of over their outputs. */
function substitute(conjunct: TypedExpr, exprs: readonly NamedExpr[]): TypedExpr {
  const byName = new Map(exprs.map(({ name, expr }) => [name, expr]))
  return mapColumns(conjunct, ({ name }) => {
    const source = byName.get(name)
    assert(source !== undefined, 'a filter reads columns of its input only')
    return source
  })
}
