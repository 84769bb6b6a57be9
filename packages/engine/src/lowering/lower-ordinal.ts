/** Row numbers and checks: a transform behind the input, and pipelines that run before it. */
import type { Guard, Ordinal } from '@spillway/plan'
import { findFieldIndex } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import type { OrdinalSpec } from '../operators/ordinal/ordinal.ts'
import type { RaiseSpec } from '../operators/raise/raise.ts'
import type { Lowering } from './lower-plan.ts'
import { addSelection, type Stream } from './stream.ts'

/** Numbers with gaps come from morsel and row; consecutive ones of ordered rows need one worker that sees them all. */
export function lowerOrdinal(lowering: Lowering, node: Ordinal): readonly Stream[] {
  const streams = lowering.lower(node.input)
  const counter = node.denseFrom === undefined ? undefined : lowering.nextRowCounter()
  const field = node.schema.fields[findFieldIndex(node.schema, node.name)]
  assert(field !== undefined, 'an ordinal adds a column')
  return streams.map((input) => {
    // A stream may hand on more columns than its node has; the number stands behind those of the node.
    const stream = addSelection(input, node.input.schema)
    const spec: OrdinalSpec = {
      kind: 'ordinal',
      operatorId: lowering.nextOperatorId(),
      inputColumns: stream.schema.fields.length,
      batchRows: lowering.context.sizing.batchRows,
      dense: counter === undefined ? undefined : { from: node.denseFrom ?? 0, counter },
    }
    return {
      ...stream,
      steps: [...stream.steps, spec],
      schema: node.schema,
      isSerial: stream.isSerial || (counter !== undefined && stream.isOrdered),
    }
  })
}

/** Pipelines run in the order in which they are made: what is checked is checked before the input is read. */
export function lowerGuard(lowering: Lowering, node: Guard): readonly Stream[] {
  const { side, keys, validate } = node.check
  const { schema } = node.violations
  const sink: RaiseSpec = {
    kind: 'raise',
    operatorId: lowering.nextOperatorId(),
    sinkId: lowering.nextSinkId(),
    schema,
    side,
    keys,
    validate,
  }
  const streams = lowering.lower(node.violations).map((stream) => addSelection(stream, schema))
  lowering.addPipelines(streams, [{ sink, inputKind: 0, publishes: true }])
  return lowering.lower(node.input)
}
