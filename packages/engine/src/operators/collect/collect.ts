/**
 * COLLECT: hands batches to the caller as Arrow columns in ordinary buffers.
 *
 * Order     as the input's: the main thread puts batches in order of their morsels.
 * Memory    `all`: everything is charged to the query until it returns, and passing the limit is a MEMORY_LIMIT error
 *           that advises sinkParquet or collectBatches. `stream`: a bounded number of batches is on its way
 *           (back-pressure). How many rows a batch has is steered from outside (`queryWord.chunkRows`).
 */
import type { PackedColumns, Schema } from '@spillway/columnar'
import type { OperatorBase } from '../../physical/physical-plan.ts'

export interface CollectSpec extends OperatorBase {
  readonly kind: 'collect'
  readonly sinkId: number
  readonly schema: Schema
  readonly mode: 'all' | 'stream'
  /** Batches on their way at a time, `stream` only. */
  readonly tokensMax: number
  /** `stream` only: rows that are gathered to one batch at most; 0 = batches are never put together. */
  readonly gatherRows: number
  /** `stream` only: bytes of a batch at most, unless one row has more; may be infinite. */
  readonly batchBytesMax: number
  readonly batchRows: number
}

export type CollectOutput =
  | {
      readonly kind: 'batch'
      readonly sequence: number
      readonly packed: PackedColumns
    }
  | { readonly kind: 'morselEnd'; readonly sequence: number }
