/** Reproducible choices: the same seed gives the same sequence, on every machine. */

export interface Choices {
  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number
  /** One of `items`, which is not empty. */
  of<T>(items: readonly T[]): T
}

/** Choices of mutant `index` of a campaign. */
export function makeChoices(seed: number, index: number): Choices {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca77)) >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (bound: number): number => next() % Math.max(1, bound)
  return { below, of: (items) => items[below(items.length)] as (typeof items)[number] }
}
