/** What spilling and loading need to know of rows and of whoever holds them: the same for group-by and join. */
import type { RowLayout } from '@spillway/codegen'
import type { Schema } from '@spillway/columnar'
import type { RowChain } from './row-chain.ts'

export interface RowShape {
  readonly layout: RowLayout
  readonly spillSchema: Schema
  /** `groupBy(id1, id2)`: for plans and errors. */
  readonly text: string
  /** What lines of the log begin with. */
  readonly logName: string
}

/** Generated code of all row stores. */
export interface RowExports {
  readonly spillRows: (rows: number, n: number, outBatch: number) => void
}

/** Partitions of rows under way to or from disk. A job that was refused a page is resumed when there is room again. */
export interface RowHolder {
  /** Rows that jobs have dealt with for good: two refusals at the same number had no progress between them. */
  readonly jobProgress: number
  readonly partitionCount: number
  /** The partition with most bytes, or -1 when all are empty. */
  largestPartition(): number
  partitionBytes(partition: number): number
  totalRows(): number
  takePartition(partition: number): RowChain
  loadBatch(batch: number): 'done' | 'refused'
  resume(): 'done' | 'refused'
  dropLoad(rowsBefore: number): number
}
