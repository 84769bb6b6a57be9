/**
 * drop-identity-projects: a projection that hands on exactly its input's columns, in order, is its input.
 *
 *   PROJECT a, b                 PARQUET SCAN columns a, b
 *     PARQUET SCAN a, b    →
 */
import type { LogicalNode } from '@spillway/plan'
import { rewriteUp } from '../rewrite.ts'
import type { Rule } from '../rule.ts'

export const dropIdentityProjects: Rule = {
  name: 'drop-identity-projects',
  before: 'PROJECT a, b over PARQUET SCAN a, b',
  after: 'PARQUET SCAN a, b',
  apply: (root) => rewriteUp(root, (node) => (isIdentity(node) ? node.input : node)),
}

function isIdentity(node: LogicalNode): node is Extract<LogicalNode, { kind: 'project' }> {
  if (node.kind !== 'project' || node.exprs.length !== node.input.schema.fields.length) return false
  return node.exprs.every(({ name, expr }, index) => {
    return expr.kind === 'column' && expr.name === name && node.input.schema.fields[index]?.name === name
  })
}
