/**
 * assembly/parquet: from the bytes of a page to values in the arena's layout. Sources are read some 32 bytes past their
 * end, targets are clobbered up to 64 bytes past theirs.
 *
 * Decoders of variable size work on a state struct, so that a stream may be decoded in pieces and may move in between.
 */

/** Byte offsets in the state of a hybrid stream (run lengths and bit-packed groups); u32 each, zero at the begin. */
export const hybridState = {
  /** Next byte; in a packed run the begin of a group of eight values. */
  cursor: 0,
  end: 4,
  /** 1 = no bytes follow `end`. */
  isLast: 8,
  /** 0 … 32; for the functions of bytes it must be 1. */
  bitWidth: 12,
  /** Values of the current run to come. */
  runLeft: 16,
  runIsPacked: 20,
  /** Added up by hybridBytes. */
  ones: 32,
} as const

export const HYBRID_STATE_BYTES = 128
/** Scratch of hybridCodes and hybridGather. */
export const HYBRID_SCRATCH_BYTES = 4096 + 64

/** Byte offsets in the state of a run of strings. */
export const stringsState = {
  cursor: 0,
  end: 4,
  /** Set to 1 by a string that is not ASCII (now and then by one that is). */
  hasHighBytes: 8,
} as const

/** Byte offsets in the state of a stream of differences; u32 each, zero at the begin. */
export const deltaState = {
  cursor: 0,
  end: 4,
  isLast: 8,
  /** Values still to come; set by deltaBegin. */
  valuesLeft: 12,
} as const

export const DELTA_STATE_BYTES = 64 + 512
/** Scratch of deltaValues. */
export const DELTA_SCRATCH_BYTES = 2048 + 64

/** Byte offsets in the state of strings that share their beginnings; u32 each. */
export const sharedStringsState = {
  cursor: 0,
  end: 4,
  hasHighBytes: 8,
  before: 12,
  beforeLength: 16,
  heap: 20,
  heapEnd: 24,
} as const

/** assembly/parquet/{byte-stream-split,codes,delta,delta-strings,unpack,hybrid,levels,plain,plain-strings}.ts */
export interface ParquetDecodeKernels {
  /** Values of 0 … 16 bits → u16, in whole groups of eight; 32 bytes behind them are clobbered. */
  bitUnpack16(source: number, bitWidth: number, count: number, target: number): void
  /** Values of 0 … 32 bits → u32, in whole groups of eight. */
  bitUnpack32(source: number, bitWidth: number, count: number, target: number): void
  /** Values of 0 … 64 bits → u64, in whole groups of eight. */
  bitUnpack64(source: number, bitWidth: number, count: number, target: number): void
  /** Passes values. Returns how many, fewer than `count` when bytes are missing; -1 = damaged. */
  hybridSkip(state: number, count: number): number
  /** → u16, for dictionaries of at most 65,536 values. As hybridSkip; -2 = an index is not below dictionaryCount. */
  hybridCodes(state: number, count: number, dictionaryCount: number, target: number, scratch: number): number
  /** Looks values of 1 << widthLog2 bytes up. As hybridCodes, for dictionaries of any size. */
  hybridGather(
    state: number,
    count: number,
    dictionary: number,
    dictionaryCount: number,
    widthLog2: number,
    target: number,
    scratch: number,
  ): number
  /** One-bit values → bytes 0 or 1 (none with target 0). As hybridSkip; the ones are added up in the state. */
  hybridBytes(state: number, count: number, target: number): number
  /** Passes values while there are at most `ones` ones among them; returns how many, -1 = damaged. */
  hybridBytesUntil(state: number, count: number, ones: number): number
  /** target[k] = source[codes[k]], u16 codes, values of 1 << widthLog2 bytes. */
  gatherCodes(source: number, codes: number, count: number, widthLog2: number, target: number): void
  /**
   * target[r] = source[codes[r]] for the rows r of an ascending selection, values of 2, 4, 8 or 16 bytes; the codes,
   * u16 per row, may be the last part of the target.
   */
  gatherSelectedCodes(
    source: number,
    codes: number,
    selection: number,
    count: number,
    widthLog2: number,
    target: number,
  ): void
  /** In place: bits packed from the highest down → from the lowest up. */
  reverseBits(address: number, bytes: number): void
  /** Moves the first valueCount values to the rows with validity 1; the others become zero. */
  spreadValues(values: number, widthLog2: number, validity: number, rows: number, valueCount: number): void
  copyBytes(source: number, bytes: number, target: number): void
  /** int32 → low byte. */
  plainNarrow8(source: number, count: number, target: number): void
  /** int32 → low two bytes. */
  plainNarrow16(source: number, count: number, target: number): void
  /** int32 → 128 bits. */
  plainWiden32(source: number, count: number, target: number): void
  /** int64 → 128 bits. */
  plainWiden64(source: number, count: number, target: number): void
  /** INT96 → nanoseconds since 1970, int64, modulo 2^64. */
  plainInt96(source: number, count: number, target: number): number
  /** Big-endian numbers of `length` bytes → 128 bits; 0 = one exceeds them. */
  plainFixedDecimals(source: number, length: number, count: number, target: number): number
  /** Views over big-endian numbers → 128 bits, in place; 0 = one exceeds them. */
  viewsToDecimals(views: number, count: number): number
  /** Strings with their lengths → views over them; returns how many were there completely. */
  plainStrings(state: number, count: number, target: number): number
  plainStringsSkip(state: number, count: number): number
  /** Adjacent strings whose lengths are u32 elsewhere → views; returns how many were there completely. */
  adjacentStrings(state: number, lengths: number, count: number, target: number): number
  /** As adjacentStrings, all of one length. */
  fixedStrings(state: number, length: number, count: number, target: number): number
  fixedStringsSkip(state: number, length: number, count: number): number
  adjacentStringsSkip(state: number, lengths: number, count: number): number
  /** 1 if the bytes are UTF-8. */
  isUtf8(bytes: number, length: number): number
  /** 1 if all views hold UTF-8. */
  viewsAreUtf8(views: number, count: number): number
  /** Reads the header of a stream of differences (at most 40 bytes); 0, or -1 = damaged. */
  deltaBegin(state: number): number
  /** → u32 (widthLog2 2) or u64 (3). Returns values written, fewer than `count` = bytes are missing; -1 = damaged. */
  deltaValues(state: number, count: number, widthLog2: number, target: number, scratch: number): number
  /** Bytes behind the last value that belong to the stream nevertheless. */
  deltaPadding(state: number): number
  /** How many strings fit into `room` bytes and need at most `there` bytes of rests; lengths are u32 × count. */
  sharedStringsFit(shared: number, rests: number, count: number, room: number, there: number): number
  /** Builds strings that fit, from the string before and rests; target 0 = no views. 0 = damaged. */
  sharedStrings(state: number, shared: number, rests: number, count: number, target: number): number
  /** Joins values whose bytes stand `stride` bytes apart. Scratch: 128 bytes. */
  joinStreams(source: number, stride: number, width: number, count: number, target: number, scratch: number): void
}
