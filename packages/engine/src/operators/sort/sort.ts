/**
 * STREAMING_SORT: external merge sort.
 *
 * What      all rows of the input in the order of their keys.
 * Order     the keys'; rows with equal keys keep the order of the input (their ordinals decide).
 * Nulls     first or last, by key; NaN above all numbers, -0 = 0; strings by bytes.
 * Phases    1 each worker makes rows with normalised keys and sorts chunks of them; 2 publish; 3 merge by ranges of
 *           keys on all workers: a morsel is a range, so morsels in sequence are the output in order.
 * Top-k     of a sort with a limit each worker keeps the first rows only and tells the scan how far a row may lie: row
 *           groups whose statistics lie beyond are skipped.
 * Memory    phase 1: rows in pages; when one is refused, everything in memory becomes a sorted run on disk. Runs that
 *           would need too many buffers in phase 3 are merged to fewer ones first, each worker its own.
 *           phase 3: a block of each run, whatever the keys: a range of one key streams like any other. A worker that
 *           is refused them merges its claim's part of some runs first: two of the largest blocks are promised.
 * Cost      O(n log n) comparisons of 12 bytes at most, fewer by radix; each row is spilled once per pass.
 * Errors    MEMORY_LIMIT, SPILL_DISK_FULL, SPILL_IO, SPILL_CORRUPTION.
 * Source    normalised keys and parallel merging after Kuiper, Mühleisen: These Rows Are Made for Sorting and That's
 *           Just What We'll Do (2023); merging with a tree of losers after Knuth, volume 3, section 5.4.1.
 */
import type { SortLayout } from '@spillway/codegen'
import type { Schema } from '@spillway/columnar'
import type { OperatorBase } from '../../physical/physical-plan.ts'

/** What all phases need to know. */
export interface SortShape {
  readonly moduleKey: string
  readonly layout: SortLayout
  readonly spillSchema: Schema
  readonly outputSchema: Schema
  /** `sort(a, b descending)`: for plans, logs and errors. */
  readonly text: string
}

/** How much room a sort is made for. */
export interface SortSizes {
  /** Rows that are sorted at a time. */
  readonly chunkRows: number
  /** Most rows of a spilled block. */
  readonly blockRows: number
  /** Most bytes that a spilled block takes when it is read again; a row that is longer makes a longer block. */
  readonly pieceBytes: number
  /** The same of the smallest blocks that runs are cut into. */
  readonly leastPieceBytes: number
  readonly batchRows: number
  /** Pages for blocks that each worker is guaranteed when it merges. */
  readonly placePages: number
}

export interface SortSinkSpec extends OperatorBase {
  readonly kind: 'sort'
  readonly sinkId: number
  readonly shape: SortShape
  readonly sizes: SortSizes
  /** Most runs that are merged at a time; undefined = as memory allows. For tests. */
  readonly fanIn: number | undefined
  /** Only the first rows count; undefined = all. */
  readonly top: TopRows | undefined
}

/** A sort of which only the first rows count. */
export interface TopRows {
  readonly limit: number
  /** Index of the counter in which all workers and scans see how far a row may lie; -1 = none. See top-bound.ts. */
  readonly boundCounter: number
  /** Morsels come in the order of their sequences, so that a row that comes later comes later in the input. */
  readonly isInOrder: boolean
}

/** The merged rows of a published sort. */
export interface SortOutputSpec extends OperatorBase {
  readonly kind: 'sortOutput'
  readonly sinkId: number
  readonly shape: SortShape
  readonly sizes: SortSizes
  /** About so many rows make a range. */
  readonly rangeRows: number
}

/** Pages of the smallest blocks that runs are cut into, unless there are very many columns. */
export const PIECE_PAGES_LEAST = 2

/** Ranges at most: the number of morsels, of which the last ones may be empty. */
export const RANGES_MAX = 256

/** A sorted chunk in memory: pages of entries. Plain data. */
export interface SortedChunk {
  readonly rows: number
  /** Addresses of the pages; all but the last are full. */
  readonly pages: Uint32Array
}

/** A sorted run on disk. Plain data: it crosses threads. */
export interface SpilledRun {
  readonly rows: number
  /** Files in order, each with some of the run's blocks. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[]
  readonly blockCount: number
  /** Facts of the blocks, see run-index.ts. */
  readonly index: BigUint64Array
  /** Most bytes that one of its blocks takes when it is read. */
  readonly needBytes: number
  /** Merges that its rows went through. */
  readonly depth: number
}

/** What a worker's local publishes. */
export interface PublishedSort {
  readonly worker: number
  readonly chunks: readonly SortedChunk[]
  readonly runs: readonly SpilledRun[]
}
