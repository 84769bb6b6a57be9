/**
 * How a batch lies in the arena: a descriptor that kernels and generated code read and write.
 *
 *   descriptor (DESCRIPTOR_HEADER_BYTES + columnCount × COLUMN_BYTES, 16-byte aligned)
 *   ┌──────────────────────────────┬───────────────┬───────────────┬──
 *   │ header                       │ column 0      │ column 1      │ …
 *   └──────────────────────────────┴───────────────┴───────────────┴──
 *
 * All fields are little-endian u32 unless said otherwise. Pointers are byte addresses in the arena.
 *
 * A column without nulls has `validity` = 0 (null pointer); otherwise one byte per row, 1 = valid, 0 = null.
 * The value bytes of a null row are defined (never uninitialised) but meaningless.
 * Values and validity are readable 16 bytes past their end.
 *
 * A column whose rows are dictionary codes has `codes` ≠ 0; its `values` are then not there. Only a scan makes such
 * columns, and only for consumers that take them (see codes in the pipeline package of the engine).
 *
 * With `selection` ≠ 0 only rows selection[0 … selectionCount) exist: u32 row indices, strictly ascending.
 * With `selection` = 0, selectionCount equals rowCount.
 */
export const DESCRIPTOR_HEADER_BYTES = 64
export const COLUMN_BYTES = 32

/** Byte offsets in the descriptor's header. */
export const descriptor = {
  /** Rows in each column. */
  rowCount: 0,
  /** Rows that count. */
  selectionCount: 4,
  /** u32 row indices, or 0 for all rows. */
  selection: 8,
  columnCount: 12,
  /** u64: ordinal of row 0; row i has ordinal + i (see docs/ARCHITECTURE.md). */
  ordinal: 16,
  /** Error slot: code of RaiseCode, 0 = none. */
  errorCode: 24,
  /** Error slot: row index within the batch. */
  errorRow: 28,
  /** Error slot: which expression of the stage raised (index given by codegen). */
  errorSite: 32,
  /** Room for the selection a filter writes: u32 × rowCount. */
  selectionBuffer: 36,
  /** Next free byte of the batch's string heap, where expressions write strings longer than 12 bytes. */
  heapCursor: 40,
  /** End of that heap. */
  heapEnd: 44,
} as const

/** Byte offsets in a column entry. */
export const column = {
  values: 0,
  validity: 4,
  /** Values of this column that are null, as far as known; 0 with validity 0. */
  nullCount: 8,
  /**
   * Where generated code writes this column: address of two u32, { values buffer, validity buffer }, or 0 for a column
   * that is only read. A projection may instead point `values` and `validity` at its input's buffers (no copy).
   */
  buffers: 12,
  /** u16 per row instead of values: indices into the dictionary, 0 for a null row. 0 = the values are there. */
  codes: 16,
  /** Address of the dictionary's values, in the layout of the column's type; stays as it is while the id does. */
  dictionary: 20,
  dictionaryCount: 24,
  /** Tells dictionaries of this worker apart; never 0. */
  dictionaryId: 28,
} as const

/** Codes in the error slot. */
export const raiseCode = {
  none: 0,
  overflow: 1,
  castFailed: 2,
  heapFull: 3,
} as const

/**
 * A string view, 16 bytes: { length: u32, prefix: 4 bytes, tail: 8 bytes }.
 * length ≤ 12: the bytes stand at offset 4 … 4+length, padded with zeroes (so equal strings are equal 16-byte values).
 * length > 12: offset 4 holds the first 4 bytes, offset 8 the address (u32) of all bytes, offset 12 is 0.
 */
export const STRING_VIEW_BYTES = 16
export const STRING_INLINE_MAX = 12
export const stringView = { length: 0, prefix: 4, address: 8 } as const
