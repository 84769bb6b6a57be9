/** Plain numbers and booleans: stored one after another as they are. */
import { HYBRID_STATE_BYTES, hybridState } from '@spillway/kernels'
import type { PageWindow } from './page-window.ts'
import type { ReaderContext } from './reader-context.ts'
import type { StoredValues, ValueDecoder } from './value-decoder.ts'
import { ENDS_EARLY } from './value-decoder.ts'

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
export function skipBytes(window: PageWindow, bytes: number): void {
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
