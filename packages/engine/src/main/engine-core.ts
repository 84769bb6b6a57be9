/**
 * The engine on the main thread: workers, arena, admission, and the life of each query.
 *
 *   execute ─ optimise ─ wait for admission (size the plan to the budget, reserve its floor) ─ run ─ close
 *
 * Admission is first come, first served. Floors are never lent: a query starts when all of its floor is reserved.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { makeSpillQuota } from '@spillway/memory'
import { parquetWasmModule } from '@spillway/formats'
import { optimize, rules } from '@spillway/optimizer'
import type { LogicalNode } from '@spillway/plan'
import { ControlBlock, type FromWorker, QUERY_SLOTS, queryCounter, queryWord, WorkerPool } from '@spillway/scheduler'
import { assert, makeError } from '@spillway/stdx'
import { lowerPlan } from '../lowering/lower-plan.ts'
import type { PhysicalPlan } from '../physical/physical-plan.ts'
import type { QuerySetup } from '../worker/query-context.ts'
import { cancelledBy, orAborted, throwIfAborted } from './abort-signal.ts'
import { ARENA_SHARE_BESIDE_RESULTS, ArenaKeeper } from './arena-keeper.ts'
import { memoryClassOf } from './labels.ts'
import { ModuleCache } from './module-cache.ts'
import { operatorsOf, QueryRun } from './query-run.ts'
import type { QueryMetrics, QueryOptions, QueryRequest } from './query-request.ts'
import { sizingTries } from './sizing.ts'
import { type SpillPlace, SpillSpace } from './spill-space.ts'
import { TableRegistry } from './table-registry.ts'

export interface EngineCoreOptions {
  readonly threads: number
  readonly workerFile: string
}

/** Everything that exists once workers are up; replaced as a whole when a worker is lost. */
interface Crew {
  readonly control: ControlBlock
  readonly pool: WorkerPool
  readonly keeper: ArenaKeeper
  readonly tables: TableRegistry
  readonly slots: (QueryRun | undefined)[]
  /** Set when a worker was lost or trapped: nothing of this crew is used any more. */
  isLost: boolean
  /** Resolves when the workers of a lost crew have ended. */
  ended: Promise<void>
}

interface SizedPlan {
  readonly physical: PhysicalPlan
  readonly budget: number
}

const CLOSE_GRACE_MS = 200
const PROGRESS_INTERVAL_MS = 100
const ADMISSION_RETRY_MS = 20

export class EngineCore {
  readonly #options: EngineCoreOptions
  readonly #modules = new ModuleCache()
  readonly #spillSpace = new SpillSpace()
  readonly #running = new Set<QueryRun>()
  readonly #waiting = new Set<() => void>()
  #crew: Promise<Crew> | undefined
  #admission: Promise<void> = Promise.resolve()
  #nextQueryId = 1
  #isClosed = false
  #limitInForce = Number.POSITIVE_INFINITY

  constructor(options: EngineCoreOptions) {
    this.#options = options
  }

  // --- life -------------------------------------------------------------------------------------------------------

  async #start(): Promise<Crew> {
    const parquetModule = await parquetWasmModule()
    const control = ControlBlock.create(this.#options.threads)
    const slots = new Array<QueryRun | undefined>(QUERY_SLOTS).fill(undefined)
    const byId = (queryId: number): QueryRun | undefined => slots.find((run) => run?.facts.queryId === queryId)
    const start: { error: Error | undefined } = { error: undefined }
    const pool: WorkerPool = new WorkerPool({
      workerFile: this.#options.workerFile,
      control,
      setup: { parquetModule },
      onMessage: (message: FromWorker) => {
        if (message.kind === 'garbageCollected') keeper.receive(message)
        else byId(message.queryId)?.receive(message)
      },
      onWorkerLost: (error) => {
        start.error = error
        void this.#loseCrew(crew, error)
      },
    })
    const keeper: ArenaKeeper = new ArenaKeeper(pool, control)
    const tables = new TableRegistry((message) => pool.broadcast(message))
    const crew: Crew = { control, pool, keeper, tables, slots, isLost: false, ended: Promise.resolve() }
    // The answer of every worker says that all of them are up, and what they hold then is part of the base.
    await keeper.collectGarbage()
    if (start.error !== undefined) {
      const text = `A worker failed to start (${start.error.message}). Check that memory and threads are available.`
      throw makeError('WORKER_FAILED', text, {}, { cause: start.error })
    }
    return crew
  }

  async #requireCrew(): Promise<Crew> {
    if (this.#isClosed) throw makeError('ENGINE_CLOSED', 'The engine is closed. Create a new one with createEngine().')
    this.#crew ??= this.#start().catch((error: unknown) => {
      this.#crew = undefined
      throw error
    })
    return this.#crew
  }

  /** A worker died or trapped: all queries on the crew's arena fail, and a new crew starts with the next query. */
  async #loseCrew(crew: Crew, cause: Error): Promise<void> {
    if (crew.isLost) return crew.ended
    crew.isLost = true
    this.#crew = undefined
    const text = `A worker failed (${cause.message}); all queries on its memory were ended. Run the query again.`
    for (const run of crew.slots) run?.abandon(makeError('WORKER_FAILED', text, {}, { cause }))
    crew.keeper.abandon()
    crew.ended = crew.pool.close(0)
    await crew.ended
    this.#wakeWaiting()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const ended = makeError('CANCELLED', 'The query was cancelled: its engine was closed.')
    for (const run of this.#running) run.fail(ended)
    this.#wakeWaiting()
    const crew = await this.#crew?.catch(() => undefined)
    while (this.#running.size > 0) await new Promise((resolve) => setTimeout(resolve, 2))
    crew?.keeper.abandon()
    await crew?.pool.close(CLOSE_GRACE_MS)
    this.#spillSpace.close()
  }

  /** What is held right now; all zero between queries. */
  async inspect(): Promise<{ runningQueries: number; reservedPages: number; usedPages: number; arenaBytes: number }> {
    const arena = (await this.#crew)?.keeper.arena
    return {
      runningQueries: this.#running.size,
      reservedPages: arena?.reservedPages ?? 0,
      usedPages: arena?.usedPages ?? 0,
      arenaBytes: arena === undefined ? 0 : arena.highWaterBytes,
    }
  }

  // --- plans ------------------------------------------------------------------------------------------------------

  optimize(plan: LogicalNode, options: QueryOptions): LogicalNode {
    const { disabledRules } = options.testing
    const disabled = disabledRules === 'all' ? rules.map((rule) => rule.name) : disabledRules
    return optimize(plan, { disabled }).plan
  }

  /** The plan as it would run now, and its floor in bytes of process memory. */
  async plan(request: QueryRequest): Promise<{ physical: PhysicalPlan; floorBytes: number; budgetPages: number }> {
    const crew = await this.#requireCrew()
    const optimized = this.optimize(request.plan, request.options)
    const { physical, budget } = this.#size(crew, optimized, request)
    return { physical, budgetPages: budget, floorBytes: this.#floorBytes(crew, request, physical) }
  }

  /** Tries sizings until the floor fits. @throws MemoryLimitError with the floor of the smallest one */
  #size(crew: Crew, plan: LogicalNode, request: QueryRequest): SizedPlan {
    const { options } = request
    const { testing } = options
    const hashMask = testing.hashBits === undefined ? undefined : lowBitsMask(testing.hashBits)
    let last: SizedPlan | undefined
    for (const { sizing, share } of sizingTries(Math.min(options.threads, this.#options.threads), testing)) {
      const context = { sizing, tableIdOf: (table: object) => crew.tables.idOf(table), hashMask }
      const physical = lowerPlan(plan, request.makeSink, context)
      const facts = { ...codecFacts(physical, request), limitBytes: options.memoryLimitBytes, threads: sizing.threads }
      const budget = Math.min(crew.keeper.budget(facts), testing.budgetPages ?? Number.POSITIVE_INFINITY)
      const usable = request.keepsResults ? budget * ARENA_SHARE_BESIDE_RESULTS : budget
      last = { physical, budget }
      if (physical.floorPages <= usable * share) return last
    }
    assert(last !== undefined, 'at least one sizing is tried')
    throw this.#tooSmall(crew, request, last.physical)
  }

  #floorBytes(crew: Crew, request: QueryRequest, physical: PhysicalPlan): number {
    const { threads } = physical.sizing
    const facts = { ...codecFacts(physical, request), limitBytes: 0, threads }
    const share = request.keepsResults ? ARENA_SHARE_BESIDE_RESULTS : 1
    return -crew.keeper.budget(facts) * PAGE_BYTES + Math.ceil(physical.floorPages / share) * PAGE_BYTES
  }

  #tooSmall(crew: Crew, request: QueryRequest, physical: PhysicalPlan): Error {
    const floorBytes = this.#floorBytes(crew, request, physical)
    const limit = request.options.memoryLimitBytes
    return makeError(
      'MEMORY_LIMIT',
      `Memory limit is below the query's floor: it needs ${megabytes(floorBytes)} with one thread, the limit is ` +
        `${megabytes(limit)}. Raise memoryLimit to at least that.`,
      { operator: 'admission', floorBytes, limitBytes: limit },
    )
  }

  // --- queries ----------------------------------------------------------------------------------------------------

  /** Runs a query to its end. Rejects with a SpillwayError; nothing of the query is left in either case. */
  async execute(request: QueryRequest): Promise<QueryMetrics> {
    const started = performance.now()
    const { signal } = request.options
    throwIfAborted(signal)
    const plan = this.optimize(request.plan, request.options)
    const crew = await this.#requireCrew()
    const { run, place } = await this.#admit(crew, plan, request)
    const admissionMs = performance.now() - started
    const abort = (): void => run.fail(cancelledBy(signal))
    signal?.addEventListener('abort', abort, { once: true })
    const progress = this.#startProgress(run, request)
    const { arena } = crew.keeper
    try {
      throwIfAborted(signal)
      request.onAdmitted({ slot: run.slot, isOrdered: run.facts.physical.isOrdered, control: crew.control })
      await run.run()
      progress.finish()
      return this.#metricsOf(crew, run, request, performance.now() - started, admissionMs)
    } finally {
      progress.stop()
      signal?.removeEventListener('abort', abort)
      await this.#end(crew, run, place, arena)
    }
  }

  /** One query at a time is sized and reserved, in the order of asking. */
  async #admit(crew: Crew, plan: LogicalNode, request: QueryRequest): Promise<{ run: QueryRun; place: SpillPlace | undefined }> {
    const turn = this.#admission
    let release: () => void = () => {}
    this.#admission = new Promise((resolve) => {
      release = () => void turn.then(resolve)
    })
    let isPressing = false
    try {
      await orAborted(turn, request.options.signal)
      for (;;) {
        throwIfAborted(request.options.signal)
        await this.#requirePresent(crew)
        const admitted = await this.#tryAdmit(crew, plan, request)
        if (admitted !== undefined) return admitted
        if (!isPressing) logLine(request.options, 'memory: pressure=admission a query waits for its floor')
        isPressing = true
        crew.control.setPressure(1)
        await this.#waitForChange(request.options.signal)
      }
    } finally {
      if (isPressing) {
        crew.control.setPressure(0)
        logLine(request.options, 'memory: pressure=none')
      }
      release()
    }
  }

  /** @throws ENGINE_CLOSED or WORKER_FAILED when the crew ended while the query waited */
  async #requirePresent(crew: Crew): Promise<void> {
    if ((await this.#requireCrew()) === crew && !crew.isLost) return
    throw makeError('WORKER_FAILED', 'The workers were replaced while the query waited. Run the query again.')
  }

  async #tryAdmit(
    crew: Crew,
    plan: LogicalNode,
    request: QueryRequest,
  ): Promise<{ run: QueryRun; place: SpillPlace | undefined } | undefined> {
    const slot = crew.slots.indexOf(undefined)
    if (slot < 0) return undefined
    const { options } = request
    const isAlone = this.#running.size === 0
    const sized = this.#size(crew, plan, request)
    if (options.strict) refuseUnbounded(sized.physical, options.mode === 'streaming')
    const { budget, physical } = sized
    if (isAlone) {
      this.#limitInForce = options.memoryLimitBytes
      if (!crew.keeper.fits(budget)) {
        await crew.keeper.replace(options.memoryLimitBytes, options.testing.poison)
        await this.#requirePresent(crew)
      }
    } else {
      this.#limitInForce = Math.min(this.#limitInForce, options.memoryLimitBytes)
    }
    const { arena } = crew.keeper
    assert(arena !== undefined, 'an arena exists once a query was admitted')
    const keepsResults = request.keepsResults || [...this.#running].some((run) => run.facts.request.keepsResults)
    crew.keeper.watch(this.#limitInForce, budget, keepsResults, () => this.#resultPages(crew))
    if (arena.kernels.reserve(physical.floorPages) === 0) {
      if (isAlone) throw this.#tooSmall(crew, request, physical)
      this.#askForMemory(crew, physical.floorPages)
      return undefined
    }
    return this.#open(crew, slot, sized, request)
  }

  /** Running queries spill what they hold above their floors. */
  #askForMemory(crew: Crew, pages: number): void {
    for (const run of this.#running) {
      const isPublished = crew.control.load(run.slot, queryWord.publishedPages) > 0
      for (const worker of run.facts.workers) {
        if (isPublished || crew.control.usedPages(run.slot, worker) > 0) crew.control.requestSpill(run.slot, worker, pages)
      }
    }
    crew.control.wakeWorkers()
  }

  #open(crew: Crew, slot: number, sized: SizedPlan, request: QueryRequest): { run: QueryRun; place: SpillPlace | undefined } {
    const { options } = request
    const { physical, budget } = sized
    const queryId = this.#nextQueryId++
    const { arena } = crew.keeper
    assert(arena !== undefined, 'a query opens in an arena')
    let place: SpillPlace | undefined
    try {
      const spills = options.mode === 'streaming' && physical.pipelines.some((each) => operatorsOf(each).some(isSpillable))
      if (spills) place = this.#spillSpace.place(queryId, options.tempDir, options.allowTmpfs, options.maxSpillBytes)
    } catch (error) {
      arena.kernels.release(physical.floorPages)
      throw error
    }
    const { threads } = physical.sizing
    const first = queryId % this.#options.threads
    const workers = Array.from({ length: threads }, (_, index) => (first + index) % this.#options.threads)
    const floorBytes = this.#floorBytes(crew, request, physical)
    const setup: QuerySetup = {
      slot,
      owner: 1 + slot,
      firstWorker: workers[0] as number,
      threads,
      spillPrefix: place?.prefix,
      spillQuota: makeSpillQuota(place?.maxSpillBytes ?? 0),
      limitText: megabytes(options.memoryLimitBytes),
      floorText: megabytes(floorBytes),
      isVerbose: options.isVerbose,
      testing: options.testing,
    }
    crew.control.resetSlot(slot)
    crew.control.store(slot, queryWord.floorPages, physical.floorPages)
    const run = new QueryRun(
      { queryId, setup, physical, request, workers, budgetPages: budget, floorBytes },
      crew.pool,
      crew.control,
      this.#modules,
    )
    crew.slots[slot] = run
    this.#running.add(run)
    crew.pool.setBusy(true)
    return { run, place }
  }

  /** Whatever happened, nothing of the query is left afterwards. */
  async #end(crew: Crew, run: QueryRun, place: SpillPlace | undefined, arena: ArenaKeeper['arena']): Promise<void> {
    try {
      if (!run.isTrapped) await run.close()
      // Also asked after closing: a worker may trap while it lets go. Lost workers may write files until they ended.
      if (run.isTrapped || crew.isLost) await this.#loseCrew(crew, run.error ?? new Error('a worker trapped'))
      this.#running.delete(run)
      if (!crew.isLost && arena !== undefined && arena === crew.keeper.arena) this.#freePages(crew, run, arena)
    } finally {
      this.#running.delete(run)
      crew.slots[run.slot] = undefined
      if (place !== undefined) this.#spillSpace.removeFiles(place)
      if (![...this.#running].some((other) => crew.slots[other.slot] === other)) {
        crew.keeper.unwatch()
        crew.pool.setBusy(false)
      }
      this.#wakeWaiting()
    }
  }

  #freePages(crew: Crew, run: QueryRun, arena: NonNullable<ArenaKeeper['arena']>): void {
    arena.kernels.ownerFree(run.facts.setup.owner)
    const { control } = crew
    const promised =
      control.load(run.slot, queryWord.floorPages) +
      control.load(run.slot, queryWord.publishedPages) +
      control.counted(run.slot, queryCounter.resultPages)
    arena.kernels.release(promised)
    if (this.#running.size > 0) return
    assert(arena.reservedPages === 0 && arena.usedPages === 0, 'no page is held when no query runs')
  }

  #resultPages(crew: Crew): number {
    let pages = 0
    for (const run of this.#running) pages += crew.control.counted(run.slot, queryCounter.resultPages)
    return pages
  }

  #waitForChange(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        this.#waiting.delete(wake)
        resolve()
      }
      // Memory may also come back without a query ending: spilled, or the ceiling moved.
      const timer = setTimeout(wake, ADMISSION_RETRY_MS)
      this.#waiting.add(wake)
      signal?.addEventListener('abort', wake)
    })
  }

  #wakeWaiting(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  #startProgress(run: QueryRun, request: QueryRequest): { finish: () => void; stop: () => void } {
    const { onProgress } = request.options
    if (onProgress === undefined) return { finish: () => {}, stop: () => {} }
    let highest = 0
    const tell = (): void => {
      const progress = run.progress()
      highest = Math.max(highest, progress.fraction)
      try {
        onProgress({ ...progress, fraction: highest })
      } catch (cause) {
        run.fail(makeError('CANCELLED', 'The query was cancelled: onProgress threw an error.', {}, { cause }))
      }
    }
    const timer = setInterval(tell, PROGRESS_INTERVAL_MS)
    return {
      finish: () => {
        highest = 1
        tell()
      },
      stop: () => clearInterval(timer),
    }
  }

  #metricsOf(crew: Crew, run: QueryRun, request: QueryRequest, timeMs: number, admissionMs: number): QueryMetrics {
    const counted = (counter: number): number => crew.control.counted(run.slot, counter)
    const operators = run.operatorMetrics()
    return {
      rowsIn: counted(queryCounter.rowsIn),
      rowsOut: counted(queryCounter.rowsOut),
      timeMs,
      admissionMs,
      threads: run.facts.physical.sizing.threads,
      memoryLimitBytes: request.options.memoryLimitBytes,
      floorBytes: run.facts.floorBytes,
      arenaPeakBytes: crew.keeper.arena?.highWaterBytes ?? 0,
      bytesRead: counted(queryCounter.bytesRead),
      spilledBytes: counted(queryCounter.spilledBytes),
      spilledFiles: counted(queryCounter.spillFiles),
      operators,
    }
  }
}

/** One grep-able line on stderr under SPILLWAY_VERBOSE=1. */
function logLine(options: QueryOptions, line: string): void {
  if (options.isVerbose) process.stderr.write(`[spillway] ${line}\n`)
}

function isSpillable(spec: { readonly kind: string }): boolean {
  return spec.kind === 'groupBy'
}

/** Decoder and encoder share one memory, so the larger need counts; what encoding holds in the heap comes on top. */
function codecFacts(physical: PhysicalPlan, request: QueryRequest) {
  const { codecBytes, heapBytes } = request.encoder
  return {
    codecBytesPerWorker: Math.max(physical.codecBytesPerWorker, codecBytes),
    encoderHeapBytesPerWorker: heapBytes,
  }
}

/** A mask that keeps `bits` of the highest hash bits; 0 keeps none. */
function lowBitsMask(bits: number): bigint {
  return bits === 0 ? 0n : ((1n << BigInt(bits)) - 1n) << BigInt(64 - bits)
}

function refuseUnbounded(physical: PhysicalPlan, canSpill: boolean): void {
  for (const pipeline of physical.pipelines) {
    for (const spec of operatorsOf(pipeline)) {
      if (memoryClassOf(spec, canSpill) !== 'unbounded') continue
      throw makeError(
        'UNBOUNDED_OPERATOR',
        `Strict mode refuses an operator without a memory bound: ${spec.kind}. Use sinkParquet or collectBatches.`,
        { operator: spec.kind },
      )
    }
  }
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

