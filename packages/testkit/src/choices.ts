/**
 * A tape of numbers that steers a generator: fast-check makes and shrinks the tape, the generator reads decisions from
 * it. When the tape ends every decision is 0, so a shorter tape always means a simpler query.
 */
import fc from 'fast-check'

export class Choices {
  readonly #tape: readonly number[]
  #position = 0

  constructor(tape: readonly number[]) {
    this.#tape = tape
  }

  /** A number from 0 to `count` - 1. */
  below(count: number): number {
    const value = this.#tape[this.#position++] ?? 0
    return value % count
  }

  /** One of `items`; the first one is the simplest. */
  oneOf<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('A choice needs at least one item')
    return item
  }
}

/** Tapes of up to `length` decisions. */
export function tapes(length = 60): fc.Arbitrary<number[]> {
  // Without `size` fast-check keeps arrays at about ten items, which would never reach the later steps of a query.
  return fc.array(fc.nat(2 ** 20), { maxLength: length, size: 'max' })
}
