/**
 * What sinks that write one file have in common: pieces (row groups, record batches) encoded on the workers, each
 * written at a place that a shared counter gives out, and listed by the main thread in the order of the input.
 *
 * Order     as the input's, if it has one: each piece holds consecutive morsels, and the file lists them in order.
 * Errors    OUTPUT_FAILED. A failed or cancelled query leaves no file.
 */
import type { OperatorBase } from '../../physical/physical-plan.ts'

export interface SinkFileSpec extends OperatorBase {
  readonly sinkId: number
  /** The file under its temporary name. */
  readonly temporaryPath: string
  /** Which of the query's outputs it is: it counts the bytes of its file. */
  readonly outputIndex: number
  readonly isOrdered: boolean
}

/** When a piece ends. */
export interface PieceLimits {
  readonly rows: number
  /** Encoded bytes; may be infinite. */
  readonly bytes: number
}

/** Posted for every piece written. `F` is what the file's tail says about it; plain data. */
export interface SinkFileOutput<F> {
  readonly kind: 'piece'
  /** Of the first morsel in it. Pieces with the same one were posted in order. */
  readonly sequence: number
  /** Where it begins in the file. */
  readonly offset: number
  readonly bytes: number
  readonly footer: F
}
