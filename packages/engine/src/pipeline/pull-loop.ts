/**
 * One worker's part of one pipeline: source → transforms → sinks, a few milliseconds at a time.
 *
 * The loop is a state machine. Between steps it holds at most one batch that a sink has not taken yet ("pending"); a
 * step that cannot go on returns `blocked` with everything kept. Spill requests of other workers are served before
 * each step and after each batch.
 */
import { queryCounter, queryWord, type RunningPipeline, type StepStatus } from '@spillway/scheduler'
import { makeError } from '@spillway/stdx'
import type { QueryContext } from '../worker/query-context.ts'
import { selectedRows } from './batch-buffers.ts'
import type { Sink, Source, Transform } from './contracts.ts'
import type { OperatorCounts, OperatorMeter } from './operator-meter.ts'

const STEP_BUDGET_MS = 8

export interface Metered<T> {
  readonly operator: T
  readonly meter: OperatorMeter
}

export interface OpenSink extends Metered<Sink> {
  readonly sinkId: number
  readonly inputKind: number
  readonly publishes: boolean
}

export interface PipelineParts {
  readonly queryId: number
  readonly pipelineId: number
  readonly context: QueryContext
  readonly source: Metered<Source>
  readonly transforms: readonly Metered<Transform>[]
  readonly sinks: readonly OpenSink[]
  /** Stops all workers from claiming further morsels. */
  readonly exhaust: () => void
  /** Frees the pipeline's buffers. */
  readonly close: () => void
}

/** What `pipelineFinished` carries. */
export interface PipelineSummary {
  readonly published: readonly { readonly sinkId: number; readonly state: unknown }[]
  readonly operators: readonly { readonly operatorId: number; readonly counts: OperatorCounts }[]
}

export class PullLoop implements RunningPipeline {
  readonly queryId: number
  readonly pipelineId: number
  readonly #parts: PipelineParts
  #pendingBatch = 0
  /** 0 … sinks.length: which sink takes the pending batch (or morsel end) next. */
  #pendingSink = 0
  #isMorselEnding = false
  #sequence = 0
  #isDrained = false
  #summary: PipelineSummary | undefined

  constructor(parts: PipelineParts) {
    this.#parts = parts
    this.queryId = parts.queryId
    this.pipelineId = parts.pipelineId
  }

  step(): StepStatus {
    const { operator } = this.#parts.source
    operator.isParked = false
    const status = this.#run()
    operator.isParked = status === 'blocked'
    return status
  }

  #run(): StepStatus {
    const { context } = this.#parts
    if (context.isCancelled()) throw makeError('CANCELLED', 'The query was cancelled.')
    this.#serveSpillRequest()
    const end = performance.now() + STEP_BUDGET_MS
    do {
      const offered = this.#offerPending()
      if (offered === 'blocked') return 'blocked'
      if (offered === 'working') {
        if (context.isCancelled()) throw makeError('CANCELLED', 'The query was cancelled.')
        continue
      }
      if (this.#isDrained) {
        if (this.#settle()) return this.#finish()
        if (context.isCancelled()) throw makeError('CANCELLED', 'The query was cancelled.')
        continue
      }
      context.strike()
      const status = this.#pull()
      if (status === 'blocked') return 'blocked'
      if (context.isCancelled()) throw makeError('CANCELLED', 'The query was cancelled.')
      this.#serveSpillRequest()
    } while (performance.now() < end)
    return 'progressed'
  }

  summary(): PipelineSummary {
    return this.#summary ?? { published: [], operators: [] }
  }

  /** Gets one batch, or a part of one, through the transforms; leaves the outcome pending. */
  #pull(): 'pulled' | 'blocked' {
    const { source, context } = this.#parts
    if (this.#resume()) return 'pulled'
    const { meter } = source
    const started = performance.now()
    const status = source.operator.pull()
    meter.counts.timeMs += performance.now() - started
    this.#sequence = source.operator.sequence
    switch (status) {
      case 'blocked':
        return 'blocked'
      case 'working':
        return 'pulled'
      case 'finished':
        this.#isDrained = true
        return 'pulled'
      case 'morselEnd':
        this.#isMorselEnding = true
        this.#pendingSink = 0
        context.control.count(context.slot, queryCounter.morselsDone, 1)
        context.worker.limitHeap()
        return 'pulled'
      default:
    }
    const { batch } = source.operator
    const rows = selectedRows(context.arena, batch)
    meter.counts.rowsOut += rows
    context.control.count(context.slot, queryCounter.rowsIn, rows)
    this.#transform(batch, 0)
    return 'pulled'
  }

  /** Goes on with the last transform that has more of its last input. False: none has. */
  #resume(): boolean {
    const { transforms, context } = this.#parts
    for (let index = transforms.length - 1; index >= 0; index--) {
      const { operator, meter } = transforms[index] as Metered<Transform>
      // Nobody wants what a finished transform or one before it may still have.
      if (operator.isFinished) return false
      if (operator.hasMore !== true || operator.resume === undefined) continue
      const started = performance.now()
      const batch = operator.resume()
      meter.counts.timeMs += performance.now() - started
      if (batch !== 0) {
        meter.counts.rowsOut += selectedRows(context.arena, batch)
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
      if (operator.isFinished) this.#parts.exhaust()
      if (batch === 0) return
      meter.counts.rowsOut += selectedRows(context.arena, batch)
    }
    this.#pendingBatch = batch
    this.#pendingSink = 0
  }

  /** Work of the sinks before they publish; false = there is more. */
  #settle(): boolean {
    for (const { operator, meter, publishes } of this.#parts.sinks) {
      if (!publishes || operator.settle === undefined) continue
      const started = performance.now()
      const isDone = operator.settle()
      meter.counts.timeMs += performance.now() - started
      if (!isDone) return false
    }
    return true
  }

  /** `taken` when nothing is pending any more. */
  #offerPending(): 'taken' | 'blocked' | 'working' {
    if (this.#pendingBatch === 0 && !this.#isMorselEnding) return 'taken'
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
    this.#pendingBatch = 0
    this.#isMorselEnding = false
    return 'taken'
  }

  #serveSpillRequest(): void {
    const { context, source } = this.#parts
    const pages = context.control.takeSpillRequest(context.slot, context.workerIndex)
    if (pages <= 0) return
    let freed = source.operator.spill(pages)
    if (freed < pages) freed += this.makeRoom(pages - freed)
    if (freed > 0) context.control.wakeWorkers()
  }

  /** Spills about `pages` pages of this pipeline's sinks, which hold no batch now. Returns the pages freed. */
  makeRoom(pages: number): number {
    let freed = 0
    for (const { operator } of this.#parts.sinks) {
      if (freed >= pages) break
      freed += operator.spill(pages - freed)
    }
    return freed
  }

  /** The same for a sink that takes a batch now: from the source's shared state, then from the other sinks. */
  makeRoomForSink(sinkId: number, pages: number): number {
    let freed = this.#parts.source.operator.spill(pages)
    for (const sink of this.#parts.sinks) {
      if (freed >= pages) break
      if (sink.sinkId !== sinkId) freed += sink.operator.spill(pages - freed)
    }
    return freed
  }

  #finish(): 'finished' {
    const { source, transforms, sinks } = this.#parts
    const published = sinks
      .filter((sink) => sink.publishes)
      .map((sink) => ({ sinkId: sink.sinkId, state: sink.operator.publish() }))
    for (const { operator } of transforms) if (operator.publish !== undefined) published.push(operator.publish())
    this.close()
    this.#parts.close()
    const metered = [source, ...transforms, ...sinks.filter((sink) => sink.publishes)]
    this.#summary = {
      published,
      operators: [...metered, ...(source.operator.filter === undefined ? [] : [source.operator.filter])].map(
        ({ meter }) => ({ operatorId: meter.operatorId, counts: meter.counts }),
      ),
    }
    return 'finished'
  }

  /**
   * Source and transforms let go of what they hold outside the workspace: the codec, pages of their own. Also after a
   * failure or a cancel; the workspace then goes with the query's pages. Sinks live on until the query closes.
   */
  close(): void {
    const { source, transforms } = this.#parts
    source.operator.close()
    for (const { operator } of transforms) operator.close()
  }

  /** The progress words of a query start anew with each pipeline. */
  static resetClaims(context: { control: QueryContext['control']; slot: number }): void {
    context.control.store(context.slot, queryWord.nextMorsel, 0)
  }
}
