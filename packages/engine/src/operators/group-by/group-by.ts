/**
 * STREAMING_GROUP_BY: hash aggregation that spills.
 *
 * What      one row per distinct key with its aggregates; without keys exactly one row, also for no input.
 * Order     none; first and last go by the input's ordinals.
 * Nulls     one null group; NaN one group; -0 and 0 one group.
 * Phases    1 pre-aggregate per worker into radix partitions; 2 publish; 3 merge partition by partition on all workers.
 *           nUnique first runs a group-by over (keys, value), whose rows then feed a counter of this one.
 * Memory    phase 1: directory and pages of row partitions; when pages are refused the largest partition is spilled.
 *           phase 3: one partition per worker; one that does not fit is split on the next hash bits and spilled, and
 *           when splitting makes no progress it is processed in chunks of constant memory.
 * Cost      O(rows) expected.
 * Errors    OVERFLOW of an integer or decimal sum, MEMORY_LIMIT, SPILL_DISK_FULL, SPILL_IO, SPILL_CORRUPTION.
 * Source    partitioning after Kuiper, Boncz, Mühleisen: Robust External Hash Aggregation in the Solid State Age
 *           (2024).
 */
import type { Schema } from '@spillway/columnar'
import type { OperatorBase } from '../../physical/physical-plan.ts'
import type { CodedKey } from './group-table-options.ts'
import type { RowShape } from './row-shape.ts'

/** What both phases need to know. */
export interface GroupByShape extends RowShape {
  readonly moduleKey: string
  readonly outputSchema: Schema
  readonly keyCount: number
  /** Names of the aggregates, by the error site of `emit`. */
  readonly aggregateTexts: readonly string[]
}

export interface GroupBySinkSpec extends OperatorBase {
  readonly kind: 'groupBy'
  readonly sinkId: number
  readonly shape: GroupByShape
  /** All key columns, if batches may have them as dictionary codes; else empty. */
  readonly codedKeys: readonly CodedKey[]
  /** Columns whose strings the states may keep. */
  readonly stringColumns: readonly number[]
  readonly partitionBits: number
  readonly directoryBits: number
  readonly batchRows: number
}

/** The merged groups of a published group-by, one morsel per partition. */
export interface GroupByOutputSpec extends OperatorBase {
  readonly kind: 'groupByOutput'
  /** log2 of the slots of the directory that a partition is merged with for certain. */
  readonly mergeBits: number
  readonly sinkId: number
  readonly shape: GroupByShape
  readonly partitionBits: number
  readonly batchRows: number
}

/** What a worker's local publishes: the address of its partition table in the arena (see published-partition.ts). */
export interface PublishedGroups {
  readonly worker: number
  readonly address: number
}

/** A split on this many bits when a partition does not fit. */
export const SPLIT_BITS = 4
/** Rows of one block of a spill file, at most. */
export const SPILL_BLOCK_ROWS = 8192
