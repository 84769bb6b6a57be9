/**
 * PARQUET SCAN: row groups of one or more files. Order of files and rows kept; bounded memory: per column and worker a
 * read buffer, a window over the decompressed page and one batch, whatever the size of pages and row groups. What a
 * file demands beyond (a dictionary, a value longer than the window) is taken while it is needed.
 */
import type { Schema } from '@spillway/columnar'
import type { ReaderColumn, RowRange } from '@spillway/formats'
import type { OperatorBase } from '../../physical/physical-plan.ts'
import type { StageSpec } from '../stage/stage.ts'
import type { CodeCondition } from './code-filter.ts'

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
  /** By column of `schema`: what its readers must be able to read. */
  readonly columns: readonly ReaderColumn[]
  /** By column of `schema`: bytes of a value in the arena. */
  readonly widths: readonly number[]
  /** Bytes of decompressed values that are there at a time, per column. */
  readonly windowBytes: number
  /** Pages that the largest dictionaries of all columns take together, as far as the footers tell. */
  readonly dictionaryPages: number
  /** Rows that fail it are dropped here, before the other columns are read. */
  readonly filter: StageSpec | undefined
  /** The same filter by dictionary codes, for batches in which all columns that it reads are codes. */
  readonly codeConditions: readonly CodeCondition[]
  /** Columns of `schema` that the filter reads. */
  readonly filterColumns: readonly number[]
  /** Those of them that nobody reads behind the filter. */
  readonly filterOnlyColumns: readonly number[]
  /** Columns that have a dictionary in some row group. */
  readonly dictionaryColumns: readonly number[]
  /**
   * Columns that are handed on as dictionary codes where all of them have codes (see pipeline/column-codes.ts): those
   * that the sink takes so.
   */
  readonly codedColumns: readonly number[]
  /** For explain and metrics. */
  readonly rowGroupsTotal: number
  readonly rowGroupsSkipped: number
}
