// The inflater's state: byte offsets into the struct that the caller gives. The first six words and the results of a
// step are those of zstd-state.ts; nothing here is an address of a buffer.

/** Bytes of the result not produced yet. */
export const REMAINING: u32 = 24
export const PHASE: u32 = 28
/** Bits of the byte at inCursor that were read. */
export const BIT_OFFSET: u32 = 32
/** Bytes of the gzip member or zlib stream produced: nothing before them may be referred to. */
export const PRODUCED: u32 = 36
export const IS_GZIP: u32 = 40
/** Flags of gzip header fields still to skip; bytes of its extra field still to skip. */
export const FIELDS: u32 = 44
export const EXTRA_LEFT: u32 = 48
export const IS_FINAL_BLOCK: u32 = 52
export const STORED_LEFT: u32 = 56
/** A match that the last step had no room for. */
export const PENDING_LENGTH: u32 = 60
export const PENDING_DISTANCE: u32 = 64
/** 1 = the tables are those of fixed codes. */
export const IS_FIXED: u32 = 68
/** u8 × 320 code lengths, and bytes that runs of them may clobber. */
export const LENGTHS: u32 = 128
/** u32 × 16 counts of code lengths, then next codes by length. */
export const LENGTH_COUNTS: u32 = 640
export const NEXT_CODES: u32 = 704
/** Tables of the code of code lengths, of literals and lengths, of distances. */
export const LENGTH_TABLE: u32 = 768
export const SYMBOL_TABLE: u32 = LENGTH_TABLE + 512
export const DISTANCE_TABLE: u32 = SYMBOL_TABLE + 4 * (2048 + 144 * 16)
export const STATE_BYTES: u32 = DISTANCE_TABLE + 4 * (256 + 16 * 128)

export const PHASE_HEADER: u32 = 0
export const PHASE_FIELDS: u32 = 1
export const PHASE_BLOCK_HEADER: u32 = 2
export const PHASE_STORED: u32 = 3
export const PHASE_CODED: u32 = 4
export const PHASE_TRAILER: u32 = 5
export const PHASE_END: u32 = 6
export const PHASE_CORRUPT: u32 = 7
