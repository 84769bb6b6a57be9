/**
 * IPC SINK: writes one Arrow IPC file (Feather version 2), record batches laid out on the workers, uncompressed.
 *
 * Order     as the input's, if it has one: each record batch holds consecutive morsels, and the footer lists them in
 *           order.
 * Memory    bounded: per worker one record batch gathered, and room to lay it out (workspace). A string that passes the
 *           room for strings makes a record batch of one row, which takes pages for as long as it is written.
 * Errors    OUTPUT_FAILED, MEMORY_LIMIT (a row for which no pages are granted). A failed or cancelled query leaves no
 *           file.
 */
import type { Schema } from '@spillway/columnar'
import type { SinkFileSpec } from '../sink-file/sink-file.ts'

export interface SinkIpcSpec extends SinkFileSpec {
  readonly kind: 'sinkIpc'
  readonly schema: Schema
  /** Rows of a record batch, at most. */
  readonly recordBatchRows: number
}
