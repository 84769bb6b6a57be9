/**
 * PARQUET SCAN: row groups of one or more files. Order of files and rows kept; bounded memory: one decoded row group
 * per worker outside the arena (its need is part of the floor) and one batch inside.
 */
import type { Schema } from '@spillway/columnar'
import type { RowRange } from '@spillway/formats'
import type { OperatorBase } from '../../physical/physical-plan.ts'

/** Rows of one row group. */
export interface ParquetMorsel {
  readonly file: number
  readonly rowGroup: number
  /** Rows of the row group to read, ascending, at least one. */
  readonly ranges: readonly RowRange[]
}

/** Tells one version of a file from another. */
export interface FileVersion {
  readonly fileBytes: number
  readonly modifiedNs: bigint
}

export interface ScanParquetSpec extends OperatorBase {
  readonly kind: 'scanParquet'
  readonly files: readonly string[]
  /** By file: what the morsels were listed from; a worker that finds another version ends the query. */
  readonly versions: readonly FileVersion[]
  readonly schema: Schema
  readonly morsels: readonly ParquetMorsel[]
  readonly batchRows: number
  /** For explain and metrics. */
  readonly rowGroupsTotal: number
  readonly rowGroupsSkipped: number
}

/** Rows that the decoder hands over at a time. */
export const DECODE_BATCH_ROWS = 65_536
