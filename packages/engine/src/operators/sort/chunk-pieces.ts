/** A sorted chunk in memory as a run: its pages of entries, one piece each. */
import { PAGE_BYTES, SORT_ENTRY_BYTES } from '@spillway/kernels'
import type { Arena } from '@spillway/memory'
import type { Piece, PieceSource } from './run-merge.ts'
import type { SortedChunk } from './sort.ts'

export const ENTRIES_PER_PAGE = PAGE_BYTES / SORT_ENTRY_BYTES

export class ChunkPieces implements PieceSource {
  readonly #chunk: SortedChunk
  #next = 0

  constructor(chunk: SortedChunk) {
    this.#chunk = chunk
  }

  /** Goes to the first row that is not below a bound. @param bound its address @param order the table's */
  seek(arena: Arena, bound: number, order: number): void {
    const { pages, rows } = this.#chunk
    const { kernels } = arena
    let low = 0
    let high = pages.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const row = arena.u32[((pages[middle] as number) + 8) >>> 2] as number
      if (kernels.compareToBound(row, bound, order) < 0) low = middle + 1
      else high = middle
    }
    const page = Math.max(0, low - 1)
    const first = page * ENTRIES_PER_PAGE
    const count = Math.min(ENTRIES_PER_PAGE, rows - first)
    this.#next = first + (kernels.entriesBelow(pages[page] as number, count, bound, order) >>> 0)
  }

  next(): Piece | 'ended' {
    const { pages, rows } = this.#chunk
    if (this.#next >= rows) return 'ended'
    const page = Math.floor(this.#next / ENTRIES_PER_PAGE)
    const first = page * ENTRIES_PER_PAGE
    const address = pages[page] as number
    const cursor = address + (this.#next - first) * SORT_ENTRY_BYTES
    const count = Math.min(ENTRIES_PER_PAGE, rows - first)
    this.#next = first + count
    return { cursor, end: address + count * SORT_ENTRY_BYTES }
  }
}

/** Entries in one place as a run. */
export class OnePiece implements PieceSource {
  #piece: Piece | undefined

  constructor(cursor: number, end: number) {
    this.#piece = cursor === end ? undefined : { cursor, end }
  }

  next(): Piece | 'ended' {
    const piece = this.#piece
    this.#piece = undefined
    return piece ?? 'ended'
  }
}
