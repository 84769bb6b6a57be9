/**
 * Makes runs on disk: of the rows in memory, or of runs that are too many to be merged at the end. All of it in pieces
 * of bounded work: the generators yield after each block.
 */
import type { SortExports } from '@spillway/codegen'
import { PAGE_BYTES } from '@spillway/kernels'
import { formatBytes, type WorkspaceSize } from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { BlockPieces, Places, placePages } from './block-pieces.ts'
import { BlockRows, sizeBlockRows } from './block-rows.ts'
import type { MergeBudget } from './merge-budget.ts'
import { type PieceSource, RunMerge, sizeRunMerge } from './run-merge.ts'
import { removeRun, RunWriter, sizeRunWriter } from './run-writer.ts'
import type { SortShape, SortSinkSpec, SortSizes, SpilledRun } from './sort.ts'

/** Places beside those of the runs, so that blocks that are written are not cut short whenever a piece ends. */
const SPARE_PLACES = 4
/** So long a worker waits for memory that others may give. */
const PATIENCE_MS = 2000

export function sizeRunMaker(shape: SortShape, sizes: SortSizes, size: WorkspaceSize): void {
  sizeRunWriter(shape, sizes, size)
  sizeBlockRows(shape, sizes, size)
  sizeRunMerge(size)
  size.add(sizes.blockRows * 4)
}

export class RunMaker {
  readonly runs: SpilledRun[] = []
  readonly #context: OpenContext
  readonly #shape: SortShape
  readonly #budget: MergeBudget
  readonly #fanIn: number
  /** Only so many rows of a run count. */
  readonly #rowsMax: number
  readonly #writer: RunWriter
  readonly #loader: BlockRows
  readonly #merge: RunMerge
  readonly #rows: number
  readonly #namePrefix: string
  #names = 0

  constructor(context: OpenContext, spec: SortSinkSpec, exports: SortExports, order: number, budget: MergeBudget) {
    const { shape, sizes } = spec
    this.#context = context
    this.#shape = shape
    this.#budget = budget
    this.#fanIn = Math.max(2, spec.fanIn ?? Number.POSITIVE_INFINITY)
    this.#rowsMax = spec.top?.limit ?? Number.POSITIVE_INFINITY
    this.#writer = new RunWriter(context, shape, sizes, exports)
    this.#loader = new BlockRows(context, shape, sizes, exports)
    this.#merge = new RunMerge(context, shape.text, order)
    this.#rows = context.workspace.take(sizes.blockRows * 4)
    this.#namePrefix = `s${spec.sinkId}-w${context.query.workerIndex}`
  }

  /** One run of sorted pieces of rows in memory. */
  *spillRows(pieces: readonly PieceSource[]): Generator<void, void> {
    this.#context.meter.counts.partitionsSpilled += 1
    this.runs.push(yield* this.#writeRun(pieces, 0, undefined))
  }

  *#writeRun(pieces: readonly PieceSource[], depth: number, places: Places | undefined): Generator<void, SpilledRun> {
    const merge = this.#merge
    const writer = this.#writer
    writer.begin(`${this.#namePrefix}-r${this.#names++}`, depth, this.#budget.pieceBytes)
    try {
      merge.open(pieces)
      for (let run = 0; run < pieces.length; run++) {
        merge.start(run)
        if (depth > 0) yield
      }
      merge.play()
      let left = this.#rowsMax
      do {
        const n = merge.fill(this.#rows, Math.min(writer.blockRows, left), 0)
        if (n > 0) writer.write(this.#rows, n)
        left -= n
        places?.reuse()
        yield
      } while (merge.stopped !== 'ended' && left > 0)
      return writer.finish()
    } finally {
      merge.close()
    }
  }

  /** Merges runs until every worker's share of them can be merged at once. */
  *reduceRuns(): Generator<void, void> {
    while (!this.#isFew(this.runs)) {
      const group = this.#takeGroup()
      const depth = Math.max(...group.map((run) => run.depth)) + 1
      yield* this.#mergeGroup(group, depth)
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

  /** As many of the runs as memory allows; the others go back. @throws MEMORY_LIMIT when not even two can be read */
  *#mergeGroup(group: readonly SpilledRun[], depth: number): Generator<void, void> {
    const { query, meter } = this.#context
    const places = new Places(this.#context)
    try {
      const pieces = yield* this.#openGroup(group, places)
      const merged = group.slice(0, pieces.length)
      this.runs.push(...group.slice(pieces.length))
      places.addSpares(SPARE_PLACES, Math.ceil(this.#budget.pieceBytes / PAGE_BYTES))
      const rows = merged.reduce((sum, run) => sum + run.rows, 0)
      query.log(`sort: merge pass ${depth}: ${merged.length} runs, rows=${rows}, left=${this.runs.length}`)
      meter.counts.recursionDepth = Math.max(meter.counts.recursionDepth, depth)
      this.runs.push(yield* this.#writeRun(pieces, depth, places))
      for (const run of merged) removeRun(this.#context, this.#shape.text, run)
    } finally {
      places.close()
    }
  }

  /** Takes places for at least two of the runs; waits while others are asked for memory. */
  *#openGroup(group: readonly SpilledRun[], places: Places): Generator<void, BlockPieces[]> {
    const { query, reservation } = this.#context
    const started = performance.now()
    for (;;) {
      const pieces: BlockPieces[] = []
      for (const run of group) {
        const piece = BlockPieces.tryOpen(this.#context, this.#shape, this.#loader, places, run)
        if (piece === undefined) break
        pieces.push(piece)
      }
      if (pieces.length >= 2) return pieces
      places.close()
      query.askLargestHolder(reservation.usedPages)
      if (performance.now() - started > PATIENCE_MS) throw this.#noRoom(group.slice(0, 2))
      yield
    }
  }

  #noRoom(runs: readonly SpilledRun[]): Error {
    const needBytes = placePages(runs) * PAGE_BYTES
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${this.#shape.text} to merge two runs: needs ${formatBytes(needBytes)} for their longest ` +
        'rows. Raise memoryLimit or lower threads.',
      { operator: this.#shape.text, needBytes },
    )
  }
}
