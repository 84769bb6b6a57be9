/** The definition of every logical node by kind, and the questions that dispatch over it. */
import { noteDepth, PLAN_DEPTH_MAX } from '../depth.ts'
import type { LogicalKind, LogicalNode } from '../logical-node.ts'
import type { NodeDef } from '../node-def.ts'
import { concat } from './concat.ts'
import { filter } from './filter.ts'
import { generated } from './generated.ts'
import { guard } from './guard.ts'
import { groupBy } from './group-by.ts'
import { inMemory } from './in-memory.ts'
import { join } from './join.ts'
import { ordinal } from './ordinal.ts'
import { project } from './project.ts'
import { scanIpc } from './scan-ipc.ts'
import { scanParquet } from './scan-parquet.ts'
import { shared } from './shared.ts'
import { slice } from './slice.ts'
import { sort } from './sort.ts'

export const nodes: { readonly [K in LogicalKind]: NodeDef<Extract<LogicalNode, { kind: K }>> } = {
  scanParquet,
  scanIpc,
  inMemory,
  generated,
  filter,
  project,
  groupBy,
  slice,
  sort,
  concat,
  join,
  ordinal,
  guard,
  shared,
}

/** The definition for a node. The registry's type ties kind and definition; indexing by a union loses that tie. */
function definitionOf<N extends LogicalNode>(node: N): NodeDef<N> {
  return nodes[node.kind] as unknown as NodeDef<N>
}

/** The inputs of a node, in order. */
export function childrenOf(node: LogicalNode): readonly LogicalNode[] {
  return definitionOf(node).childrenOf(node)
}

const planDepths = { childrenOf, extra: () => 0, most: PLAN_DEPTH_MAX, what: 'Query' }

/** @throws PlanError INVALID_PLAN when a plan is deeper than what works on plans can go */
export function notePlanDepth(root: LogicalNode): void {
  noteDepth(root, planDepths)
}

/** The same node over other inputs; gives back the node itself when nothing changed. */
export function withChildren(node: LogicalNode, children: readonly LogicalNode[]): LogicalNode {
  const current = childrenOf(node)
  if (children.length === current.length && children.every((child, index) => child === current[index])) return node
  return definitionOf(node).withChildren(node, children)
}

/** One line about a node, without its inputs. */
export function explainNode(node: LogicalNode): string {
  return definitionOf(node).explain(node)
}

/** The plan as a tree, root first, one node per line, inputs indented by two spaces. */
export function explainPlan(root: LogicalNode): string {
  return explainPlans([root])
}

/** Plans of one query as trees, one after another. What they share is numbered and printed where it comes first. */
export function explainPlans(roots: readonly LogicalNode[]): string {
  const lines: string[] = []
  const numbers = new Map<LogicalNode, number>()
  const visit = (node: LogicalNode, depth: number): void => {
    const indent = '  '.repeat(depth)
    if (node.kind !== 'shared') {
      lines.push(`${indent}${explainNode(node)}`)
      for (const child of childrenOf(node)) visit(child, depth + 1)
      return
    }
    const known = numbers.get(node.input)
    const number = known ?? numbers.size + 1
    numbers.set(node.input, number)
    const part = node.own === node.input ? '' : ` for ${explainNode(node.own)}`
    const consumers = known === undefined ? ` (${consumersOf(node.input, roots)} consumers)` : ' (as above)'
    lines.push(`${indent}SHARED ${number}${part}${consumers}`)
    if (known === undefined) visit(node.input, depth + 1)
  }
  for (const root of roots) visit(root, 0)
  return lines.join('\n')
}

/** How many nodes share `input`; what is itself shared counts once. */
function consumersOf(input: LogicalNode, roots: readonly LogicalNode[]): number {
  let count = 0
  const seen = new Set<LogicalNode>()
  const visit = (node: LogicalNode): void => {
    if (node.kind !== 'shared') {
      for (const child of childrenOf(node)) visit(child)
      return
    }
    if (node.input === input) count += 1
    if (seen.has(node.input)) return
    seen.add(node.input)
    visit(node.input)
  }
  for (const root of roots) visit(root)
  return count
}
