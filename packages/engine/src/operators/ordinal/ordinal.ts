/**
 * ORDINAL: the batch with one more column, an int64 that increases with the rows in input order.
 *
 *   with gaps   sequence of the morsel << 32 | rows of the morsel before this one: no worker asks another one
 *   dense       one shared counter of rows; over ordered input one worker pulls, over unordered input any rows may come
 *               next
 *
 * Bounded memory: one column of a batch; the other columns are handed on as they are, with their selection.
 */
import type { OperatorBase } from '../../physical/physical-plan.ts'

export interface OrdinalSpec extends OperatorBase {
  readonly kind: 'ordinal'
  /** Columns of the input; the new one stands behind them. */
  readonly inputColumns: number
  readonly batchRows: number
  /** Consecutive numbers: the first one, and which of the query's row counters is used. */
  readonly dense: { readonly from: number; readonly counter: number } | undefined
}
