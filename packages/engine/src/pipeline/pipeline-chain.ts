/**
 * Transforms and where their batches end: in sinks, and in further chains where a pipeline branches.
 *
 * A chain holds at most one batch that not everybody behind it has taken yet ("pending"). Work goes on in small steps:
 * `advance` offers what is pending, then asks transforms that have more of their last input. Branches take the batch
 * one after the other, each through a descriptor of its own, because a filter narrows the descriptor that it is given.
 */
import { descriptor } from '@spillway/columnar'
import type { QueryContext } from '../worker/query-context.ts'
import { columnAddress, selectedRows } from './batch-buffers.ts'
import type { Sink, Transform } from './contracts.ts'
import type { Metered } from './operator-meter.ts'

export interface OpenSink extends Metered<Sink> {
  readonly sinkId: number
  readonly inputKind: number
  readonly publishes: boolean
}

export interface ChainParts {
  readonly context: QueryContext
  readonly transforms: readonly Metered<Transform>[]
  readonly sinks: readonly OpenSink[]
  readonly branches: readonly PipelineChain[]
  /** Room for the descriptor of an incoming batch, or 0: the batch is this chain's own. */
  readonly descriptor: number
  /** Added to the sequences of what feeds it. */
  readonly sequenceShift: number
}

/** `idle`: nothing is left to do with the last input. */
export type ChainStatus = 'working' | 'blocked' | 'idle'

export class PipelineChain {
  readonly #parts: ChainParts
  #pendingBatch = 0
  #isMorselEnding = false
  /** Who takes the pending batch (or morsel end) next: a sink, then a branch. */
  #pendingSink = 0
  #pendingBranch = 0
  #isBranchFed = false
  #sequence = 0

  constructor(parts: ChainParts) {
    this.#parts = parts
  }

  /** True when no further input can change anything. */
  get isFinished(): boolean {
    const { transforms, sinks, branches } = this.#parts
    if (transforms.some(({ operator }) => operator.isFinished)) return true
    return sinks.length === 0 && branches.length > 0 && branches.every((branch) => branch.isFinished)
  }

  /** Takes a batch; only when idle. */
  feed(batch: number, sequence: number): void {
    if (this.isFinished) return
    const { context, descriptor: own, sequenceShift } = this.#parts
    this.#sequence = sequence + sequenceShift
    if (own === 0) {
      this.#transform(batch, 0)
      return
    }
    const { arena } = context
    const columns = arena.u32[(batch + descriptor.columnCount) >>> 2] as number
    arena.u8.copyWithin(own, batch, columnAddress(batch, columns))
    arena.u32[(own + descriptor.ordinal + 4) >>> 2] = this.#sequence
    this.#transform(own, 0)
  }

  /** All batches of the morsel were fed; only when idle. */
  endMorsel(sequence: number): void {
    this.#sequence = sequence + this.#parts.sequenceShift
    this.#isMorselEnding = true
    this.#beginPending()
  }

  #beginPending(): void {
    this.#pendingSink = 0
    this.#pendingBranch = 0
    this.#isBranchFed = false
  }

  /** Goes on with the last input, one step. */
  advance(): ChainStatus {
    if (this.#pendingBatch !== 0 || this.#isMorselEnding) {
      const taken = this.#offerToSinks()
      if (taken !== 'taken') return taken
      const status = this.#offerToBranches()
      if (status !== 'idle') return status
      this.#pendingBatch = 0
      this.#isMorselEnding = false
    }
    return this.#resume() ? 'working' : 'idle'
  }

  /** `taken` when all sinks have taken what is pending. */
  #offerToSinks(): 'taken' | 'blocked' | 'working' {
    const { sinks, context } = this.#parts
    while (this.#pendingSink < sinks.length) {
      const { operator, meter, inputKind } = sinks[this.#pendingSink] as OpenSink
      const started = performance.now()
      const taken =
        this.#pendingBatch !== 0
          ? operator.consume(this.#pendingBatch, this.#sequence, inputKind)
          : operator.endMorsel(this.#sequence)
      meter.counts.timeMs += performance.now() - started
      if (taken !== 'taken') return taken
      if (this.#pendingBatch !== 0) meter.counts.rowsIn += selectedRows(context.arena, this.#pendingBatch)
      this.#pendingSink += 1
    }
    return 'taken'
  }

  #offerToBranches(): ChainStatus {
    const { branches } = this.#parts
    while (this.#pendingBranch < branches.length) {
      const branch = branches[this.#pendingBranch] as PipelineChain
      if (!this.#isBranchFed) {
        this.#isBranchFed = true
        if (this.#pendingBatch !== 0) branch.feed(this.#pendingBatch, this.#sequence)
        else branch.endMorsel(this.#sequence)
      }
      const status = branch.advance()
      if (status !== 'idle') return status
      this.#pendingBranch += 1
      this.#isBranchFed = false
    }
    return 'idle'
  }

  /** Goes on with the last transform that has more of its last input. False: none has. */
  #resume(): boolean {
    const { transforms } = this.#parts
    for (let index = transforms.length - 1; index >= 0; index--) {
      const { operator, meter } = transforms[index] as Metered<Transform>
      // Nobody wants what a finished transform or one before it may still have.
      if (operator.isFinished) return false
      if (operator.hasMore !== true || operator.resume === undefined) continue
      const started = performance.now()
      const batch = operator.resume()
      meter.counts.timeMs += performance.now() - started
      if (batch !== 0) {
        meter.counts.rowsOut += selectedRows(this.#parts.context.arena, batch)
        this.#transform(batch, index + 1)
      }
      return true
    }
    return false
  }

  /** Runs the transforms from `first` on. */
  #transform(input: number, first: number): void {
    const { transforms, context } = this.#parts
    let batch = input
    for (let index = first; index < transforms.length; index++) {
      const { operator, meter } = transforms[index] as Metered<Transform>
      const before = performance.now()
      meter.counts.rowsIn += selectedRows(context.arena, batch)
      batch = operator.apply(batch, this.#sequence)
      meter.counts.timeMs += performance.now() - before
      if (batch === 0) return
      meter.counts.rowsOut += selectedRows(context.arena, batch)
    }
    this.#pendingBatch = batch
    this.#beginPending()
  }

  /** What is pending, and with whom. */
  describe(): string {
    if (this.#pendingBatch === 0 && !this.#isMorselEnding) return '(nothing pending)'
    const { sinks, branches } = this.#parts
    const what = this.#pendingBatch !== 0 ? 'batch' : 'morsel end'
    const sink = sinks[this.#pendingSink]
    const branch = branches[this.#pendingBranch]
    const place = sink !== undefined ? `sink ${sink.sinkId}` : `branch ${this.#pendingBranch} ${branch?.describe()}`
    return `(${what} of sequence ${this.#sequence} with ${place})`
  }

  /** All sinks, those of branches included. */
  get sinks(): readonly OpenSink[] {
    const { sinks, branches } = this.#parts
    return [...sinks, ...branches.flatMap((branch) => branch.sinks)]
  }

  get transforms(): readonly Metered<Transform>[] {
    const { transforms, branches } = this.#parts
    return [...transforms, ...branches.flatMap((branch) => branch.transforms)]
  }
}
