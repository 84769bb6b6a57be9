/**
 * Merges sorted pieces into a run on disk, in pieces of bounded work: the generators yield after each block, and
 * `blocked` while they wait for memory. Whoever merges for another purpose between two runs may use its tree and its
 * loader.
 */
import type { SortExports } from '@spillway/codegen'
import { PAGE_BYTES } from '@spillway/kernels'
import { formatBytes, type WorkspaceSize } from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { BlockPieces, Places, placePages } from './block-pieces.ts'
import { BlockRows, sizeBlockRows } from './block-rows.ts'
import { LEAVES_IN_WORKSPACE, type PieceSource, RunMerge, sizeRunMerge } from './run-merge.ts'
import { RunWriter, sizeRunWriter } from './run-writer.ts'
import type { SortShape, SortSizes, SpilledRun } from './sort.ts'

/** So long a worker waits for memory that others may give. */
const PATIENCE_MS = 2000

export type MergeStatus = 'working' | 'blocked'

/** The run to write. */
export interface RunPlan {
  readonly name: string
  /** Most bytes of a block when it is read. */
  readonly pieceBytes: number
  /** At most so many rows. */
  readonly rowsMax: number
  /** Which part of the runs is merged; undefined = all of it. */
  readonly part: KeyPart | undefined
}

/** Rows from one bound up to below another. */
export interface KeyPart {
  /** Undefined = from the first row on. */
  readonly from: { readonly key: BigUint64Array; readonly address: number } | undefined
  /** Address of a bound's words; 0 = up to the last row. */
  readonly to: number
}

export function sizeRunMerger(shape: SortShape, sizes: SortSizes, size: WorkspaceSize): void {
  sizeRunWriter(shape, sizes, size)
  sizeBlockRows(shape, sizes, size)
  sizeRunMerge(size)
  size.add(sizes.blockRows * 4)
}

export class RunMerger {
  readonly loader: BlockRows
  readonly tree: RunMerge
  readonly #context: OpenContext
  readonly #shape: SortShape
  readonly #order: number
  readonly #writer: RunWriter
  readonly #rows: number

  /** @param order address of the order's table */
  constructor(context: OpenContext, shape: SortShape, sizes: SortSizes, exports: SortExports, order: number) {
    this.#context = context
    this.#shape = shape
    this.#order = order
    this.#writer = new RunWriter(context, shape, sizes, exports)
    this.loader = new BlockRows(context, shape, sizes, exports)
    this.tree = new RunMerge(context, shape.text, order)
    this.#rows = context.workspace.take(sizes.blockRows * 4)
  }

  /** One run of pieces in memory. */
  write(pieces: readonly PieceSource[], plan: RunPlan): Generator<MergeStatus, SpilledRun> {
    return this.#write(pieces, undefined, plan, 0)
  }

  *#write(
    pieces: readonly PieceSource[],
    places: Places | undefined,
    plan: RunPlan,
    depth: number,
  ): Generator<MergeStatus, SpilledRun> {
    const { tree } = this
    const writer = this.#writer
    writer.begin(plan.name, depth, plan.pieceBytes)
    try {
      tree.open(pieces)
      for (let run = 0; run < pieces.length; run++) {
        tree.start(run)
        if (places !== undefined) yield 'working'
      }
      tree.play()
      let left = plan.rowsMax
      do {
        const n = tree.fill(this.#rows, Math.min(writer.blockRows, left), plan.part?.to ?? 0)
        if (n > 0) writer.write(this.#rows, n)
        left -= n
        places?.reuse()
        yield 'working'
      } while (tree.stopped !== 'ended' && tree.stopped !== 'bound' && left > 0)
      return writer.finish()
    } finally {
      tree.close()
    }
  }

  /**
   * Merges as many of the runs as memory allows, from the first on, at least two. Their files are the caller's to
   * remove. Waits while others are asked for memory.
   * @returns the run that they became, and how many they were
   * @throws MEMORY_LIMIT when not even two can be read
   */
  *merge(group: readonly SpilledRun[], plan: RunPlan): Generator<MergeStatus, { run: SpilledRun; count: number }> {
    const { query, meter } = this.#context
    const places = new Places(this.#context)
    try {
      const pieces = yield* this.#open(group, places)
      const { from } = plan.part ?? {}
      if (from !== undefined) for (const piece of pieces) piece.seek(from.key, from.address, this.#order)
      const merged = group.slice(0, pieces.length)
      places.addSpares(merged)
      const depth = Math.max(...merged.map((run) => run.depth)) + 1
      query.log(`sort: merge pass ${depth}: ${merged.length} of ${group.length} runs into ${plan.name}`)
      meter.counts.recursionDepth = Math.max(meter.counts.recursionDepth, depth)
      return { run: yield* this.#write(pieces, places, plan, depth), count: merged.length }
    } finally {
      places.close()
    }
  }

  /** Takes places for at least two of the runs. */
  *#open(group: readonly SpilledRun[], places: Places): Generator<MergeStatus, BlockPieces[]> {
    const { query, reservation, makeRoom } = this.#context
    const started = performance.now()
    for (;;) {
      const pieces: BlockPieces[] = []
      for (const run of group.slice(0, LEAVES_IN_WORKSPACE)) {
        const piece = BlockPieces.tryOpen(this.#context, this.#shape, this.loader, places, run)
        if (piece === undefined) break
        pieces.push(piece)
      }
      if (pieces.length >= 2) return pieces
      places.close()
      if (makeRoom(placePages(group.slice(0, 2))) > 0) continue
      query.askLargestHolder(reservation.usedPages)
      if (performance.now() - started > PATIENCE_MS) throw this.#noRoom(group.slice(0, 2))
      yield 'blocked'
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
