/**
 * Project: one output column per named expression, row by row, in input order.
 * select, withColumns, drop and rename all become a projection.
 */
import { type LeftOutColumn, makeSchema } from '@spillway/columnar'
import type { NamedExpr } from '../expr-node.ts'
import { namedExprText } from '../expr-text.ts'
import type { LogicalNode, Project } from '../logical-node.ts'
import { assertColumnsMatch, fieldsOf, type NodeDef, onlyChild } from '../node-def.ts'

/**
 * @param leftOut of the input, when the projection is meant to keep all of its columns but some
 * @throws PlanError DUPLICATE_COLUMN when two outputs have one name.
 */
export function makeProject(
  input: LogicalNode,
  exprs: readonly NamedExpr[],
  leftOut?: readonly LeftOutColumn[],
): Project {
  const schema = makeSchema(fieldsOf(exprs), leftOut)
  for (const { expr } of exprs) assertColumnsMatch(expr, input.schema)
  const frozen = Object.freeze(exprs.map(({ name, expr }) => Object.freeze({ name, expr })))
  return Object.freeze({ kind: 'project', input, exprs: frozen, schema })
}

export const project: NodeDef<Project> = {
  childrenOf: (node) => [node.input],
  withChildren: (node, children) => makeProject(onlyChild(children), node.exprs, node.schema.leftOut),
  explain: (node) => `PROJECT [${node.exprs.map(namedExprText).join(', ')}]`,
}
