/**
 * PARQUET SCAN: row groups of one or more files. Order of files and rows kept; bounded memory: per column and worker a
 * read buffer, a window over the decompressed page and one batch, whatever the size of pages and row groups. What a
 * file demands beyond (a dictionary, a value longer than the window) is taken while it is needed.
 */
import type { ReaderColumn } from '@spillway/formats'
import type { FileMorsel, ScanFileSpec } from '../scan-file/scan-file.ts'

/** Rows of one row group. */
export interface ParquetMorsel extends FileMorsel {
  readonly rowGroup: number
}

export interface ScanParquetSpec extends ScanFileSpec<ParquetMorsel> {
  readonly kind: 'scanParquet'
  /** By file, as `versions`: of files that were just written, size and time do not tell all versions apart. */
  readonly footerDigests: readonly string[]
  /** By column of `schema`: what its readers must be able to read. */
  readonly columns: readonly ReaderColumn[]
  /** Bytes of decompressed values that are there at a time, per column. */
  readonly windowBytes: number
  /** Pages that the largest dictionaries of all columns take together, as far as the footers tell. */
  readonly dictionaryPages: number
  /** Columns that have a dictionary in some row group. */
  readonly dictionaryColumns: readonly number[]
  /** For explain and metrics. */
  readonly rowGroupsTotal: number
  readonly rowGroupsSkipped: number
}
