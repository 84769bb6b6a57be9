/**
 * Whether anybody waits for a query. While somebody does, its workers stay awake and the process stays alive; a stream
 * whose program is between two batches is waited for by nobody, and a program that never comes back may end.
 */
import type { WorkerPool } from '@spillway/scheduler'

export class Attention {
  readonly #pool: Pick<WorkerPool, 'hold'>
  #release: (() => void) | undefined
  #isOver = false

  /** Begins with somebody waiting. */
  constructor(pool: Pick<WorkerPool, 'hold'>) {
    this.#pool = pool
    this.#release = pool.hold()
  }

  /** Somebody waits for the query, or nobody does at present. */
  set(isAwaited: boolean): void {
    if (this.#isOver) return
    if (isAwaited) {
      this.#release ??= this.#pool.hold()
    } else {
      this.#release?.()
      this.#release = undefined
    }
  }

  /** The query has ended. */
  end(): void {
    this.set(false)
    this.#isOver = true
  }
}
