/**
 * Touches what a block of rows is going to need before the loops that need it, when the table is larger than the cache:
 * directory slots, then the rows they name, then strings. One after the other each of these would cost a cache miss per
 * row; as loops of independent loads they cost a fraction (technique of group prefetching after Chen, Ailamaki,
 * Gibbons, Mowry: Improving Hash Join Performance through Prefetching, 2004; WebAssembly has loads only).
 */
import { localStore, type RowLayout } from '@spillway/codegen'
import { column, descriptor, physicalOf } from '@spillway/columnar'
import type { TouchKernels } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import { columnAddress } from '../../pipeline/batch-buffers.ts'
import type { StoreFields } from './store-fields.ts'

/** Rows of a block: what they need stays in the second level of the cache until they are done. */
export const TOUCH_ROWS = 512
/** Smaller tables mostly lie in the cache, where touching costs more than it brings. */
export const CACHE_BYTES = 16 << 20

const HASH_BYTES = 8

/** Bytes of a full directory with its rows. */
export function tableBytes(directoryBits: number, rowsPerSlot: number, { rowBytes }: RowLayout): number {
  return 2 ** directoryBits * (8 + rowsPerSlot * rowBytes)
}

export class TouchAhead {
  /** A metric. */
  touchedRows = 0
  readonly #kernels: TouchKernels
  readonly #fields: StoreFields
  readonly #rowBytes: number
  readonly #hashOffset: number
  /** Byte offsets of the views in a row. */
  readonly #views: readonly number[]
  /** Columns of batches of kind 0 whose strings the states may keep. */
  readonly #stringColumns: readonly number[]

  constructor(kernels: TouchKernels, fields: StoreFields, layout: RowLayout, stringColumns: readonly number[]) {
    this.#kernels = kernels
    this.#fields = fields
    this.#rowBytes = layout.rowBytes
    const hash = layout.fields.find(({ role }) => role === 'hash')
    assert(hash !== undefined, 'a row begins with its hash')
    this.#hashOffset = hash.offset
    this.#views = layout.fields.filter(({ type }) => physicalOf(type) === 'view').map(({ offset }) => offset)
    this.#stringColumns = stringColumns
  }

  /**
   * Rows of the table that the hashes [start, end) may find.
   * @param rows u32 each: scratch
   */
  groups(hashes: number, start: number, end: number, rows: number): void {
    this.#found(hashes, HASH_BYTES, start, end, rows)
  }

  /**
   * Rows of the table that adjacent rows may find.
   * @param rows u32 each: scratch
   */
  adjacent(first: number, rowCount: number, rows: number): void {
    this.#found(first + this.#hashOffset, this.#rowBytes, 0, rowCount, rows)
  }

  #found(hashes: number, stride: number, start: number, end: number, rows: number): void {
    this.touchedRows += end - start
    const directory = this.#fields.get(localStore.directory)
    const bits = this.#fields.get(localStore.directoryBits)
    const shift = this.#fields.get(localStore.levelShift)
    this.#kernels.touchSlots(hashes, stride, start, end, directory, bits, shift, rows)
    this.#kernels.touchRows(rows, start, end, this.#rowBytes)
    for (const offset of this.#views) this.#kernels.touchRowStrings(rows, start, end, offset)
  }

  /** Strings of the batch's rows that the states may keep. */
  operands(batch: number, start: number, end: number): void {
    const selection = this.#fields.u32(batch + descriptor.selection)
    for (const index of this.#stringColumns) {
      const entry = columnAddress(batch, index)
      const values = this.#fields.u32(entry + column.values)
      this.#kernels.touchViews(values, this.#fields.u32(entry + column.validity), selection, start, end)
    }
  }
}
