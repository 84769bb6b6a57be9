// The zstd decompressor's state: byte offsets into the struct that the caller gives, and the results of a step.
//
// The first six words are the streaming contract of all page decompressors (see src/parquet-zstd-kernels.ts of this
// package); what follows is private and keeps no address of a buffer from one step to the next, since the caller moves
// buffers between them.

export const NEED_INPUT: i32 = 0
export const OUTPUT_FULL: i32 = 1
export const DONE: i32 = 2
export const CORRUPT: i32 = -1
export const WINDOW_TOO_SMALL: i32 = -2

export const IN_CURSOR: u32 = 0
export const IN_END: u32 = 4
export const IS_LAST: u32 = 8
export const WINDOW_START: u32 = 12
export const OUT_CURSOR: u32 = 16
export const OUT_END: u32 = 20

/** Bytes of the result not produced yet. */
export const REMAINING: u32 = 24
/** What comes next: a PHASE. */
export const PHASE: u32 = 28
/** Bytes of the frame not produced yet, if FRAME_SIZED. */
export const FRAME_LEFT: u32 = 32
export const FRAME_SIZED: u32 = 36
/** Bytes of the frame produced: nothing before them may be referred to. */
export const FRAME_PRODUCED: u32 = 40
/** Largest block of the frame, compressed or not. */
export const BLOCK_MAX: u32 = 44
export const HAS_CHECKSUM: u32 = 48
/** The three last offsets. */
export const REPEAT: u32 = 52
/** 1 = the Huffman table is there; 2 = the table of pairs too. */
export const HUFFMAN_READY: u32 = 64
/** Table kinds (u32: 0 none, 1 predefined, 2 sent) and accuracy logs of literal lengths, offsets, match lengths. */
export const KINDS: u32 = 68
export const LOGS: u32 = 80
/** Bytes of a skippable frame still to skip. */
export const SKIP_LEFT: u32 = 92

/** While a block's sequences are decoded: the cell of each kind, and the bit stream (see zstd-sequence-bits.ts). */
export const CELLS: u32 = 96
export const BIT_POINTER: u32 = 108
export const BITS_USED: u32 = 112
export const BIT_FLOOR: u32 = 116

/** i16 × 256 normalized counts. */
export const COUNTS: u32 = 128
/** u16 × 64 next states while a table is built. */
export const NEXT_STATES: u32 = 640
/** u8 × 256 Huffman weights (and 16 writable bytes). */
export const WEIGHTS: u32 = 768
/** FSE cells × 64 of the weights' own code. */
export const WEIGHT_CELLS: u32 = 1056
/** 48 zeros, then the first bytes of a bit stream: what is read below its start is zero. */
export const STAGE: u32 = 1568
export const STAGE_ZEROS: u32 = 48
export const STAGE_BYTES: u32 = 32
/** u16 × 2048: bit count, symbol << 8. */
export const HUFFMAN: u32 = 1664
/** FSE cells × 512, 256, 512. */
export const LITERAL_LENGTH_CELLS: u32 = 5760
export const OFFSET_CELLS: u32 = 9856
export const MATCH_LENGTH_CELLS: u32 = 11904
/** u32 × 2048 pairs of Huffman-coded symbols; { at, to, first, end } × 4 and words u64 × 4 of four streams. */
export const PAIRS: u32 = 16000
export const STREAMS: u32 = PAIRS + 8192
export const WORDS: u32 = STREAMS + 64
/** Decoded literals of one block, and 64 bytes that copies may clobber. */
export const LITERALS: u32 = WORDS + 32
/** Decoded sequences: u32 × SEQUENCES_MAX each of literal lengths, match lengths less 3, and offset values. */
export const SEQUENCES: u32 = LITERALS + 131072 + 64
export const SEQUENCES_MAX: u32 = 256
export const STATE_BYTES: u32 = SEQUENCES + 12 * SEQUENCES_MAX

export const BLOCK_LIMIT: u32 = 131072

export const PHASE_FRAME: u32 = 0
export const PHASE_BLOCK: u32 = 1
export const PHASE_CHECKSUM: u32 = 2
export const PHASE_SKIP: u32 = 3
export const PHASE_CORRUPT: u32 = 4
