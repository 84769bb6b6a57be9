/** The runs of a worker's sink: makes them of the rows in memory, and merges those that are too many for the output. */
import type { SortExports } from '@spillway/codegen'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { placePages } from './block-pieces.ts'
import type { MergeBudget } from './merge-budget.ts'
import type { PieceSource } from './run-merge.ts'
import { type MergeStatus, RunMerger, type RunPlan } from './run-merger.ts'
import { removeRun } from './run-writer.ts'
import type { SortShape, SortSinkSpec, SpilledRun } from './sort.ts'

export class RunMaker {
  readonly runs: SpilledRun[] = []
  readonly #context: OpenContext
  readonly #shape: SortShape
  readonly #budget: MergeBudget
  readonly #fanIn: number
  /** Only so many rows of a run count. */
  readonly #rowsMax: number
  readonly #merger: RunMerger
  readonly #namePrefix: string
  #names = 0

  constructor(context: OpenContext, spec: SortSinkSpec, exports: SortExports, order: number, budget: MergeBudget) {
    this.#context = context
    this.#shape = spec.shape
    this.#budget = budget
    this.#fanIn = Math.max(2, spec.fanIn ?? Number.POSITIVE_INFINITY)
    this.#rowsMax = spec.top?.limit ?? Number.POSITIVE_INFINITY
    this.#merger = new RunMerger(context, spec.shape, spec.sizes, exports, order)
    this.#namePrefix = `s${spec.sinkId}-w${context.query.workerIndex}`
  }

  /** One run of sorted pieces of rows in memory. */
  *spillRows(pieces: readonly PieceSource[]): Generator<MergeStatus, void> {
    this.#context.meter.counts.partitionsSpilled += 1
    this.runs.push(yield* this.#merger.write(pieces, this.#plan()))
  }

  #plan(): RunPlan {
    const name = `${this.#namePrefix}-r${this.#names++}`
    return { name, pieceBytes: this.#budget.pieceBytes, rowsMax: this.#rowsMax, part: undefined }
  }

  /** Merges runs until every worker's share of them can be merged at once. */
  *reduceRuns(): Generator<MergeStatus, void> {
    while (!this.#isFew(this.runs)) {
      const group = this.#takeGroup()
      const { run, count } = yield* this.#merger.merge(group, this.#plan())
      this.runs.push(...group.slice(count), run)
      for (const merged of group.slice(0, count)) removeRun(this.#context, this.#shape.text, merged)
    }
  }

  #isFew(runs: readonly SpilledRun[]): boolean {
    const { threads } = this.#context.query.setup
    if (runs.length <= 1) return true
    const most = Math.max(1, Math.floor(this.#fanIn / threads))
    return runs.length <= most && placePages(runs) <= Math.floor(this.#budget.placePages / threads)
  }

  /** The smallest runs, as many as it takes and as one merge can read. */
  #takeGroup(): SpilledRun[] {
    this.runs.sort((a, b) => a.rows - b.rows)
    const group: SpilledRun[] = []
    while (group.length < this.#fanIn) {
      const next = this.runs[0]
      const isEnough = group.length >= 2 && next !== undefined && this.#isFew([...this.runs, next])
      if (next === undefined || isEnough) break
      if (group.length >= 2 && placePages([...group, next]) > this.#budget.placePages) break
      group.push(next)
      this.runs.shift()
    }
    return group
  }
}
