/** Worker side of phase 1: rows into sorted chunks, all of them to disk when memory is refused, then publish. */
import type { SortExports } from '@spillway/codegen'
import { PAGE_BYTES } from '@spillway/kernels'
import type { WorkspaceSize } from '@spillway/memory'
import { queryCounter } from '@spillway/scheduler'
import { assert, makeError } from '@spillway/stdx'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import { mergeBudget } from './merge-budget.ts'
import { RunMaker, sizeRunMaker } from './run-maker.ts'
import type { PublishedSort, SortSinkSpec } from './sort.ts'
import { SortedRows, sizeSortedRows } from './sorted-rows.ts'

const TIMES_ASKED_MAX = 3
/** Share of the budget that published rows may keep: buffers of what follows must find room between them. */
const KEPT_SHARE = 0.65
/** A streamed query stands still while the program runs others. */
const KEPT_SHARE_STREAMED = 0.15
/** Beyond places and rows: a merge's tree, strings longer than a page. */
const EXTRA_PAGES = 4

export function sizeSortSink(spec: SortSinkSpec, size: WorkspaceSize): void {
  sizeSortedRows(spec.shape, spec.sizes, size)
  sizeRunMaker(spec.shape, spec.sizes, size)
}

export function sortSinkFloorPages(spec: SortSinkSpec): number {
  return spec.sizes.placePages + EXTRA_PAGES
}

export function openSortSink(spec: SortSinkSpec, context: OpenContext): Sink {
  return new SortSinkLocal(spec, context)
}

class SortSinkLocal implements Sink {
  readonly #spec: SortSinkSpec
  readonly #context: OpenContext
  readonly #rows: SortedRows
  readonly #maker: RunMaker
  /** Spilling under way, a block at a time. */
  #work: Iterator<void> | undefined
  #state: 'idle' | 'refused' | 'taken' = 'idle'
  #timesAsked = 0
  #settling: Iterator<void> | undefined
  #isPublished = false

  constructor(spec: SortSinkSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    const exports = context.query.instance(spec.shape.moduleKey) as unknown as SortExports
    this.#rows = new SortedRows(context, spec.shape, spec.sizes, exports)
    const { fanIn, ...rest } = spec
    const maker = fanIn === undefined ? rest : { ...rest, fanIn }
    this.#maker = new RunMaker(context, maker, exports, this.#rows.order, mergeBudget(context, spec.sizes))
  }

  setClaims(): void {}

  consume(batch: number): 'taken' | 'blocked' | 'working' {
    if (this.#work !== undefined) {
      this.#stepWork()
      return 'working'
    }
    if (this.#state === 'taken') return this.#taken()
    const status = this.#state === 'refused' ? this.#rows.resume() : this.#rows.append(batch)
    if (status === 'refused') {
      this.#state = 'refused'
      return this.#refused()
    }
    this.#timesAsked = 0
    const { meter, query, reservation } = this.#context
    meter.counts.peakBytes = Math.max(meter.counts.peakBytes, reservation.peakPages * PAGE_BYTES)
    if (!query.setup.testing.forceSpill || this.#rows.rows === 0) return this.#taken()
    this.#state = 'taken'
    this.#work = this.#spillRows()
    return 'working'
  }

  #taken(): 'taken' {
    this.#state = 'idle'
    return 'taken'
  }

  /** Others that hold much more are asked to spill, a few times; then all rows go to disk. */
  #refused(): 'blocked' | 'working' {
    const { query, reservation, makeRoom } = this.#context
    if (this.#timesAsked < TIMES_ASKED_MAX && query.askLargestHolder(reservation.usedPages)) {
      this.#timesAsked += 1
      return 'blocked'
    }
    if (this.#rows.rows > 0) this.#work = this.#spillRows()
    else if (makeRoom(this.#rows.wantedPages) === 0) throw this.#noRoom()
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

  *#spillRows(): Generator<void, void> {
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

  endMorsel(): 'taken' {
    return 'taken'
  }

  spill(): number {
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

  *#settleAll(): Generator<void, void> {
    if (this.#mustSpill() || !this.#rows.closeChunk()) yield* this.#spillRows()
    yield
    yield* this.#maker.reduceRuns()
  }

  /** What was kept beside runs on disk would lie across the memory in which they are merged. */
  #mustSpill(): boolean {
    const { query, reservation, control } = this.#context
    if (!query.canSpill || this.#rows.rows === 0) return false
    if (this.#maker.runs.length > 0 || control.counted(query.slot, queryCounter.spillFiles) > 0) return true
    const { isStreamed, threads } = query.setup
    const kept = isStreamed ? KEPT_SHARE_STREAMED : KEPT_SHARE
    return reservation.usedPages > (reservation.maxPages * kept) / threads
  }

  publish(): PublishedSort {
    assert(!this.#isPublished, 'a local is published once')
    this.#isPublished = true
    const { query, reservation, meter, workspace } = this.#context
    if (this.#rows.rows > 0) this.#countInput()
    meter.counts.peakBytes = Math.max(meter.counts.peakBytes, reservation.peakPages * PAGE_BYTES)
    const { chunks } = this.#rows
    workspace.check(this.#spec.shape.text)
    reservation.give(workspace.address, workspace.pages)
    query.publishPages(reservation.detach())
    return { worker: query.workerIndex, chunks, runs: this.#maker.runs }
  }

  close(): void {
    if (!this.#isPublished) this.#context.workspace.check(this.#spec.shape.text)
  }
}
