/** The dictionary of a column chunk: its values in the arena's layout, for the whole chunk. */
import { HYBRID_STATE_BYTES, hybridState } from '@spillway/kernels'
import type { PageWindow } from './page-window.ts'
import { runHybrid } from './plain-decoders.ts'
import type { ReaderContext } from './reader-context.ts'
import type { ValueDecoder } from './value-decoder.ts'

/** Values of 1 << widthLog2 bytes × count. */
export interface DictionaryTable {
  readonly values: number
  readonly count: number
}

/** Most values of a dictionary whose indices are codes of 16 bits. */
export const CODE_COUNT_MAX = 65_536

/** Pages of indices into the dictionary. */
export class IndexDecoder implements ValueDecoder {
  readonly #context: ReaderContext
  readonly #window: PageWindow
  readonly #state: number
  readonly #scratch: number
  readonly #widthLog2: number
  readonly #table: () => DictionaryTable

  /**
   * @param state HYBRID_STATE_BYTES bytes
   * @param scratch HYBRID_SCRATCH_BYTES bytes
   */
  constructor(
    context: ReaderContext,
    window: PageWindow,
    state: number,
    scratch: number,
    widthLog2: number,
    table: () => DictionaryTable,
  ) {
    this.#context = context
    this.#window = window
    this.#state = state
    this.#scratch = scratch
    this.#widthLog2 = widthLog2
    this.#table = table
  }

  begin(): void {
    const context = this.#context
    context.u8.fill(0, this.#state, this.#state + HYBRID_STATE_BYTES)
    // A page of nulls only may have no width.
    if (this.#window.bytesLeft === 0) return
    this.#window.need(1)
    const bitWidth = context.u8[this.#window.cursor++] as number
    if (bitWidth > 32) throw context.damage(`indices of ${bitWidth} bits`)
    context.setWord(this.#state + hybridState.bitWidth, bitWidth)
  }

  decode(count: number, target: number): void {
    const { kernels } = this.#context
    const { values, count: tableCount } = this.#table()
    const [state, scratch, widthLog2] = [this.#state, this.#scratch, this.#widthLog2]
    const width = 2 ** widthLog2
    runHybrid(this.#context, this.#window, state, count, (done) =>
      kernels.hybridGather(state, count - done, values, tableCount, widthLog2, target + done * width, scratch),
    )
  }

  /** Indices instead of values, u16: for a dictionary of at most CODE_COUNT_MAX values. */
  decodeCodes(count: number, target: number): void {
    const { kernels } = this.#context
    const { count: tableCount } = this.#table()
    const [state, scratch] = [this.#state, this.#scratch]
    runHybrid(this.#context, this.#window, state, count, (done) =>
      kernels.hybridCodes(state, count - done, tableCount, target + done * 2, scratch),
    )
  }

  skip(count: number): void {
    const { kernels } = this.#context
    runHybrid(this.#context, this.#window, this.#state, count, (done) => kernels.hybridSkip(this.#state, count - done))
  }

  ready(wanted: number): number {
    return wanted
  }
}
