/**
 * STAGE: a filter and/or a projection as one generated module. Order kept; a filter keeps only true; bounded memory:
 * one output batch. Raises OVERFLOW and CAST_FAILED with the expression that caused them.
 */
import type { Schema } from '@spillway/columnar'
import type { OperatorBase } from '../../physical/physical-plan.ts'

export interface StageOutput {
  readonly passthrough: number | undefined
  readonly heapBytesPerRow: number
}

export interface StageSpec extends OperatorBase {
  readonly kind: 'stage'
  readonly moduleKey: string
  readonly paramBytes: Uint8Array
  readonly paramRelocations: readonly number[]
  readonly hasFilter: boolean
  /** String heap that the filter needs for its intermediate values. */
  readonly filterHeapBytes: number
  /** Output of the projection; undefined when the stage only filters. */
  readonly projected: Schema | undefined
  readonly outputs: readonly StageOutput[]
  readonly batchRows: number
  /** For plans and errors: `filter col("a") < 5`. */
  readonly text: string
  /** Texts of the expressions by error site. */
  readonly siteTexts: readonly string[]
}
