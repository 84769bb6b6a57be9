/**
 * Rows that left their partition (or a whole table): chains of row pages and heap pages, and how to walk and free them.
 *
 * A row page is a ring of slots that is filled from a slot of its own: up to the page's end, then from its beginning.
 * Rows that are longer than a page lie in blocks of contiguous pages, one each, whose pages are linked one by one.
 * Were all pages filled from their beginning, the first rows of all partitions would fall into the same few sets of the
 * processor's caches, and a table of a hundred groups would not fit into them.
 */
import type { ArenaKernels, JoinKernels, RowKernels } from '@spillway/kernels'
import { PAGE_BYTES } from '@spillway/kernels'
import { rowBlockPages, type RowLayout, rowsPerBlock } from '@spillway/codegen'

const PAGE_SHIFT = 16
/** 2^16 / golden ratio: its multiples, modulo 2^16, never come close to each other early. */
const GOLDEN_RATIO_16 = 40503

/** Where a table gets its pages (64 KiB each) from. */
export interface PageSource {
  /** `count` contiguous pages; 0 = refused. */
  take(count: number): number
  give(address: number, count: number): void
}

/** A detached partition. Plain data: it crosses threads. Pages are linked in the arena's page table. */
export interface RowChain {
  readonly rowHead: number
  readonly heapHead: number
  /** Rows, dead ones included. All blocks of rows but the last are full. */
  readonly rowCount: number
  readonly rowPages: number
  readonly heapPages: number
}

/** Of a page with room for `slots` rows, the slot that is filled first: neighbouring pages lie far apart. */
export function firstSlot(page: number, slots: number): number {
  const fraction = (((page >>> PAGE_SHIFT) * GOLDEN_RATIO_16) & 0xffff) / 0x10000
  return Math.floor(fraction * slots)
}

export const emptyChain: RowChain = Object.freeze({ rowHead: 0, heapHead: 0, rowCount: 0, rowPages: 0, heapPages: 0 })

/** Gives all pages of a chain back. */
export function releaseChain(kernels: ArenaKernels, pages: PageSource, chain: RowChain): void {
  releasePages(kernels, pages, chain.rowHead)
  releasePages(kernels, pages, chain.heapHead)
}

/** Gives back the pages linked from `head`, one by one. */
export function releasePages(kernels: ArenaKernels, pages: PageSource, head: number): void {
  let page = head
  while (page !== 0) {
    const next = kernels.pageNextGet(page) >>> 0
    kernels.pageNextSet(page, 0)
    pages.give(page, 1)
    page = next
  }
}

/** Walks the rows of a chain, a run of adjacent rows at a time. */
class RunWalk {
  readonly #kernels: ArenaKernels
  readonly #rowBytes: number
  readonly #slots: number
  /** From the first to the last page of a block. */
  readonly #lastPageBytes: number
  #page: number
  #isWrapped = false
  #rowsLeft: number
  /** Address of the run's first row, and its rows; 0 at the end. */
  first = 0
  rows = 0

  constructor(kernels: ArenaKernels, layout: RowLayout, chain: RowChain) {
    this.#kernels = kernels
    this.#rowBytes = layout.rowBytes
    this.#slots = rowsPerBlock(layout)
    this.#lastPageBytes = (rowBlockPages(layout) - 1) * PAGE_BYTES
    this.#page = chain.rowHead
    this.#rowsLeft = chain.rowCount
    this.#open()
  }

  next(): void {
    if (this.#isWrapped || firstSlot(this.#page, this.#slots) === 0) {
      const last = this.#page + this.#lastPageBytes
      this.#page = this.#rowsLeft === 0 ? 0 : this.#kernels.pageNextGet(last) >>> 0
      this.#isWrapped = false
    } else {
      this.#isWrapped = true
    }
    this.#open()
  }

  #open(): void {
    const start = firstSlot(this.#page, this.#slots)
    this.first = this.#isWrapped ? this.#page : this.#page + start * this.#rowBytes
    this.rows = Math.min(this.#rowsLeft, this.#isWrapped ? start : this.#slots - start)
    this.#rowsLeft -= this.rows
  }
}

/** Walks the live rows of a chain (or, of a join, those with a match), a block of addresses at a time. */
export class RowCursor {
  readonly #kernels: ArenaKernels & RowKernels & JoinKernels
  readonly #layout: RowLayout
  readonly #walk: RunWalk
  readonly #wants: 'live' | 'marked'
  #done = 0

  constructor(
    kernels: ArenaKernels & RowKernels & JoinKernels,
    layout: RowLayout,
    chain: RowChain,
    wants: 'live' | 'marked' = 'live',
  ) {
    this.#kernels = kernels
    this.#layout = layout
    this.#wants = wants
    this.#walk = new RunWalk(kernels, layout, chain)
  }

  /** Writes up to `capacity` addresses (u32) at `target`; returns how many, 0 at the end. */
  next(target: number, capacity: number): number {
    const { rowBytes, deadOffset } = this.#layout
    let filled = 0
    while (this.#walk.rows > 0 && filled < capacity) {
      const take = Math.min(this.#walk.rows - this.#done, capacity - filled)
      const first = this.#walk.first + this.#done * rowBytes
      const out = target + filled * 4
      filled +=
        this.#wants === 'live'
          ? this.#kernels.collectRows(first, take, rowBytes, deadOffset, out)
          : this.#kernels.collectMarked(first, take, rowBytes, deadOffset, out)
      this.#done += take
      if (this.#done === this.#walk.rows) {
        this.#walk.next()
        this.#done = 0
      }
    }
    return filled
  }
}

/** Calls `visit(address, rows)` for each run of adjacent rows of a chain. Stops when it returns false. */
export function forEachRowRun(
  kernels: ArenaKernels,
  layout: RowLayout,
  chain: RowChain,
  visit: (first: number, rowCount: number) => boolean,
): void {
  for (const walk = new RunWalk(kernels, layout, chain); walk.rows > 0; walk.next()) {
    if (!visit(walk.first, walk.rows)) return
  }
}

/** Bytes of a chain's pages. */
export const chainBytes = (chain: RowChain): number => (chain.rowPages + chain.heapPages) * PAGE_BYTES

/** Pages that make progress certain in a partition: a block of rows, and a heap page if there are strings. */
export function pagesPerPartition(layout: RowLayout): number {
  const hasStrings = layout.fields.some((field) => field.type.kind === 'utf8')
  return rowBlockPages(layout) + (hasStrings ? 1 : 0)
}
