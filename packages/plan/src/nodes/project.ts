/**
 * Project: one output column per named expression, row by row, in input order.
 * select, withColumns, drop and rename all become a projection.
 */
import { makeSchema } from '@spillway/columnar'
import type { NamedExpr } from '../expr-node.ts'
import { namedExprText } from '../expr-text.ts'
import type { LogicalNode, Project } from '../logical-node.ts'
import { assertColumnsMatch, fieldsOf, type NodeDef, onlyChild } from '../node-def.ts'

/** @throws PlanError DUPLICATE_COLUMN when two outputs have one name. */
export function makeProject(input: LogicalNode, exprs: readonly NamedExpr[]): Project {
  const schema = makeSchema(fieldsOf(exprs))
  for (const { expr } of exprs) assertColumnsMatch(expr, input.schema)
  const frozen = Object.freeze(exprs.map(({ name, expr }) => Object.freeze({ name, expr })))
  return Object.freeze({ kind: 'project', input, exprs: frozen, schema })
}

export const project: NodeDef<Project> = {
  childrenOf: (node) => [node.input],
  withChildren: (node, children) => makeProject(onlyChild(children), node.exprs),
  explain: (node) => `PROJECT [${node.exprs.map(namedExprText).join(', ')}]`,
}
