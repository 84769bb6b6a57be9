/**
 * The direct map of a group table: row addresses by the low bits of an integer key (see codegen's fused-code.ts).
 *
 * It takes no memory of its own: directories of alternating size use two areas in turn, and the map lies in the one
 * that is free. It grows with the directory. Rows that leave make it stale as a whole, and it is cleared before it is
 * used again. When too many keys share their low bits it is left alone for a while.
 */
import { localStore } from '@spillway/codegen'
import type { StoreFields } from './store-fields.ts'

/** Places per slot of the directory, as a power of two: keys of a small range are rarely consecutive. */
const EXTRA_BITS = 2
const BITS_MAX = 18
const WORD_BYTES = 4
/** Share of rows that may be in the directory but not in the map: a wrong guess costs about as much as three right. */
const MISSES_MAX = 0.25
const WINDOW_ROWS = 1 << 16
/** After so many windows without the map it is tried again: data change along a file. */
const WINDOWS_OFF = 32

export class DirectMap {
  /** Rows that were found in the map or new (a metric). */
  directRows = 0
  readonly #fields: StoreFields
  #bytes = 0
  #isClear = false
  #windowRows = 0
  /** Misses of the window up to the last batch. */
  #misses = 0
  #isOn = true

  constructor(fields: StoreFields) {
    this.#fields = fields
  }

  get isOn(): boolean {
    return this.#isOn
  }

  /** Moves the map to a free area: `room` bytes, a power of two. Nothing is written there before the map is used. */
  place(address: number, room: number, directoryBits: number): void {
    this.#bytes = Math.min(room, WORD_BYTES * 2 ** Math.min(directoryBits + EXTRA_BITS, BITS_MAX))
    this.#fields.set(localStore.directMap, address)
    this.#fields.set(localStore.directMask, this.#bytes / WORD_BYTES - 1)
    this.#isClear = false
    this.#isOn = true
    this.#startWindow()
  }

  /** Before each call that uses the map. True when the area's contents are new. */
  prepare(): boolean {
    if (this.#isClear) return false
    this.#fields.bytesAt(this.#fields.get(localStore.directMap), this.#bytes).fill(0)
    this.#isClear = true
    return true
  }

  /** Rows have left the table, or the area was used for something else. */
  forget(): void {
    this.#isClear = false
  }

  /** Counts the rows of a batch, and decides once per window whether the map is used. */
  note(rows: number): void {
    this.#windowRows += rows
    const misses = this.#fields.get(localStore.directMisses)
    if (this.#isOn) this.directRows += rows - (misses - this.#misses)
    this.#misses = misses
    if (this.#windowRows < (this.#isOn ? WINDOW_ROWS : WINDOW_ROWS * WINDOWS_OFF)) return
    this.#isOn = !this.#isOn || misses <= this.#windowRows * MISSES_MAX
    this.#startWindow()
  }

  #startWindow(): void {
    this.#windowRows = 0
    this.#misses = 0
    this.#fields.set(localStore.directMisses, 0)
  }
}
