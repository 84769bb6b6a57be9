/**
 * Subplans that several places read, while a plan is being lowered.
 *
 * Every consumer is first lowered as a pipeline of its own whose source is a *tap* into the shared streams. When all of
 * the plan is lowered, each tapped stream is resolved: consumers that can take the rows in the same pass become
 * branches of one pipeline; the others read them later, from a multiplexer that is one more branch.
 *
 *   tap → group-by a        scan ─┬─ group-by a
 *   group-by a → collect  →       ├─ group-by b
 *   tap → group-by b              └─ multiplexer
 *   tap → probe of a join   multiplexer → probe
 *
 * A consumer can take part unless its sink may make a worker wait, it needs the rows in order on one worker, or it
 * needs something that is ready only later: the directories of a join whose build side is read in this very pass.
 *
 * A scan of the union of what its consumers read is used when it decodes less than their own scans would together.
 * Rows of a source behind nothing but filters and projections are never stored: reading them again costs about as much
 * as reading a store, and no memory. Such consumers get a scan of their own, with its narrower columns and predicate.
 */
import { childrenOf, exprEquals, type LogicalNode, type NamedExpr } from '@spillway/plan'
import type { SinkUse, SourceSpec, TransformSpec } from '../physical/physical-plan.ts'
import { statesReadBy, statesWrittenBy } from '../physical/operator-states.ts'
import type { PlannedFiles } from './planned-files.ts'
import { scanBytes } from './scan-bytes.ts'
import type { StageDraft, Stream } from './stream.ts'

export interface SharedGroup {
  readonly input: LogicalNode
  readonly streams: readonly Stream[]
  /** A source behind filters and projections. */
  readonly isCheap: boolean
}

/** Source of a pipeline that reads a shared stream. */
export interface Tap {
  readonly kind: 'tap'
  readonly group: SharedGroup
  /** Which of the group's streams. */
  readonly index: number
  /** What the consumer asked for: the group's input, or a scan that reads a part of it. */
  readonly own: LogicalNode
}

/** A pipeline, or a branch of one, before it is complete. */
export interface DraftPipeline {
  source: SourceSpec | Tap
  steps: readonly (StageDraft | TransformSpec)[]
  readonly sinks: readonly SinkUse[]
  branches: readonly DraftPipeline[]
  /** Columns of the batches that a branch gets. */
  inputColumns: number
  isSerial: boolean
  morselCount: number
  sequenceBase: number
}

export function isCheapToRead(node: LogicalNode): boolean {
  switch (node.kind) {
    case 'scanParquet':
    case 'scanIpc':
    case 'inMemory':
    case 'generated':
      return true
    case 'filter':
    case 'project':
    case 'concat':
    case 'shared':
      return childrenOf(node).every(isCheapToRead)
    default:
      return false
  }
}

/** Which consumers of a stream are served in one pass, and where it stands among the pipelines. */
export interface Fusion {
  readonly position: number
  readonly fused: readonly DraftPipeline[]
}

/** The pass that serves most consumers. @param isSerial one worker reads the stream anyway */
export function chooseFusion(
  drafts: readonly DraftPipeline[],
  consumers: readonly DraftPipeline[],
  isSerial: boolean,
  mayReadBefore: boolean,
): Fusion {
  const first = drafts.indexOf(consumers[0] as DraftPipeline)
  let best: Fusion = { position: first, fused: [] }
  for (const anchor of consumers) {
    const position = drafts.indexOf(anchor)
    const fused: DraftPipeline[] = []
    let isPossible = true
    for (const consumer of consumers) {
      const isTaken =
        canTakeNow(consumer, isSerial) &&
        canMove(drafts, drafts.indexOf(consumer), position) &&
        fused.every((other) => !depends(consumer, other) && !depends(other, consumer))
      if (isTaken) fused.push(consumer)
      // Its rows would be stored after it wanted to read them.
      else if (drafts.indexOf(consumer) < position && !mayReadBefore) isPossible = false
    }
    if (isPossible && fused.length > best.fused.length) best = { position, fused }
  }
  return best
}

/** False: the consumer may make a worker wait, or must see the rows in order on one worker. */
function canTakeNow(draft: DraftPipeline, isSerial: boolean): boolean {
  if (draft.isSerial && !isSerial) return false
  const isTaken = draft.sinks.every(({ sink }) => sink.kind !== 'collect' || sink.mode === 'all')
  return isTaken && draft.branches.every((branch) => canTakeNow(branch, isSerial))
}

/** True when nothing between the two places is in the way. */
function canMove(drafts: readonly DraftPipeline[], from: number, to: number): boolean {
  const moved = drafts[from] as DraftPipeline
  for (let between = to; between < from; between++) {
    if (depends(moved, drafts[between] as DraftPipeline)) return false
  }
  for (let between = from + 1; between <= to; between++) {
    if (depends(drafts[between] as DraftPipeline, moved)) return false
  }
  return true
}

/** True when `later` must not run before or together with `earlier`. */
function depends(later: DraftPipeline, earlier: DraftPipeline): boolean {
  const before = statesOf(earlier)
  const after = statesOf(later)
  if (before.isCheck) return true
  return [...after.read, ...after.written].some((id) => before.written.has(id))
}

interface States {
  readonly read: ReadonlySet<number>
  readonly written: ReadonlySet<number>
  /** It may end the query, and does so before others start. */
  readonly isCheck: boolean
}

function statesOf(draft: DraftPipeline): States {
  const specs = draft.steps.filter((step): step is TransformSpec => step.kind !== 'draft')
  const all = [...(draft.source.kind === 'tap' ? [] : [draft.source]), ...specs, ...draft.sinks.map((use) => use.sink)]
  const inner = draft.branches.map(statesOf)
  return {
    read: new Set([...all.flatMap(statesReadBy), ...inner.flatMap(({ read }) => [...read])]),
    written: new Set([...all.flatMap(statesWrittenBy), ...inner.flatMap(({ written }) => [...written])]),
    isCheck: draft.sinks.some(({ sink }) => sink.kind === 'raise') || inner.some(({ isCheck }) => isCheck),
  }
}

/** One pass is worth it when it decodes no more than this share of what separate ones would. */
const ONE_SCAN_SHARE = 0.95

/** False when one scan of everything would not read less than a scan for each consumer. */
export function isOneScanCheaper(files: PlannedFiles, input: LogicalNode, parts: readonly LogicalNode[]): boolean {
  if (parts.every((part) => part === input)) return true
  const whole = scanBytes(files, input)
  if (whole === undefined) return true
  return whole <= ONE_SCAN_SHARE * parts.reduce((sum, part) => sum + (scanBytes(files, part) ?? 0), 0)
}

/** What makes rows of the shared scan those of the consumer's: its condition, then its columns. */
export function narrowingSteps(stream: Stream, { group, own }: Tap): StageDraft[] {
  if (own === group.input) return []
  const filter = 'predicate' in own ? own.predicate : undefined
  const shared = 'predicate' in group.input ? group.input.predicate : undefined
  const isApplied = filter !== undefined && shared !== undefined && exprEquals(filter, shared)
  const kept = isApplied ? undefined : filter
  const fields = stream.schema.fields
  const isWhole =
    own.schema.fields.length === fields.length && own.schema.fields.every(({ name }, at) => fields[at]?.name === name)
  if (isWhole && kept === undefined) return []
  const project = own.schema.fields.map(
    ({ name, type, nullable }): NamedExpr => ({ name, expr: { kind: 'column', name, type, nullable } }),
  )
  return [
    { kind: 'draft', input: stream.schema, filter: kept, project: isWhole ? undefined : project, output: own.schema },
  ]
}
