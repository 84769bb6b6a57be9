/**
 * The engine's arena: made when the first query needs it, sized by the limit, replaced when it must shrink.
 *
 * Resident memory only goes down when the whole arena is dropped and collected in every isolate, so a query with a
 * limit below what was touched waits for quiet (the engine sees to that), then gets a new arena. While queries run, the
 * ceiling follows the process's resident memory: what the heaps take, the arena does not get.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import {
  Arena,
  ARENA_PAGES_MAX,
  findMappingResidentBytes,
  garbageCollector,
  RESULT_SLACK_PAGES,
} from '@spillway/memory'
import type { ControlBlock, FromWorker, WorkerPool } from '@spillway/scheduler'
import { type Account, isOpen, otherAccounts, promisedToOthers } from './process-account.ts'
import { type BudgetFacts, baseBytes, besideBytes, budgetPages, growthBytes } from './memory-budget.ts'

const WATCH_INTERVAL_MS = 100
/** Part of the budget that touched pages may take while a query keeps its results: the rest is theirs. */
export const ARENA_SHARE_BESIDE_RESULTS = 0.6
const ARENA_PAGES_MIN = 64
/** When the room for the arena falls short of its budget by this share, the main thread's heap is collected. */
const GARBAGE_SHARE = 0.05
/** A high water below this share of the limit leaves no room for a mistake that matters. */
const UNTOUCHED_SHARE = 1 / 64
/** Of the growth that is foreseen: what has grown already where queries ran before. */
const GROWN_SHARE = 0.5
/** A forced collection takes some 10 ms of the event loop: not more often than this. */
const COLLECT_INTERVAL_MS = 700
/** Buffers outside the main thread's heap that may be garbage before it is collected at an admission. */
const EXTERNAL_GATHERED_BYTES = 8e6

export class ArenaKeeper {
  readonly #pool: WorkerPool
  readonly #control: ControlBlock
  #arena: Arena | undefined
  #generation = 0
  /** What all workers were asked and have not all answered. */
  #questions = new Map<number, { waiting: number; done: () => void }>()
  #ticket = 0
  /** Of the arena, below its high water, when that was `#countedPages`. */
  #untouchedBytes = 0
  #countedPages = 0
  #watch: NodeJS.Timeout | undefined
  #peakBase = 0
  #collectedAt = 0
  /** Bytes outside the heap after the last collection of `collectIfGathered`. */
  #externalLeft = 0

  /** Of the engine among those of the process; made by it. */
  account: Account | undefined
  /** Sets the ceiling anew while queries run. */
  #apply: (() => void) | undefined

  constructor(pool: WorkerPool, control: ControlBlock) {
    this.#pool = pool
    this.#control = control
  }

  get arena(): Arena | undefined {
    return this.#arena
  }

  /**
   * What the process will hold outside the arena with a query of these facts.
   * @param expected the same of the queries that run already; undefined: none runs
   */
  outsideBytes(facts: BudgetFacts, expected: number | undefined): number {
    const others = this.account !== undefined && isOpen(this.account) ? promisedToOthers(this.account) : 0
    const base = baseBytes(this.#arena) + others
    if (expected === undefined) return base + growthBytes(facts)
    return besideBytes(facts, base, expected)
  }

  /**
   * Pages by which the budget should be smaller. Below the arena's high water lie pages that nobody touched, such as
   * buffers that no row came to; what the process holds outside the arena is more than it seems by as much, and those
   * pages are still to come. Part of the growth that is foreseen has happened, where queries ran before.
   */
  pagesToSpare(facts: BudgetFacts): number {
    return Math.ceil(Math.max(0, this.#untouchedBytes - growthBytes(facts) * GROWN_SHARE) / PAGE_BYTES)
  }

  /**
   * Counts the pages below the high water that are not resident, before a query is sized that might fill the memory: as
   * long as queries used little of it, a wrong count would not matter.
   */
  async countUntouched(limitBytes: number): Promise<void> {
    const arena = this.#arena
    if (arena === undefined || arena.highWaterPages === this.#countedPages) return
    if (arena.highWaterBytes < limitBytes * UNTOUCHED_SHARE) return
    const resident = await findMappingResidentBytes(arena.pageCount * PAGE_BYTES)
    if (this.#arena !== arena) return
    // Looked at afterwards, so that what was touched meanwhile counts as untouched, not the other way round.
    this.#countedPages = arena.highWaterPages
    this.#untouchedBytes = resident === undefined ? 0 : Math.max(0, arena.highWaterBytes - resident)
  }

  /** Budget in pages for a query with these facts, which leave `outside` bytes to other things than the arena. */
  budget(facts: BudgetFacts, outside: number = this.outsideBytes(facts, undefined)): number {
    const pages = budgetPages(outside, facts.limitBytes)
    return Math.min(pages - (this.#arena?.firstPage ?? firstPageOf(pages)), ARENA_PAGES_MAX - 16)
  }

  /** Most bytes that lay outside the arena since the last query was admitted. */
  get peakBaseBytes(): number {
    return this.#peakBase
  }

  /** True when a query with this budget can use the present arena; results need room beside what was touched. */
  fits(budget: number, keepsResults: boolean): boolean {
    const arena = this.#arena
    if (arena === undefined) return false
    const most = keepsResults ? budget * ARENA_SHARE_BESIDE_RESULTS : budget
    return arena.highWaterPages - arena.firstPage <= most && arena.pageCount >= Math.min(budget, ARENA_PAGES_MAX - 16)
  }

  /** Drops the arena and what the heaps hold of it, and makes one for `limitBytes`. No query may be running. */
  async replace(limitBytes: number, poison: boolean): Promise<Arena> {
    const hadArena = this.#arena !== undefined
    this.#arena = undefined
    if (hadArena) {
      // A small arena takes the old one's place in the workers, so that nobody refers to the old one.
      this.#publish(Arena.create(this.#generation++, ARENA_PAGES_MIN))
      this.#arena = undefined
      await this.collectGarbage()
    }
    const pages = Math.max(ARENA_PAGES_MIN, Math.min(ARENA_PAGES_MAX, Math.ceil(limitBytes / PAGE_BYTES)))
    const arena = Arena.create(this.#generation++, pages)
    arena.setPoison(poison)
    this.#publish(arena)
    return arena
  }

  #publish(arena: Arena): void {
    this.#arena = arena
    this.#untouchedBytes = 0
    this.#countedPages = 0
    this.#pool.broadcast({ kind: 'arena', arena: arena.handle })
  }

  /** Collects garbage in every isolate and waits for it. */
  async collectGarbage(): Promise<void> {
    const done = this.#ask('collectGarbage')
    this.#collectMain()
    await done
    this.#collectMain()
  }

  /**
   * Gives back an arena that no query uses, and waits: what was collected shows in the resident memory when the
   * allocators and the system have come to it.
   */
  async giveBack(waitMs: number, isIdle: boolean): Promise<void> {
    if (isIdle && this.#arena !== undefined && this.#arena.pageCount > ARENA_PAGES_MIN) {
      await this.replace(ARENA_PAGES_MIN * PAGE_BYTES, false)
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }

  /** Waits until every worker has come to read its messages. */
  waitForWorkers(): Promise<void> {
    return this.#ask('ping')
  }

  #ask(kind: 'collectGarbage' | 'ping'): Promise<void> {
    const ticket = this.#ticket++
    const done = new Promise<void>((resolve) => {
      this.#questions.set(ticket, { waiting: this.#pool.workerCount, done: resolve })
    })
    this.#pool.broadcast({ kind, ticket })
    return done
  }

  receive(message: FromWorker & { kind: 'answered' }): void {
    const question = this.#questions.get(message.ticket)
    if (question === undefined) return
    question.waiting -= 1
    if (question.waiting > 0) return
    this.#questions.delete(message.ticket)
    question.done()
  }

  /** The workers are gone: nobody will answer. */
  abandon(): void {
    this.unwatch()
    for (const { done } of this.#questions.values()) done()
    this.#questions.clear()
  }

  /** Sets the ceiling for the running queries and keeps it right until `unwatch`. */
  watch({ limitBytes: ownLimitBytes, budget, mostBudget, keepsResults }: WatchFacts): void {
    const arena = this.#arena
    if (arena === undefined) return
    clearInterval(this.#watch)
    const apply = (): void => {
      const base = baseBytes(arena)
      const limitBytes = this.#leastLimit(ownLimitBytes)
      this.#peakBase = Math.max(this.#peakBase, base)
      // Results are resident already and counted: they are not taken off twice.
      const free = limitBytes - base - arena.highWaterBytes
      const whole = Math.floor((limitBytes - base) / PAGE_BYTES) - arena.firstPage + this.#control.resultPages
      const room = whole - Math.ceil(this.#sharedBytes(free) / PAGE_BYTES)
      if (room < budget * (1 - GARBAGE_SHARE)) this.#collectNow()
      const pages = Math.max(0, Math.min(budget, room))
      const most = keepsResults ? Math.floor(pages * ARENA_SHARE_BESIDE_RESULTS) : pages - RESULT_SLACK_PAGES
      // What was touched stays resident, so it costs nothing to keep it usable; and what was promised is kept.
      const touched = Math.min(arena.highWaterPages - arena.firstPage, mostBudget)
      const ceiling = Math.max(most, touched, arena.reservedPages)
      arena.setCeiling(ceiling)
      this.#control.setResidentPages(pages)
      if (this.account !== undefined) {
        this.account.promisedBytes = Math.max(0, ceiling - touched) * PAGE_BYTES + this.account.growthBytes
      }
    }
    this.#apply = apply
    apply()
    this.#watch = setInterval(apply, WATCH_INTERVAL_MS)
    this.#watch.unref()
  }

  /** Of the bytes that are free below the limit: what belongs to other engines of the process. */
  #sharedBytes(free: number): number {
    if (this.account === undefined) return 0
    const others = otherAccounts(this.account)
    if (others.length === 0) return 0
    const fair = (Math.max(0, free) * others.length) / (others.length + 1)
    return Math.max(fair, promisedToOthers(this.account))
  }

  /** The process keeps to the least limit of the engines that run queries, as an engine does to that of its queries. */
  #leastLimit(ownLimitBytes: number): number {
    const others = this.account === undefined ? [] : otherAccounts(this.account)
    return others.reduce((least, { limitBytes }) => Math.min(least, limitBytes), ownLimitBytes)
  }

  /** Another engine of the process came or went. */
  divideAnew(): void {
    this.#apply?.()
  }

  /** The main thread's garbage takes the queries' memory: buffers of results are freed by a collection only. */
  #collectNow(): void {
    const now = performance.now()
    if (now - this.#collectedAt < COLLECT_INTERVAL_MS) return
    this.#collectedAt = now
    this.#collectMain()
  }

  #collectMain(): void {
    garbageCollector()()
  }

  /**
   * Collects the main thread's garbage if much of it may have gathered since the last time: buffers of results and
   * batches that the program dropped are resident, and would be taken for memory in use.
   */
  collectIfGathered(): void {
    if (process.memoryUsage().external - this.#externalLeft < EXTERNAL_GATHERED_BYTES) return
    this.#collectMain()
    this.#externalLeft = process.memoryUsage().external
  }

  unwatch(): void {
    clearInterval(this.#watch)
    this.#watch = undefined
    this.#apply = undefined
    this.#peakBase = 0
  }
}

/** What the ceiling is made of. */
export interface WatchFacts {
  readonly limitBytes: number
  /** Smallest and largest budget of a running query, in pages. */
  readonly budget: number
  readonly mostBudget: number
  readonly keepsResults: boolean
}

/** Pages taken by control words and page table in an arena of `pages`. */
function firstPageOf(pages: number): number {
  return 2 + Math.ceil((Math.max(0, pages) * 6) / PAGE_BYTES)
}
