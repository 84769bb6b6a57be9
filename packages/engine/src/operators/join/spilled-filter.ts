/**
 * The filter of a join's build rows on disk: a Bloom filter (see assembly/join-filter.ts) that all workers share. A
 * probe row whose partition is on disk, and that the filter rules out, has no match and need not be written.
 *
 * Every row is added before it is written, or there is no filter: its absence costs bytes and never changes rows. It is
 * read only when the build side is complete. Its pages are the query's, taken if there is room, and given back when the
 * probe side has passed.
 *
 * Where it stands is a counter of the query: `state.none`, `beingMade`, `refused`, or address << 20 | pages.
 */
import type { RowLayout } from '@spillway/codegen'
import { PAGE_BYTES } from '@spillway/kernels'
import { formatBytes } from '@spillway/memory'
import { queryCounter } from '@spillway/scheduler'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { forEachRowRun, type RowChain } from '../group-by/row-chain.ts'

const state = { none: 0n, beingMade: 1n, refused: 2n } as const
const PAGES_BITS = 20n
const WORD_BYTES = 8

/** Bits per expected row: one in a hundred rows without a match passes, fewer when not all rows are on disk. */
const BITS_PER_ROW = 12
/** With fewer bits per row most rows would pass. */
const BITS_PER_ROW_MIN = 3
/** Share of the budget that a filter may take. */
const FILTER_SHARE = 1 / 16

export interface FilterPlace {
  readonly address: number
  /** u64 words. */
  readonly words: number
}

export class SpilledFilter {
  readonly #context: OpenContext
  readonly #index: number
  readonly #counters: BigInt64Array

  /** @param counter which of the query's joins it is; -1: there is no filter */
  constructor(context: OpenContext, counter: number) {
    const { control, query } = context
    this.#context = context
    this.#counters = control.counters
    this.#index = counter < 0 ? -1 : control.counterIndex(query.slot, queryCounter.joinFilter + counter)
  }

  /** Nobody has made it, and nobody was refused. */
  get isOpen(): boolean {
    return this.#index >= 0 && this.#state() === state.none
  }

  /** Makes it, for this many rows, unless it is there or was refused; the first worker that comes to it does. */
  make(rows: number): void {
    if (this.#index < 0 || !this.#change(state.none, state.beingMade)) return
    const { query, reservation, arena, control } = this.#context
    const most = Math.floor(reservation.maxPages * FILTER_SHARE)
    const pages = Math.min(most, Math.max(1, Math.ceil((rows * BITS_PER_ROW) / 8 / PAGE_BYTES)))
    // What is free is left to a query that waits.
    const isWorthwhile = pages > 0 && pages * PAGE_BYTES * 8 >= rows * BITS_PER_ROW_MIN && control.pressure === 0
    const address = isWorthwhile ? query.takePublishedPages(reservation, pages) : 0
    if (address === 0) {
      this.#change(state.beingMade, state.refused)
      return
    }
    arena.u8.fill(0, address, address + pages * PAGE_BYTES)
    // Whoever had to spill in the meantime has given it up.
    if (!this.#change(state.beingMade, (BigInt(address) << PAGES_BITS) | BigInt(pages))) {
      query.freePublishedPages(address, pages)
      return
    }
    query.log(`equi-join: filter made, expected rows=${Math.round(rows)} bytes=${formatBytes(pages * PAGE_BYTES)}`)
  }

  /** Rows that are about to be written. Without a filter at this moment there will be none. */
  add(chain: RowChain, layout: RowLayout): void {
    if (this.#index < 0 || chain.rowCount === 0) return
    const place = this.find()
    if (place === undefined) {
      if (this.#state() !== state.refused) this.#giveUp(chain, layout)
      return
    }
    const { kernels } = this.#context.arena
    forEachRowRun(kernels, layout, chain, (first, rowCount) => {
      kernels.addToFilter(first, rowCount, layout.rowBytes, place.address, place.words)
      return true
    })
  }

  #giveUp(chain: RowChain, layout: RowLayout): void {
    const isGivenUp = this.#change(state.none, state.refused) || this.#change(state.beingMade, state.refused)
    // It was made just now.
    if (!isGivenUp) this.add(chain, layout)
  }

  /** The filter, if there is one. It tells what is on disk when the build side is complete, and not before. */
  find(): FilterPlace | undefined {
    if (this.#index < 0) return undefined
    const found = this.#state()
    if (found <= state.refused) return undefined
    const { address, pages } = placeOf(found)
    return { address, words: (pages * PAGE_BYTES) / WORD_BYTES }
  }

  /** Nobody reads it any more: its pages go back. Any worker may say so, once or more often. */
  drop(): void {
    if (this.#index < 0) return
    const found = this.#state()
    if (found <= state.refused || !this.#change(found, state.refused)) return
    const { address, pages } = placeOf(found)
    this.#context.query.freePublishedPages(address, pages)
  }

  #state(): bigint {
    return Atomics.load(this.#counters, this.#index)
  }

  #change(from: bigint, to: bigint): boolean {
    return Atomics.compareExchange(this.#counters, this.#index, from, to) === from
  }
}

function placeOf(found: bigint): { readonly address: number; readonly pages: number } {
  return { address: Number(found >> PAGES_BITS), pages: Number(found & ((1n << PAGES_BITS) - 1n)) }
}
