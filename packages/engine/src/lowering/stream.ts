/**
 * A stream of rows while a plan is being lowered: where it comes from and what happens to it on the way. Concat makes
 * several streams of one node; a sink takes them in order.
 */
import type { Schema } from '@spillway/columnar'
import type { NamedExpr, TypedExpr } from '@spillway/plan'
import type { SourceSpec, TransformSpec } from '../physical/physical-plan.ts'
import type { Tap } from './shared-group.ts'

/** A filter and/or projection that may still take up the next one. */
export interface StageDraft {
  readonly kind: 'draft'
  readonly input: Schema
  readonly filter: TypedExpr | undefined
  readonly project: readonly NamedExpr[] | undefined
  readonly output: Schema
}

export interface Stream {
  readonly source: SourceSpec | Tap
  readonly morselCount: number
  readonly steps: readonly (StageDraft | TransformSpec)[]
  readonly schema: Schema
  readonly isOrdered: boolean
  /** A slice over ordered rows: one worker pulls. */
  readonly isSerial: boolean
}

export function addFilter(stream: Stream, predicate: TypedExpr): Stream {
  const draft: StageDraft = {
    kind: 'draft',
    input: stream.schema,
    filter: predicate,
    project: undefined,
    output: stream.schema,
  }
  return { ...stream, steps: [...stream.steps, draft] }
}

export function addProject(stream: Stream, exprs: readonly NamedExpr[], schema: Schema): Stream {
  const last = stream.steps.at(-1)
  if (last?.kind === 'draft' && last.project === undefined) {
    const merged: StageDraft = { ...last, project: exprs, output: schema }
    return { ...stream, steps: [...stream.steps.slice(0, -1), merged], schema }
  }
  const draft: StageDraft = { kind: 'draft', input: stream.schema, filter: undefined, project: exprs, output: schema }
  return { ...stream, steps: [...stream.steps, draft], schema }
}

/** Columns by name, in this order, without computing anything. */
export function addSelection(stream: Stream, schema: Schema): Stream {
  const isSame =
    schema.fields.length === stream.schema.fields.length &&
    schema.fields.every((field, index) => stream.schema.fields[index]?.name === field.name)
  if (isSame) return stream
  const exprs = schema.fields.map((field): NamedExpr => {
    const { name, type, nullable } = field
    return { name, expr: { kind: 'column', name, type, nullable } }
  })
  return addProject(stream, exprs, schema)
}

/** A filter and the projection behind it run in one stage. */
export function mergeDrafts(steps: Stream['steps']): Stream['steps'] {
  const merged: (StageDraft | TransformSpec)[] = []
  for (const step of steps) {
    const last = merged.at(-1)
    const fits =
      step.kind === 'draft' && step.filter === undefined && last?.kind === 'draft' && last.project === undefined
    if (fits) merged[merged.length - 1] = { ...last, project: step.project, output: step.output }
    else merged.push(step)
  }
  return merged
}
