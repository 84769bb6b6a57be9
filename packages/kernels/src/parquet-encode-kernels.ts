/** Signatures of the kernels in assembly/parquet/encode-*.ts: what a page of a Parquet file is made with. */

/** What `plainFixed` reads and writes. */
export const plainForm = {
  /** i8 → int32. */
  i8: 0,
  /** u8 → int32. */
  u8: 1,
  i16: 2,
  u16: 3,
  /** Any four bytes. */
  four: 4,
  /** Any eight bytes. */
  eight: 5,
  /** i128 that fits → int32. */
  i128AsInt32: 6,
  /** i128 that fits → int64. */
  i128AsInt64: 7,
  /** i128 → two's complement of `width` 9 … 16 bytes, most significant first. */
  i128AsBytes: 8,
  /** One byte per value (booleans before their bits are packed). */
  byte: 9,
} as const

/** How `plainBounds` orders values. */
export const boundKind = {
  int32: 0,
  uint32: 1,
  int64: 2,
  uint64: 3,
  float32: 4,
  float64: 5,
  /** Two's complement of `width` bytes, most significant first. */
  wide: 6,
  byte: 7,
} as const

/**
 * Rows are given by `selection` (u32 row numbers, or 0 for all) and `validity` (one byte per row, or 0 for no nulls).
 * Sources are readable 16 bytes past their end, targets writable 64 bytes past it; they do not overlap.
 */
export interface ParquetEncodeKernels {
  /** Values of fixed width as Parquet stores them, nulls left out. Returns how many there are. */
  plainFixed(
    values: number,
    validity: number,
    selection: number,
    rowCount: number,
    form: number,
    width: number,
    target: number,
  ): number
  /**
   * Strings as length (u32) and bytes. State, u32 words: next byte (in and out), end of the room, values written (out).
   * Returns the rows taken: fewer than rowCount when the next value does not fit.
   */
  plainViews(views: number, validity: number, selection: number, rowCount: number, state: number): number
  /** Widens a range { least, greatest }, 16 bytes each, by values that `plainFixed` wrote; NaN is passed over. */
  plainBounds(values: number, count: number, kind: number, width: number, state: number): void
  /**
   * Dictionary indices (u16) of values that `plainFixed` wrote, new values added to the dictionary.
   * Returns the values taken: fewer when the dictionary is full. The state stands in the assembly file.
   */
  dictionaryFixed(values: number, count: number, width: number, state: number, indices: number): number
  /** The same for strings; returns the rows taken. */
  dictionaryViews(
    views: number,
    validity: number,
    selection: number,
    rowCount: number,
    state: number,
    indices: number,
  ): number
  /** The values behind indices in their PLAIN form (width 0 = strings). Returns the address where they end. */
  dictionaryExpand(state: number, indices: number, count: number, width: number, target: number): number
  /**
   * DELTA_BINARY_PACKED of 32-bit (widthLog2 2) or 64-bit (3) integers that `plainFixed` wrote. The target has room for
   * limit + 1,152 bytes, the scratch has 1,088. Returns the bytes written, or 0 when they would exceed `limit`.
   */
  deltaEncode(values: number, count: number, widthLog2: number, target: number, limit: number, scratch: number): number
  /** Runs and bit-packed groups of u16 indices, `bits` 1 … 16. Returns the bytes written. */
  encodeIndices(indices: number, count: number, bits: number, target: number): number
  /** Runs and bit-packed groups of definition levels, one byte each, 0 or 1. Returns the bytes written. */
  encodeLevels(levels: number, count: number, target: number): number
  /** XXH64 with seed 0. */
  xxh64(address: number, length: number): bigint
  /** Adds values that `plainFixed` wrote to a split-block Bloom filter of blocks × 32 bytes. */
  bloomFixed(values: number, count: number, width: number, filter: number, blocks: number): void
  /** Adds strings. */
  bloomViews(views: number, validity: number, selection: number, rowCount: number, filter: number, blocks: number): void
  /** Halves a filter while at most half of its bits are set. `blocks` is a power of two; returns what is left of it. */
  bloomShrink(filter: number, blocks: number): number
}
