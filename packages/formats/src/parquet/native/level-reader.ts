/**
 * Definition levels of a flat column: one bit per row, 1 = there is a value. They are kept apart from the window, which
 * moves on while they are read.
 */
import { HYBRID_STATE_BYTES, hybridState } from '@spillway/kernels'
import type { ChunkInput } from './chunk-input.ts'
import { encoding } from './page-header.ts'
import type { PageHeader } from './page-header.ts'
import type { PageWindow } from './page-window.ts'
import { ChunkRegion } from './reader-context.ts'
import type { ReaderContext } from './reader-context.ts'

/** Levels of this many bytes need no chunk memory: 131,072 rows, bit-packed. */
export const LEVEL_BYTES = 16 * 1024
/** What kernels read past the levels. */
const SLACK_BYTES = 64

export class LevelReader {
  readonly #context: ReaderContext
  readonly #fixed: number
  readonly #large: ChunkRegion
  readonly #state: number
  /** A copy of the state, to look ahead. */
  readonly #ahead: number
  /** All rows of the page have values: there are no levels. */
  isRequired = true

  /**
   * @param buffer LEVEL_BYTES bytes
   * @param state 2 × HYBRID_STATE_BYTES bytes
   */
  constructor(context: ReaderContext, buffer: number, state: number) {
    this.#context = context
    this.#fixed = buffer
    this.#large = new ChunkRegion(context.chunkMemory)
    this.#state = state
    this.#ahead = state + HYBRID_STATE_BYTES
  }

  /** Version 2: the levels stand in front of the values, at the input's cursor. */
  openBefore(header: PageHeader, input: ChunkInput): void {
    input.seek(input.position + header.repetitionBytes)
    const buffer = this.#buffer(header.definitionBytes)
    input.copyTo(buffer, header.definitionBytes)
    this.#begin(buffer, header.definitionBytes)
  }

  /** Version 1: the levels are the first bytes of the window. */
  openWithin(header: PageHeader, window: PageWindow): void {
    const { kernels } = this.#context
    const isPacked = header.levelEncoding === encoding.bitPacked
    if (!isPacked && header.levelEncoding !== encoding.rle) {
      throw this.#context.damage(`levels are coded in a way that does not exist (${header.levelEncoding})`)
    }
    let bytes = Math.ceil(header.values / 8)
    if (!isPacked) {
      window.need(4)
      bytes = this.#context.unalignedWord(window.cursor)
      window.cursor += 4
    }
    if (bytes > window.bytesLeft) throw this.#context.damage('the levels exceed their page')
    const buffer = this.#buffer(bytes)
    for (let done = 0; done < bytes; ) {
      window.need(1)
      const there = Math.min(window.end - window.cursor, bytes - done)
      kernels.copyBytes(window.cursor, there, buffer + done)
      window.cursor += there
      done += there
    }
    this.#begin(buffer, bytes)
    if (!isPacked) return
    kernels.reverseBits(buffer, bytes)
    this.#context.setWord(this.#state + hybridState.runLeft, header.values)
    this.#context.setWord(this.#state + hybridState.runIsPacked, 1)
  }

  /** A page of a required column. */
  openWithout(): void {
    this.isRequired = true
  }

  #buffer(bytes: number): number {
    return bytes <= LEVEL_BYTES ? this.#fixed : this.#large.require(bytes + SLACK_BYTES)
  }

  #begin(buffer: number, bytes: number): void {
    const context = this.#context
    context.u8.fill(0, this.#state, this.#state + HYBRID_STATE_BYTES)
    context.setWord(this.#state + hybridState.cursor, buffer)
    context.setWord(this.#state + hybridState.end, buffer + bytes)
    context.setWord(this.#state + hybridState.isLast, 1)
    context.setWord(this.#state + hybridState.bitWidth, 1)
    this.isRequired = false
  }

  /** Writes a validity byte per row (none with target 0); returns how many rows have values. */
  decode(rows: number, target: number): number {
    return this.isRequired ? rows : this.#decodeFrom(this.#state, rows, target)
  }

  /** Rows with values among the next `rows`, which stay unread. */
  peek(rows: number): number {
    return this.isRequired ? rows : this.#decodeFrom(this.#copyState(), rows, 0)
  }

  /** How many of the next `rows` rows can be read with `values` values; all stay unread. */
  rowsFor(rows: number, values: number): number {
    if (this.isRequired) return Math.min(rows, values)
    const found = this.#context.kernels.hybridBytesUntil(this.#copyState(), rows, values)
    if (found < 0) throw this.#context.damage('the levels of a page are damaged')
    return found
  }

  #copyState(): number {
    this.#context.u8.copyWithin(this.#ahead, this.#state, this.#state + HYBRID_STATE_BYTES)
    return this.#ahead
  }

  #decodeFrom(state: number, rows: number, target: number): number {
    const context = this.#context
    context.setWord(state + hybridState.ones, 0)
    if (context.kernels.hybridBytes(state, rows, target) !== rows) {
      throw context.damage('the levels of a page are damaged')
    }
    return context.word(state + hybridState.ones)
  }

  release(): void {
    this.#large.release()
  }
}
