/**
 * PARQUET SCAN: row groups of one or more files. Order of files and rows kept; bounded memory: one decoded row group per
 * worker outside the arena (its need is part of the floor) and one batch inside.
 */
import type { Schema } from '@spillway/columnar'
import type { OperatorBase } from '../../physical/physical-plan.ts'

/** Rows of one row group. */
export interface ParquetMorsel {
  readonly file: number
  readonly rowGroup: number
  readonly start: number
  readonly rows: number
}

export interface ScanParquetSpec extends OperatorBase {
  readonly kind: 'scanParquet'
  readonly files: readonly string[]
  readonly schema: Schema
  readonly morsels: readonly ParquetMorsel[]
  readonly batchRows: number
  /** For explain and metrics. */
  readonly rowGroupsTotal: number
  readonly rowGroupsSkipped: number
}

/** Rows that the decoder hands over at a time. */
export const DECODE_BATCH_ROWS = 65_536
