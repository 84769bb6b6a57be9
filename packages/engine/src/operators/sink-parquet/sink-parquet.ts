/**
 * PARQUET SINK: writes one file, row groups encoded on the workers.
 *
 * Order     as the input's: each row group holds consecutive morsels, and the footer lists them in order.
 * Memory    bounded: one row group per worker while it fills (Arrow) and while it is encoded, outside the arena.
 * Errors    OUTPUT_FAILED. A failed or cancelled query leaves no file.
 */
import type { ParquetCompression, RowGroupFooter } from '@spillway/formats'
import type { Schema } from '@spillway/columnar'
import type { OperatorBase } from '../../physical/physical-plan.ts'

export interface SinkParquetSpec extends OperatorBase {
  readonly kind: 'sinkParquet'
  readonly sinkId: number
  readonly schema: Schema
  /** The file under its temporary name. */
  readonly temporaryPath: string
  readonly compression: ParquetCompression
  readonly compressionLevel: number | undefined
  readonly statistics: boolean
  readonly rowGroupRows: number
  /** A row group also ends at this many bytes in Arrow's layout. */
  readonly rowGroupBytes: number
  readonly isOrdered: boolean
  readonly batchRows: number
}

/** Posted for every row group written. */
export interface SinkParquetOutput {
  readonly kind: 'rowGroup'
  readonly sequence: number
  readonly offset: number
  readonly footer: RowGroupFooter
}
