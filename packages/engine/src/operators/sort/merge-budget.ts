/**
 * How much memory merging may take for blocks of runs, and how large blocks are made for it. The sink decides it before
 * anything is spilled, so that the runs it leaves can be merged by every worker of the next phase at the same time.
 *
 * Certain are the pages that the next phase is guaranteed. Beyond, it takes part of what no floor of the query holds.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { queryWord } from '@spillway/scheduler'
import type { OpenContext } from '../../pipeline/contracts.ts'
import type { SortSizes } from './sort.ts'

/** Share of the pages beyond the floors that the blocks of all workers take. */
const FREE_SHARE = 0.75
/** Share of the budget that one pipeline may take, less what its buffers take; see query-run.ts. */
const PIPELINE_SHARE = 0.9
/** A streamed query may be parked with its blocks. */
const STREAMED_SHARE = 0.08
/** So many runs should be merged at a time: smaller blocks are read before memory allows fewer. */
const RUNS_WANTED = 64

export interface MergeBudget {
  /** Pages for blocks, per worker, in a merge of all runs. */
  readonly placePages: number
  /** Bytes of a block when it is read. */
  readonly pieceBytes: number
}

/** Pages that the query's workers may take together: results on their way out have a part of their own. */
export function budgetPages({ reservation, arena }: OpenContext): number {
  return Math.min(reservation.maxPages, arena.reservablePages)
}

/** @param bufferPages what the buffers of the next phase take on a worker */
export function mergeBudget(context: OpenContext, sizes: SortSizes, bufferPages: number): MergeBudget {
  const { query, control } = context
  const { threads, isStreamed } = query.setup
  const budget = budgetPages(context)
  const free = Math.max(0, budget - control.load(query.slot, queryWord.floorPages))
  const share = isStreamed ? Math.min(free * FREE_SHARE, budget * STREAMED_SHARE) : free * FREE_SHARE
  const most = (budget * (isStreamed ? STREAMED_SHARE : PIPELINE_SHARE)) / threads - bufferPages
  const placePages = Math.max(sizes.placePages, Math.floor(Math.min(sizes.placePages + share / threads, most)))
  const wanted = Math.max(sizes.leastPieceBytes, Math.floor(placePages / RUNS_WANTED) * PAGE_BYTES)
  return { placePages, pieceBytes: Math.min(sizes.pieceBytes, wanted) }
}
