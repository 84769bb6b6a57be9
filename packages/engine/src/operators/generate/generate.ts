/**
 * GENERATE: columns computed from the row number (intRange, repeat). Order kept; never null except repeat(null);
 * bounded memory: one batch.
 */
import type { Schema } from '@spillway/columnar'
import type { GeneratedColumn } from '@spillway/plan'
import type { OperatorBase } from '../../physical/physical-plan.ts'

export interface GenerateSpec extends OperatorBase {
  readonly kind: 'generate'
  /** As explain names it: rows from a formula, or from a file's statistics. */
  readonly label: 'GENERATE' | 'PARQUET STATISTICS'
  readonly schema: Schema
  readonly columns: readonly GeneratedColumn[]
  /** First row number and count. */
  readonly offset: number
  readonly rowCount: number
  readonly morselRows: number
  readonly batchRows: number
}
