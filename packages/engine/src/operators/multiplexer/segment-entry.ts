/**
 * Where segments are listed: pages of fixed-layout entries in the arena, in the order in which a worker made them. So
 * the segments of a morsel stand one after another, and entries of the same morsel in one worker's list only.
 *
 *   u32 lock | u32 sequence | u32 head | u32 blocks | u32 pages | u32 reads left | u32 part | u32 zero |
 *   spill totals (40 bytes)
 *
 * A segment lies in pages (head) or in a spill file (totals). Its lock: free → reading → free, one reader at a time;
 * free → spilling → free. Nobody waits holding it.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import {
  type Arena,
  decodeSpillTotals,
  encodeSpillTotals,
  SPILL_TOTALS_BYTES,
  type SpillTotals,
} from '@spillway/memory'

const HEAD_BYTES = 32
const ENTRY_BYTES = HEAD_BYTES + SPILL_TOTALS_BYTES
export const ENTRIES_PER_PAGE = Math.floor(PAGE_BYTES / ENTRY_BYTES)

const field = { lock: 0, sequence: 4, head: 8, blocks: 12, pages: 16, readsLeft: 20, part: 24 } as const
type Field = keyof typeof field

export const segmentLock = { free: 0, reading: 1, spilling: 2 } as const

/** One entry, at an address of the arena. */
export class SegmentEntry {
  readonly #arena: Arena
  readonly address: number

  constructor(arena: Arena, address: number) {
    this.#arena = arena
    this.address = address
  }

  clear(): void {
    this.#arena.u8.fill(0, this.address, this.address + ENTRY_BYTES)
  }

  get(name: Field): number {
    return this.#arena.u32[(this.address + field[name]) >>> 2] as number
  }

  set(name: Field, value: number): void {
    this.#arena.u32[(this.address + field[name]) >>> 2] = value
  }

  get totals(): SpillTotals {
    return decodeSpillTotals(this.#arena.view, this.address + HEAD_BYTES)
  }

  set totals(totals: SpillTotals) {
    encodeSpillTotals(totals, this.#arena.view, this.address + HEAD_BYTES)
  }

  tryLock(state: number): boolean {
    const index = (this.address + field.lock) >>> 2
    return Atomics.compareExchange(this.#arena.u32, index, segmentLock.free, state) === segmentLock.free
  }

  unlock(): void {
    Atomics.store(this.#arena.u32, (this.address + field.lock) >>> 2, segmentLock.free)
  }
}

/** Entry number `index` of a list of pages. */
export function entryAt(arena: Arena, pages: readonly number[], index: number): SegmentEntry {
  const page = pages[Math.floor(index / ENTRIES_PER_PAGE)] as number
  return new SegmentEntry(arena, page + (index % ENTRIES_PER_PAGE) * ENTRY_BYTES)
}
