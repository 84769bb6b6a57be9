/**
 * Tells queries that hang from slow ones, and reports what the engine waits for when one does.
 *
 * A query that was watched for long without any progress hangs when the process was idle all that time (everybody
 * waits for somebody), or when it burned much processor time (somebody spins, or starves the query). Time itself says
 * nothing: on a busy machine, or when the process is paused, nothing moves for long and nothing is wrong.
 */

export interface Watched {
  /** What the query is, for the report. */
  readonly what: string
  /** Anything that changes while the query gets on. */
  readonly progress: () => string
}

export interface HangLimits {
  readonly tickMs: number
  /** Ticks without progress in an idle process. */
  readonly idleTicks: number
  /** Processor time of the whole process without progress of one query. */
  readonly busyMs: number
}

/** Share of one core below which a process is idle: parked pipelines look around now and then. */
const IDLE_SHARE = 0.15

/** Longer than the engine is patient with programs that take no batch. */
const patient: HangLimits = { tickMs: 1000, idleTicks: 90, busyMs: 120_000 }

interface Entry {
  readonly watched: Watched
  readonly reject: (error: Error) => void
  last: string
  quietTicks: number
  quietMs: number
  quietCpuMs: number
}

export class HangDetector {
  readonly #limits: HangLimits
  readonly #report: () => Promise<string>
  readonly #entries = new Set<Entry>()
  readonly #timer: NodeJS.Timeout
  #tickedAt = performance.now()
  #cpu = process.cpuUsage()

  /** @param report tells what the engine does */
  constructor(report: () => Promise<string>, limits: HangLimits = patient) {
    this.#report = report
    this.#limits = limits
    this.#timer = setInterval(() => this.#tick(), limits.tickMs)
  }

  /** The outcome of a query. Rejects with a report when it hangs. */
  async watch<T>(running: Promise<T>, watched: Watched): Promise<T> {
    let entry: Entry | undefined
    const hang = new Promise<never>((_, reject) => {
      entry = { watched, reject, last: watched.progress(), quietTicks: 0, quietMs: 0, quietCpuMs: 0 }
      this.#entries.add(entry)
    })
    return Promise.race([running, hang]).finally(() => {
      if (entry !== undefined) this.#entries.delete(entry)
    })
  }

  #tick(): void {
    const now = performance.now()
    const elapsed = now - this.#tickedAt
    const { user, system } = process.cpuUsage(this.#cpu)
    this.#tickedAt = now
    this.#cpu = process.cpuUsage()
    // The process was paused, or its event loop did not turn: no tick of anybody.
    if (elapsed > this.#limits.tickMs * 3) return
    for (const entry of this.#entries) {
      const progress = entry.watched.progress()
      if (progress !== entry.last) {
        Object.assign(entry, { last: progress, quietTicks: 0, quietMs: 0, quietCpuMs: 0 })
        continue
      }
      entry.quietTicks += 1
      entry.quietMs += elapsed
      entry.quietCpuMs += (user + system) / 1000
      const isIdle = entry.quietCpuMs < entry.quietMs * IDLE_SHARE
      const hangs = entry.quietTicks >= this.#limits.idleTicks && isIdle
      if (hangs || entry.quietCpuMs >= this.#limits.busyMs) void this.#fail(entry, isIdle ? 'idle' : 'busy')
    }
  }

  async #fail(entry: Entry, state: 'idle' | 'busy'): Promise<void> {
    this.#entries.delete(entry)
    const { watched, quietMs, quietCpuMs, last } = entry
    const others = [...this.#entries].map((other) => `\n  beside ${other.watched.what} at ${other.last}`)
    const quiet = `no progress for ${Math.round(quietMs)} ms, ${Math.round(quietCpuMs)} ms of processor time (${state})`
    const report = await this.#report().catch((error: unknown) => `no report: ${String(error)}`)
    const message = `A query hangs, ${quiet}: ${watched.what} at ${last}${others.join('')}\n${report}`
    // At once: closing the engine may hang, too.
    console.error(message)
    entry.reject(new Error(message))
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
