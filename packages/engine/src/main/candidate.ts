/** A query whose turn it is to be admitted, and how long it has been. */
import type { Crew } from './crew.ts'
import type { QueryRequest } from './query-request.ts'
import type { QuerySizer } from './query-sizer.ts'

/** So long running queries may take to free what a waiting one asked for, before it makes do with less. */
const SIZE_DOWN_AFTER_MS = 100
/** Collecting in every isolate takes tens of milliseconds of them all: a waiting query does it now and then. */
const ADMISSION_COLLECT_MS = 500

const NEAR_LIMIT = 1.15

export class Candidate {
  readonly crew: Crew
  readonly sizer: QuerySizer
  readonly request: QueryRequest
  #since: number | undefined
  #collectedAt = Number.NEGATIVE_INFINITY

  constructor(crew: Crew, sizer: QuerySizer, request: QueryRequest) {
    this.crew = crew
    this.sizer = sizer
    this.request = request
  }

  /** It is its turn: now, or before. */
  beginWaiting(): void {
    this.#since ??= performance.now()
  }

  /** What it needs, on one line. */
  describe(): string {
    const waited = this.#since === undefined ? 'it is not its turn' : `tried for ${Math.round(this.#waitedMs)} ms`
    const pages = this.sizer.knownFloorPages()
    const need = pages === undefined ? 'what it needs is not known yet' : `needs ${pages} pages at least`
    return `a query waits for admission: ${need}, ${waited}`
  }

  get #waitedMs(): number {
    return this.#since === undefined ? 0 : performance.now() - this.#since
  }

  get hasWaited(): boolean {
    return this.#waitedMs >= SIZE_DOWN_AFTER_MS
  }

  /**
   * It lacks so little that what the process has yet to give back may make the difference. Room that a test fixes is
   * no memory that could come back.
   */
  isNearLimit(): boolean {
    const { memoryLimitBytes, testing } = this.request.options
    if (testing.budgetPages !== undefined) return false
    return this.sizer.smallestFloorBytes() <= memoryLimitBytes * NEAR_LIMIT
  }

  /** True now and then. */
  mayCollect(): boolean {
    const now = performance.now()
    if (now - this.#collectedAt < ADMISSION_COLLECT_MS) return false
    this.#collectedAt = now
    return true
  }
}
