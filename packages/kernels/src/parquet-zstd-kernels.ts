/**
 * assembly/parquet/zstd-*.ts: zstd frames (RFC 8878), decompressed in steps through a window, compressed page by page.
 *
 * A state is a struct in the arena, zeroed by the caller, whose first six words (u32) both sides use:
 *
 *    0 inCursor      next byte of input, moved by the kernel
 *    4 inEnd         readable 16 bytes past it
 *    8 isLast        1 = no input follows inEnd
 *   12 windowStart   oldest byte of the result that is still there
 *   16 outCursor     where the result goes on, moved by the kernel
 *   20 outEnd        writable 64 bytes past it (they are clobbered)
 *
 * Between steps the caller may move unread input, slide the window and rewrite these words. What follows is private.
 */

/** What a step of a decompressor returns. */
export const decompressStatus = {
  /** Give more input behind what is unread. */
  needInput: 0,
  /** Make room: move outEnd, or slide the window. */
  outputFull: 1,
  /** The whole result is there, and the stream ended rightly. */
  done: 2,
  corrupt: -1,
  /** A match reaches before windowStart: begin again with a larger window. */
  windowTooSmall: -2,
} as const

/** Input that must fit into the buffer at once, so that a zstd block or frame header always can be read. */
export const ZSTD_INPUT_BYTES = 131072 + 64
/** Room that is always enough for the next zstd block (the rest of the result is enough too). */
export const ZSTD_ROOM_BYTES = 131072

export interface ZstdKernels {
  /** Bytes of a decompressor's state. */
  zstdStateBytes(): number
  /** Starts a result of exactly `uncompressedBytes` (one or more frames, skippable ones between them). */
  zstdBegin(state: number, uncompressedBytes: number): void
  /**
   * Decompresses until input or room ends; returns a decompressStatus. Stops between blocks only: `needInput` may leave
   * up to a block (128 KiB and 3 bytes) unread, `outputFull` comes when there is less room than the next block may need
   * (128 KiB, or the rest of the result). One call's time is bounded by the input and room that it is given.
   * Frames that need a dictionary are corrupt; checksums are skipped. After a negative status only zstdBegin helps.
   */
  zstdStep(state: number): number
  /** Most bytes that zstdCompress writes for `length` bytes; the target must be writable 64 bytes past them. */
  zstdCompressBound(length: number): number
  /** Bytes of scratch memory, of any content. */
  zstdScratchBytes(): number
  /**
   * Compresses `length` bytes (at most 2 MiB or so, for the sake of time) to one frame with its content size and
   * without a checksum; returns the bytes written. Matches reach back to the start of the source at level 1, 128 KiB above.
   * @param source readable 16 bytes past its end
   * @param level 1 (fastest), 2, 3 … 19 (smallest)
   */
  zstdCompress(source: number, length: number, target: number, scratch: number, level: number): number
}
