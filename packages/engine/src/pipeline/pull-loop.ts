/**
 * One worker's part of one pipeline: source → transforms → sinks, a few milliseconds at a time.
 *
 * The loop is a state machine. What was pulled goes through a chain of transforms into the sinks (pipeline-chain.ts); a
 * step that cannot go on returns `blocked` with everything kept. Spill requests of other workers are served before
 * each step and after each batch.
 */
import { queryCounter, type RunningPipeline, type StepStatus } from '@spillway/scheduler'
import { makeError } from '@spillway/stdx'
import type { QueryContext } from '../worker/query-context.ts'
import { selectedRows } from './batch-buffers.ts'
import type { Source, Transform } from './contracts.ts'
import type { Metered, OperatorCounts } from './operator-meter.ts'
import type { OpenSink, PipelineChain } from './pipeline-chain.ts'

const STEP_BUDGET_MS = 8

export interface PipelineParts {
  readonly queryId: number
  readonly pipelineId: number
  readonly context: QueryContext
  readonly source: Metered<Source>
  readonly chain: PipelineChain
  /** Sinks that were published by earlier pipelines and can still be spilled. */
  readonly stores: readonly OpenSink[]
  /** Stops all workers from claiming further morsels. */
  readonly exhaust: () => void
  /** Frees the pipeline's buffers. */
  readonly close: () => void
}

export interface PublishedByWorker {
  readonly sinkId: number
  readonly state: unknown
  /** The worker whose earlier state it takes the place of. */
  readonly replaces?: number
}

/** What `pipelineFinished` carries. */
export interface PipelineSummary {
  readonly published: readonly PublishedByWorker[]
  readonly operators: readonly { readonly operatorId: number; readonly counts: OperatorCounts }[]
}

export class PullLoop implements RunningPipeline {
  readonly queryId: number
  readonly pipelineId: number
  readonly #parts: PipelineParts
  readonly #transforms: readonly Metered<Transform>[]
  /** Of the chain and its branches. */
  readonly #sinks: readonly OpenSink[]
  #polls = 0
  #isDrained = false
  /** What the last step could not go on with. */
  #blockedOn: 'nothing' | 'source' | 'chain' = 'nothing'
  #isExhausted = false
  #summary: PipelineSummary | undefined

  constructor(parts: PipelineParts) {
    this.#parts = parts
    this.#transforms = parts.chain.transforms
    this.#sinks = parts.chain.sinks
    this.queryId = parts.queryId
    this.pipelineId = parts.pipelineId
  }

  step(): StepStatus {
    const { operator } = this.#parts.source
    operator.isParked = false
    const status = this.#run()
    operator.isParked = status === 'blocked'
    if (status !== 'blocked') this.#blockedOn = 'nothing'
    return status
  }

  #run(): StepStatus {
    const { context } = this.#parts
    if (context.isCancelled()) throw makeError('CANCELLED', 'The query was cancelled.')
    this.#serveSpillRequest()
    // Not at the ends of morsels only: merging or joining one partition of spilled rows leaves tens of megabytes.
    context.worker.limitHeap('step')
    const end = performance.now() + STEP_BUDGET_MS
    do {
      const status = this.#parts.chain.advance()
      if (status === 'blocked') return this.#block('chain')
      if (status === 'idle') {
        if (this.#isDrained && this.#settle()) return this.#finish()
        if (!this.#isDrained) context.strike()
        if (!this.#isDrained && this.#pull() === 'blocked') return this.#block('source')
      }
      if (context.isCancelled()) throw makeError('CANCELLED', 'The query was cancelled.')
      this.#serveSpillRequest()
    } while (performance.now() < end)
    return 'progressed'
  }

  #block(on: 'source' | 'chain'): 'blocked' {
    this.#blockedOn = on
    return 'blocked'
  }

  describe(): string {
    const { queryId, context, source, chain } = this.#parts
    const { control, slot, workerIndex } = context
    const place = this.#isDrained ? 'drained' : `morsel sequence=${source.operator.sequence}`
    return (
      `q${queryId} pipeline ${this.pipelineId} ${place}, blocked on ${this.#blockedOn} ${chain.describe()}, ` +
      `pages=${control.usedPages(slot, workerIndex)}${context.isCancelled() ? ', cancelled' : ''}`
    )
  }

  summary(): PipelineSummary {
    return this.#summary ?? { published: [], operators: [] }
  }

  /** Pulls once and feeds the chain, which is idle. */
  #pull(): 'pulled' | 'blocked' {
    const { source, context, chain } = this.#parts
    const { meter, operator } = source
    const started = performance.now()
    const status = operator.pull()
    meter.counts.timeMs += performance.now() - started
    switch (status) {
      case 'blocked':
        return 'blocked'
      case 'working':
        return 'pulled'
      case 'finished':
        this.#isDrained = true
        return 'pulled'
      case 'morselEnd':
        chain.endMorsel(operator.sequence)
        context.control.count(context.slot, queryCounter.morselsDone, 1)
        context.worker.limitHeap('morselEnd')
        return 'pulled'
      default:
    }
    const rows = selectedRows(context.arena, operator.batch)
    meter.counts.rowsOut += rows
    context.control.count(context.slot, queryCounter.rowsIn, rows)
    chain.feed(operator.batch, operator.sequence)
    if (!this.#isExhausted && chain.isFinished) {
      this.#isExhausted = true
      this.#parts.exhaust()
    }
    return 'pulled'
  }

  /** Work of the sinks before they publish; false = there is more. */
  #settle(): boolean {
    for (const { operator, meter, publishes } of this.#sinks) {
      if (!publishes || operator.settle === undefined) continue
      const started = performance.now()
      const isDone = operator.settle()
      meter.counts.timeMs += performance.now() - started
      if (!isDone) return false
    }
    return true
  }

  #serveSpillRequest(): void {
    const { context, source } = this.#parts
    const asked = context.control.takeSpillRequest(context.slot, context.workerIndex)
    const pages = asked > 0 ? asked : this.#testRequest()
    if (pages <= 0) return
    let freed = source.operator.spill(pages)
    if (freed < pages) freed += this.makeRoom(pages - freed)
    if (freed > 0) context.control.wakeWorkers()
  }

  /** A page, now and then: in tests that ask at every moment at which others may. */
  #testRequest(): number {
    const every = this.#parts.context.setup.testing.spillRequestEvery
    if (every === undefined) return 0
    this.#polls += 1
    return this.#polls % every === 0 ? 1 : 0
  }

  /** Spills about `pages` pages of the transforms and sinks, which hold no batch now. Returns the pages freed. */
  makeRoom(pages: number): number {
    const freed = this.writePending(pages)
    return freed + this.#spillSinks(pages - freed, undefined)
  }

  /**
   * The same for a transform or a sink that takes a batch now: from the source's shared state too, but not from the
   * sink itself.
   */
  makeRoomForTaker(pages: number, exceptSinkId: number | undefined): number {
    let freed = this.writePending(pages)
    if (freed < pages) freed += this.#parts.source.operator.spill(pages - freed)
    return freed + this.#spillSinks(pages - freed, exceptSinkId)
  }

  /** The published state that frees most with one spill gives it, if it is at least `pages`. Returns what it freed. */
  askBack(pages: number): number {
    let largest: OpenSink | undefined
    let most = Math.max(1, pages)
    for (const store of this.#parts.stores) {
      const next = store.operator.nextSpillPages ?? 0
      if (next < most) continue
      most = next
      largest = store
    }
    return largest?.operator.spill(1) ?? 0
  }

  /** Rows on their way to disk cost no further I/O. Returns the pages freed. */
  writePending(pages: number): number {
    let freed = 0
    for (const { operator } of this.#transforms) {
      if (freed >= pages) break
      freed += operator.spill?.(pages - freed) ?? 0
    }
    return freed
  }

  /** What is kept for later pipelines goes first. */
  #spillSinks(pages: number, exceptId: number | undefined): number {
    let freed = 0
    for (const { operator, sinkId } of [...this.#parts.stores, ...this.#sinks]) {
      if (freed >= pages) break
      if (sinkId !== exceptId) freed += operator.spill(pages - freed)
    }
    return freed
  }

  #finish(): 'finished' {
    const { source, stores } = this.#parts
    // On their way to disk, so sinks publish with these pages free.
    this.writePending(Number.POSITIVE_INFINITY)
    const ending = this.#sinks.filter((sink) => sink.publishes)
    const published: PublishedByWorker[] = ending.map((sink) => ({
      sinkId: sink.sinkId,
      state: sink.operator.publish(),
    }))
    for (const { operator, sinkId } of stores) {
      const state = operator.republish?.()
      if (state !== undefined) published.push({ sinkId, state, replaces: state.worker })
    }
    for (const { operator } of this.#transforms) if (operator.publish !== undefined) published.push(operator.publish())
    this.close()
    this.#parts.close()
    const { filter } = source.operator
    const metered = [source, ...this.#transforms, ...ending, ...stores, ...(filter === undefined ? [] : [filter])]
    this.#summary = {
      published,
      operators: metered.map(({ meter }) => ({ operatorId: meter.operatorId, counts: meter.take() })),
    }
    return 'finished'
  }

  /**
   * Source and transforms let go of what they hold outside the workspace: the codec, pages of their own. Also after a
   * failure or a cancel; the workspace then goes with the query's pages. Sinks live on until the query closes.
   */
  close(): void {
    this.#parts.source.operator.close()
    for (const { operator } of this.#transforms) operator.close()
  }
}
