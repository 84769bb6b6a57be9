/**
 * merge-projects: two projections in a row become one when nothing is computed twice by it.
 *
 *   PROJECT b * 2.0 as c             PROJECT (a + 1.0) * 2.0 as c
 *     PROJECT a + 1.0 as b     →       scan
 *       scan
 *
 * A computed column that the upper projection reads more than once keeps the two apart. So does one that may raise an
 * error, unless the upper one hands it on as it is: it must run on every row, no less and no more.
 */
import { findFieldIndex } from '@spillway/columnar'
import { exprChildren, type LogicalNode, makeProject, mapColumns, mayRaise, type TypedExpr } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import { rewriteUp } from '../rewrite.ts'
import type { Rule } from '../rule.ts'

type Project = Extract<LogicalNode, { kind: 'project' }>

export const mergeProjects: Rule = {
  name: 'merge-projects',
  before: 'PROJECT b * 2.0 as c over PROJECT a + 1.0 as b',
  after: 'PROJECT (a + 1.0) * 2.0 as c',
  apply: (root) => rewriteUp(root, (node) => (node.kind === 'project' ? merge(node) : node)),
}

function merge(outer: Project): Project {
  const inner = outer.input
  if (inner.kind !== 'project' || !canMerge(outer, inner)) return outer
  const merged = makeProject(
    inner.input,
    outer.exprs.map(({ name, expr }) => ({ name, expr: mapColumns(expr, (column) => outputOf(inner, column.name)) })),
  )
  return merge(merged)
}

function outputOf(node: Project, name: string): TypedExpr {
  // A projection's schema has its outputs in their order.
  const output = node.exprs[findFieldIndex(node.schema, name)]
  assert(output !== undefined, 'a projection reads columns of its input only')
  return output.expr
}

function canMerge(outer: Project, inner: Project): boolean {
  const uses = new Map<string, number>()
  const handedOn = new Set<string>()
  for (const { expr } of outer.exprs) {
    countUses(expr, uses)
    if (expr.kind === 'column') handedOn.add(expr.name)
  }
  return inner.exprs.every(({ name, expr }) => {
    if (expr.kind === 'column' || expr.kind === 'literal') return true
    const count = uses.get(name) ?? 0
    return mayRaise(expr) ? count === 1 && handedOn.has(name) : count <= 1
  })
}

function countUses(expr: TypedExpr, uses: Map<string, number>): void {
  if (expr.kind === 'column') uses.set(expr.name, (uses.get(expr.name) ?? 0) + 1)
  for (const child of exprChildren(expr)) countUses(child, uses)
}
