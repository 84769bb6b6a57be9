/**
 * Random queries, each as a function over a frame (Spillway's LazyFrame) and as its SQL twin. A query is a pipe of
 * steps; the SQL twin carries a column of row numbers as long as order is defined, so that slices and first/last mean
 * the same in both.
 */
import type { DataType, Schema } from '@spillway/columnar'
import type fc from 'fast-check'
import { col, len } from 'spillway'
import { Choices, tapes } from './choices.ts'
import { quoteName } from './duckdb-oracle.ts'
import { type ExprPair, isAveragable, isSummable, randomCondition, randomValue } from './expr-generator.ts'
import { joinStep } from './query-join.ts'
import { carried, type GeneratedQuery, names, ROW, type State } from './query-state.ts'

export type { ConcatApi, FrameLike, GeneratedQuery } from './query-state.ts'

function filterStep(state: State, choices: Choices): State {
  const condition = randomCondition(choices, state.columns)
  return {
    ...state,
    build: (frame, api) => state.build(frame, api).filter(condition.expr),
    sql: (source) => `SELECT * FROM (${state.sql(source)}) WHERE ${condition.sql}`,
    steps: [...state.steps, `filter ${condition.sql}`],
  }
}

function projectStep(state: State, choices: Choices): State {
  const keepAll = choices.below(2) === 0
  const count = 1 + choices.below(3)
  const pairs: { name: string; pair: ExprPair }[] = []
  for (let index = 0; index < count; index++) {
    pairs.push({ name: `p${state.steps.length}_${index}`, pair: randomValue(choices, state.columns) })
  }
  const exprs = pairs.map(({ name, pair }) => pair.expr.alias(name))
  const items = pairs.map(({ name, pair }) => `${pair.sql} AS ${quoteName(name)}`).join(', ')
  const made = pairs.map(({ name, pair }) => ({ name, type: pair.type }))
  return {
    ...state,
    columns: keepAll ? [...state.columns, ...made] : made,
    build: (frame, api) => {
      const input = state.build(frame, api)
      return keepAll ? input.withColumns(...exprs) : input.select(...exprs)
    },
    sql: (source) =>
      `SELECT ${keepAll ? `${names(state.columns)}, ` : ''}${items}${carried(state)} FROM (${state.sql(source)})`,
    steps: [...state.steps, `${keepAll ? 'withColumns' : 'select'} ${items}`],
  }
}

/** One aggregate over a column, in both forms. */
function randomAggregate(choices: Choices, state: State, name: string): ExprPair {
  const { name: operandName, type } = choices.oneOf(state.columns)
  const operand = col(operandName)
  const sql = quoteName(operandName)
  const int64: DataType = { kind: 'int64' }
  const options: (() => ExprPair)[] = [
    () => ({ expr: len().alias(name), sql: 'count(*)', type: int64 }),
    () => ({ expr: operand.count().alias(name), sql: `count(${sql})`, type: int64 }),
    () => ({ expr: operand.min().alias(name), sql: `min(${sql})`, type }),
    () => ({ expr: operand.max().alias(name), sql: `max(${sql})`, type }),
    () => ({
      expr: operand.nUnique().alias(name),
      sql: `(count(DISTINCT ${sql}) + (CASE WHEN count(*) > count(${sql}) THEN 1 ELSE 0 END))`,
      type: int64,
    }),
  ]
  if (isSummable(type)) {
    const cast = type.kind === 'boolean' ? `${sql}::INTEGER` : sql
    options.push(() => ({ expr: operand.sum().alias(name), sql: `coalesce(sum(${cast}), 0)`, type: sumType(type) }))
  }
  if (isAveragable(type)) {
    options.push(() => ({ expr: operand.mean().alias(name), sql: `avg(${sql})`, type: { kind: 'float64' } }))
  }
  if (state.ordered) {
    options.push(() => ({ expr: operand.first().alias(name), sql: `first(${sql} ORDER BY ${ROW})`, type }))
    options.push(() => ({ expr: operand.last().alias(name), sql: `last(${sql} ORDER BY ${ROW})`, type }))
  }
  return choices.oneOf(options)()
}

/** Result type of sum, by the rules of docs/semantics.md. */
function sumType(type: DataType): DataType {
  if (type.kind === 'decimal') return { kind: 'decimal', precision: 38, scale: type.scale }
  if (type.kind === 'float32' || type.kind === 'float64') return { kind: 'float64' }
  return type.kind.startsWith('uint') ? { kind: 'uint64' } : { kind: 'int64' }
}

function groupByStep(state: State, choices: Choices): State {
  const keyCount = choices.below(Math.min(4, state.columns.length + 1))
  const start = choices.below(state.columns.length)
  const keys = Array.from({ length: keyCount }, (_, index) => {
    const column = state.columns[(start + index) % state.columns.length]
    if (column === undefined) throw new RangeError('A key is one of the columns')
    return column
  })
  const aggregates: { name: string; pair: ExprPair }[] = []
  for (let index = 0; index <= choices.below(3); index++) {
    const name = `a${state.steps.length}_${index}`
    aggregates.push({ name, pair: randomAggregate(choices, state, name) })
  }
  const exprs = aggregates.map(({ pair }) => pair.expr)
  const items = aggregates.map(({ name, pair }) => `${pair.sql} AS ${quoteName(name)}`).join(', ')
  const keyNames = keys.map(({ name }) => name)
  const group = keys.length === 0 ? '' : ` GROUP BY ${names(keys)}`
  return {
    columns: [...keys, ...aggregates.map(({ name, pair }) => ({ name, type: pair.type }))],
    // Without keys there is exactly one row, in a defined order; numbering starts again.
    ordered: false,
    hasSink: true,
    hasJoin: state.hasJoin,
    canSpill: keys.length > 0,
    canSpillUnsorted: undefined,
    build: (frame, api) => {
      const input = state.build(frame, api)
      return keys.length === 0 ? input.select(...exprs) : input.groupBy(...keyNames).agg(...exprs)
    },
    sql: (source) =>
      `SELECT ${keys.length === 0 ? '' : `${names(keys)}, `}${items} FROM (${state.sql(source)})${group}`,
    steps: [...state.steps, `groupBy [${names(keys)}] agg ${items}`],
  }
}

function uniqueStep(state: State): State {
  return {
    ...state,
    ordered: false,
    hasSink: true,
    canSpill: true,
    canSpillUnsorted: undefined,
    build: (frame, api) => state.build(frame, api).unique(),
    sql: (source) => `SELECT DISTINCT ${names(state.columns)} FROM (${state.sql(source)})`,
    steps: [...state.steps, 'unique'],
  }
}

function sliceStep(state: State, choices: Choices): State {
  const offset = choices.below(20)
  const length = choices.below(60)
  return {
    ...state,
    canSpill: state.canSpillUnsorted ?? state.canSpill,
    build: (frame, api) => state.build(frame, api).slice(offset, length),
    sql: (source) => `SELECT * FROM (${state.sql(source)}) ORDER BY ${ROW} LIMIT ${length} OFFSET ${offset}`,
    steps: [...state.steps, `slice ${offset}, ${length}`],
  }
}

/**
 * A stable sort by columns or expressions. Without an order in the input the keys are all columns, so that only equal
 * rows tie; sums of floats differ in their last bits, so that they make no order that both sides see alike.
 */
function sortStep(state: State, choices: Choices): State {
  const hasFloats = state.columns.some(({ type }) => type.kind === 'float32' || type.kind === 'float64')
  const count = state.ordered ? 1 + choices.below(3) : state.columns.length
  const keys = Array.from({ length: count }, (_, index): ExprPair => {
    if (state.ordered && choices.below(3) === 0) return randomValue(choices, state.columns)
    const column = state.ordered ? choices.oneOf(state.columns) : state.columns[index]
    if (column === undefined) throw new RangeError('A key is one of the columns')
    return { expr: col(column.name), sql: quoteName(column.name), type: column.type }
  })
  const flags = keys.map(() => ({ descending: choices.below(2) === 1, nullsLast: choices.below(2) === 1 }))
  const isTop = choices.below(4) === 0
  const [offset, length] = [choices.below(4) * 3, choices.below(40)]
  const order = keys.map(({ sql }, index) => {
    const { descending, nullsLast } = flags[index] ?? { descending: false, nullsLast: false }
    return `${sql} ${descending ? 'DESC' : 'ASC'} NULLS ${nullsLast ? 'LAST' : 'FIRST'}`
  })
  const ties = state.ordered ? [ROW] : []
  const ordered = state.ordered || !hasFloats
  const number = ordered ? `, row_number() OVER (ORDER BY ${[...order, ...ties].join(', ')}) AS ${ROW}` : ''
  const descending = flags.map((flag) => flag.descending)
  const nullsLast = flags.map((flag) => flag.nullsLast)
  const cut = isTop && ordered
  return {
    ...state,
    ordered,
    hasSink: true,
    // Keys that turn out to be constants make no sort.
    canSpill: state.canSpill || (!cut && keys.some(({ expr }) => expr.node.kind === 'column')),
    canSpillUnsorted: state.canSpillUnsorted ?? state.canSpill,
    build: (frame, api) => {
      const sorted = state.build(frame, api).sort(
        keys.map(({ expr }) => expr),
        { descending, nullsLast },
      )
      return cut ? sorted.slice(offset, length) : sorted
    },
    sql: (source) => {
      const sorted = `SELECT ${names(state.columns)}${number} FROM (${state.sql(source)})`
      return cut ? `SELECT * FROM (${sorted}) ORDER BY ${ROW} LIMIT ${length} OFFSET ${offset}` : sorted
    },
    steps: [...state.steps, `sort ${order.join(', ')}${cut ? ` slice ${offset}, ${length}` : ''}`],
  }
}

/** The frame followed by a filtered copy of itself. */
function concatStep(state: State, choices: Choices): State {
  const condition = randomCondition(choices, state.columns, 1)
  const columns = names(state.columns)
  return {
    ...state,
    build: (frame, api) => {
      const input = state.build(frame, api)
      return api.concat([input, input.filter(condition.expr)])
    },
    sql: (source) => {
      const inner = state.sql(source)
      const order = state.ordered ? `, ${ROW}` : ''
      const both =
        `SELECT 0 AS __part, ${columns}${order} FROM (${inner}) UNION ALL ` +
        `SELECT 1 AS __part, ${columns}${order} FROM (${inner}) WHERE ${condition.sql}`
      if (!state.ordered) return `SELECT ${columns} FROM (${both})`
      return `SELECT ${columns}, row_number() OVER (ORDER BY __part, ${ROW}) AS ${ROW} FROM (${both})`
    },
    steps: [...state.steps, `concat with filter ${condition.sql}`],
  }
}

/** Kinds of steps that are drawn. */
const STEP_KINDS = 10

function nextState(state: State, source: State, choices: Choices): State {
  switch (choices.below(STEP_KINDS)) {
    case 0:
    case 1:
      return filterStep(state, choices)
    case 2:
      return projectStep(state, choices)
    case 3:
      return groupByStep(state, choices)
    case 4:
      return uniqueStep(state)
    case 5:
      return state.ordered ? sliceStep(state, choices) : filterStep(state, choices)
    case 7:
    case 8:
      return joinStep(state, source, choices)
    case 9:
      return sortStep(state, choices)
    default:
      return concatStep(state, choices)
  }
}

/** The query that a tape of decisions spells over a schema, of 0 to 4 steps. */
export function queryOfTape(schema: Schema, tape: readonly number[]): GeneratedQuery {
  const choices = new Choices(tape)
  const columns = schema.fields.map(({ name, type }) => ({ name, type }))
  const source: State = {
    columns,
    ordered: true,
    hasSink: false,
    hasJoin: false,
    canSpill: false,
    canSpillUnsorted: undefined,
    build: (frame) => frame,
    sql: (table) => `SELECT ${names(columns)}, row_number() OVER () AS ${ROW} FROM ${table}`,
    steps: [],
  }
  let state = source
  const count = choices.below(5)
  for (let step = 0; step < count; step++) state = nextState(state, source, choices)
  const done = state
  return {
    ...done,
    sql: (source) =>
      `SELECT ${names(done.columns)} FROM (${done.sql(source)})${done.ordered ? ` ORDER BY ${ROW}` : ''}`,
  }
}

/** Random queries over a schema; shrinking drops steps and simplifies expressions. */
export function queriesOf(schema: Schema): fc.Arbitrary<GeneratedQuery> {
  return tapes().map((tape) => queryOfTape(schema, tape))
}
