/** Wakes the queries that wait for admission when something changed that may let one in. */

/** Memory may also come back without anybody saying so: spilled, or the ceiling moved. */
const RETRY_MS = 20

export class ChangeBell {
  readonly #waiting = new Set<() => void>()

  /** Settles at the next change, when `signal` aborts, or after a while. */
  wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, RETRY_MS)
      this.#waiting.add(wake)
      signal?.addEventListener('abort', wake)
    })
  }

  /** Something changed. */
  ring(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}
