/**
 * From the spec of a group-by to its row layout: which state fields each aggregate keeps and what it gives in the end.
 *
 *   sum      value: int64 (integers up to 32 bits, booleans), float64 (floats),
 *            decimal(38,0) = 128 bits (64-bit integers, decimals)
 *   mean     value as for sum, count
 *   min max  value, null flag = nothing seen yet
 *   first    ordinal (2^64 - 1 = nothing seen), value with its null flag
 *   last     ordinal + 1 (0 = nothing seen), value with its null flag
 *   count len nUnique   count
 */
import { type DataType, type Field, isFloat, isUnsignedInteger, makeSchema, type Schema } from '@spillway/columnar'
import type { AggregateFunction } from '@spillway/plan'
import { assert, unreachable } from '@spillway/stdx'
import { makeRowLayout, type RowField, type RowFieldSpec, type RowLayout } from '../rows/row-layout.ts'
import type { GroupAggregate, GroupBySpec, GroupKey } from './group-by-spec.ts'

export interface KeyPlan extends GroupKey {
  readonly field: RowField
}

export interface AggregatePlan {
  readonly function: AggregateFunction
  readonly column: number | undefined
  /** Type of the operand; of type null where there is none. */
  readonly type: DataType
  readonly nullable: boolean
  readonly outputType: DataType
  readonly value: RowField | undefined
  readonly count: RowField | undefined
  readonly ordinal: RowField | undefined
  /** j for the j-th nUnique, else 0: the kind of batches that feed it. */
  readonly kind: number
}

export interface GroupByPlan {
  readonly layout: RowLayout
  readonly keys: readonly KeyPlan[]
  readonly aggregates: readonly AggregatePlan[]
  readonly outputSchema: Schema
  readonly hashMask: bigint | undefined
  readonly takesCodes: boolean
}

const int64: DataType = { kind: 'int64' }
const uint64: DataType = { kind: 'uint64' }
const float64: DataType = { kind: 'float64' }
const wide: DataType = { kind: 'decimal', precision: 38, scale: 0 }
const nothing: DataType = { kind: 'null' }

/** The type in which a sum over `type` is accumulated. */
export function accumulatorType(type: DataType): DataType {
  if (isFloat(type)) return float64
  return type.kind === 'int64' || type.kind === 'uint64' || type.kind === 'decimal' ? wide : int64
}

/** Result type of an aggregate over `type`. */
export function aggregateOutputType(aggregate: AggregateFunction, type: DataType): DataType {
  switch (aggregate) {
    case 'sum':
      if (isFloat(type)) return float64
      if (type.kind === 'decimal') return { kind: 'decimal', precision: 38, scale: type.scale }
      return isUnsignedInteger(type) ? uint64 : int64
    case 'mean':
      return float64
    case 'min':
    case 'max':
    case 'first':
    case 'last':
      return type
    case 'count':
    case 'len':
    case 'nUnique':
      return int64
    default:
      return unreachable(aggregate)
  }
}

interface StateSpecs {
  readonly value: RowFieldSpec | undefined
  readonly count: RowFieldSpec | undefined
  readonly ordinal: RowFieldSpec | undefined
}

function stateSpecs(aggregate: GroupAggregate, index: number): StateSpecs {
  const type = aggregate.type ?? nothing
  const state = (part: string, fieldType: DataType, nullable: boolean): RowFieldSpec => ({
    name: `state${index}.${part}`,
    type: fieldType,
    nullable,
    role: 'state',
  })
  const count = state('count', int64, false)
  switch (aggregate.function) {
    case 'sum':
      return { value: state('value', accumulatorType(type), false), count: undefined, ordinal: undefined }
    case 'mean':
      return { value: state('value', accumulatorType(type), false), count, ordinal: undefined }
    case 'min':
    case 'max':
      return { value: state('value', type, true), count: undefined, ordinal: undefined }
    case 'first':
    case 'last':
      return { value: state('value', type, true), count: undefined, ordinal: state('ordinal', uint64, false) }
    case 'count':
    case 'len':
    case 'nUnique':
      return { value: undefined, count, ordinal: undefined }
    default:
      return unreachable(aggregate.function)
  }
}

/** Lays out rows and output of a group-by. */
export function planGroupBy(spec: GroupBySpec): GroupByPlan {
  const keySpecs = spec.keys.map(
    (key, index): RowFieldSpec => ({ name: `key${index}`, type: key.type, nullable: key.nullable, role: 'key' }),
  )
  const states = spec.aggregates.map(stateSpecs)
  const stateFields = states.flatMap((state) =>
    [state.value, state.count, state.ordinal].filter((field) => field !== undefined),
  )
  const layout = makeRowLayout([...keySpecs, ...stateFields])
  const byName = new Map(layout.fields.map((field) => [field.name, field]))
  const find = (field: RowFieldSpec | undefined) => (field === undefined ? undefined : byName.get(field.name))
  let kind = 0
  const aggregates = spec.aggregates.map((aggregate, index): AggregatePlan => {
    const type = aggregate.type ?? nothing
    return {
      function: aggregate.function,
      column: aggregate.column,
      type,
      nullable: aggregate.nullable,
      outputType: aggregateOutputType(aggregate.function, type),
      value: find(states[index]?.value),
      count: find(states[index]?.count),
      ordinal: find(states[index]?.ordinal),
      kind: aggregate.function === 'nUnique' ? ++kind : 0,
    }
  })
  const keys = spec.keys.map((key, index): KeyPlan => {
    const field = byName.get(`key${index}`)
    assert(field !== undefined, 'every key has a field')
    return { ...key, field }
  })
  const { hashMask, takesCodes } = spec
  return { layout, keys, aggregates, outputSchema: outputSchemaOf(spec, aggregates), hashMask, takesCodes }
}

function outputSchemaOf(spec: GroupBySpec, aggregates: readonly AggregatePlan[]): Schema {
  const keyFields = spec.keys.map(({ name, type, nullable }): Field => ({ name, type, nullable }))
  const aggregateFields = aggregates.map((aggregate, index): Field => {
    // A sum or a count is never null; the others are for a group that saw only nulls, or no row at all.
    const neverNull = aggregate.function === 'sum' || (aggregate.value === undefined && aggregate.count !== undefined)
    const name = spec.aggregates[index]?.name ?? ''
    return { name, type: aggregate.outputType, nullable: !neverNull && (aggregate.nullable || keyFields.length === 0) }
  })
  return makeSchema([...keyFields, ...aggregateFields])
}
