/** Integers stored as differences, as values of a column and as lengths of strings. */
import { DELTA_SCRATCH_BYTES, DELTA_STATE_BYTES, deltaState } from '@spillway/kernels'
import type { PageWindow } from './page-window.ts'
import { skipBytes } from './plain-decoders.ts'
import type { ChunkRegion, ReaderContext } from './reader-context.ts'
import type { StoredValues, ValueDecoder } from './value-decoder.ts'
import { ENDS_EARLY } from './value-decoder.ts'

/** Most bytes of a stream's header: four varints. */
const HEADER_BYTES = 40
/** What kernels clobber behind values. */
const SLACK_BYTES = 64
/** Values converted at a time. */
const BLOCK_VALUES = 512

/** Bytes of scratch: for the kernel, and for a block of values to be converted. */
export const DELTA_DECODER_SCRATCH_BYTES = DELTA_SCRATCH_BYTES + BLOCK_VALUES * 8 + SLACK_BYTES

/** One stream of differences, read through the window. */
export class DeltaStream {
  readonly #context: ReaderContext
  readonly #window: PageWindow
  readonly #state: number
  readonly #scratch: number

  /**
   * @param state DELTA_STATE_BYTES bytes
   * @param scratch DELTA_SCRATCH_BYTES bytes
   */
  constructor(context: ReaderContext, window: PageWindow, state: number, scratch: number) {
    this.#context = context
    this.#window = window
    this.#state = state
    this.#scratch = scratch
  }

  /** Reads the header at the window's cursor; returns the number of values, at most `most`. */
  begin(most: number): number {
    const context = this.#context
    const window = this.#window
    context.u8.fill(0, this.#state, this.#state + DELTA_STATE_BYTES)
    // A page of nulls only may be empty.
    if (window.bytesLeft === 0) return 0
    window.need(Math.min(HEADER_BYTES, window.bytesLeft))
    context.setWord(this.#state + deltaState.cursor, window.cursor)
    context.setWord(this.#state + deltaState.end, window.end)
    if (context.kernels.deltaBegin(this.#state) < 0)
      throw context.damage('the head of a stream of differences is damaged')
    window.cursor = context.word(this.#state + deltaState.cursor)
    const count = context.word(this.#state + deltaState.valuesLeft)
    if (count > most) throw context.damage('a page holds more values than its header says')
    return count
  }

  /** The next `count` values, u32 (widthLog2 2) or u64 (3). */
  read(count: number, widthLog2: number, target: number): void {
    const context = this.#context
    const window = this.#window
    for (let done = 0; done < count; ) {
      context.setWord(this.#state + deltaState.cursor, window.cursor)
      context.setWord(this.#state + deltaState.end, window.end)
      context.setWord(this.#state + deltaState.isLast, window.isComplete ? 1 : 0)
      const to = target + done * 2 ** widthLog2
      const values = context.kernels.deltaValues(this.#state, count - done, widthLog2, to, this.#scratch)
      if (values < 0) throw context.damage('a stream of differences is damaged')
      window.cursor = context.word(this.#state + deltaState.cursor)
      done += values
      if (done < count && !window.more()) throw context.damage(ENDS_EARLY)
    }
  }

  /** All values of the stream as u32, into `region`; the window's cursor is behind the stream then. */
  readAll(most: number, region: ChunkRegion): number {
    const count = this.begin(most)
    this.read(count, 2, region.require(count * 4 + SLACK_BYTES))
    skipBytes(this.#window, Math.min(this.#context.kernels.deltaPadding(this.#state), this.#window.bytesLeft))
    return count
  }
}

/** Integer columns. */
export class DeltaDecoder implements ValueDecoder {
  readonly #stream: DeltaStream
  readonly #stored: StoredValues
  readonly #block: number

  /** @param block BLOCK_VALUES × 8 + SLACK_BYTES bytes */
  constructor(stream: DeltaStream, stored: StoredValues, block: number) {
    this.#stream = stream
    this.#stored = stored
    this.#block = block
  }

  begin(values: number): void {
    this.#stream.begin(values)
  }

  decode(count: number, target: number): void {
    const { isCopied, storedBytes, widthLog2 } = this.#stored
    const storedLog2 = storedBytes === 8 ? 3 : 2
    if (isCopied) {
      this.#stream.read(count, storedLog2, target)
      return
    }
    for (let done = 0; done < count; done += BLOCK_VALUES) {
      const values = Math.min(BLOCK_VALUES, count - done)
      this.#stream.read(values, storedLog2, this.#block)
      this.#stored.convert(this.#block, values, target + done * 2 ** widthLog2)
    }
  }

  skip(count: number): void {
    for (let done = 0; done < count; done += BLOCK_VALUES) {
      this.#stream.read(Math.min(BLOCK_VALUES, count - done), this.#stored.storedBytes === 8 ? 3 : 2, this.#block)
    }
  }

  ready(wanted: number): number {
    return wanted
  }
}
