/** Worker side of phase 1: rows into sorted chunks, all of them to disk when memory is refused, then publish. */
import { rowBlockPages, type SortExports } from '@spillway/codegen'
import { PAGE_BYTES } from '@spillway/kernels'
import { WorkspaceSize } from '@spillway/memory'
import { queryCounter } from '@spillway/scheduler'
import { assert, makeError } from '@spillway/stdx'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import { HolderPatience } from '../../pipeline/holder-patience.ts'
import { ChunkPieces } from './chunk-pieces.ts'
import { budgetPages, type MergeBudget, mergeBudget } from './merge-budget.ts'
import { RunMaker } from './run-maker.ts'
import { sizeRunMerger } from './run-merger.ts'
import { sizeSortOutput } from './sort.output.ts'
import type { PublishedSort, SortedChunk, SortSinkSpec } from './sort.ts'
import { SortedRows, sizeSortedRows } from './sorted-rows.ts'
import { sizeTopBound, TopBound } from './top-bound.ts'

/** A top-k keeps its first rows when it has so many times as many, and at least so many. */
const TOP_ROWS_MORE = 2
const TOP_ROWS_LEAST = 4096
/** Share of the budget that published rows may keep: buffers of what follows must find room beside them. */
const KEPT_SHARE = 0.65
/** Beside large budgets so much is enough for what follows: 512 MiB. */
const ROOM_PAGES_MAX = 8192
/** A streamed query stands still while the program runs others. */
const KEPT_SHARE_STREAMED = 0.15
/** A merge of so many needs no pages. */
const CHUNKS_PER_RUN = 1000
/** Beyond places and rows: a merge's tree, strings longer than a page. */
const EXTRA_PAGES = 4

export function sizeSortSink(spec: SortSinkSpec, size: WorkspaceSize): void {
  sizeSortedRows(spec.shape, spec.sizes, size)
  sizeRunMerger(spec.shape, spec.sizes, size)
  sizeTopBound(spec, size)
}

export function sortSinkFloorPages(spec: SortSinkSpec): number {
  return spec.sizes.placePages + EXTRA_PAGES + rowBlockPages(spec.shape.layout) - 1
}

export function sizeSortStore(spec: SortSinkSpec, size: WorkspaceSize): void {
  sizeRunMerger(spec.shape, spec.sizes, size)
  size.add(spec.shape.layout.order.byteLength)
}

export function openSortSink(spec: SortSinkSpec, context: OpenContext): Sink {
  return new SortSinkLocal(spec, context)
}

/** Pages of published rows, and what they are. */
interface KeptRows {
  readonly chunks: readonly SortedChunk[]
  /** Of chains of pages. */
  readonly heads: readonly number[]
  readonly pages: number
}

class SortSinkLocal implements Sink {
  readonly #spec: SortSinkSpec
  readonly #context: OpenContext
  readonly #rows: SortedRows
  readonly #maker: RunMaker
  readonly #budget: MergeBudget
  readonly #top: TopBound | undefined
  /** Spilling under way, a block at a time. */
  #work: Iterator<unknown> | undefined
  #state: 'idle' | 'refused' | 'taken' = 'idle'
  readonly #patience: HolderPatience
  #settling: Iterator<unknown> | undefined
  #isPublished = false
  /** Sorted rows that are published and in memory. */
  #kept: KeptRows | undefined
  #hasChanged = false

  constructor(spec: SortSinkSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    this.#patience = new HolderPatience(context)
    const exports = context.query.instance(spec.shape.moduleKey) as unknown as SortExports
    this.#rows = new SortedRows(context, spec.shape, spec.sizes, exports)
    const next = new WorkspaceSize()
    sizeSortOutput(spec, next)
    this.#budget = mergeBudget(context, spec.sizes, next.pages)
    this.#maker = new RunMaker(context, spec, exports, this.#rows.order, this.#budget)
    this.#top = spec.top === undefined ? undefined : new TopBound(context, spec, spec.top, exports)
  }

  setClaims(): void {}

  consume(batch: number): 'taken' | 'blocked' | 'working' {
    if (this.#work !== undefined) {
      this.#stepWork()
      return 'working'
    }
    if (this.#state === 'taken') return this.#taken()
    const rows = this.#state === 'refused' ? batch : (this.#top?.narrow(batch) ?? batch)
    if (rows === 0) return 'taken'
    const status = this.#state === 'refused' ? this.#rows.resume() : this.#rows.append(rows)
    if (status === 'refused') {
      this.#state = 'refused'
      return this.#dropBeyond(1) ? 'working' : this.#refused()
    }
    this.#dropBeyond(TOP_ROWS_MORE)
    this.#patience.restore()
    const { meter, query, reservation } = this.#context
    meter.counts.peakBytes = Math.max(meter.counts.peakBytes, reservation.peakPages * PAGE_BYTES)
    if (!(query.setup.testing.forceSpill || this.#hasItsShare()) || this.#rows.rows === 0) return this.#taken()
    this.#state = 'taken'
    this.#work = this.#spillRows()
    return 'working'
  }

  /** One worker that takes most of the memory would leave the others to spill many small runs. */
  #hasItsShare(): boolean {
    const { query, reservation } = this.#context
    return query.canSpill && reservation.usedPages * query.setup.threads > budgetPages(this.#context)
  }

  /** Of a top-k: keeps the rows that count when there are more by a factor. False: there is nothing to drop. */
  #dropBeyond(factor: number): boolean {
    const { top, sizes } = this.#spec
    const rows = this.#rows.rows
    if (this.#top === undefined || top === undefined || top.limit === 0 || this.#rows.chunks.length > 0) return false
    const least = factor === 1 ? top.limit : Math.max(top.limit * factor, Math.min(TOP_ROWS_LEAST, sizes.chunkRows / 2))
    if (rows <= least) return false
    const last = this.#rows.keepFirst(top.limit)
    if (last !== 0) this.#top.lower(last)
    return last !== 0
  }

  #taken(): 'taken' {
    this.#state = 'idle'
    return 'taken'
  }

  /** Others that hold much more are asked to spill, a few times; then all rows go to disk. */
  #refused(): 'blocked' | 'working' {
    if (this.#context.askBack(this.#context.reservation.usedPages) > 0) return 'working'
    if (this.#patience.mayWait()) return 'blocked'
    if (this.#rows.rows > 0) this.#work = this.#spillRows()
    else if (this.#context.makeRoom(this.#rows.wantedPages) === 0) throw this.#noRoom()
    return 'working'
  }

  #noRoom(): Error {
    const { query } = this.#context
    const needBytes = this.#rows.wantedPages * PAGE_BYTES
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${this.#spec.shape.text}: a row needs ${needBytes} bytes and nothing is left to spill. ` +
        `The query needs at least ${query.setup.floorText}. Raise memoryLimit or lower threads.`,
      { operator: this.#spec.shape.text, needBytes },
    )
  }

  *#spillRows(): Generator<unknown, void> {
    this.#context.query.requireSpill(this.#spec.shape.text)
    this.#countInput()
    yield* this.#maker.spillRows(this.#rows.takeRuns())
    this.#rows.clear()
  }

  #countInput(): void {
    this.#context.meter.counts.inputBytes += this.#rows.dataBytes
  }

  #stepWork(): void {
    if (this.#work?.next().done === true) this.#work = undefined
  }

  /** The first bound of a top-k counts most: morsels that are claimed from now on can be passed over. */
  endMorsel(): 'taken' {
    if (this.#top?.isKnown === false) this.#dropBeyond(1)
    return 'taken'
  }

  get keepsSpilling(): boolean {
    const { query } = this.#context
    return this.#kept !== undefined && query.canSpill && query.isIdle(this.#spec.sinkId)
  }

  get nextSpillPages(): number {
    return this.keepsSpilling ? (this.#kept?.pages ?? 0) : 0
  }

  /** What this worker published becomes a run on disk. */
  #spillKept(kept: KeptRows): number {
    const { query, meter, arena } = this.#context
    const workspace = query.openStoreArea()
    const context = { ...this.#context, workspace }
    const exports = query.instance(this.#spec.shape.moduleKey) as unknown as SortExports
    const order = workspace.take(this.#spec.shape.layout.order.byteLength)
    arena.u32.set(this.#spec.shape.layout.order, order >>> 2)
    const maker = new RunMaker(context, this.#spec, exports, order, this.#budget)
    for (let first = 0; first < kept.chunks.length; first += CHUNKS_PER_RUN) {
      const some = kept.chunks.slice(first, first + CHUNKS_PER_RUN)
      for (const _ of maker.spillRows(some.map((chunk) => new ChunkPieces(chunk))));
    }
    workspace.check(this.#spec.shape.text)
    for (const head of kept.heads) query.freePublished(head)
    meter.counts.partitionsAskedBack += 1
    this.#maker.runs.push(...maker.runs)
    this.#kept = undefined
    this.#hasChanged = true
    return kept.pages
  }

  republish(): PublishedSort | undefined {
    if (!this.#hasChanged) return undefined
    this.#hasChanged = false
    return { worker: this.#context.query.workerIndex, chunks: [], runs: this.#maker.runs }
  }

  spill(): number {
    if (this.keepsSpilling && this.#kept !== undefined) return this.#spillKept(this.#kept)
    if (this.#isPublished || !this.#context.query.canSpill) return 0
    const { reservation } = this.#context
    const before = reservation.usedPages
    if (this.#work === undefined && this.#rows.rows > 0) this.#work = this.#spillRows()
    while (this.#work !== undefined) this.#stepWork()
    return Math.max(0, before - reservation.usedPages)
  }

  settle(): boolean {
    if (this.#work !== undefined) {
      this.#stepWork()
      return false
    }
    this.#settling ??= this.#settleAll()
    return this.#settling.next().done === true
  }

  *#settleAll(): Generator<unknown, void> {
    this.#dropBeyond(1)
    // As work of its own: a request to spill that comes in between goes on with it, instead of beginning again.
    if (this.#mustSpill() || !this.#rows.closeChunk()) this.#work = this.#spillRows()
    yield
    yield* this.#maker.reduceRuns()
  }

  /** What was kept beside runs on disk would lie across the memory in which they are merged. */
  #mustSpill(): boolean {
    const { query, reservation, control } = this.#context
    if (!query.canSpill || this.#rows.rows === 0) return false
    if (this.#maker.runs.length > 0 || control.counted(query.slot, queryCounter.spillFiles) > 0) return true
    const { isStreamed, threads } = query.setup
    const most = budgetPages(this.#context)
    const kept = isStreamed ? most * KEPT_SHARE_STREAMED : Math.max(most * KEPT_SHARE, most - ROOM_PAGES_MAX)
    // Whoever has less than its share keeps it, if only because others are about to free theirs.
    return control.heldPages(query.slot) > kept && reservation.usedPages > kept / threads
  }

  publish(): PublishedSort {
    assert(!this.#isPublished, 'a local is published once')
    this.#isPublished = true
    const { query, reservation, meter, workspace } = this.#context
    meter.counts.peakBytes = Math.max(meter.counts.peakBytes, reservation.peakPages * PAGE_BYTES)
    // Without a promise for what is kept the rows go to disk, after all.
    while (!query.tryPublish(reservation, workspace)) {
      if (this.#context.askBack(1) === 0) for (const _ of this.#spillRows());
    }
    if (this.#rows.rows > 0) this.#countInput()
    const chunks = [...this.#rows.chunks]
    if (chunks.length > 0) this.#kept = { chunks, heads: this.#rows.heads, pages: this.#rows.pages }
    workspace.check(this.#spec.shape.text)
    return { worker: query.workerIndex, chunks, runs: this.#maker.runs }
  }

  close(): void {
    if (!this.#isPublished) this.#context.workspace.check(this.#spec.shape.text)
  }
}
