/**
 * The runs that the output merges for its claim of ranges. The sink left no more than memory held then; when it holds
 * fewer now (another query was let in, results took it), the claim's part of some of them is merged into one run first,
 * and again, until what is promised is enough. Such runs are this worker's and last as long as the claim, so nobody
 * waits for anybody, and a row is written once more per pass, whatever the number of workers.
 */
import type { OpenContext } from '../../pipeline/contracts.ts'
import { placePages } from './block-pieces.ts'
import type { KeyPart, MergeStatus, RunMerger } from './run-merger.ts'
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
  *reduce(part: KeyPart, end: number): Generator<MergeStatus, void> {
    const { sinkId, sizes } = this.#spec
    const { run, count } = yield* this.#merger.merge(this.#runs, {
      name: `s${sinkId}-w${this.#context.query.workerIndex}-m${this.#names++}`,
      pieceBytes: Math.min(sizes.pieceBytes, sizes.leastPieceBytes),
      rowsMax: Number.POSITIVE_INFINITY,
      part,
    })
    this.#end = end
    const merged = this.#runs.slice(0, count)
    this.#runs = [...this.#runs.slice(count), run]
    this.#own.push(run)
    this.#remove(merged)
  }

  /** For the next claim: the runs as they were published. */
  reset(): void {
    this.#runs = this.#published
    this.#end = -1
    this.#remove(this.#own)
  }

  /** Those that are its own. */
  #remove(runs: readonly SpilledRun[]): void {
    const own = this.#own.filter((each) => runs.includes(each))
    // Before the first one is removed: if that fails, none is removed twice.
    this.#own = this.#own.filter((each) => !runs.includes(each))
    for (const run of own) removeRun(this.#context, this.#spec.shape.text, run)
  }
}
