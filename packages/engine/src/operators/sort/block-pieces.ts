/**
 * A run on disk as a merge sees it: its blocks, one piece each, read into places that are taken when the merge opens.
 *
 * Rows that were merged but not taken yet lie in the places of pieces that have ended. A spare place lets the next
 * block come in beside them; without one the merge must first hand out what it has.
 */
import { PAGE_BYTES, SORT_ENTRY_BYTES } from '@spillway/kernels'
import type { OpenContext } from '../../pipeline/contracts.ts'
import type { BlockRows } from './block-rows.ts'
import { RunIndex } from './run-index.ts'
import type { Piece, PieceSource } from './run-merge.ts'
import type { SortShape, SpilledRun } from './sort.ts'

interface Place {
  readonly address: number
  readonly pages: number
}

/** Beside those of the runs: a batch or a block that is written is not cut short whenever a piece ends. */
const SPARE_PLACES = 4

const pagesOf = (run: SpilledRun): number => Math.max(1, Math.ceil(run.needBytes / PAGE_BYTES))

/** Pages that merging these runs takes, without spare places. */
export function placePages(runs: readonly SpilledRun[]): number {
  return runs.reduce((sum, run) => sum + pagesOf(run), 0)
}

/** The places of one merge. */
export class Places {
  readonly #context: OpenContext
  readonly #places: Place[] = []
  /** Spare places, and those of ended pieces whose rows may still be used. */
  #spare: Place[] = []
  #retired: Place[] = []

  constructor(context: OpenContext) {
    this.#context = context
  }

  /** A place of at least `pages` pages, or undefined when it is refused. */
  take(pages: number): Place | undefined {
    const address = this.#context.reservation.take(pages)
    if (address === 0) return undefined
    const place = { address, pages }
    this.#places.push(place)
    return place
  }

  /** Adds spare places in which a block of any of these runs fits; fewer when memory is refused. */
  addSpares(runs: readonly SpilledRun[]): void {
    if (runs.length === 0) return
    const pages = Math.max(...runs.map(pagesOf))
    for (let index = 0; index < SPARE_PLACES; index++) {
      const place = this.take(pages)
      if (place === undefined) return
      this.#spare.push(place)
    }
  }

  /** A spare place of `pages` pages for another one, which is free once the rows in it were taken. */
  swap(old: Place, pages: number): Place | undefined {
    const index = this.#spare.findIndex((place) => place.pages >= pages)
    if (index < 0) return undefined
    const [place] = this.#spare.splice(index, 1)
    this.#retired.push(old)
    return place
  }

  /** All rows that were merged so far have been taken. */
  reuse(): void {
    if (this.#retired.length === 0) return
    this.#spare.push(...this.#retired)
    this.#retired = []
  }

  close(): void {
    for (const { address, pages } of this.#places) this.#context.reservation.give(address, pages)
    this.#places.length = 0
    this.#spare = []
    this.#retired = []
  }
}

export class BlockPieces implements PieceSource {
  readonly #context: OpenContext
  readonly #shape: SortShape
  readonly #loader: BlockRows
  readonly #places: Places
  readonly #run: SpilledRun
  readonly #index: RunIndex
  #place: Place
  #block = 0
  /** Rows below it are passed over: address and words of a bound. */
  #from: { readonly address: number; readonly order: number } | undefined
  #bound: BigUint64Array | undefined
  #isFirst = true

  constructor(
    context: OpenContext,
    shape: SortShape,
    loader: BlockRows,
    places: Places,
    run: SpilledRun,
    place: Place,
  ) {
    this.#context = context
    this.#shape = shape
    this.#loader = loader
    this.#places = places
    this.#run = run
    this.#place = place
    this.#index = new RunIndex(run.index, run.blockCount, shape.layout.keyWords)
  }

  /** Takes the place that a run needs; undefined when it is refused. */
  static tryOpen(
    context: OpenContext,
    shape: SortShape,
    loader: BlockRows,
    places: Places,
    run: SpilledRun,
  ): BlockPieces | undefined {
    const place = places.take(pagesOf(run))
    return place === undefined ? undefined : new BlockPieces(context, shape, loader, places, run, place)
  }

  /** Starts at the first row that is not below the bound. @param address of its words @param order of the table */
  seek(bound: BigUint64Array, address: number, order: number): void {
    this.#bound = bound
    this.#from = { address, order }
    this.#block = this.#index.findBlock(bound, this.#shape.layout.order)
    this.#isFirst = true
  }

  next(isPending: boolean): Piece | 'ended' | 'busy' {
    while (this.#block < this.#index.blockCount) {
      if (isPending && !this.#isFirst) {
        const place = this.#places.swap(this.#place, pagesOf(this.#run))
        if (place === undefined) return 'busy'
        this.#place = place
      }
      const piece = this.#load()
      if (piece !== undefined) return piece
    }
    return 'ended'
  }

  #load(): Piece | undefined {
    const { file, block } = this.#index.block(this.#block++)
    const path = this.#run.files[file]?.path ?? ''
    const piece = this.#loader.load(path, block, this.#place.address)
    this.#isFirst = false
    const from = this.#from
    if (from === undefined || this.#bound === undefined) return piece
    const { kernels } = this.#context.arena
    const below = kernels.entriesBelow(piece.cursor, block.rows, from.address, from.order) >>> 0
    if (below === block.rows) return undefined
    this.#from = undefined
    return { cursor: piece.cursor + below * SORT_ENTRY_BYTES, end: piece.end }
  }
}
