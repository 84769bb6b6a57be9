/**
 * One admitted query on the main thread: opens it on its workers, runs its pipelines one after the other, collects
 * metrics, and closes it everywhere. Whatever happens, `finish` ends with the query's workers having let go.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { formatBytes } from '@spillway/memory'
import { type ControlBlock, type FromWorker, queryCounter, queryWord, type WorkerPool } from '@spillway/scheduler'
import { assert, fromEnvelope, makeError, type SpillwayError } from '@spillway/stdx'
import {
  type JoinBuildSpec,
  joinModuleKeys,
  type JoinPairsSpec,
  type JoinProbeSpec,
  type JoinTableSpec,
} from '../operators/join/join.ts'
import type { PublishedRows } from '../operators/join/published-build.ts'
import { statesReadBy } from '../physical/operator-states.ts'
import {
  type OperatorSpec,
  operatorsOf,
  type PhysicalPipeline,
  type PhysicalPlan,
  sinkUsesOf,
} from '../physical/physical-plan.ts'
import { emptyCounts, mergeCounts, type OperatorCounts } from '../pipeline/operator-meter.ts'
import type { PipelineSummary } from '../pipeline/pull-loop.ts'
import type { QuerySetup } from '../worker/query-context.ts'
import type { PipelineStart } from '../worker/pipeline-host.ts'
import { boundByBuilds } from './bound-by-builds.ts'
import { labelOf } from './labels.ts'
import type { ModuleCache } from './module-cache.ts'
import type { OperatorMetrics, Progress, QueryRequest } from './query-request.ts'

export interface RunFacts {
  readonly queryId: number
  readonly setup: QuerySetup
  readonly physical: PhysicalPlan
  readonly request: QueryRequest
  /** The workers that run it, first worker first. */
  readonly workers: readonly number[]
  /** Arena pages that were free to promise when it was admitted. */
  readonly budgetPages: number
  /** Process memory that the query needs at least, as known at admission. */
  readonly floorBytes: number
  /** What the process was expected to hold outside the arena while it runs. */
  readonly outsideBytes: number
  /** Gives back what is promised for floors beyond `pages`. */
  readonly keepFloor: (pages: number) => void
}

/**
 * Share of the budget that the partitions being emitted may take (less beside other queries and with long strings, see
 * partition-merge.ts); a streamed query may be parked with them.
 */
const PINNED_SHARE = 0.9
const PINNED_SHARE_STREAMED = 1 / 8

export class QueryRun {
  readonly facts: RunFacts
  readonly #pool: WorkerPool
  readonly #control: ControlBlock
  readonly #modules: ModuleCache
  readonly #operators = new Map<number, OperatorCounts>()
  readonly #published = new Map<number, unknown[]>()
  /** Workers that have not finished the running pipeline. */
  #waiting = new Set<number>()
  #pipelineDone: (() => void) | undefined
  #closing = new Set<number>()
  #closed: (() => void) | undefined
  #error: SpillwayError | undefined
  #pipelineIndex = 0
  #isAbandoned = false
  /** True once a worker trapped on this query. */
  isTrapped = false

  constructor(facts: RunFacts, pool: WorkerPool, control: ControlBlock, modules: ModuleCache) {
    this.facts = facts
    this.#pool = pool
    this.#control = control
    this.#modules = modules
  }

  get slot(): number {
    return this.facts.setup.slot
  }
  get error(): SpillwayError | undefined {
    return this.#error
  }

  /** Runs all pipelines. @throws the first error of any worker, or of `cancel` */
  async run(): Promise<void> {
    const { queryId, setup, physical, workers } = this.facts
    for (const worker of workers)
      this.#pool.post(worker, { kind: 'openQuery', queryId, slot: setup.slot, query: setup })
    for (const pipeline of physical.pipelines) {
      await this.#runPipeline(pipeline)
      if (this.#error !== undefined) throw this.#error
      this.#pipelineIndex += 1
    }
  }

  #runPipeline(planned: PhysicalPipeline): Promise<void> {
    if (this.#error !== undefined) return Promise.resolve()
    const { queryId, physical, workers, budgetPages, setup } = this.facts
    this.#control.store(setup.slot, queryWord.nextMorsel, 0)
    const pipeline = this.#boundByBuilds(planned)
    this.#log(`phase ${this.#phaseOf(pipeline)} morsels=${pipeline.morselCount} workers=${workers.length}`)
    const modules = this.#modulesOf(pipeline).map((module) => this.#modules.require(module))
    const { floor, sizing } = physical
    this.facts.keepFloor((floor.pagesFrom[pipeline.pipelineId] ?? 0) * sizing.threads)
    const idle = floor.idle[pipeline.pipelineId] ?? []
    const published = [...new Set([...operatorsOf(pipeline).flatMap(statesReadBy), ...idle])].map((sinkId) => ({
      sinkId,
      states: this.#published.get(sinkId) ?? [],
    }))
    const pinnedShare = setup.isStreamed ? PINNED_SHARE_STREAMED : PINNED_SHARE
    const start: PipelineStart = {
      pipeline,
      published,
      idle,
      pipelinePagesMax: Math.floor((budgetPages * pinnedShare) / sizing.threads),
      sinkPagesMax: budgetPages,
    }
    this.#waiting = new Set(workers)
    const done = new Promise<void>((resolve) => {
      this.#pipelineDone = resolve
    })
    workers.forEach((worker, index) => {
      const pulls = index < pullersOf(pipeline)
      const { pipelineId } = pipeline
      const message = {
        kind: 'startPipeline',
        queryId,
        slot: setup.slot,
        pipelineId,
        pulls,
        modules,
        pipeline: start,
      } as const
      this.#pool.post(worker, message)
    })
    this.#control.wakeWorkers()
    return done
  }

  /** Without what its scan need not read; that counts as done. */
  #boundByBuilds(planned: PhysicalPipeline): PhysicalPipeline {
    const published = (sinkId: number) => (this.#published.get(sinkId) ?? []) as readonly PublishedRows[]
    const { pipeline, rowGroupsSkipped } = boundByBuilds(planned, published)
    if (pipeline === planned) return planned
    this.#control.count(this.slot, queryCounter.morselsDone, planned.morselCount - pipeline.morselCount)
    const { operatorId } = pipeline.source
    const counts = this.#operators.get(operatorId) ?? emptyCounts()
    counts.rowGroupsSkipped += rowGroupsSkipped
    this.#operators.set(operatorId, counts)
    return pipeline
  }

  #modulesOf(pipeline: PhysicalPipeline) {
    const keys = new Set<string>()
    for (const spec of operatorsOf(pipeline)) {
      if (spec.kind === 'stage') keys.add(spec.moduleKey)
      if (spec.kind === 'scanParquet') for (const { stage } of spec.codeConditions) keys.add(stage.moduleKey)
      if (spec.kind === 'groupBy' || spec.kind === 'groupByOutput') keys.add(spec.shape.moduleKey)
      if (isJoin(spec)) for (const key of joinModuleKeys(spec)) keys.add(key)
      if (spec.kind === 'sort' || spec.kind === 'sortOutput') keys.add(spec.shape.moduleKey)
    }
    return this.facts.physical.modules.filter((module) => keys.has(module.key))
  }

  /** A message of a worker about this query. */
  receive(message: FromWorker): void {
    switch (message.kind) {
      case 'output':
        if (this.#error === undefined) this.#guard(() => this.#receiveOutput(message.sinkId, message.output))
        return
      case 'pipelineFinished':
        this.#addSummary(message.summary as PipelineSummary)
        this.#workerDone(message.worker)
        return
      case 'pipelineFailed':
        if (message.isTrap) this.isTrapped = true
        this.fail(fromEnvelope(message.error))
        return
      case 'queryClosed':
        this.#closing.delete(message.worker)
        if (this.#closing.size === 0) this.#closed?.()
        return
      default:
    }
  }

  #receiveOutput(sinkId: number, output: unknown): void {
    const index = this.facts.physical.roots.findIndex((root) => root.sinkId === sinkId)
    const root = this.facts.request.roots[index]
    assert(root !== undefined, 'outputs come from the sinks that a query ends in')
    root.onOutput(output)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.fail(makeError('INVARIANT', `Handling an output failed: ${String(error)}`, {}, { cause: error }))
    }
  }

  #workerDone(worker: number): void {
    this.#waiting.delete(worker)
    if (this.#waiting.size === 0) this.#pipelineDone?.()
  }

  #addSummary(summary: PipelineSummary): void {
    for (const { sinkId, state, replaces } of summary.published) {
      const states = this.#published.get(sinkId) ?? []
      const kept = states.filter((each) => replaces === undefined || (each as { worker: number }).worker !== replaces)
      this.#published.set(sinkId, [...kept, state])
    }
    for (const { operatorId, counts } of summary.operators) {
      const total = this.#operators.get(operatorId) ?? emptyCounts()
      mergeCounts(total, counts)
      this.#operators.set(operatorId, total)
    }
  }

  /** Ends the query with an error: the first one counts. Workers let go at their next batch. */
  fail(error: SpillwayError): void {
    this.#error ??= error
    this.#control.store(this.slot, queryWord.cancelled, 1)
    this.#control.wakeWorkers()
    this.#pipelineDone?.()
  }

  /** Every worker drops the query; resolves when all have. */
  async close(): Promise<void> {
    if (this.#isAbandoned) return
    const { queryId, workers } = this.facts
    this.#closing = new Set(workers)
    const closed = new Promise<void>((resolve) => {
      this.#closed = resolve
    })
    for (const worker of workers) this.#pool.post(worker, { kind: 'closeQuery', queryId })
    this.#control.wakeWorkers()
    await closed
  }

  /** The pool is gone: nobody will answer. */
  abandon(error: SpillwayError): void {
    this.#isAbandoned = true
    this.fail(error)
    this.#closing.clear()
    this.#closed?.()
    this.#closed = undefined
  }

  /** Which phase it is in and which workers it waits for, on one line. */
  describe(): string {
    const { queryId, physical } = this.facts
    const pipeline = physical.pipelines[this.#pipelineIndex]
    const phase = pipeline === undefined ? 'all phases are over' : `phase ${this.#phaseOf(pipeline)}`
    const closing = this.#closing.size === 0 ? '' : `, closing on workers ${[...this.#closing]}`
    return (
      `q${queryId} slot=${this.slot} ${phase} (${this.#pipelineIndex + 1} of ${physical.pipelines.length}) ` +
      `waits for workers ${[...this.#waiting]}${closing}, error=${this.#error?.code}`
    )
  }

  /** Batches are there that the program has not asked for. */
  get waitsForProgram(): boolean {
    const load = (word: number): number => this.#control.load(this.slot, word)
    return this.facts.setup.isStreamed && load(queryWord.tokensOut) > 0 && load(queryWord.starved) === 0
  }

  /** Changes whenever the query gets on or its program takes a batch. */
  progressMark(): string {
    const counters = ['rowsIn', 'rowsOut', 'spilledBytes', 'morselsDone'] as const
    const counted = counters.map((name) => this.#control.counted(this.slot, queryCounter[name]))
    const taken = this.#control.load(this.slot, queryWord.tokensOut)
    return `${this.facts.queryId}:${counted}:${taken}:${this.#pipelineIndex}`
  }

  progress(): Progress {
    const { physical } = this.facts
    const counted = (counter: number): number => this.#control.counted(this.slot, counter)
    const pipeline = physical.pipelines[Math.min(this.#pipelineIndex, physical.pipelines.length - 1)]
    const before = physical.pipelines.slice(0, this.#pipelineIndex).reduce((sum, each) => sum + each.morselCount, 0)
    const morsels = Math.max(1, pipeline?.morselCount ?? 1)
    const within = Math.min(1, Math.max(0, counted(queryCounter.morselsDone) - before) / morsels)
    return {
      fraction: Math.min(1, (this.#pipelineIndex + within) / physical.pipelines.length),
      phase: pipeline === undefined ? '' : this.#phaseOf(pipeline),
      rowsIn: counted(queryCounter.rowsIn),
      rowsOut: counted(queryCounter.rowsOut),
      bytesRead: counted(queryCounter.bytesRead),
      spilledBytes: counted(queryCounter.spilledBytes),
    }
  }

  #phaseOf(pipeline: PhysicalPipeline): string {
    const sinks = sinkUsesOf(pipeline)
      .map((use) => labelOf(use.sink))
      .join(', ')
    return sinks === '' ? labelOf(pipeline.source) : `${labelOf(pipeline.source)} -> ${sinks}`
  }

  operatorMetrics(): OperatorMetrics[] {
    const specs = new Map<number, OperatorSpec>()
    for (const pipeline of this.facts.physical.pipelines) {
      for (const spec of operatorsOf(pipeline)) specs.set(spec.operatorId, spec)
    }
    return [...specs.entries()]
      .sort(([a], [b]) => a - b)
      .map(([operatorId, spec]) => {
        const counts = this.#operators.get(operatorId) ?? emptyCounts()
        const amplification = counts.inputBytes === 0 ? 0 : counts.spilledBytes / counts.inputBytes
        // One literal: a spread keeps its properties outside the object, which a thousand kept results would feel.
        return {
          operatorId,
          label: labelOf(spec),
          rowsIn: counts.rowsIn,
          rowsOut: counts.rowsOut,
          timeMs: counts.timeMs,
          peakBytes: counts.peakBytes,
          spilledBytes: counts.spilledBytes,
          spilledFiles: counts.spilledFiles,
          inputBytes: counts.inputBytes,
          partitionsSpilled: counts.partitionsSpilled,
          recursionDepth: counts.recursionDepth,
          terminalChunks: counts.terminalChunks,
          partitionsAskedBack: counts.partitionsAskedBack,
          rowGroupsSkipped: counts.rowGroupsSkipped,
          codedRows: counts.codedRows,
          filteredRows: counts.filteredRows,
          amplification,
        }
      })
  }

  #log(line: string): void {
    if (!this.facts.setup.isVerbose) return
    const { budgetPages, queryId } = this.facts
    process.stderr.write(`[spillway] q${queryId} ${line} budget=${formatBytes(budgetPages * PAGE_BYTES)}\n`)
  }
}

type JoinSpec = JoinBuildSpec | JoinTableSpec | JoinProbeSpec | JoinPairsSpec

const isJoin = (spec: OperatorSpec): spec is JoinSpec => spec.kind.startsWith('join')
/** Workers that read the source; the others only take part in what follows. A worker reads one file at a time. */
function pullersOf({ isSerial, source }: PhysicalPipeline): number {
  if (isSerial) return 1
  const isScan = source.kind === 'scanParquet' || source.kind === 'scanIpc'
  return (isScan ? source.maxConcurrentFiles : undefined) ?? Number.POSITIVE_INFINITY
}
