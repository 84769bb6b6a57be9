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
/** Scratch of hybridGather. */
export const HYBRID_SCRATCH_BYTES = 4096 + 64

/** Byte offsets in the state of a run of strings. */
export const stringsState = {
  cursor: 0,
  end: 4,
  /** Set to 1 by a string that is not ASCII (now and then by one that is). */
  hasHighBytes: 8,
} as const

/** assembly/parquet/{unpack,hybrid,levels,plain,plain-strings}.ts */
export interface ParquetDecodeKernels {
  /** Values of 0 … 32 bits → u32, in whole groups of eight. */
  bitUnpack32(source: number, bitWidth: number, count: number, target: number): void
  /** Values of 0 … 64 bits → u64, in whole groups of eight. */
  bitUnpack64(source: number, bitWidth: number, count: number, target: number): void
  /** → u32. Returns values written, fewer than `count` when bytes are missing; -1 = damaged. */
  hybridIndices(state: number, count: number, target: number): number
  /** The same without a target. */
  hybridSkip(state: number, count: number): number
  /** Looks values of 1 << widthLog2 bytes up. As hybridIndices; -2 = an index is not below dictionaryCount. */
  hybridGather(
    state: number,
    count: number,
    dictionary: number,
    dictionaryCount: number,
    widthLog2: number,
    target: number,
    scratch: number,
  ): number
  /** One-bit values → bytes 0 or 1, or only their count with target 0. As hybridIndices; ones are added to the state. */
  hybridBytes(state: number, count: number, target: number): number
  /** Passes values while there are at most `ones` ones among them; returns how many, -1 = damaged. */
  hybridBytesUntil(state: number, count: number, ones: number): number
  /** 1 if all u32 are below `limit`. */
  indicesBelow(indices: number, count: number, limit: number): number
  /** target[k] = source[indices[k]], u32 indices, values of 1 << widthLog2 bytes. */
  gatherIndices(source: number, indices: number, count: number, widthLog2: number, target: number): void
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
  plainInt96(source: number, count: number, target: number): void
  /** Big-endian numbers of `length` bytes → 128 bits; 0 = one exceeds them. */
  plainFixedDecimals(source: number, length: number, count: number, target: number): number
  /** Views over big-endian numbers → 128 bits, in place; 0 = one exceeds them. */
  viewsToDecimals(views: number, count: number): number
  /** Strings with their lengths → views over them; returns how many were there completely. */
  plainStrings(state: number, count: number, target: number): number
  plainStringsSkip(state: number, count: number): number
  /** Adjacent strings whose lengths are u32 elsewhere → views; returns how many were there completely. */
  adjacentStrings(state: number, lengths: number, count: number, target: number): number
  adjacentStringsSkip(state: number, lengths: number, count: number): number
  /** 1 if the bytes are UTF-8. */
  isUtf8(bytes: number, length: number): number
  /** 1 if all views hold UTF-8. */
  viewsAreUtf8(views: number, count: number): number
}
