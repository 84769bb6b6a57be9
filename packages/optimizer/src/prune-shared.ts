/**
 * Columns are pruned for all consumers of a subplan together, so that two parts of one aggregation stay one:
 *
 *   JOIN k = k                            JOIN k = k
 *     PROJECT k, a                          PROJECT k, a
 *       GROUP BY k: sum(a), sum(b)   →        SHARED 1: GROUP BY k: sum(a), sum(b)
 *     PROJECT k, b                          PROJECT k, b
 *       GROUP BY k: sum(a), sum(b)            SHARED 1 (as above)
 *
 * Pruned alone, the two would differ and run twice. Equal subplans that cost more than reading a source are cut out
 * before the pruning rules run, and a leaf stands in their places; the columns that rules leave of all these leaves are
 * what the subplan keeps. Outer subplans are pruned before the ones that they read themselves.
 */
import {
  childrenOf,
  type InMemory,
  type LogicalNode,
  makeInMemory,
  makeProject,
  makeShared,
  withChildren,
} from '@spillway/plan'
import { columnReference } from './rewrite.ts'
import { countEdges, PlanClasses } from './plan-classes.ts'

interface Part {
  /** The equal subplans, as one object; inner parts are leaves. */
  plan: LogicalNode
  /** What stands for it: a source whose table is nobody's. */
  readonly leaf: InMemory
  readonly height: number
  readonly needed: Set<string>
  result: LogicalNode | undefined
}

/** Runs `prune` on every plan and, once, on what they share. Nothing shared: on the plans as they are. */
export function pruneShared(
  roots: readonly LogicalNode[],
  prune: (plan: LogicalNode) => LogicalNode,
): readonly LogicalNode[] {
  const cutter = new Cutter(roots)
  if (cutter.parts.size === 0) return roots.map(prune)
  const plans = cutter.roots.map(prune)
  const parts = [...cutter.parts.values()].sort((a, b) => b.height - a.height)
  const byTable = new Map(parts.map((part) => [part.leaf.table, part]))
  for (const plan of plans) noteNeeds(plan, byTable)
  for (const part of parts) {
    const names = part.plan.schema.fields.map(({ name }) => name).filter((name) => part.needed.has(name))
    if (names.length === 0) continue
    part.plan = prune(selected(part.plan, names))
    noteNeeds(part.plan, byTable)
  }
  return plans.map((plan) => putBack(plan, byTable))
}

function selected(plan: LogicalNode, names: readonly string[]): LogicalNode {
  const { fields } = plan.schema
  if (names.length === fields.length && names.every((name, index) => fields[index]?.name === name)) return plan
  return makeProject(
    plan,
    names.map((name) => ({ name, expr: columnReference(plan, name) })),
  )
}

/** Cuts equal subplans out of all plans. */
class Cutter {
  readonly parts = new Map<LogicalNode, Part>()
  readonly roots: readonly LogicalNode[]
  readonly #edges: ReadonlyMap<LogicalNode, number>
  readonly #done = new Map<LogicalNode, LogicalNode>()

  constructor(roots: readonly LogicalNode[]) {
    const classes = new PlanClasses()
    const interned = roots.map((root) => classes.intern(root))
    this.#edges = countEdges(interned)
    const cut = interned.map((root) => this.#use(root))
    this.roots = this.parts.size === 0 ? roots : cut
  }

  #use(node: LogicalNode): LogicalNode {
    const plan = this.#rebuild(node)
    if ((this.#edges.get(node) ?? 0) < 2 || isReading(node)) return plan
    const known = this.parts.get(node)
    if (known !== undefined) return known.leaf
    const { schema } = plan
    const leaf = makeInMemory({ schema, rowCount: 0, table: {}, columns: undefined, slice: undefined })
    this.parts.set(node, { plan, leaf, height: heightOf(node), needed: new Set(), result: undefined })
    return leaf
  }

  #rebuild(node: LogicalNode): LogicalNode {
    const known = this.#done.get(node)
    if (known !== undefined) return known
    const result = withChildren(
      node,
      childrenOf(node).map((child) => this.#use(child)),
    )
    this.#done.set(node, result)
    return result
  }
}

/** A source behind filters and projections: such subplans are shared after pruning, if at all. */
function isReading(node: LogicalNode): boolean {
  const isStep = node.kind === 'filter' || node.kind === 'project' || node.kind === 'concat'
  const children = childrenOf(node)
  return (isStep || children.length === 0) && children.every(isReading)
}

function heightOf(node: LogicalNode): number {
  return 1 + childrenOf(node).reduce((height, child) => Math.max(height, heightOf(child)), 0)
}

type Parts = ReadonlyMap<object, Part>

function noteNeeds(plan: LogicalNode, parts: Parts): void {
  if (plan.kind === 'inMemory') {
    const part = parts.get(plan.table)
    for (const name of plan.columns) part?.needed.add(name)
  }
  for (const child of childrenOf(plan)) noteNeeds(child, parts)
}

/** Subplans in the places of their leaves, each with the columns that the leaf was left with. */
function putBack(plan: LogicalNode, parts: Parts): LogicalNode {
  const part = plan.kind === 'inMemory' ? parts.get(plan.table) : undefined
  if (part === undefined) {
    return withChildren(
      plan,
      childrenOf(plan).map((child) => putBack(child, parts)),
    )
  }
  part.result ??= putBack(part.plan, parts)
  return selected(makeShared(part.result, part.result), (plan as InMemory).columns)
}
