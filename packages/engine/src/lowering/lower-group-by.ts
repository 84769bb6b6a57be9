/**
 * Group-by: a sink and the stream of its merged groups.
 *
 * nUnique becomes a group-by over (keys, value) beside the main one: both take the input's batches, and the distinct
 * rows then feed a counter of the main one. So distinct values spill like any rows, however large a group is.
 *
 *   input ─┬─▶ group-by keys            ◀─ kind j ─┐
 *          └─▶ group-by (keys, value j) ──output───┘   then: group-by keys ──output──▶
 */
import { compileGroupBy, type CompiledGroupBy, type GroupAggregate, type GroupKey } from '@spillway/codegen'
import { type Field, findFieldIndex, makeSchema, type Schema, widthOf } from '@spillway/columnar'
import { type GroupBy, namedAggregateText, type NamedExpr, namedExprText, type TypedExpr } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import type { GroupByOutputSpec, GroupByShape, GroupBySinkSpec } from '../operators/group-by/group-by.ts'
import type { CodedKey } from '../operators/group-by/group-table-options.ts'
import { canBeCodes } from '../pipeline/column-codes.ts'
import { answerFromStatistics } from './answer-from-statistics.ts'
import type { Lowering } from './lower-plan.ts'
import { addProject, type StageDraft, type Stream } from './stream.ts'

/** A directory of this size says that memory is not scarce. */
const AMPLE_DIRECTORY_BITS = 16
const MERGE_BITS_MIN = 13
const MERGE_BITS_MAX = 20

export function lowerGroupBy(lowering: Lowering, node: GroupBy): Stream {
  const answered = answerFromStatistics(lowering, node)
  if (answered !== undefined) return answered
  const { streams: laid, columnOf, schema } = layInput(lowering, node)
  const keys = node.keys.map((key): GroupKey => keyOf(key, columnOf(key.expr)))
  const aggregates = node.aggregates.map((aggregate): GroupAggregate => {
    const { name, operand } = aggregate
    const isCounter = aggregate.function === 'nUnique'
    return {
      name,
      function: aggregate.function,
      column: operand === undefined || isCounter ? undefined : columnOf(operand),
      type: operand?.type,
      nullable: operand?.nullable ?? false,
    }
  })
  const text = `groupBy(${node.keys.map(namedExprText).join(', ')})`
  const aggregateTexts = node.aggregates.map(namedAggregateText)
  const hasDistinct = aggregates.some((aggregate) => aggregate.function === 'nUnique')
  const { streams, codedKeys } = hasDistinct ? { streams: laid, codedKeys: [] } : askForCodes(laid, keys, aggregates)
  const main = makeSink(lowering, schema, keys, aggregates, text, aggregateTexts, codedKeys)
  const distinct = node.aggregates
    .filter((aggregate) => aggregate.function === 'nUnique')
    .map(({ operand, name }, index) => {
      assert(operand !== undefined, 'nUnique has an operand')
      const value = keyOf({ name: `distinct ${index} of ${name}`, expr: operand }, columnOf(operand))
      return makeSink(lowering, schema, [...keys, value], [], `distinct values of ${name} in ${text}`, [], [])
    })
  const uses = [main, ...distinct].map((sink, index) => ({
    sink,
    inputKind: 0,
    publishes: index > 0 || distinct.length === 0,
  }))
  lowering.addPipelines(streams, uses)
  distinct.forEach((sink, index) => {
    const isLast = index === distinct.length - 1
    lowering.addPipelines([outputOf(lowering, sink)], [{ sink: main, inputKind: index + 1, publishes: isLast }])
  })
  return { ...outputOf(lowering, main), schema: node.schema }
}

function keyOf(key: NamedExpr, column: number): GroupKey {
  return { name: key.name, column, type: key.expr.type, nullable: key.expr.nullable }
}

/**
 * Makes keys and operands plain columns. A single stream in which they are columns already is taken as it is, so that
 * a filter's selection reaches the group-by without a copy.
 */
function layInput(
  lowering: Lowering,
  node: GroupBy,
): { streams: readonly Stream[]; columnOf: (expr: TypedExpr) => number; schema: Schema } {
  const streams = lowering.lower(node.input).map(withoutSelection)
  const exprs = [...node.keys.map((key) => key.expr), ...node.aggregates.flatMap(({ operand }) => operand ?? [])]
  const [first] = streams
  if (streams.length === 1 && first !== undefined && exprs.every((expr) => expr.kind === 'column')) {
    const columnOf = (expr: TypedExpr): number => {
      assert(expr.kind === 'column', 'keys and operands are columns here')
      const column = findFieldIndex(first.schema, expr.name)
      assert(column >= 0, 'a group-by reads columns of its input')
      return column
    }
    return { streams, columnOf, schema: first.schema }
  }
  const columns = new Map<TypedExpr, number>()
  exprs.forEach((expr, column) => {
    if (!columns.has(expr)) columns.set(expr, column)
  })
  const named = exprs.map((expr, column): NamedExpr => ({ name: `input ${column}`, expr }))
  const fields = named.map(({ name, expr }): Field => ({ name, type: expr.type, nullable: expr.nullable }))
  const schema = makeSchema(fields)
  const columnOf = (expr: TypedExpr): number => {
    const column = columns.get(expr)
    assert(column !== undefined, 'keys and operands are computed before the group-by')
    return column
  }
  return { streams: streams.map((stream) => addProject(stream, named, schema)), columnOf, schema }
}

/**
 * Has scans whose batches reach the group-by as they are hand on their keys as dictionary codes. Every key must be free
 * for that: no aggregate and no filter reads it.
 */
function askForCodes(
  streams: readonly Stream[],
  keys: readonly GroupKey[],
  aggregates: readonly GroupAggregate[],
): { readonly streams: readonly Stream[]; readonly codedKeys: readonly CodedKey[] } {
  const codedKeys = keys.map(({ column, type }): CodedKey => ({ column, width: widthOf(type) }))
  const columns = [...new Set(codedKeys.map(({ column }) => column))]
  const keyColumns = new Set(columns)
  const isFree =
    columns.length === keys.length &&
    codedKeys.every(({ width }) => canBeCodes(width)) &&
    !aggregates.some(({ column }) => column !== undefined && keyColumns.has(column))
  let asked = 0
  const asking = streams.map((stream): Stream => {
    const { source, steps } = stream
    if (!isFree || source.kind !== 'scanParquet' || steps.length > 0 || keys.length === 0) return stream
    const { dictionaryColumns, filterColumns } = source
    if (!columns.every((column) => dictionaryColumns.includes(column) && !filterColumns.includes(column))) return stream
    asked++
    return { ...stream, source: { ...source, codedColumns: columns } }
  })
  return { streams: asking, codedKeys: asked > 0 ? codedKeys : [] }
}

/** Columns that a group-by does not read need not be left out before it: its input keeps the scan's own columns. */
function withoutSelection(stream: Stream): Stream {
  const last = stream.steps.at(-1)
  if (last?.kind !== 'draft' || last.project === undefined) return stream
  if (!last.project.every(({ name, expr }) => expr.kind === 'column' && expr.name === name)) return stream
  const rest = stream.steps.slice(0, -1)
  const filterOnly: StageDraft = { ...last, project: undefined, output: last.input }
  return { ...stream, steps: last.filter === undefined ? rest : [...rest, filterOnly], schema: last.input }
}

function makeSink(
  lowering: Lowering,
  input: Schema,
  keys: readonly GroupKey[],
  aggregates: readonly GroupAggregate[],
  text: string,
  aggregateTexts: readonly string[],
  codedKeys: readonly CodedKey[],
): GroupBySinkSpec {
  const { sizing, hashMask } = lowering.context
  const compiled = compileGroupBy({ input, keys, aggregates, hashMask, takesCodes: codedKeys.length > 0 })
  lowering.addModule(compiled)
  return {
    kind: 'groupBy',
    operatorId: lowering.nextOperatorId(),
    sinkId: lowering.nextSinkId(),
    shape: shapeOf(compiled, text, aggregateTexts),
    codedKeys,
    stringColumns: compiled.stringColumns,
    partitionBits: keys.length === 0 ? 0 : sizing.partitionBits,
    directoryBits: sizing.directoryBits,
    batchRows: sizing.batchRows,
  }
}

function shapeOf(compiled: CompiledGroupBy, text: string, aggregateTexts: readonly string[]): GroupByShape {
  const { key, layout, spillSchema, outputSchema, keyCount } = compiled
  return { moduleKey: key, layout, spillSchema, outputSchema, keyCount, text, logName: 'group-by', aggregateTexts }
}

/** Where there is memory, a partition of as many rows as the sink's whole directory has slots is merged at once. */
const mergeBitsOf = ({ directoryBits }: GroupBySinkSpec): number =>
  directoryBits < AMPLE_DIRECTORY_BITS ? MERGE_BITS_MIN : Math.min(MERGE_BITS_MAX, directoryBits + 2)

function outputOf(lowering: Lowering, sink: GroupBySinkSpec): Stream {
  const source: GroupByOutputSpec = {
    kind: 'groupByOutput',
    mergeBits: mergeBitsOf(sink),
    operatorId: lowering.nextOperatorId(),
    sinkId: sink.sinkId,
    shape: sink.shape,
    partitionBits: sink.partitionBits,
    batchRows: sink.batchRows,
  }
  return {
    source,
    morselCount: 2 ** sink.partitionBits,
    steps: [],
    schema: sink.shape.outputSchema,
    isOrdered: false,
    isSerial: false,
  }
}
