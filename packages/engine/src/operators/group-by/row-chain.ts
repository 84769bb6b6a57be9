/**
 * Rows that left their partition (or a whole table): chains of row pages and heap pages, and how to walk and free them.
 */
import type { ArenaKernels, RowKernels } from '@spillway/kernels'
import { PAGE_BYTES } from '@spillway/kernels'
import type { RowLayout } from '@spillway/codegen'
import { rowsPerPage } from '@spillway/codegen'

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
  /** Rows, dead ones included. All row pages but the last are full. */
  readonly rowCount: number
  readonly rowPages: number
  readonly heapPages: number
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

/** Walks the live rows of a chain, a block of addresses at a time. */
export class RowCursor {
  readonly #kernels: ArenaKernels & RowKernels
  readonly #layout: RowLayout
  readonly #rowsPerPage: number
  #page: number
  #rowInPage = 0
  #rowsLeft: number

  constructor(kernels: ArenaKernels & RowKernels, layout: RowLayout, chain: RowChain) {
    this.#kernels = kernels
    this.#layout = layout
    this.#rowsPerPage = rowsPerPage(layout)
    this.#page = chain.rowHead
    this.#rowsLeft = chain.rowCount
  }

  /** Writes up to `capacity` addresses (u32) at `target`; returns how many, 0 at the end. */
  next(target: number, capacity: number): number {
    let filled = 0
    while (this.#rowsLeft > 0 && filled < capacity) {
      const inPage = Math.min(this.#rowsLeft, this.#rowsPerPage - this.#rowInPage)
      const take = Math.min(inPage, capacity - filled)
      const first = this.#page + this.#rowInPage * this.#layout.rowBytes
      const { rowBytes, deadOffset } = this.#layout
      filled += this.#kernels.collectRows(first, take, rowBytes, deadOffset, target + filled * 4)
      this.#rowsLeft -= take
      this.#rowInPage += take
      if (this.#rowInPage === this.#rowsPerPage) {
        this.#page = this.#kernels.pageNextGet(this.#page) >>> 0
        this.#rowInPage = 0
      }
    }
    return filled
  }
}

/** Calls `visit(page address, rows in it)` for each row page of a chain. Stops when it returns false. */
export function forEachRowPage(
  kernels: ArenaKernels,
  layout: RowLayout,
  chain: RowChain,
  visit: (page: number, rowCount: number) => boolean,
): void {
  let page = chain.rowHead
  let rowsLeft = chain.rowCount
  while (rowsLeft > 0) {
    const rowCount = Math.min(rowsLeft, rowsPerPage(layout))
    if (!visit(page, rowCount)) return
    rowsLeft -= rowCount
    page = kernels.pageNextGet(page) >>> 0
  }
}

/** Bytes of a chain's pages. */
export const chainBytes = (chain: RowChain): number => (chain.rowPages + chain.heapPages) * PAGE_BYTES
