/** For how long an engine has stood still because programs take no batch of the queries that they stream. */
import type { QueryRun } from './query-run.ts'

export class StallWatch {
  /** Progress of the running queries when it was last seen to change. */
  #seen = ''
  #since = 0

  /** Milliseconds, as far as the times at which it was asked tell; 0 when a running query is not streamed. */
  stalledMs(running: Iterable<QueryRun>): number {
    const runs = [...running]
    const now = performance.now()
    const progress = runs.map((run) => run.progressMark()).join(' ')
    const isStill = runs.length > 0 && runs.every(({ facts }) => facts.setup.isStreamed) && progress === this.#seen
    if (!isStill) this.#since = now
    this.#seen = progress
    return now - this.#since
  }
}
