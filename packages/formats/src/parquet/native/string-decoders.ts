/** Byte arrays whose bytes stand in the page one after another: views into the window. */
import type { DataType } from '@spillway/columnar'
import { stringsState } from '@spillway/kernels'
import type { DeltaStream } from './delta-decoders.ts'
import type { PageWindow } from './page-window.ts'
import { ChunkRegion } from './reader-context.ts'
import type { ReaderContext } from './reader-context.ts'
import type { ValueDecoder } from './value-decoder.ts'
import { ENDS_EARLY, TOO_LARGE } from './value-decoder.ts'

/** What becomes of byte arrays: text is checked, decimals are converted, bytes are what they are. */
export class ByteArrayResult {
  readonly isDecimal: boolean
  readonly #isText: boolean
  readonly #context: ReaderContext

  constructor(context: ReaderContext, type: DataType) {
    this.#context = context
    this.isDecimal = type.kind === 'decimal'
    this.#isText = type.kind === 'utf8'
  }

  /** @param views in place; `mayBeInvalid` = some string is not ASCII */
  finish(views: number, count: number, mayBeInvalid: boolean): void {
    const { kernels } = this.#context
    if (this.isDecimal) {
      if (kernels.viewsToDecimals(views, count) === 0) throw this.#context.damage(TOO_LARGE)
    } else if (this.#isText && mayBeInvalid && kernels.viewsAreUtf8(views, count) === 0) {
      throw this.#context.damage('a text is not UTF-8')
    }
  }
}

/** Where lengths come from. `state` is that of the string kernels; `first` the number of the next value in the page. */
interface StringSource {
  /** Begins with a page's values. */
  begin(values: number): void
  views(state: number, first: number, count: number, target: number): number
  pass(state: number, first: number, count: number): number
  /** Bytes in front of a value, its length among them; undefined when they are not there. */
  sizeAt(address: number, first: number): number | undefined
}

/** Decodes them from any source of lengths. */
export class StringsDecoder implements ValueDecoder {
  readonly #context: ReaderContext
  readonly #window: PageWindow
  readonly #state: number
  readonly #source: StringSource
  readonly #result: ByteArrayResult
  /** Number of the next value in its page. */
  #first = 0
  /** Values behind the cursor that are known to be there completely, and their bytes. */
  #scannedValues = 0
  #scannedBytes = 0

  /** @param state 16 bytes */
  constructor(
    context: ReaderContext,
    window: PageWindow,
    state: number,
    source: StringSource,
    result: ByteArrayResult,
  ) {
    this.#context = context
    this.#window = window
    this.#state = state
    this.#source = source
    this.#result = result
  }

  begin(values: number): void {
    this.#first = 0
    this.#scannedValues = 0
    this.#scannedBytes = 0
    this.#source.begin(values)
  }

  decode(count: number, target: number): void {
    // Decimals do not stay in the window, so they may be decoded while it moves.
    for (let done = 0; done < count; ) {
      const values = this.#result.isDecimal ? this.ready(count - done) : count
      this.#decodeReady(values, target + done * 16)
      done += values
    }
  }

  #decodeReady(count: number, target: number): void {
    const context = this.#context
    this.#setCursor(this.#window.cursor)
    if (this.#source.views(this.#state, this.#first, count, target) < count) throw context.damage(ENDS_EARLY)
    this.#pass(count)
    this.#result.finish(target, count, context.word(this.#state + stringsState.hasHighBytes) !== 0)
  }

  skip(count: number): void {
    for (let done = 0; done < count; ) {
      const values = this.ready(count - done)
      this.#setCursor(this.#window.cursor)
      if (this.#source.pass(this.#state, this.#first, values) < values) throw this.#context.damage(ENDS_EARLY)
      this.#pass(values)
      done += values
    }
  }

  #setCursor(cursor: number): void {
    this.#context.setWord(this.#state + stringsState.cursor, cursor)
    this.#context.setWord(this.#state + stringsState.end, this.#window.end)
    this.#context.setWord(this.#state + stringsState.hasHighBytes, 0)
  }

  /** Moves behind values that a kernel has passed. */
  #pass(count: number): void {
    const cursor = this.#context.word(this.#state + stringsState.cursor)
    this.#first += count
    this.#scannedValues = Math.max(0, this.#scannedValues - count)
    this.#scannedBytes = this.#scannedValues === 0 ? 0 : this.#scannedBytes - (cursor - this.#window.cursor)
    this.#window.cursor = cursor
  }

  ready(wanted: number): number {
    const window = this.#window
    for (;;) {
      // A page that is there completely needs no look ahead; damage is found when it is decoded.
      if (window.isComplete) return wanted
      if (this.#scannedValues < wanted) {
        this.#setCursor(window.cursor + this.#scannedBytes)
        const missing = wanted - this.#scannedValues
        this.#scannedValues += this.#source.pass(this.#state, this.#first + this.#scannedValues, missing)
        this.#scannedBytes = this.#context.word(this.#state + stringsState.cursor) - window.cursor
      }
      if (this.#scannedValues >= wanted) return wanted
      if (this.#scannedValues > 0 && !window.hasRoom) return this.#scannedValues
      this.#checkNextSize()
      window.more()
    }
  }

  /** A length that exceeds its page must not make the window grow. */
  #checkNextSize(): void {
    const window = this.#window
    const start = window.cursor + this.#scannedBytes
    const size = this.#source.sizeAt(start, this.#first + this.#scannedValues)
    if (size !== undefined && size > window.bytesLeft - this.#scannedBytes) throw this.#context.damage(ENDS_EARLY)
  }
}

/** Each string behind its length. */
export function plainStrings(context: ReaderContext, window: PageWindow): StringSource {
  const { kernels } = context
  return {
    begin: () => {},
    views: (state, _first, count, target) => kernels.plainStrings(state, count, target),
    pass: (state, _first, count) => kernels.plainStringsSkip(state, count),
    sizeAt: (address) => (window.end - address < 4 ? undefined : 4 + context.unalignedWord(address)),
  }
}

/** All of one length, which is known. */
export function fixedStrings(context: ReaderContext, length: number): StringSource {
  const { kernels } = context
  return {
    begin: () => {},
    views: (state, _first, count, target) => kernels.fixedStrings(state, length, count, target),
    pass: (state, _first, count) => kernels.fixedStringsSkip(state, length, count),
    sizeAt: () => length,
  }
}

/** First all lengths, then all bytes. The lengths of a page are kept in chunk memory. */
export class DeltaLengthSource implements StringSource {
  readonly #context: ReaderContext
  readonly #stream: DeltaStream
  readonly #lengths: ChunkRegion
  #count = 0

  constructor(context: ReaderContext, stream: DeltaStream) {
    this.#context = context
    this.#stream = stream
    this.#lengths = new ChunkRegion(context.chunkMemory)
  }

  begin(values: number): void {
    this.#count = this.#stream.readAll(values, this.#lengths)
  }

  #address(first: number, count: number): number {
    if (first + count > this.#count) throw this.#context.damage(ENDS_EARLY)
    return this.#lengths.address + first * 4
  }

  views(state: number, first: number, count: number, target: number): number {
    return this.#context.kernels.adjacentStrings(state, this.#address(first, count), count, target)
  }

  pass(state: number, first: number, count: number): number {
    return this.#context.kernels.adjacentStringsSkip(state, this.#address(first, count), count)
  }

  sizeAt(_address: number, first: number): number {
    return this.#context.word(this.#address(first, 1))
  }

  release(): void {
    this.#lengths.release()
  }
}
