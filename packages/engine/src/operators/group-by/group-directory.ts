/**
 * The directory of a group table: u64 slots in a range per partition, doubled when a range is full. Directories of
 * alternating size lie in two areas in turn, so that one is moved into the next without other memory.
 */
import { localStore } from '@spillway/codegen'
import { assert } from '@spillway/stdx'
import type { GroupTableOptions } from './group-table-options.ts'
import type { StoreFields } from './store-fields.ts'
import { tableBytes } from './touch-ahead.ts'

/** A range is full at 70 % of its slots. */
const LOAD_FACTOR = 0.7

export class GroupDirectory {
  readonly #options: GroupTableOptions
  readonly #fields: StoreFields
  /** The largest directory needs the first one. */
  readonly #areas: readonly [number, number]
  #bits: number

  /** @param address of 8 × 2^maxCapacityBits bytes and half as many behind them */
  constructor(options: GroupTableOptions, fields: StoreFields, address: number) {
    this.#options = options
    this.#fields = fields
    this.#areas = [address, address + 8 * 2 ** options.maxCapacityBits]
    this.#bits = options.initialCapacityBits
    this.#publish()
    this.#fields.bytesAt(this.#address, 8 * 2 ** this.#bits).fill(0)
  }

  /** log2 of the slots. */
  get bits(): number {
    return this.#bits
  }

  /** The table is larger than the cache when it is full: look-ups are worth touching ahead. */
  get isLarge(): boolean {
    return tableBytes(this.#bits, LOAD_FACTOR, this.#options.layout) > this.#options.cacheBytes
  }

  /** The area that is not in use: nothing in it survives `grow`. */
  get freeArea(): { readonly address: number; readonly bytes: number } {
    const other = 1 - this.#area
    return { address: this.#areas[other] as number, bytes: 8 * 2 ** (this.#options.maxCapacityBits - other) }
  }

  /** Doubles the slots. False: they are as many as may be. */
  grow(): boolean {
    const { kernels, partitionBits, levelShift, maxCapacityBits } = this.#options
    if (this.#bits === maxCapacityBits) return false
    const from = this.#address
    const slots = 2 ** this.#bits
    this.#bits++
    this.#publish()
    this.#fields.bytesAt(this.#address, 16 * slots).fill(0)
    kernels.directoryRehash(from, slots, this.#address, this.#bits, partitionBits, levelShift)
    return true
  }

  /** Forgets the rows of a partition. */
  clearRange(partition: number): void {
    const bytes = 8 * 2 ** (this.#bits - this.#options.partitionBits)
    this.#fields.bytesAt(this.#address + partition * bytes, bytes).fill(0)
    this.#fields.setPart(partition, 'entryCount', 0)
  }

  /** Tells generated code. */
  #publish(): void {
    const { partitionBits, initialCapacityBits, maxCapacityBits } = this.#options
    assert(initialCapacityBits > partitionBits, 'each partition has at least two directory slots')
    assert(maxCapacityBits >= initialCapacityBits, 'the largest directory is not smaller than the first one')
    const slots = 2 ** (this.#bits - partitionBits)
    this.#fields.set(localStore.directory, this.#address)
    this.#fields.set(localStore.directoryBits, this.#bits)
    this.#fields.set(localStore.rangeMask, slots - 1)
    this.#fields.set(localStore.rangeLimit, Math.max(1, Math.floor(slots * LOAD_FACTOR)))
  }

  get #address(): number {
    return this.#areas[this.#area]
  }

  /** The largest directory lies in the first area, the one before it in the second, and so on. */
  get #area(): 0 | 1 {
    return (this.#options.maxCapacityBits - this.#bits) % 2 === 0 ? 0 : 1
  }
}
