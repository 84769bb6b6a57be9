/**
 * What an operator does at a refusal before it spills: if somebody else holds much more, that one is asked to spill,
 * and the operator waits, a few times.
 */
import type { OpenContext } from './contracts.ts'

const TIMES_ASKED_MAX = 3

export class HolderPatience {
  readonly #context: OpenContext
  #timesAsked = 0

  constructor(context: OpenContext) {
    this.#context = context
  }

  /** After a refusal: somebody was asked, waiting is better than spilling the little that is held here. */
  mayWait(): boolean {
    const { query, reservation } = this.#context
    if (this.#timesAsked >= TIMES_ASKED_MAX || !query.askLargestHolder(reservation.usedPages)) return false
    this.#timesAsked += 1
    return true
  }

  /** Rows were taken: the next refusal is a new one. */
  restore(): void {
    this.#timesAsked = 0
  }
}
