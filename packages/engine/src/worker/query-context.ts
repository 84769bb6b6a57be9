/**
 * One query on one worker: its memory, its sinks, its spill files, and the way back to the main thread.
 */
import { writeSync } from 'node:fs'
import type { SharedTable } from '@spillway/columnar'
import type { OutputFault } from '@spillway/formats'
import {
  type Arena,
  createSpillIo,
  type FaultPlan,
  type Reservation,
  type SpillContext,
  SpillQuota,
  Workspace,
} from '@spillway/memory'
import { PAGE_BYTES } from '@spillway/kernels'
import { type ControlBlock, queryCounter, queryWord } from '@spillway/scheduler'
import { assert, makeError } from '@spillway/stdx'
import type { PlanFloor, SinkPlace } from '../physical/physical-plan.ts'
import { strikeWorker, type WorkerFault } from './worker-fault.ts'
import type { WorkerState } from './worker-state.ts'

/** Test settings that cross to the workers. */
export interface TestingSetup {
  readonly forceSpill: boolean
  readonly poison: boolean
  readonly ioFaults: FaultPlan | undefined
  /** A system call of a file sink goes wrong. */
  readonly outputFault: OutputFault | undefined
  /** Refuse the N-th page request above the guaranteed ones (counted over all workers on `counter`). */
  readonly reservationFault:
    | {
        readonly at: number
        readonly sticky: boolean
        readonly counter: SharedArrayBuffer
        /** Only requests of operators of this kind count, a pipeline's being those of its source and transforms. */
        readonly operator?: string | undefined
      }
    | undefined
  /** Refuse page requests at random with this probability. */
  readonly refuseProbability: number
  /** Every so many times that a pipeline looks for a request to spill, it finds one. */
  readonly spillRequestEvery: number | undefined
  readonly workerFault: WorkerFault | undefined
}

/** A holder is asked to spill when it has at least so many pages, and so many times the asker's. */
const HOLDER_PAGES_MIN = 64
const HOLDER_RATIO = 2

/** What the main thread tells every worker when a query opens. Plain data. */
export interface QuerySetup {
  readonly slot: number
  /** Tag of the query's pages. */
  readonly owner: number
  /** Where the buffers of the query lie on each of its workers; 0 = it has none. */
  readonly regions: readonly { readonly worker: number; readonly address: number }[]
  readonly firstWorker: number
  readonly threads: number
  readonly floor: PlanFloor
  /** Undefined: the query may not spill (`engine: "in-memory"`). */
  readonly spillPrefix: string | undefined
  readonly spillQuota: SharedArrayBuffer
  readonly limitText: string
  readonly floorText: string
  /** By how much more than usual a worker's heap may grow before it is collected. */
  readonly heapSlackBytes: number
  readonly isVerbose: boolean
  /** The program takes the result batch by batch, and may run other queries before it takes the next one. */
  readonly isStreamed: boolean
  readonly testing: TestingSetup
}

/** Sends what a sink made to the main thread. */
export type PostOutput = (sinkId: number, output: unknown, transfer: ArrayBuffer[]) => void

export class QueryContext {
  readonly queryId: number
  readonly setup: QuerySetup
  readonly worker: WorkerState
  readonly #post: PostOutput
  readonly #instances = new Map<string, WebAssembly.Exports>()
  readonly #published = new Map<number, readonly unknown[]>()
  #spill: SpillContext | undefined
  readonly #usedPages = new Map<object, number>()
  readonly #region: number
  #idle: readonly number[] = []
  #sparePages = 0
  #pipelineId = 0

  constructor(queryId: number, setup: QuerySetup, worker: WorkerState, post: PostOutput) {
    this.queryId = queryId
    this.setup = setup
    this.worker = worker
    this.#post = post
    this.#region = setup.regions.find((each) => each.worker === worker.worker)?.address ?? 0
    this.#spill =
      setup.spillPrefix === undefined
        ? undefined
        : {
            io: createSpillIo(setup.testing.ioFaults),
            quota: new SpillQuota(setup.spillQuota),
            checksum: worker.checksum,
            memory: worker.arena.handle.memory,
          }
  }

  /**
   * Lets go of the arena. The worker's loop never returns, so a stale slot of its stack may refer to this context for
   * long; it must not keep a replaced arena resident.
   */
  close(): void {
    this.#spill = undefined
    this.#instances.clear()
    this.#published.clear()
  }

  get slot(): number {
    return this.setup.slot
  }
  get arena(): Arena {
    return this.worker.arena
  }
  get control(): ControlBlock {
    return this.worker.control
  }
  get workerIndex(): number {
    return this.worker.worker
  }

  isCancelled(): boolean {
    return this.control.load(this.slot, queryWord.cancelled) === 1
  }
  /** Fault injection in tests: called once per pull. */
  strike(): void {
    const { workerFault } = this.setup.testing
    if (workerFault !== undefined) strikeWorker(workerFault)
  }
  throwIfCancelled(): void {
    if (this.isCancelled()) throw makeError('CANCELLED', 'The query was cancelled.')
  }

  // --- generated code ---------------------------------------------------------------------------------------------

  addInstance(key: string, exports: WebAssembly.Exports): void {
    this.#instances.set(key, exports)
  }
  instance(key: string): WebAssembly.Exports {
    const exports = this.#instances.get(key)
    assert(exports !== undefined, 'a pipeline is started with the modules it names')
    return exports
  }

  // --- shared state -----------------------------------------------------------------------------------------------

  requireTable(tableId: number): SharedTable {
    const table = this.worker.tables.get(tableId)
    assert(table !== undefined, 'a table is shared before a pipeline scans it')
    return table
  }
  setPublished(sinkId: number, states: readonly unknown[]): void {
    this.#published.set(sinkId, states)
  }
  published(sinkId: number): readonly unknown[] {
    return this.#published.get(sinkId) ?? []
  }
  /** Adds to one of the query's slice counters; returns what it was. */
  countSliced(counter: number, rows: number): number {
    return this.control.count(this.slot, queryCounter.sliceRows + counter, rows)
  }

  // --- memory -----------------------------------------------------------------------------------------------------

  /** Publishes what this worker holds for the query, over all its reservations. */
  noteUsedPages(reservation: object, pages: number): void {
    this.#usedPages.set(reservation, pages)
    let total = 0
    for (const part of this.#usedPages.values()) total += part
    this.control.setUsedPages(this.slot, this.workerIndex, total)
  }

  /**
   * After a refusal: asks whoever holds much more than this worker to spill. True when somebody was asked and waiting a
   * moment is better than spilling the little that is held here.
   */
  askLargestHolder(ownPages: number): boolean {
    const { control, slot, workerIndex } = this
    const { slot: other, worker, pages } = control.largestHolder(slot, workerIndex)
    if (pages < HOLDER_PAGES_MIN || pages < ownPages * HOLDER_RATIO) return false
    control.requestSpill(other, worker, Math.ceil(pages / 2))
    control.wakeWorkers()
    return true
  }

  /**
   * A sink's pages become the query's, all but its buffers. False: there is no promise left for them; spill some and
   * ask again.
   */
  tryPublish(reservation: Reservation, workspace: Workspace): boolean {
    // What cannot spill keeps its sink's floor: see planFloor.
    const own = this.canSpill ? 0 : reservation.guaranteedPages - workspace.pages
    const detached = reservation.tryDetach(workspace.pages, this.#sparePages + own)
    if (detached === undefined) return false
    const { heldPages, spareTaken } = detached
    this.#sparePages -= Math.max(0, spareTaken - own)
    this.control.add(this.slot, queryWord.floorPages, -spareTaken)
    this.control.add(this.slot, queryWord.publishedPages, heldPages)
    return true
  }
  /** Pages that `tryPublish` would ask for now; negative: it would give some back. */
  publishNeed(reservation: Reservation, workspace: Workspace): number {
    return reservation.detachNeed(workspace.pages) - this.#sparePages
  }
  /** A pipeline starts: what this worker's floor has that no later one needs may stay with what is published. */
  startPipeline(pipelineId: number, idle: readonly number[]): void {
    const { pagesFrom } = this.setup.floor
    this.#sparePages = (pagesFrom[pipelineId] ?? 0) - (pagesFrom[pipelineId + 1] ?? 0)
    this.#idle = idle
    this.#pipelineId = pipelineId
  }

  /** Buffers in the region, `offset` pages from its begin. */
  workspaceAt(offset: number, pages: number): Workspace {
    assert(offset + pages <= this.setup.floor.regionPages, 'buffers lie in the region')
    return Workspace.over(this.arena, this.#region + offset * PAGE_BYTES, pages, this.setup.testing.poison)
  }
  /** Pages of the region that no buffer needs while the running pipeline does: for its source. */
  get spareArea(): { readonly address: number; readonly pages: number } {
    const { offset, pages } = this.setup.floor.spare[this.#pipelineId] ?? { offset: 0, pages: 0 }
    return { address: this.#region + offset * PAGE_BYTES, pages }
  }
  placeOf(sinkId: number): SinkPlace {
    const place = this.setup.floor.sinks.find((each) => each.sinkId === sinkId)
    assert(place !== undefined, 'every sink has a place in the region')
    return place
  }
  /** Address of what a sink keeps after publishing; 0 = nothing. */
  residentOf(sinkId: number): number {
    const { resident } = this.placeOf(sinkId)
    return resident < 0 ? 0 : this.#region + resident * PAGE_BYTES
  }
  /** The buffers in which published state is spilled: one caller at a time, within one call. */
  openStoreArea(): Workspace {
    const { offset, pages } = this.setup.floor.store
    return this.workspaceAt(offset, pages)
  }
  /** Nobody reads the sink's published state while the running pipeline does. */
  isIdle(sinkId: number): boolean {
    return this.#idle.includes(sinkId)
  }

  /** `count` contiguous pages that become the query's at once. 0 = refused. */
  takePublishedPages(reservation: Reservation, count: number): number {
    const address = reservation.take(count)
    if (address === 0) return 0
    if (reservation.handOver(count)) {
      this.control.add(this.slot, queryWord.publishedPages, count)
      return address
    }
    reservation.give(address, count)
    return 0
  }

  /** Frees `count` contiguous published pages. */
  freePublishedPages(address: number, count: number): void {
    this.arena.kernels.pageFree(address, count)
    this.#releasePublished(count)
  }

  /** Frees a chain of published pages and gives their promise back. */
  freePublished(head: number): void {
    if (head === 0) return
    this.#releasePublished(this.arena.kernels.chainFree(head) >>> 0)
  }

  #releasePublished(freed: number): void {
    const { words } = this.control
    const index = this.control.wordIndex(this.slot, queryWord.publishedPages)
    for (;;) {
      const promised = Atomics.load(words, index)
      const give = Math.min(promised, freed)
      if (Atomics.compareExchange(words, index, promised, promised - give) !== promised) continue
      if (give > 0) this.arena.kernels.release(give)
      return
    }
  }

  // --- spilling ---------------------------------------------------------------------------------------------------

  get canSpill(): boolean {
    return this.#spill !== undefined
  }

  /** @throws MemoryLimitError when this query may not spill */
  requireSpill(operator: string): SpillContext {
    if (this.#spill !== undefined) return this.#spill
    throw makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${operator} within ${this.setup.limitText}, and engine "in-memory" does not spill. ` +
        'Use engine: "streaming" or raise memoryLimit.',
      { operator },
    )
  }

  spillPath(name: string): string {
    assert(this.setup.spillPrefix !== undefined, 'a query that may not spill names no spill file')
    return `${this.setup.spillPrefix}-${name}.arrow`
  }
  countSpilled(bytes: number): void {
    this.control.count(this.slot, queryCounter.spilledBytes, bytes)
  }
  countSpillFile(): void {
    this.control.count(this.slot, queryCounter.spillFiles, 1)
  }

  // --- to the outside ---------------------------------------------------------------------------------------------

  postOutput(sinkId: number, output: unknown, transfer: ArrayBuffer[]): void {
    this.#post(sinkId, output, transfer)
  }
  pressureText(): string {
    return this.control.pressure > 0 ? 'admission' : 'high'
  }
  /**
   * One grep-able line on stderr under SPILLWAY_VERBOSE=1. Written directly: a worker's stderr stream is not flushed.
   */
  log(line: string): void {
    if (!this.setup.isVerbose) return
    try {
      writeSync(2, `[spillway] q${this.queryId} w${this.workerIndex} ${line}\n`)
    } catch {
      // Nobody reads the pipe at the moment (EAGAIN) or any more (EPIPE): no reason to end a query.
    }
  }
}
