/** Values whose bytes are stored apart: all first bytes, all second bytes, and so on. The page is there as a whole. */
import type { PageWindow } from './page-window.ts'
import type { ReaderContext } from './reader-context.ts'
import type { StoredValues, ValueDecoder } from './value-decoder.ts'
import { ENDS_EARLY } from './value-decoder.ts'

/** Scratch of the kernel. */
const JOIN_BYTES = 128
/** Bytes of values that are converted at a time. */
const BLOCK_BYTES = 4096
const SLACK_BYTES = 64

export const SPLIT_DECODER_SCRATCH_BYTES = JOIN_BYTES + BLOCK_BYTES + SLACK_BYTES

export class SplitDecoder implements ValueDecoder {
  readonly #context: ReaderContext
  readonly #window: PageWindow
  readonly #stored: StoredValues
  readonly #scratch: number
  /** Values of the page, and how many are passed. */
  #count = 0
  #first = 0

  /** @param scratch SPLIT_DECODER_SCRATCH_BYTES bytes */
  constructor(context: ReaderContext, window: PageWindow, stored: StoredValues, scratch: number) {
    this.#context = context
    this.#window = window
    this.#stored = stored
    this.#scratch = scratch
  }

  begin(values: number): void {
    const { storedBytes } = this.#stored
    const bytes = this.#window.bytesLeft
    this.#first = 0
    this.#count = storedBytes === 0 ? 0 : bytes / storedBytes
    if (!Number.isInteger(this.#count) || this.#count > values) {
      throw this.#context.damage('a page holds another number of values than its header says')
    }
  }

  decode(count: number, target: number): void {
    const { isCopied, storedBytes, widthLog2 } = this.#stored
    if (isCopied) {
      this.#join(count, target)
      return
    }
    const block = this.#scratch + JOIN_BYTES
    const most = Math.max(1, Math.floor(BLOCK_BYTES / storedBytes))
    for (let done = 0; done < count; done += most) {
      const values = Math.min(most, count - done)
      this.#join(values, block)
      this.#stored.convert(block, values, target + done * 2 ** widthLog2)
    }
  }

  #join(count: number, target: number): void {
    const { storedBytes } = this.#stored
    this.skip(count)
    const source = this.#window.cursor + this.#first - count
    this.#context.kernels.joinStreams(source, this.#count, storedBytes, count, target, this.#scratch)
  }

  skip(count: number): void {
    if (this.#first + count > this.#count) throw this.#context.damage(ENDS_EARLY)
    this.#first += count
  }

  ready(wanted: number): number {
    return wanted
  }
}
