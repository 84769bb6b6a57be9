/**
 * How many rows the batches of `collectBatches` have: a strategy is asked before each batch and told afterwards how it
 * went. The default grows batches while they come full and the program is quick with them, and keeps them within a
 * share of the memory that is left.
 */
import { makeError } from '@spillway/stdx'

/** What is known when the next batch's rows are chosen. */
export interface ChunkFacts {
  /** Bytes of memory that the process may still take under its limit. */
  readonly availableBytes: number
  /** `maxBatchBytes`, or Infinity. */
  readonly maxBatchBytes: number
  /** Measured bytes of a row so far; before the first batch what its types suggest. */
  readonly rowBytes: number
  /** Rows that were given out. */
  readonly rows: number
}

/** How a batch went. */
export interface ChunkOutcome {
  /** What the strategy had asked for when the batch was given out. */
  readonly rowsAsked: number
  readonly rows: number
  readonly bytes: number
  /** How long the program waited for it. */
  readonly waitMs: number
  /** How long the program took before it asked for the next one. */
  readonly processingMs: number
}

/** Chooses the rows of each batch of a stream. */
export interface ChunkStrategy {
  /**
   * Rows of the next batch at most, a whole number from 1. A batch has fewer where a morsel of the input ends, and
   * where the engine has no room to put so many together (65,536 rows, less under a small limit).
   */
  nextRows(facts: ChunkFacts): number
  /** Called when the program asks for the next batch. */
  chunkDone?(outcome: ChunkOutcome): void
}

const FIRST_ROWS = 8192
const ROWS_MIN = 256
const ROWS_MAX = 65_536
/** A batch's bytes where nothing else bounds them: enough that its overhead does not count. */
const TARGET_BYTES = 4e6
/** Some batches are on their way while one is looked at. */
const SHARE_OF_AVAILABLE = 1 / 32
/** A program that is busy with a batch for longer cannot be interrupted meanwhile. */
const PROCESSING_MS_MAX = 250
const FULL_SHARE = 0.9

/** The default: doubles batches that come full, halves them when the program takes long. */
export function adaptiveChunks(): ChunkStrategy {
  let rows = FIRST_ROWS
  return {
    nextRows({ availableBytes, maxBatchBytes, rowBytes }) {
      const bytes = Math.min(TARGET_BYTES, maxBatchBytes, availableBytes * SHARE_OF_AVAILABLE)
      const fitting = Math.floor(bytes / Math.max(1, rowBytes))
      return Math.max(1, Math.min(rows, Math.max(ROWS_MIN, fitting)))
    },
    chunkDone({ rows: given, rowsAsked, processingMs }) {
      if (processingMs > PROCESSING_MS_MAX) rows = Math.max(ROWS_MIN, rows >>> 1)
      else if (given >= rowsAsked * FULL_SHARE) rows = Math.min(ROWS_MAX, rows * 2)
    },
  }
}

/** What a strategy says, checked. @throws PlanError INVALID_OPTION */
export function rowsOfStrategy(strategy: ChunkStrategy, facts: ChunkFacts): number {
  const rows = strategy.nextRows(facts)
  if (Number.isInteger(rows) && rows >= 1) return Math.min(rows, 2 ** 31 - 1)
  const message = `Invalid chunkStrategy: nextRows gave ${String(rows)}. Give a whole number of rows from 1.`
  throw makeError('INVALID_OPTION', message, {})
}
