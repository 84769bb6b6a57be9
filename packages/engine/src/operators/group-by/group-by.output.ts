/** Worker side of phase 3: claims partitions and streams their merged groups, a bounded piece of work per pull. */
import type { GroupByExports } from '@spillway/codegen'
import { descriptor } from '@spillway/columnar'
import type { SpillTotals, WorkspaceSize } from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import { type BatchBuffers, batchShape, openBatch, setRows, sizeBatch } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, PullStatus, Source } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import type { GroupByOutputSpec } from './group-by.ts'
import { mergeFloorPages, PartitionMerge, sizePartitionMerge } from './partition-merge.ts'
import { PublishedPartitions } from './published-groups.ts'
import { type RowChain, RowCursor } from './row-chain.ts'

export function sizeGroupByOutput(spec: GroupByOutputSpec, size: WorkspaceSize): void {
  sizeBatch(batchShape(spec.shape.outputSchema, spec.batchRows), size)
  size.add(spec.batchRows * 4)
  sizePartitionMerge(spec, size)
}

export function groupByOutputFloorPages(spec: GroupByOutputSpec): number {
  return mergeFloorPages(spec)
}

export function openGroupByOutput(spec: GroupByOutputSpec, context: OpenContext, claims: MorselClaims): Source {
  return new GroupByOutputSource(spec, context, claims)
}

/** What is known of one partition when its merge begins. */
export interface PartitionInput {
  /** `17`, or `17.3` after a split: for logs and file names. */
  readonly label: string
  readonly depth: number
  /** Hash bits used up by partitioning so far. */
  readonly hashBits: number
  readonly chains: readonly RowChain[]
  readonly files: readonly { readonly path: string; readonly totals: SpillTotals }[]
  readonly isDistinct: boolean
}

class GroupByOutputSource implements Source {
  sequence = 0
  isParked = false
  readonly batch: number
  readonly #spec: GroupByOutputSpec
  readonly #context: OpenContext
  readonly #claims: MorselClaims
  readonly #exports: GroupByExports
  readonly #output: BatchBuffers
  readonly #rows: number
  readonly #merge: PartitionMerge
  readonly #published: PublishedPartitions
  #work: Generator<'working' | RowChain> | undefined
  /** A merged chain being emitted, and where. */
  #cursor: RowCursor | undefined
  #rowInMorsel = 0
  /** A partition that is this worker's next one but is being spilled by another; -1 = none. */
  #partition = -1

  constructor(spec: GroupByOutputSpec, context: OpenContext, claims: MorselClaims) {
    this.#spec = spec
    this.#context = context
    this.#claims = claims
    this.#exports = context.query.instance(spec.shape.moduleKey) as unknown as GroupByExports
    this.#output = openBatch(context.arena, context.workspace, batchShape(spec.shape.outputSchema, spec.batchRows))
    this.#rows = context.workspace.take(spec.batchRows * 4)
    this.#merge = new PartitionMerge(spec, context, this.#exports)
    this.#published = new PublishedPartitions(context, spec)
    this.batch = this.#output.address
  }

  pull(): PullStatus {
    if (this.#work === undefined) {
      if (this.#partition < 0) this.#partition = this.#claims.claim()
      if (this.#partition < 0) return 'finished'
      const claimed = this.#published.tryClaim(this.#partition)
      if (claimed === undefined) return 'blocked'
      this.sequence = this.#context.sequenceBase + this.#partition
      this.#rowInMorsel = 0
      const label = String(this.#partition)
      this.#work = this.#merge.run({ label, depth: 0, hashBits: this.#spec.partitionBits, ...claimed })
      this.#partition = -1
    }
    if (this.#cursor !== undefined) {
      if (this.#emit(this.#cursor)) return 'batch'
      this.#cursor = undefined
    }
    const { value, done } = this.#work.next()
    if (done === true) {
      this.#work = undefined
      return 'morselEnd'
    }
    if (value !== 'working') this.#cursor = new RowCursor(this.#context.arena.kernels, this.#spec.shape.layout, value)
    return 'working'
  }

  /** Fills the output batch with the cursor's next groups; false at its end. */
  #emit(cursor: RowCursor): boolean {
    const n = cursor.next(this.#rows, this.#spec.batchRows)
    if (n === 0) return false
    const { arena } = this.#context
    setRows(arena, this.batch, n, this.sequence, this.#rowInMorsel)
    if (this.#exports.emit(this.#rows, n, this.batch) !== 0) this.#raiseOverflow()
    setRows(arena, this.batch, n, this.sequence, this.#rowInMorsel)
    this.#rowInMorsel += n
    return true
  }

  #raiseOverflow(): never {
    const site = this.#context.arena.view.getUint32(this.batch + descriptor.errorSite, true)
    const text = this.#spec.shape.aggregateTexts[site] ?? 'an aggregate'
    throw makeError(
      'OVERFLOW',
      `Overflow in ${text}: the sum does not fit its type. Cast the column to float64 or a decimal before.`,
      { operator: this.#spec.shape.text, expression: text },
    )
  }

  /** Others need memory: partitions that nobody has claimed yet go to disk. */
  spill(pages: number): number {
    return this.#context.query.canSpill ? this.#published.spill(pages, this.#merge.spiller) : 0
  }

  close(): void {
    this.#merge.close()
  }
}
