/**
 * assembly/parquet: decompression through a window, compression of whole pages, checksums.
 *
 * A decompressor works on a state struct in the arena. Its first six words are the caller's; between two calls the
 * caller may move the unread input and slide the output down, rewriting them.
 */

/** Byte offsets of the caller's words in the state of every decompressor; all u32. */
export const codecState = {
  /** Next byte to read. Input must be readable 16 bytes past inEnd. */
  inCursor: 0,
  inEnd: 4,
  /** 1 = no input follows inEnd. */
  isLast: 8,
  /** The oldest byte of output that is still there. */
  windowStart: 12,
  /** Next byte to write. Output must be writable 64 bytes past outEnd, where bytes are clobbered. */
  outCursor: 16,
  outEnd: 20,
} as const

/** What a step of a decompressor returns. */
export const codecStep = {
  /** All usable input was consumed: append to the unread rest and call again. */
  needInput: 0,
  /** The room was used: consume or slide the output and call again. */
  outputFull: 1,
  /** Exactly the promised bytes were produced and the stream ended rightly. */
  done: 2,
  corrupt: -1,
  /** A valid reference to output older than windowStart: begin again with a larger window. */
  windowTooSmall: -2,
} as const

/**
 * Exports of assembly/parquet/{snappy,lz4,greedy-compress}.ts. Steps take up to a millisecond per
 * megabyte of room, so that a caller who must not block for long gives no more than 8 MiB.
 */
export interface ParquetCodecKernels {
  /** Size of the state struct. */
  snappyStateBytes(): number
  /** Opens a stream whose result has exactly `uncompressedBytes` bytes (u32). The caller's words are left alone. */
  snappyBegin(state: number, uncompressedBytes: number): void
  /** Goes on; returns one of `codecStep`. Distances of common writers are below 64 KiB. */
  snappyStep(state: number): number
  /** Most bytes that snappyCompress can make of `length`. */
  snappyCompressBound(length: number): number
  snappyScratchBytes(): number
  /**
   * Compresses a page (up to 2 MiB in 6 ms); returns bytes written.
   * @param source readable 16 bytes past its end
   * @param target snappyCompressBound(length) + 64 bytes
   * @param scratch snappyScratchBytes(); need not be zeroed
   */
  snappyCompress(source: number, length: number, target: number, scratch: number): number
  /** The same for raw LZ4 blocks. A block does not say where it ends: its input must be exactly the block. */
  lz4RawStateBytes(): number
  lz4RawBegin(state: number, uncompressedBytes: number): void
  lz4RawStep(state: number): number
  lz4RawCompressBound(length: number): number
  lz4RawScratchBytes(): number
  lz4RawCompress(source: number, length: number, target: number, scratch: number): number
}
