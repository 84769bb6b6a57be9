/**
 * MULTIPLEXER: keeps the batches of a shared subplan for consumers that read them later.
 *
 * What      a store that one pipeline fills (sink) and several later ones read (source), each all of it. Consumers that
 *           can take the rows at the same time are branches of the filling pipeline and need no store.
 * Order     as the input's: every morsel is read under the sequence with which it was stored.
 * Memory    segments: up to 32 blocks of one morsel, laid out as Arrow columns in pages of the arena, or the same
 *           blocks in a spill file. A refused page sends what follows to disk; when others ask for memory the segments
 *           that will be read last go first, also while other pipelines run. A reader holds one block. What the last
 *           consumer has read is freed or deleted.
 * Cost      O(rows) per consumer; amplification 1.
 * Errors    MEMORY_LIMIT (a string that fits nowhere), SPILL_DISK_FULL, SPILL_IO, SPILL_CORRUPTION.
 */
import type { Schema } from '@spillway/columnar'
import type { OperatorBase } from '../../physical/physical-plan.ts'

interface StoreSpec extends OperatorBase {
  readonly sinkId: number
  readonly schema: Schema
  /** Rows of a batch that is read. */
  readonly batchRows: number
}

export interface MultiplexerSpec extends StoreSpec {
  readonly kind: 'multiplexer'
  /** Pipelines that will read the store. */
  readonly consumers: number
}

/** The stored batches, one morsel per morsel that was stored. */
export interface MultiplexerOutputSpec extends StoreSpec {
  readonly kind: 'multiplexerOutput'
}

/** What a worker publishes: where its segments are listed. Plain data. */
export interface PublishedSegments {
  readonly worker: number
  /** Pages of entries (see segment-entry.ts). */
  readonly pages: readonly number[]
  readonly count: number
}

/** Rows of a block, at most; small batches are gathered up to `storedRows`. */
export const storedRows = (batchRows: number): number => Math.max(batchRows, 1024)
