/** For how long an engine has stood still because programs take no batch of the queries that they stream. */

/** What is asked of a running query. */
export interface WatchedRun {
  /** Batches are there that the program has not asked for. False for a query that is not streamed. */
  readonly waitsForProgram: boolean
  /** Changes whenever the query gets on or its program takes a batch. */
  readonly progressMark: () => string
}

/** It is asked every few milliseconds. What lies between two looks beyond this was no wait: the process was paused. */
const LOOK_MS_MAX = 250

export class StallWatch {
  /** Progress of the running queries when it was last seen to change. */
  #seen = ''
  #stalledMs = 0
  #lookedAt = performance.now()

  /** Milliseconds, as far as the times at which it was asked tell; 0 when a running query does not wait. */
  stalledMs(running: Iterable<WatchedRun>): number {
    const runs = [...running]
    const now = performance.now()
    const progress = runs.map((run) => run.progressMark()).join(' ')
    const isStill = runs.length > 0 && progress === this.#seen && runs.every((run) => run.waitsForProgram)
    this.#stalledMs = isStill ? this.#stalledMs + Math.min(now - this.#lookedAt, LOOK_MS_MAX) : 0
    this.#seen = progress
    this.#lookedAt = now
    return this.#stalledMs
  }
}
