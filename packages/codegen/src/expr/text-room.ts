/** How much string heap an expression may take per row. */
import { type Ir, irChildren } from './stage-ir.ts'

/** Room that one formatted value may need, with what formatting writes beyond its end. */
export const TEXT_ROOM_BYTES = 64

/** Upper bound of string heap bytes that evaluating `node` takes per row. */
export function heapBytesPerRow(node: Ir): number {
  const builds = node.kind === 'cast' && node.type.kind === 'utf8' && buildsText(node.operand)
  return irChildren(node).reduce((sum, child) => sum + heapBytesPerRow(child), builds ? TEXT_ROOM_BYTES : 0)
}

/** Whether casting `operand` to text writes bytes; booleans have constant texts. */
function buildsText(operand: Ir): boolean {
  const { kind } = operand.type
  return kind !== 'utf8' && kind !== 'boolean' && kind !== 'null'
}
