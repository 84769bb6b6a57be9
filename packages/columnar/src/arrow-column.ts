/**
 * One column of one chunk in Apache Arrow's layout, over any bytes: shared buffers of a DataFrame, the Parquet
 * decoder's memory, a block read from a spill file. Plain data over views; no dependency on a library.
 */
import type { DataType } from './data-type.ts'

export interface ArrowColumn {
  readonly type: DataType
  /** Rows, counted from `offset`. */
  readonly length: number
  /** First row within the buffers below. */
  readonly offset: number
  /** Nulls among the rows, or -1 when unknown. */
  readonly nullCount: number
  /** Bitmap, bit offset + i = row i, least significant bit first; undefined = no nulls. */
  readonly validity: Uint8Array | undefined
  /** Fixed-width little-endian values; a bitmap for booleans; the string bytes for utf8; indices with a dictionary. */
  readonly values: Uint8Array
  /** utf8 without dictionary: (offset + length + 1) offsets of `offsetBytes` bytes each. */
  readonly offsets: Uint8Array | undefined
  readonly offsetBytes: 4 | 8
  /** Values that `values` (indices of `indexBytes` bytes each) point to; undefined = not dictionary-encoded. */
  readonly dictionary: ArrowColumn | undefined
  readonly indexBytes: 1 | 2 | 4
}

/** One column laid out for Arrow inside the arena: addresses and byte lengths, ready to be written or copied out. */
export interface ExportedColumn {
  readonly type: DataType
  readonly length: number
  readonly nullCount: number
  /** Bitmap; bytes = 0 when there is no null. */
  readonly validity: ArenaSlice
  /** int32 offsets, utf8 only; bytes = 0 otherwise. */
  readonly offsets: ArenaSlice
  readonly values: ArenaSlice
}

export interface ArenaSlice {
  readonly address: number
  readonly bytes: number
}
