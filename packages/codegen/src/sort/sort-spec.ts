/** What a sort's generated module is made for, and what it exports. */
import type { DataType, Schema } from '@spillway/columnar'
import type { RowField } from '../rows/row-layout.ts'

/** A key is a column of the input. */
export interface SortKeyColumn {
  readonly column: number
  readonly descending: boolean
  readonly nullsLast: boolean
}

export interface SortSpec {
  /** All columns are kept in the rows, those behind `outputCount` only to make keys of. */
  readonly input: Schema
  readonly outputCount: number
  readonly keys: readonly SortKeyColumn[]
}

/** How a row lies in memory; see sort-layout.ts. */
export interface SortLayout {
  /** A multiple of 8, at least 16. */
  readonly rowBytes: number
  /** Words (u64) of the key, without the ordinal that follows them. */
  readonly keyWords: number
  /** Fields by column of the input. */
  readonly fields: readonly RowField[]
  /** The table that describes the order to the kernels. */
  readonly order: Uint32Array
}

export interface CompiledSort {
  readonly key: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly layout: SortLayout
  /** The ordinal, then the columns of the input. */
  readonly spillSchema: Schema
  readonly outputSchema: Schema
}

/** Exports of the module. Addresses and counts are u32. */
export interface SortExports {
  /**
   * Makes rows of the selected rows from position `start` on, in partition 0 of a row store, strings copied. Returns
   * the position reached; the store says what it needs to go on. Row k has ordinal batch.ordinal + k.
   */
  readonly append: (batch: number, store: number, start: number) => number
  /**
   * Copies n rows, named by entries, to partition 0 of another store, strings too, from the `start`-th on. Returns how
   * far it came, as append does.
   */
  readonly keep: (entries: number, n: number, store: number, start: number) => number
  /**
   * Of the selected rows, those whose keys are below a bound (words at `bound`), or may be: u32 row indices to `out`,
   * ascending. Rows with equal words are listed when `keepsTies` is 1. Returns how many.
   */
  readonly selectBelow: (batch: number, bound: number, out: number, keepsTies: number) => number
  /** Makes adjacent rows, from address `rows` on, of a batch of spillSchema without selection; strings stay. */
  readonly load: (batch: number, rows: number) => void
  /** n rows (u32 addresses) to the columns of spillSchema; views point to where the strings lie. */
  readonly spillRows: (rows: number, n: number, outBatch: number) => void
  /** The same, to the columns of outputSchema. */
  readonly emitRows: (rows: number, n: number, outBatch: number) => void
}

/** Name and type of the spilled column that holds ordinals. */
export const ORDINAL_COLUMN = 'ordinal'
export const ordinalType: DataType = { kind: 'uint64' }
