/**
 * PARQUET SINK: writes one file, row groups encoded on the workers.
 *
 * Order     as the input's: each row group holds consecutive morsels, and the footer lists them in order.
 * Memory    bounded: per worker and column a page in the making and a dictionary (workspace), and the compressed
 *           pages of the row group (pages; when they are refused or asked back, the row group ends early).
 * Errors    OUTPUT_FAILED. A failed or cancelled query leaves no file.
 */
import type { ParquetCompression } from '@spillway/formats'
import type { Schema } from '@spillway/columnar'
import type { SinkFileSpec } from '../sink-file/sink-file.ts'

export interface SinkParquetSpec extends SinkFileSpec {
  readonly kind: 'sinkParquet'
  readonly schema: Schema
  readonly compression: ParquetCompression
  readonly compressionLevel: number | undefined
  readonly statistics: boolean
  /** Rows of a row group, at most. */
  readonly rowGroupRows: number
  /** A row group also ends at this many compressed bytes. */
  readonly rowGroupBytes: number
  /** A page ends at this many bytes before compression. */
  readonly pageBytes: number
  readonly dictionaryEntries: number
  readonly dictionaryBytes: number
  /** Columns that get a Bloom filter. */
  readonly bloomFilters: readonly string[]
  readonly batchRows: number
}
