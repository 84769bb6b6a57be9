/**
 * SLICE: rows offset … offset+length in the order of the input; over unordered input, any such number of rows.
 * Runs serially over ordered input. Bounded memory: it narrows batches in place.
 */
import type { OperatorBase } from '../../physical/physical-plan.ts'

export interface SliceSpec extends OperatorBase {
  readonly kind: 'slice'
  readonly offset: number
  /** May be Infinity. */
  readonly length: number
  /** Columns of the input, whose pointers are shifted, and the bytes of a value of each. */
  readonly widths: readonly number[]
  /** Which of the query's slice counters it uses. */
  readonly counter: number
}
