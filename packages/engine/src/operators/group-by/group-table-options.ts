/** What a group table is made with: sizes, generated functions, and where its memory comes from. */
import { type GroupByExports, LOCAL_HEADER_BYTES, PARTITION_BYTES, type RowLayout } from '@spillway/codegen'
import type { ArenaKernels, JoinKernels, RowKernels, TouchKernels } from '@spillway/kernels'
import type { DecodeKernels } from '../../pipeline/column-codes.ts'
import type { PageSource } from './row-chain.ts'

export interface GroupTableSizes {
  /** log2 of the number of partitions; 0 for one. */
  readonly partitionBits: number
  /** log2 of directory slots at first; above partitionBits. */
  readonly initialCapacityBits: number
  /** log2 of directory slots at most; memory for it is part of the workspace from the start. */
  readonly maxCapacityBits: number
  /** Most rows of a batch. */
  readonly batchRows: number
}

/** A key column that may be dictionary codes. */
export interface CodedKey {
  /** Position in the batches of kind 0. */
  readonly column: number
  /** Bytes of a value. */
  readonly width: number
}

export interface GroupTableOptions extends GroupTableSizes {
  readonly memory: WebAssembly.Memory
  readonly kernels: ArenaKernels & RowKernels & JoinKernels & DecodeKernels & TouchKernels
  readonly exports: GroupByExports
  readonly layout: RowLayout
  readonly pages: PageSource
  /** Address of the workspace, 16-byte aligned. */
  readonly workspace: number
  /** Hash bits used up by earlier levels of partitioning. */
  readonly levelShift: number
  /** Keys of the group-by; 0 = one group. */
  readonly keyCount: number
  /** All key columns, if batches may have them as codes; else empty. */
  readonly codedKeys: readonly CodedKey[]
  /** Columns of batches of kind 0 whose strings the states may keep. */
  readonly stringColumns: readonly number[]
  /** Look-ups in a larger table are prepared by touching what they need. */
  readonly cacheBytes: number
  /** Rows looked up before it is decided whether look-ups pay; undefined = 2^20. */
  readonly lookupWindowRows: number | undefined
}

export const align16 = (bytes: number): number => Math.ceil(bytes / 16) * 16

/** Bytes of workspace that a table of these sizes needs. */
export function groupTableBytes(sizes: GroupTableSizes): number {
  const partitions = align16(LOCAL_HEADER_BYTES + PARTITION_BYTES * 2 ** sizes.partitionBits)
  const vectors = align16(sizes.batchRows * 8) + align16(sizes.batchRows * 4)
  return partitions + vectors + 8 * 2 ** sizes.maxCapacityBits + 8 * 2 ** (sizes.maxCapacityBits - 1)
}
