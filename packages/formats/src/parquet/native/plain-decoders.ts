/** Plain values: stored one after another as they are. */
import { HYBRID_STATE_BYTES, hybridState, stringsState } from '@spillway/kernels'
import type { PageWindow } from './page-window.ts'
import type { ReaderContext } from './reader-context.ts'
import type { StoredValues, ValueDecoder } from './value-decoder.ts'
import { TOO_LARGE } from './value-decoder.ts'

const ENDS_EARLY = 'a page ends within its values'

/** Numbers of fixed size. */
export class PlainFixedDecoder implements ValueDecoder {
  readonly #window: PageWindow
  readonly #stored: StoredValues

  constructor(window: PageWindow, stored: StoredValues) {
    this.#window = window
    this.#stored = stored
  }

  begin(): void {}

  decode(count: number, target: number): void {
    const { storedBytes, widthLog2 } = this.#stored
    const window = this.#window
    for (let done = 0; done < count; ) {
      window.need(storedBytes)
      const there = storedBytes === 0 ? count : Math.floor((window.end - window.cursor) / storedBytes)
      const values = Math.min(there, count - done)
      this.#stored.convert(window.cursor, values, target + done * 2 ** widthLog2)
      window.cursor += values * storedBytes
      done += values
    }
  }

  skip(count: number): void {
    skipBytes(this.#window, count * this.#stored.storedBytes)
  }

  ready(wanted: number): number {
    return wanted
  }
}

/** Moves behind bytes of the page. */
function skipBytes(window: PageWindow, bytes: number): void {
  for (let left = bytes; left > 0; ) {
    window.need(1)
    const there = Math.min(left, window.end - window.cursor)
    window.cursor += there
    left -= there
  }
}

/** Bits: plain booleans, and booleans in runs, which have their size in front. */
export class BooleanDecoder implements ValueDecoder {
  readonly #context: ReaderContext
  readonly #window: PageWindow
  readonly #state: number
  readonly #hasRuns: boolean

  /** @param state HYBRID_STATE_BYTES bytes */
  constructor(context: ReaderContext, window: PageWindow, state: number, hasRuns: boolean) {
    this.#context = context
    this.#window = window
    this.#state = state
    this.#hasRuns = hasRuns
  }

  begin(values: number): void {
    const context = this.#context
    context.u8.fill(0, this.#state, this.#state + HYBRID_STATE_BYTES)
    context.setWord(this.#state + hybridState.bitWidth, 1)
    if (this.#hasRuns) {
      if (values === 0 || this.#window.bytesLeft === 0) return
      this.#window.need(4)
      this.#window.cursor += 4
    } else {
      context.setWord(this.#state + hybridState.runLeft, values)
      context.setWord(this.#state + hybridState.runIsPacked, 1)
    }
  }

  decode(count: number, target: number): void {
    const { kernels } = this.#context
    runHybrid(this.#context, this.#window, this.#state, count, (done) =>
      kernels.hybridBytes(this.#state, count - done, target === 0 ? 0 : target + done),
    )
  }

  skip(count: number): void {
    this.decode(count, 0)
  }

  ready(wanted: number): number {
    return wanted
  }
}

/** Calls a hybrid kernel until it has done `count` values, with more of the page each time. */
export function runHybrid(
  context: ReaderContext,
  window: PageWindow,
  state: number,
  count: number,
  step: (done: number) => number,
): void {
  for (let done = 0; done < count; ) {
    context.setWord(state + hybridState.cursor, window.cursor)
    context.setWord(state + hybridState.end, window.end)
    context.setWord(state + hybridState.isLast, window.isComplete ? 1 : 0)
    const values = step(done)
    window.cursor = context.word(state + hybridState.cursor)
    if (values === -2) throw context.damage('an index exceeds the dictionary')
    if (values < 0) throw context.damage('the runs of a page are damaged')
    done += values
    if (done < count && !window.more()) throw context.damage(ENDS_EARLY)
  }
}

/** What becomes of byte arrays: text is checked, decimals are converted. */
export class ByteArrayResult {
  readonly #context: ReaderContext
  readonly #isDecimal: boolean

  constructor(context: ReaderContext, isDecimal: boolean) {
    this.#context = context
    this.#isDecimal = isDecimal
  }

  /** @param views in place; `mayBeInvalid` = some string is not ASCII */
  finish(views: number, count: number, mayBeInvalid: boolean): void {
    const { kernels } = this.#context
    if (this.#isDecimal) {
      if (kernels.viewsToDecimals(views, count) === 0) throw this.#context.damage(TOO_LARGE)
    } else if (mayBeInvalid && kernels.viewsAreUtf8(views, count) === 0) {
      throw this.#context.damage('a text is not UTF-8')
    }
  }
}

/** Strings, each behind its length. Their bytes stay in the window. */
export class PlainStringsDecoder implements ValueDecoder {
  readonly #context: ReaderContext
  readonly #window: PageWindow
  readonly #state: number
  readonly #result: ByteArrayResult
  readonly #isDecimal: boolean
  /** Values behind the cursor that are known to be there completely, and their bytes. */
  #scannedValues = 0
  #scannedBytes = 0

  /** @param state 16 bytes */
  constructor(context: ReaderContext, window: PageWindow, state: number, isDecimal: boolean) {
    this.#context = context
    this.#window = window
    this.#state = state
    this.#isDecimal = isDecimal
    this.#result = new ByteArrayResult(context, isDecimal)
  }

  begin(): void {
    this.#scannedValues = 0
    this.#scannedBytes = 0
  }

  decode(count: number, target: number): void {
    // Decimals do not stay in the window, so they may be decoded while it moves.
    for (let done = 0; done < count; ) {
      const values = this.#isDecimal ? this.ready(count - done) : count
      this.#decodeReady(values, target + done * 16)
      done += values
    }
  }

  #decodeReady(count: number, target: number): void {
    const context = this.#context
    const window = this.#window
    this.#begin(window.cursor)
    const done = context.kernels.plainStrings(this.#state, count, target)
    if (done < count) throw context.damage(ENDS_EARLY)
    this.#pass(count, context.word(this.#state + stringsState.cursor))
    this.#result.finish(target, count, context.word(this.#state + stringsState.hasHighBytes) !== 0)
  }

  skip(count: number): void {
    for (let done = 0; done < count; ) {
      const values = this.ready(count - done)
      this.#begin(this.#window.cursor)
      if (this.#context.kernels.plainStringsSkip(this.#state, values) < values) throw this.#context.damage(ENDS_EARLY)
      this.#pass(values, this.#context.word(this.#state + stringsState.cursor))
      done += values
    }
  }

  #begin(cursor: number): void {
    this.#context.setWord(this.#state + stringsState.cursor, cursor)
    this.#context.setWord(this.#state + stringsState.end, this.#window.end)
    this.#context.setWord(this.#state + stringsState.hasHighBytes, 0)
  }

  #pass(count: number, cursor: number): void {
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
        this.#begin(window.cursor + this.#scannedBytes)
        this.#scannedValues += this.#context.kernels.plainStringsSkip(this.#state, wanted - this.#scannedValues)
        this.#scannedBytes = this.#context.word(this.#state + stringsState.cursor) - window.cursor
      }
      if (this.#scannedValues >= wanted) return wanted
      if (this.#scannedValues > 0 && !window.hasRoom) return this.#scannedValues
      this.#checkNextLength()
      window.more()
    }
  }

  /** A length that exceeds its page must not make the window grow. */
  #checkNextLength(): void {
    const window = this.#window
    const start = window.cursor + this.#scannedBytes
    if (window.end - start < 4) return
    const behind = window.bytesLeft - this.#scannedBytes - 4
    if (this.#context.unalignedWord(start) > behind) throw this.#context.damage(ENDS_EARLY)
  }
}
