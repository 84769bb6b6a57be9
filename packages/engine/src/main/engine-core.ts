/**
 * The engine on the main thread: workers, arena, admission, and the life of each query.
 *
 *   execute ─ optimise ─ wait for admission (size the plan to the budget, reserve its floor) ─ run ─ close
 *
 * Admission is first come, first served. Floors are never lent: a query starts when all of its floor is reserved.
 */
import { type Arena, makeSpillQuota } from '@spillway/memory'
import { optimizeAll, ruleNames } from '@spillway/optimizer'
import type { LogicalNode } from '@spillway/plan'
import { queryCounter, queryWord } from '@spillway/scheduler'
import { assert, makeError, SpillwayError } from '@spillway/stdx'
import { type OperatorSpec, operatorsOf, type PhysicalPlan, sinkUsesOf } from '../physical/physical-plan.ts'
import type { QuerySetup } from '../worker/query-context.ts'
import { cancelledBy, throwIfAborted } from './abort-signal.ts'
import { type Account, closeAccount, openAccount, otherAccounts, settleAccount } from './process-account.ts'
import { type AdmissionRules, AdmissionQueue } from './admission-queue.ts'
import type { ArenaKeeper, WatchFacts } from './arena-keeper.ts'
import { Attention } from './attention.ts'
import { Candidate } from './candidate.ts'
import { ChangeBell } from './change-bell.ts'
import { type Crew, startCrew } from './crew.ts'
import { limitCompilation } from './compile-settings.ts'
import { trimHeap } from './heap-trim.ts'
import { memoryClassOf } from './labels.ts'
import { reportEngine } from './engine-report.ts'
import { heapSlackBytes } from './memory-budget.ts'
import { ModuleCache } from './module-cache.ts'
import { startProgress } from './progress-ticker.ts'
import { ownerOf, promiseFloor } from './promise-floor.ts'
import { QueryRun } from './query-run.ts'
import { logBase, logLine, metricsOf } from './query-metrics.ts'
import type { QueryMetrics, QueryOptions, QueryRequest } from './query-request.ts'
import { foreseeModules, megabytes, QuerySizer, type SizedPlan } from './query-sizer.ts'
import { type SpillPlace, SpillSpace } from './spill-space.ts'
import { StallWatch } from './stall-watch.ts'

export interface EngineCoreOptions {
  readonly threads: number
  readonly workerFile: string
}

/** A query that was admitted. */
interface Admitted {
  readonly run: QueryRun
  readonly place: SpillPlace | undefined
}

const CLOSE_GRACE_MS = 200
/** Before a query is refused, what the process gives back must show; on a busy machine that takes its time. */
const GIVE_BACK_WAITS_MS = [0, 20, 100, 300]

export class EngineCore {
  readonly #options: EngineCoreOptions
  readonly #modules = new ModuleCache()
  readonly #spillSpace = new SpillSpace()
  readonly #running = new Set<QueryRun>()
  readonly #changes = new ChangeBell()
  #crew: Promise<Crew> | undefined
  readonly #stalls = new StallWatch()
  readonly #admissions = new AdmissionQueue(this.#admissionRules())
  #nextQueryId = 1
  #isClosed = false
  /** Queries that wait or run. */
  #executing = 0
  readonly #account: Account = {
    ...{ promisedBytes: 0, growthBytes: 0, limitBytes: Number.POSITIVE_INFINITY, isRunning: false },
    stalledMs: () => this.#stalls.stalledMs(this.#running),
    onChange: () => {
      // Workers that could not start have nothing to divide; whoever asked for them is told.
      this.#crew?.then(({ keeper }) => keeper.divideAnew()).catch(() => undefined)
      this.#changes.ring()
    },
  }
  /** Closed, and everything of it is gone. */
  #isEnded = false

  constructor(options: EngineCoreOptions) {
    this.#options = options
  }

  // --- life -------------------------------------------------------------------------------------------------------

  async #requireCrew(): Promise<Crew> {
    if (this.#isClosed) throw makeError('ENGINE_CLOSED', 'The engine is closed. Create a new one with createEngine().')
    this.#crew ??= startCrew(this.#options, (crew, error) => void this.#loseCrew(crew, error)).catch(
      (error: unknown) => {
        this.#crew = undefined
        throw error
      },
    )
    return this.#crew
  }

  /** The same; while workers start, the modules of their first query are made. */
  async #requireCrewFor(plans: readonly LogicalNode[], request: QueryRequest): Promise<Crew> {
    const isStarting = this.#crew === undefined
    const crew = this.#requireCrew()
    if (isStarting) {
      for (const module of foreseeModules(plans, request, this.#options.threads)) this.#modules.require(module)
    }
    return crew
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
    this.#changes.ring()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const ended = makeError('CANCELLED', 'The query was cancelled: its engine was closed.')
    for (const run of this.#running) run.fail(ended)
    this.#changes.ring()
    const crew = await this.#crew?.catch(() => undefined)
    while (this.#running.size > 0) await new Promise((resolve) => setTimeout(resolve, 2))
    crew?.keeper.abandon()
    await crew?.pool.close(CLOSE_GRACE_MS)
    this.#isEnded = true
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

  /** What runs and what it waits for, as text of several lines. */
  async report(): Promise<string> {
    if (this.#isEnded) return 'closed'
    const crew = await this.#crew?.catch(() => undefined)
    return crew === undefined ? 'no workers' : reportEngine(crew, this.#running, this.#admissions.waiting)
  }

  // --- plans ------------------------------------------------------------------------------------------------------

  /** What the plans of one query become; subplans that they share are the same objects. */
  optimize(plans: readonly LogicalNode[], options: QueryOptions): readonly LogicalNode[] {
    const { disabledRules } = options.testing
    return optimizeAll(plans, { disabled: disabledRules === 'all' ? ruleNames : disabledRules }).plans
  }

  /** The plan as it would run now, and its floor in bytes of process memory. */
  async plan(request: QueryRequest): Promise<{ physical: PhysicalPlan; floorBytes: number; budgetPages: number }> {
    limitCompilation(request.options.memoryLimitBytes)
    const optimized = this.optimize(plansOf(request), request.options)
    const crew = await this.#requireCrew()
    const sizer = new QuerySizer(crew, optimized, request, this.#options.threads)
    const { physical, budget } = sizer.size(this.#expectedBytes())
    return { physical, budgetPages: budget, floorBytes: sizer.smallestFloorBytes() }
  }

  // --- queries ----------------------------------------------------------------------------------------------------

  /** Runs a query to its end. Rejects with a SpillwayError; nothing of the query is left in either case. */
  async execute(request: QueryRequest): Promise<QueryMetrics> {
    const started = performance.now()
    const { signal } = request.options
    throwIfAborted(signal)
    const plans = this.optimize(plansOf(request), request.options)
    limitCompilation(request.options.memoryLimitBytes)
    const crew = await this.#requireCrewFor(plans, request)
    const attention = new Attention(crew.pool)
    this.#enter(crew, request.options.memoryLimitBytes)
    try {
      return await this.#executeOn(crew, plans, request, { started, attention })
    } finally {
      attention.end()
      this.#executing -= 1
      if (this.#executing === 0) closeAccount(this.#account)
    }
  }

  /** The engine takes part in the process's memory while it has queries. */
  #enter(crew: Crew, limitBytes: number): void {
    this.#executing += 1
    this.#account.limitBytes = Math.min(this.#account.limitBytes, limitBytes)
    crew.keeper.account = this.#account
    if (this.#executing === 1) openAccount(this.#account)
  }

  /** Nothing of this engine is in the way of a query, and no other engine of the process will give way. */
  get #isAlone(): boolean {
    return this.#running.size === 0 && !otherAccounts(this.#account).some(({ isRunning }) => isRunning)
  }

  async #executeOn(
    crew: Crew,
    plans: readonly LogicalNode[],
    request: QueryRequest,
    { started, attention }: { readonly started: number; readonly attention: Attention },
  ): Promise<QueryMetrics> {
    const { signal } = request.options
    const { run, place } = await this.#admit(crew, plans, request)
    const admissionMs = performance.now() - started
    const abort = (): void => run.fail(cancelledBy(signal))
    signal?.addEventListener('abort', abort, { once: true })
    const progress = startProgress(run, request.options.onProgress)
    const { arena } = crew.keeper
    try {
      throwIfAborted(signal)
      request.onAdmitted({ slot: run.slot, roots: run.facts.physical.roots, control: crew.control, attention })
      await run.run()
      progress.finish()
      logBase(crew, run, request.options)
      return metricsOf(crew, run, request, performance.now() - started, admissionMs)
    } finally {
      progress.stop()
      signal?.removeEventListener('abort', abort)
      await this.#end(crew, run, place, arena)
    }
  }

  #admit(crew: Crew, plans: readonly LogicalNode[], request: QueryRequest): Promise<Admitted> {
    const sizer = new QuerySizer(crew, plans, request, this.#options.threads)
    const candidate = new Candidate(crew, sizer, request)
    return this.#admissions.admit({ candidate, signal: request.options.signal })
  }

  #admissionRules(): AdmissionRules<Candidate, Admitted> {
    return {
      tryAdmit: async (candidate) => {
        const { crew } = candidate
        await this.#requirePresent(crew)
        candidate.beginWaiting()
        const slot = crew.slots.indexOf(undefined)
        return slot < 0 ? undefined : this.#tryAdmit(crew, slot, candidate)
      },
      stalledMs: () => this.#stalledMs(),
      waitForChange: (signal) => this.#changes.wait(signal),
      press: ({ crew, request }, isPressing) => {
        crew.control.setPressure(isPressing ? 1 : 0)
        const text = isPressing ? 'admission a query waits for its floor' : 'none'
        logLine(request.options, `memory: pressure=${text}`)
      },
      outOfPatience: ({ sizer }, stalledMs) => sizer.heldByStreams(stalledMs),
    }
  }

  /** Of this engine, or of the one that gives way first where the others run. */
  #stalledMs(): number {
    if (this.#running.size > 0) return this.#stalls.stalledMs(this.#running)
    const others = otherAccounts(this.#account).filter(({ isRunning }) => isRunning)
    return others.length === 0 ? 0 : Math.min(...others.map(({ stalledMs }) => stalledMs()))
  }

  /** @throws ENGINE_CLOSED or WORKER_FAILED when the crew ended while the query waited */
  async #requirePresent(crew: Crew): Promise<void> {
    if ((await this.#requireCrew()) === crew && !crew.isLost) return
    throw makeError('WORKER_FAILED', 'The workers were replaced while the query waited. Run the query again.')
  }

  async #tryAdmit(crew: Crew, slot: number, candidate: Candidate): Promise<Admitted | undefined> {
    const { request, sizer } = candidate
    const { options } = request
    const sized = await this.#sizeWithCollection(crew, candidate)
    const isAlone = this.#running.size === 0
    if (sized === undefined) return this.#admitSizedDown(crew, slot, candidate)
    if (options.strict) refuseUnbounded(sized.physical, options.mode === 'streaming')
    if (isAlone && !crew.keeper.fits(sized.budget, request.keepsResults)) {
      await crew.keeper.replace(options.memoryLimitBytes, options.testing.poison)
      await this.#requirePresent(crew)
    }
    const { arena } = crew.keeper
    assert(arena !== undefined, 'an arena exists once a query was admitted')
    this.#watch(crew, { ...watchFactsOf(request), budget: sized.budget })
    const regions = promiseFloor(arena, slot, sized.physical)
    if (regions !== undefined) return this.#open(crew, slot, { ...sized, regions }, candidate)
    if (this.#isAlone) throw sizer.tooSmall()
    if (isAlone) return undefined
    this.#askForMemory(crew, sized.physical.floorPages)
    return this.#admitSizedDown(crew, slot, candidate)
  }

  /** Running queries had their time to make room: a smaller sizing fits what is free now, or the query waits on. */
  #admitSizedDown(crew: Crew, slot: number, candidate: Candidate): Admitted | undefined {
    const { arena } = crew.keeper
    if (arena === undefined || this.#running.size === 0 || !candidate.hasWaited) return undefined
    const { request, sizer } = candidate
    // Fewer than are free, when too few of them lie in a row.
    for (let free = arena.reservablePages - arena.reservedPages; free > 0; free >>= 1) {
      const sized = sizer.sizeToFree(free, this.#expectedBytes())
      if (sized === undefined) break
      const regions = promiseFloor(arena, slot, sized.physical)
      if (regions === undefined) continue
      if (request.options.strict) refuseUnbounded(sized.physical, request.options.mode === 'streaming')
      logLine(request.options, `memory: sized down to free pages=${free} floor=${sized.physical.floorPages}`)
      this.#watch(crew, { ...watchFactsOf(request), budget: sized.budget })
      return this.#open(crew, slot, { ...sized, regions }, candidate)
    }
    this.#watch(crew, undefined)
    this.#askForMemory(crew, sizer.smallestFloorPages())
    return undefined
  }

  /** Garbage counts as resident: it is collected before a query is refused. Undefined: other queries are in the way. */
  async #sizeWithCollection(crew: Crew, candidate: Candidate): Promise<SizedPlan | undefined> {
    if (this.#running.size > 0) crew.keeper.collectIfGathered()
    await crew.keeper.countUntouched(candidate.request.options.memoryLimitBytes)
    await this.#requirePresent(crew)
    try {
      return candidate.sizer.size(this.#expectedBytes())
    } catch (error) {
      if (!(error instanceof SpillwayError) || error.code !== 'MEMORY_LIMIT') throw error
    }
    if (!this.#isAlone && !candidate.mayCollect()) return undefined
    const waits = candidate.isNearLimit() ? GIVE_BACK_WAITS_MS : GIVE_BACK_WAITS_MS.slice(0, 1)
    for (const [index, waitMs] of waits.entries()) {
      await crew.keeper.collectGarbage()
      if (waitMs > 0) await crew.keeper.giveBack(waitMs, this.#running.size === 0)
      await this.#requirePresent(crew)
      try {
        return candidate.sizer.size(this.#expectedBytes())
      } catch (error) {
        if (!this.#isAlone) return undefined
        if (index === waits.length - 1) throw error
      }
    }
    return undefined
  }

  /** What running queries will have brought the process to outside the arena; undefined when none runs. */
  #expectedBytes(): number | undefined {
    if (this.#running.size === 0) return undefined
    return Math.max(...[...this.#running].map((run) => run.facts.outsideBytes))
  }

  /** The ceiling for the running queries, and for one that is being admitted. */
  #watch(crew: Crew, next: Omit<WatchFacts, 'mostBudget'> | undefined): void {
    const all = [...this.#running].map(({ facts }) => ({ ...watchFactsOf(facts.request), budget: facts.budgetPages }))
    if (next !== undefined) all.push(next)
    crew.keeper.watch({
      limitBytes: Math.min(...all.map((each) => each.limitBytes)),
      budget: Math.min(...all.map((each) => each.budget)),
      mostBudget: Math.max(...all.map((each) => each.budget)),
      keepsResults: all.some((each) => each.keepsResults),
    })
  }

  /** Running queries spill what they hold above their floors. */
  #askForMemory(crew: Crew, pages: number): void {
    for (const run of this.#running) {
      const isPublished = crew.control.load(run.slot, queryWord.publishedPages) > 0
      for (const worker of run.facts.workers) {
        if (isPublished || crew.control.usedPages(run.slot, worker) > 0)
          crew.control.requestSpill(run.slot, worker, pages)
      }
    }
    crew.control.wakeWorkers()
  }

  #open(
    crew: Crew,
    slot: number,
    sized: SizedPlan & { readonly regions: readonly number[] },
    { request, sizer }: Candidate,
  ): Admitted {
    const { options } = request
    const { physical, budget, outsideBytes, regions } = sized
    const queryId = this.#nextQueryId++
    const { arena } = crew.keeper
    assert(arena !== undefined, 'a query opens in an arena')
    let place: SpillPlace | undefined
    try {
      const spills =
        options.mode === 'streaming' && physical.pipelines.some((each) => operatorsOf(each).some(isSpillable))
      if (spills) place = this.#spillSpace.place(queryId, options.tempDir, options.allowTmpfs, options.maxSpillBytes)
    } catch (error) {
      arena.kernels.ownerFree(ownerOf(slot))
      arena.kernels.release(physical.floorPages)
      throw error
    }
    const { threads } = physical.sizing
    const first = queryId % this.#options.threads
    const workers = Array.from({ length: threads }, (_, index) => (first + index) % this.#options.threads)
    const floorBytes = sizer.floorBytes(physical)
    const setup: QuerySetup = {
      slot,
      owner: ownerOf(slot),
      regions: workers.map((worker, index) => ({ worker, address: regions[index] as number })),
      firstWorker: workers[0] as number,
      threads,
      floor: physical.floor,
      spillPrefix: place?.prefix,
      spillQuota: makeSpillQuota(place?.maxSpillBytes ?? 0),
      limitText: megabytes(options.memoryLimitBytes),
      floorText: megabytes(floorBytes),
      heapSlackBytes: heapSlackBytes(options.memoryLimitBytes),
      isVerbose: options.isVerbose,
      isStreamed: isStreamed(physical),
      testing: options.testing,
    }
    crew.control.resetSlot(slot)
    crew.control.store(slot, queryWord.floorPages, physical.floorPages)
    const run = new QueryRun(
      {
        ...{ queryId, setup, physical, request, workers, budgetPages: budget, floorBytes, outsideBytes },
        keepFloor: (pages) => this.#keepFloor(crew, slot, arena, pages),
      },
      crew.pool,
      crew.control,
      this.#modules,
    )
    crew.slots[slot] = run
    this.#running.add(run)
    this.#account.isRunning = true
    this.#account.growthBytes = Math.max(this.#account.growthBytes, sizer.growthBytes(physical))
    crew.keeper.divideAnew()
    return { run, place }
  }

  /** A query's later pipelines need less: the promise of the rest is for others. */
  #keepFloor({ control }: Crew, slot: number, arena: Arena, pages: number): void {
    const surplus = control.load(slot, queryWord.floorPages) - pages
    if (surplus <= 0) return
    control.add(slot, queryWord.floorPages, -surplus)
    arena.kernels.release(surplus)
    this.#changes.ring()
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
        settleAccount(this.#account)
      } else if (!crew.isLost) {
        this.#watch(crew, undefined)
      }
      this.#changes.ring()
      trimHeap()
    }
  }

  #freePages(crew: Crew, run: QueryRun, arena: NonNullable<ArenaKeeper['arena']>): void {
    arena.kernels.ownerFree(run.facts.setup.owner)
    const { control } = crew
    const promised = control.load(run.slot, queryWord.floorPages) + control.load(run.slot, queryWord.publishedPages)
    control.addResultPages(-control.counted(run.slot, queryCounter.resultPages))
    arena.kernels.release(promised)
    if (this.#running.size > 0) return
    assert(arena.reservedPages === 0 && arena.usedPages === 0, 'no page is held when no query runs')
  }
}

function isStreamed(physical: PhysicalPlan): boolean {
  return physical.pipelines.some((pipeline) =>
    sinkUsesOf(pipeline).some(({ sink }) => sink.kind === 'collect' && sink.mode === 'stream'),
  )
}

function plansOf(request: QueryRequest): LogicalNode[] {
  return request.roots.map((root) => root.plan)
}

function isSpillable(spec: OperatorSpec): boolean {
  return memoryClassOf(spec, true) === 'spillable'
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

function watchFactsOf({ options, keepsResults }: QueryRequest) {
  return { limitBytes: options.memoryLimitBytes, keepsResults }
}
