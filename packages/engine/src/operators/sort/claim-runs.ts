/**
 * The runs that the output merges for its claim of ranges. The sink left no more than memory held then; when it holds
 * fewer now (another query was let in, results took it), the claim's part of some of them is merged into one run first,
 * and again, until what is promised is enough. Such runs are this worker's and last as long as the claim, so nobody
 * waits for anybody, and a row is written once more per pass, whatever the number of workers.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { placePages } from './block-pieces.ts'
import { PIECE_PAGES_LEAST } from './merge-budget.ts'
import type { KeyPart, RunMerger } from './run-merger.ts'
import { removeRun } from './run-writer.ts'
import type { SortOutputSpec, SpilledRun } from './sort.ts'

export class ClaimRuns {
  readonly #context: OpenContext
  readonly #spec: SortOutputSpec
  readonly #merger: RunMerger
  readonly #published: readonly SpilledRun[]
  #runs: readonly SpilledRun[]
  #own: SpilledRun[] = []
  #end = -1
  #names = 0

  constructor(context: OpenContext, spec: SortOutputSpec, merger: RunMerger, published: readonly SpilledRun[]) {
    this.#context = context
    this.#spec = spec
    this.#merger = merger
    this.#published = published
    this.#runs = published
  }

  get runs(): readonly SpilledRun[] {
    return this.#runs
  }

  /** Pages that merging them takes. */
  get pages(): number {
    return placePages(this.#runs)
  }

  /** The range before which they end; -1 = they are whole. */
  get end(): number {
    return this.#end
  }

  /**
   * Merges this part of as many runs as can be read at a time, two at least.
   * @param end the range before which the part ends
   * @throws MEMORY_LIMIT when not even two can be read
   */
  *reduce(part: KeyPart, end: number): Generator<void, void> {
    const { sinkId, sizes } = this.#spec
    const depth = Math.max(...this.#runs.map((each) => each.depth)) + 1
    const { run, count } = yield* this.#merger.merge(this.#runs, {
      ...{ name: `s${sinkId}-w${this.#context.query.workerIndex}-m${this.#names++}`, depth },
      pieceBytes: Math.min(sizes.pieceBytes, PIECE_PAGES_LEAST * PAGE_BYTES),
      ...{ rowsMax: Number.POSITIVE_INFINITY, part },
    })
    this.#end = end
    const merged = this.#runs.slice(0, count)
    this.#runs = [...this.#runs.slice(count), run]
    this.#remove(merged.filter((each) => this.#own.includes(each)))
    this.#own.push(run)
  }

  /** For the next claim: the runs as they were published. */
  reset(): void {
    this.#remove([...this.#own])
    this.#runs = this.#published
    this.#end = -1
  }

  #remove(runs: readonly SpilledRun[]): void {
    for (const run of runs) removeRun(this.#context, this.#spec.shape.text, run)
    this.#own = this.#own.filter((each) => !runs.includes(each))
  }
}
