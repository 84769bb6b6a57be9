/**
 * How a worker claims morsels of the running pipeline: an atomic add, nobody pushes.
 *
 * Claims are runs of consecutive morsels. A sink that must keep order in large pieces (Parquet row groups) asks for
 * longer runs when morsels turn out to produce few rows.
 */
import { type ControlBlock, queryWord } from '@spillway/scheduler'

/** Longest run of consecutive morsels. */
const RUN_LENGTH_MAX = 64
/** A run takes at most this part of what is left for a worker. */
const RUNS_LEFT_PER_WORKER = 4

export class MorselClaims {
  readonly #control: ControlBlock
  readonly #slot: number
  readonly #count: number
  readonly #pulls: boolean
  #next = 0
  #end = 0
  /** Morsels per claim. */
  runLength = 1

  constructor(control: ControlBlock, slot: number, count: number, pulls: boolean) {
    this.#control = control
    this.#slot = slot
    this.#count = count
    this.#pulls = pulls
  }

  /** Index of the next morsel, or -1. `isRunStart`: it does not follow the previous one that this worker read. */
  claim(): number {
    if (!this.#pulls) return -1
    if (this.#next >= this.#end) {
      const start = this.#control.add(this.#slot, queryWord.nextMorsel, this.runLength)
      if (start >= this.#count || start < 0) return -1
      this.#next = start
      this.#end = Math.min(start + this.runLength, this.#count)
    }
    return this.#next++
  }

  /** True when the last claimed morsel ends its run. */
  get isRunEnd(): boolean {
    return this.#next >= this.#end
  }

  /** The morsel before which the claimed run ends. */
  get end(): number {
    return this.#end
  }

  /** Morsels turned out to give few rows: longer runs from now on, but never so long that workers end apart. */
  lengthenRun(threads: number): void {
    this.setRunLength(this.runLength * 2, threads)
  }

  /** As many morsels as a piece of the output takes; fewer when that would make workers end apart. */
  setRunLength(morsels: number, threads: number): void {
    const left = this.#count - this.#control.load(this.#slot, queryWord.nextMorsel)
    const fair = Math.max(1, Math.floor(left / (RUNS_LEFT_PER_WORKER * threads)))
    this.runLength = Math.max(1, Math.min(morsels, RUN_LENGTH_MAX, fair))
  }

  /** No further morsel is handed out to anyone. */
  exhaust(): void {
    this.#end = this.#next
    this.#control.store(this.#slot, queryWord.nextMorsel, this.#count)
  }
}
