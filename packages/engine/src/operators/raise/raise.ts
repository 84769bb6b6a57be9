/**
 * RAISE: ends the query at the first row that arrives, with an error that shows it. Bounded memory: one row.
 * Its rows are violations of `validate` of a join: keys, then how many rows have them.
 */
import type { Schema } from '@spillway/columnar'
import type { OperatorBase } from '../../physical/physical-plan.ts'

export interface RaiseSpec extends OperatorBase {
  readonly kind: 'raise'
  readonly sinkId: number
  /** Keys as written, then a number of rows. */
  readonly schema: Schema
  readonly side: 'left' | 'right'
  /** The keys' texts. */
  readonly keys: readonly string[]
  readonly validate: string
}
