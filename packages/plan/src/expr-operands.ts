/** The operands of an expression as it was written. */
import type { ExprNode } from './expr-node.ts'

/** Direct operands of a node, as written. */
export function operandsOf(node: ExprNode): readonly ExprNode[] {
  switch (node.kind) {
    case 'column':
    case 'literal':
      return []
    case 'binary':
      return [node.left, node.right]
    case 'fillNull':
      return [node.operand, node.fill]
    case 'when':
      return [...node.branches.flatMap((branch) => [branch.when, branch.then]), node.otherwise]
    case 'aggregate':
      return node.operand === undefined ? [] : [node.operand]
    default:
      return [node.operand]
  }
}
