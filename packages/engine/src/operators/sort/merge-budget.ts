/**
 * How much memory merging may take for blocks of runs, and how large blocks are made for it. The sink decides it before
 * anything is spilled, so that the runs it leaves can be merged by every worker of the next phase at the same time.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import type { OpenContext } from '../../pipeline/contracts.ts'
import type { SortSizes } from './sort.ts'

/** Share of the query's pages that the blocks of all workers take; the rest is for buffers and for what follows. */
const PLACES_SHARE = 0.6
/** A streamed query may be parked with its blocks. */
const PLACES_SHARE_STREAMED = 0.08
/** So many runs should be merged at a time: smaller blocks are read before memory allows fewer. */
const RUNS_WANTED = 64
const PIECE_PAGES_LEAST = 2

export interface MergeBudget {
  /** Pages for blocks, per worker, in a merge of all runs. */
  readonly placePages: number
  /** Bytes of a block when it is read. */
  readonly pieceBytes: number
}

export function mergeBudget(context: OpenContext, sizes: SortSizes): MergeBudget {
  const { threads, isStreamed } = context.query.setup
  const share = isStreamed ? PLACES_SHARE_STREAMED : PLACES_SHARE
  const placePages = Math.max(sizes.placePages, Math.floor((context.reservation.maxPages * share) / threads))
  const pages = Math.max(PIECE_PAGES_LEAST, Math.floor(placePages / RUNS_WANTED))
  return { placePages, pieceBytes: Math.min(sizes.pieceBytes, pages * PAGE_BYTES) }
}
