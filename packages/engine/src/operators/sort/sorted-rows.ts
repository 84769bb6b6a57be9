/**
 * The rows of a sort in a worker's memory: rows in pages, strings in heap pages beside them, and sorted chunks.
 *
 *   row blocks    all but the last are full, in the order of arrival; a block is a page, or as many as a row needs
 *   chunk         the entries of `chunkRows` rows or a few more: sorted in the workspace, then kept in entry pages
 *
 * A chunk whose entry pages are refused stays in the workspace: it must be spilled before more rows are taken.
 */
import {
  LOCAL_HEADER_BYTES,
  localStore,
  PARTITION_BYTES,
  partitionStore,
  rowBlockPages,
  rowsPerBlock,
  type SortExports,
  stopReason,
} from '@spillway/codegen'
import { type ArenaKernels, PAGE_BYTES, SORT_ENTRY_BYTES, SORT_HISTOGRAM_BYTES } from '@spillway/kernels'
import type { WorkspaceSize } from '@spillway/memory'
import { assert, unreachable } from '@spillway/stdx'
import { selectedRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { ChunkPieces, ENTRIES_PER_PAGE, OnePiece } from './chunk-pieces.ts'
import type { PieceSource } from './run-merge.ts'
import type { SortedChunk, SortShape, SortSizes } from './sort.ts'

/** Links contiguous pages to a chain. Returns the last one. */
function linkPages(kernels: ArenaKernels, block: number, count: number): number {
  const last = block + (count - 1) * PAGE_BYTES
  for (let page = block; page < last; page += PAGE_BYTES) kernels.pageNextSet(page, page + PAGE_BYTES)
  return last
}

const STORE_BYTES = LOCAL_HEADER_BYTES + PARTITION_BYTES

/** A chunk ends with the batch that fills it. */
const entryRoom = (sizes: SortSizes): number => sizes.chunkRows + sizes.batchRows

export function sizeSortedRows(shape: SortShape, sizes: SortSizes, size: WorkspaceSize): void {
  size.add(STORE_BYTES)
  size.add(STORE_BYTES)
  size.add(shape.layout.order.byteLength)
  size.add(entryRoom(sizes) * SORT_ENTRY_BYTES)
  size.add(entryRoom(sizes) * SORT_ENTRY_BYTES)
  size.add(SORT_HISTOGRAM_BYTES)
}

/** Adjacent rows of the chunk that is being filled. */
interface RowRun {
  readonly first: number
  /** End of the rows; 0 = the page is being filled. */
  end: number
}

export class SortedRows {
  readonly chunks: SortedChunk[] = []
  /** Address of the order's table. */
  readonly order: number
  readonly #context: OpenContext
  readonly #shape: SortShape
  readonly #sizes: SortSizes
  readonly #exports: SortExports
  /** The store in use, and one to which rows are copied. */
  #store: number
  #otherStore: number
  readonly #entries: number
  readonly #scratch: number
  readonly #histograms: number
  /** Where the rows of the chunk lie that is being filled. */
  #runs: RowRun[] = []
  /** Rows that are in chunks. */
  #chunkedRows = 0
  /** Rows of a sorted chunk that lies in the workspace. */
  #openRows = 0
  #entryHead = 0
  #entryTail = 0
  #batch = 0
  #position = 0

  constructor(context: OpenContext, shape: SortShape, sizes: SortSizes, exports: SortExports) {
    this.#context = context
    this.#shape = shape
    this.#sizes = sizes
    this.#exports = exports
    const { workspace, arena } = context
    this.#store = workspace.take(STORE_BYTES)
    this.#otherStore = workspace.take(STORE_BYTES)
    this.order = workspace.take(shape.layout.order.byteLength)
    this.#entries = workspace.take(entryRoom(sizes) * SORT_ENTRY_BYTES)
    this.#scratch = workspace.take(entryRoom(sizes) * SORT_ENTRY_BYTES)
    this.#histograms = workspace.take(SORT_HISTOGRAM_BYTES)
    arena.u32.set(shape.layout.order, this.order >>> 2)
    arena.u8.fill(0, this.#store, this.#store + STORE_BYTES)
    arena.u8.fill(0, this.#otherStore, this.#otherStore + STORE_BYTES)
  }

  get rows(): number {
    return this.#part('rowCount')
  }

  /** Bytes of rows and strings. */
  get dataBytes(): number {
    const unused = this.#part('heapEnd') - this.#part('heapCursor')
    return this.rows * this.#shape.layout.rowBytes + this.#part('heapPages') * PAGE_BYTES - unused
  }

  /** Chains of all pages: rows, strings, entries. */
  get heads(): readonly number[] {
    return [this.#part('rowHead'), this.#part('heapHead'), this.#entryHead]
  }

  get pages(): number {
    const entries = this.chunks.reduce((sum, { pages }) => sum + pages.length, 0)
    return this.#part('rowPages') + this.#part('heapPages') + entries
  }

  /** Contiguous pages that the last refusal was about. */
  get wantedPages(): number {
    const { u32 } = this.#context.arena
    const reason = u32[(this.#store + localStore.stopReason) >>> 2]
    if (reason !== stopReason.heapPages) return rowBlockPages(this.#shape.layout)
    return u32[(this.#store + localStore.stopPages) >>> 2] as number
  }

  /** Makes rows of a batch. `refused`: pages are missing, spill and resume. */
  append(batch: number): 'done' | 'refused' {
    this.#batch = batch
    this.#position = 0
    return this.resume()
  }

  resume(): 'done' | 'refused' {
    if (this.#openRows > 0) return 'refused'
    const count = selectedRows(this.#context.arena, this.#batch)
    while (this.#position < count) {
      this.#position = this.#exports.append(this.#batch, this.#store, this.#position) >>> 0
      if (!this.#takePages()) return 'refused'
    }
    return this.rows - this.#chunkedRows < this.#sizes.chunkRows || this.closeChunk() ? 'done' : 'refused'
  }

  /** What the generated code stopped for. False: it was refused. */
  #takePages(): boolean {
    const { arena } = this.#context
    const reason = arena.u32[(this.#store + localStore.stopReason) >>> 2]
    if (reason === stopReason.none) return true
    if (reason === stopReason.rowPage) return this.#addRowPage()
    if (reason === stopReason.heapPages) return this.#addHeapPages()
    return unreachable(reason as never)
  }

  #addRowPage(): boolean {
    const { reservation, arena } = this.#context
    const { layout } = this.#shape
    const pages = rowBlockPages(layout)
    const block = reservation.take(pages)
    if (block === 0) return false
    const tail = this.#part('rowTail')
    if (tail === 0) this.#setPart('rowHead', block)
    else arena.kernels.pageNextSet(tail, block)
    this.#endRun()
    this.#runs.push({ first: block, end: 0 })
    this.#setPart('rowTail', linkPages(arena.kernels, block, pages))
    this.#setPart('rowCursor', block)
    this.#setPart('rowEnd', block + rowsPerBlock(layout) * layout.rowBytes)
    this.#setPart('rowPages', this.#part('rowPages') + pages)
    return true
  }

  #addHeapPages(): boolean {
    const { reservation, arena } = this.#context
    const count = arena.u32[(this.#store + localStore.stopPages) >>> 2] as number
    const block = reservation.take(count)
    if (block === 0) return false
    const { kernels } = arena
    const tail = this.#part('heapTail')
    if (tail === 0) this.#setPart('heapHead', block)
    else kernels.pageNextSet(tail, block)
    this.#setPart('heapTail', linkPages(kernels, block, count))
    this.#setPart('heapCursor', block)
    this.#setPart('heapEnd', block + count * PAGE_BYTES)
    this.#setPart('heapPages', this.#part('heapPages') + count)
    return true
  }

  #endRun(): void {
    const last = this.#runs.at(-1)
    if (last !== undefined) last.end = this.#part('rowCursor')
  }

  /** Sorts the rows that are in no chunk yet. False: their entry pages were refused, they stay in the workspace. */
  closeChunk(): boolean {
    this.#sortOpen()
    return this.#openRows === 0 || this.#keepOpen()
  }

  #sortOpen(): void {
    const rows = this.rows - this.#chunkedRows
    if (rows === 0) return
    const { kernels } = this.#context.arena
    const { rowBytes } = this.#shape.layout
    this.#endRun()
    let filled = 0
    for (const { first, end } of this.#runs) {
      const count = (end - first) / rowBytes
      kernels.fillSortEntries(first, count, rowBytes, this.#entries + filled * SORT_ENTRY_BYTES)
      filled += count
    }
    assert(filled === rows && rows <= entryRoom(this.#sizes), 'a chunk has the rows that were appended')
    kernels.sortEntries(this.#entries, this.#scratch, rows, this.#histograms, this.order)
    this.#chunkedRows += rows
    this.#openRows = rows
    // The page goes on with the next chunk.
    this.#runs = this.#part('rowTail') === 0 ? [] : [{ first: this.#part('rowCursor'), end: 0 }]
  }

  #keepOpen(): boolean {
    const { reservation, arena } = this.#context
    const pages: number[] = []
    for (let row = 0; row < this.#openRows; row += ENTRIES_PER_PAGE) {
      const page = reservation.take(1)
      if (page === 0) {
        for (const each of pages) reservation.give(each, 1)
        return false
      }
      pages.push(page)
    }
    pages.forEach((page, index) => {
      const from = this.#entries + index * PAGE_BYTES
      const rows = Math.min(ENTRIES_PER_PAGE, this.#openRows - index * ENTRIES_PER_PAGE)
      arena.u8.copyWithin(page, from, from + rows * SORT_ENTRY_BYTES)
      if (this.#entryTail === 0) this.#entryHead = page
      else arena.kernels.pageNextSet(this.#entryTail, page)
      this.#entryTail = page
    })
    this.chunks.push({ rows: this.#openRows, pages: Uint32Array.from(pages) })
    this.#openRows = 0
    return true
  }

  /**
   * Keeps the first `count` rows only, which are copied together; there must be no chunk yet. Returns the address of
   * the last of them, or 0: memory was refused, all rows are still there, and there are no more than a chunk.
   */
  keepFirst(count: number): number {
    assert(this.chunks.length === 0 && this.rows > count && count > 0, 'rows beyond the first are in no chunk')
    if (this.#openRows === 0) this.#sortOpen()
    const { arena } = this.#context
    const old = { store: this.#store, runs: this.#runs }
    this.#store = this.#otherStore
    this.#otherStore = old.store
    this.#runs = []
    for (let kept = 0; kept < count; ) {
      kept = this.#exports.keep(this.#entries, count, this.#store, kept) >>> 0
      if (this.#takePages()) continue
      this.#clearStore()
      this.#otherStore = this.#store
      this.#store = old.store
      this.#runs = old.runs
      return 0
    }
    const kept = this.#store
    this.#store = old.store
    this.#clearStore()
    this.#store = kept
    this.#chunkedRows = 0
    this.#openRows = 0
    const { rowBytes } = this.#shape.layout
    const last = (arena.u32[(kept + LOCAL_HEADER_BYTES + partitionStore.rowCursor) >>> 2] as number) - rowBytes
    return last
  }

  /** Frees the pages of the store in use and empties it. Returns the pages. */
  #clearStore(): number {
    const { reservation, arena } = this.#context
    const pages = reservation.giveChain(this.#part('rowHead')) + reservation.giveChain(this.#part('heapHead'))
    arena.u8.fill(0, this.#store, this.#store + STORE_BYTES)
    return pages
  }

  /** All rows, as sorted runs that stay valid until `clear`. */
  takeRuns(): PieceSource[] {
    if (this.#openRows === 0) this.#sortOpen()
    const runs: PieceSource[] = this.chunks.map((chunk) => new ChunkPieces(chunk))
    if (this.#openRows > 0) {
      runs.push(new OnePiece(this.#entries, this.#entries + this.#openRows * SORT_ENTRY_BYTES))
    }
    return runs
  }

  /** Frees all rows. Returns the pages. */
  clear(): number {
    const pages = this.#clearStore() + this.#context.reservation.giveChain(this.#entryHead)
    this.chunks.length = 0
    this.#runs = []
    this.#chunkedRows = 0
    this.#openRows = 0
    this.#entryHead = 0
    this.#entryTail = 0
    return pages
  }

  #part(field: keyof typeof partitionStore): number {
    const address = this.#store + LOCAL_HEADER_BYTES + partitionStore[field]
    return this.#context.arena.u32[address >>> 2] as number
  }

  #setPart(field: keyof typeof partitionStore, value: number): void {
    const address = this.#store + LOCAL_HEADER_BYTES + partitionStore[field]
    this.#context.arena.u32[address >>> 2] = value
  }
}
