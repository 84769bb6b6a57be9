/**
 * Tables of hundreds and thousands of columns against DuckDB: group-by, distinct rows, sort and join at the widths at
 * which the engine changes its ways (code per field or loops over fields, rows within a page or longer ones, the limits
 * of WebAssembly), with few rows, in memory and spilled.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { col, createEngine, type Engine, type EngineOptions, type LazyFrame, len } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { Oracle } from '../duckdb-oracle.ts'
import { makeChoices } from '../parquet/random-choices.ts'

/** Half of them are copies of the other half, but for their number. */
const ROWS = 16

type Aggregate = 'sum' | 'min' | 'max' | 'mean' | 'count' | 'first' | 'last'

interface Kind {
  /** A value from h, a hash of row and column. */
  readonly sql: string
  readonly aggregates: readonly Aggregate[]
  /** What DuckDB's sum is cast to, to be of Spillway's type. */
  readonly sumType: string
}

const kinds: readonly Kind[] = [
  { sql: '(h % 1000)::BIGINT - 500', aggregates: ['sum', 'min', 'mean', 'first'], sumType: 'BIGINT' },
  { sql: "'w' || (h % 9)::VARCHAR", aggregates: ['min', 'max', 'count', 'last'], sumType: '' },
  { sql: "'a text that is longer than twelve bytes ' || (h % 7)", aggregates: ['max', 'min', 'first'], sumType: '' },
  {
    sql: "CASE WHEN h % 13 = 0 THEN 'NaN' ELSE (h % 64) / 8.0 - 4 END::DOUBLE",
    aggregates: ['sum', 'max', 'mean'],
    sumType: 'DOUBLE',
  },
  { sql: '(h % 100)::INTEGER', aggregates: ['sum', 'mean', 'count', 'max'], sumType: 'BIGINT' },
  { sql: '((h % 100000) - 5)::DECIMAL(20, 2)', aggregates: ['sum', 'min', 'max'], sumType: 'DECIMAL(38, 2)' },
  { sql: 'h % 2 = 0', aggregates: ['max', 'count', 'min'], sumType: '' },
]

/** A table of a key with few values, the number of the row, and columns of all kinds in an order made by chance. */
interface Wide {
  readonly table: string
  readonly path: string
  readonly names: readonly string[]
  readonly kindOf: readonly Kind[]
  readonly aggregateOf: readonly Aggregate[]
}

let folder: string
let oracle: Oracle
const tables = new Map<string, Promise<Wide>>()

/** @param kind all columns are of this kind; undefined: of any */
function wideTable(width: number, kind?: number): Promise<Wide> {
  const table = `wide_${width}_${kind ?? 'any'}`
  const made = tables.get(table) ?? makeWide(table, width, kind)
  tables.set(table, made)
  return made
}

async function makeWide(table: string, width: number, kind: number | undefined): Promise<Wide> {
  const choices = makeChoices(width, kind ?? kinds.length)
  const chosen = Array.from({ length: width - 2 }, () => kinds[kind ?? choices.below(kinds.length)] as Kind)
  const names = chosen.map((_, column) => `c${column}`)
  const cells = chosen.map(({ sql }, column) => {
    const hash = `(hash((i % ${ROWS / 2}) * 7919 + ${column}) >> 2)::BIGINT`
    const value = sql.replace(/\bh\b/g, hash)
    return choices.below(3) === 0 ? value : `CASE WHEN ${hash} % 11 = 0 THEN NULL ELSE ${value} END`
  })
  const columns = cells.map((cell, column) => `${cell} AS c${column}`).join(', ')
  const rows = `(SELECT range AS i FROM range(${ROWS}))`
  await oracle.execute(`CREATE TABLE ${table} AS SELECT (i % 5)::INTEGER AS k, i AS row, ${columns} FROM ${rows}`)
  const path = join(folder, `${table}.parquet`)
  await oracle.writeParquet(table, path, { rowGroupRows: 2048 })
  const aggregateOf = chosen.map(({ aggregates }) => choices.of(aggregates))
  return { table, path, names, kindOf: chosen, aggregateOf }
}

const aggregatesOf = ({ names, aggregateOf }: Wide) =>
  names.map((name, column) => col(name)[aggregateOf[column] as Aggregate]().alias(name))

function sqlAggregatesOf({ names, aggregateOf, kindOf }: Wide): string {
  const texts = names.map((name, column): string => {
    const aggregate = aggregateOf[column] as Aggregate
    if (aggregate === 'mean') return `avg(${name})`
    if (aggregate === 'first') return `(arg_min({v: ${name}}, row)).v`
    if (aggregate === 'last') return `(arg_max({v: ${name}}, row)).v`
    return aggregate === 'sum' ? `sum(${name})::${kindOf[column]?.sumType}` : `${aggregate}(${name})`
  })
  return texts.map((text, column) => `${text} AS c${column}`).join(', ')
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-wide-'))
  oracle = await Oracle.open()
})
afterAll(() => {
  oracle.close()
  rmSync(folder, { recursive: true, force: true })
})

async function check(frame: LazyFrame, sql: string, ordered = false): Promise<number> {
  const result = await frame.collect()
  const expected = await oracle.query(sql)
  const difference = tableDifference(tableOfArrow(result.toArrow()), expected, { ordered })
  expect(difference?.slice(0, 2000), sql.slice(0, 200)).toBeUndefined()
  return (result.metrics as { readonly spilledBytes: number }).spilledBytes
}

type Query = (engine: Engine, wide: Wide) => Promise<number>

const scan = (engine: Engine, { path }: Wide): LazyFrame => engine.scanParquet([path]) as LazyFrame

const queries: Readonly<Record<string, Query>> = {
  'aggregates of groups': (engine, wide) =>
    check(
      scan(engine, wide)
        .groupBy('k')
        .agg(...aggregatesOf(wide)) as LazyFrame,
      `SELECT k, ${sqlAggregatesOf(wide)} FROM ${wide.table} GROUP BY k`,
    ),
  'aggregates of all rows': (engine, wide) =>
    check(
      scan(engine, wide).select(...aggregatesOf(wide)) as LazyFrame,
      `SELECT ${sqlAggregatesOf(wide)} FROM ${wide.table}`,
    ),
  'distinct rows': (engine, wide) =>
    check(
      scan(engine, wide).select(wide.names).unique() as LazyFrame,
      `SELECT DISTINCT ${wide.names.join(', ')} FROM ${wide.table}`,
    ),
  'groups by all columns': (engine, wide) =>
    check(
      scan(engine, wide)
        .groupBy(...wide.names)
        .agg(len().alias('n')) as LazyFrame,
      `SELECT ${wide.names.join(', ')}, count(*) AS n FROM ${wide.table} GROUP BY ALL`,
    ),
  'sorted by two keys': (engine, wide) =>
    check(
      scan(engine, wide).sort(['k', 'c1'], { descending: [true, false] }) as LazyFrame,
      `SELECT * FROM ${wide.table} ORDER BY k DESC NULLS FIRST, c1 NULLS FIRST, row`,
      true,
    ),
  'sorted by all columns': (engine, wide) =>
    check(
      scan(engine, wide).sort(wide.names) as LazyFrame,
      `SELECT * FROM ${wide.table} ORDER BY ${wide.names.map((name) => `${name} NULLS FIRST`).join(', ')}, row`,
      true,
    ),
  'the first rows by all columns': (engine, wide) =>
    check(
      scan(engine, wide).sort(wide.names, { descending: true }).slice(0, 7) as LazyFrame,
      `SELECT * FROM ${wide.table}
        ORDER BY ${wide.names.map((name) => `${name} DESC NULLS FIRST`).join(', ')}, row LIMIT 7`,
      true,
    ),
  'joined by one key': (engine, wide) => {
    const right = wide.names.map((name) => col(name).alias(`r_${name}`))
    return check(
      scan(engine, wide).join(scan(engine, wide).select('k', 'row', ...right) as LazyFrame, {
        leftOn: ['k'],
        rightOn: ['k'],
        how: 'inner',
        suffix: '_right',
      }) as LazyFrame,
      `SELECT a.*, b.row AS row_right, ${wide.names.map((name) => `b.${name} AS r_${name}`).join(', ')}
        FROM ${wide.table} a JOIN ${wide.table} b ON a.k = b.k`,
    )
  },
  'joined by all columns': (engine, wide) =>
    check(
      scan(engine, wide).join(scan(engine, wide), {
        on: wide.names,
        how: 'left',
        nullsEqual: true,
        suffix: '_right',
      }) as LazyFrame,
      `SELECT a.*, b.k AS k_right, b.row AS row_right FROM ${wide.table} a LEFT JOIN ${wide.table} b
        ON ${wide.names.map((name) => `a.${name} IS NOT DISTINCT FROM b.${name}`).join(' AND ')}`,
    ),
}

const every = Object.keys(queries)

interface Case {
  readonly name: string
  readonly options: EngineOptions
  readonly widths: readonly number[]
  /** Of all columns; undefined: any. */
  readonly kind: number | undefined
  readonly queries: readonly string[]
}

const spilling = { threads: 2, testing: { forceSpill: true, batchRows: 7, poison: true } }
/** One of each operator whose rows hold all columns. */
const operators = ['aggregates of groups', 'sorted by two keys', 'joined by one key']
const fast: readonly Case[] = [
  // Loops begin behind 256 fields; a function of WebAssembly has at most 1,000 parameters.
  { name: 'in memory', options: { threads: 2 }, widths: [255, 256, 257], kind: undefined, queries: every },
  {
    name: 'of many keys',
    options: { threads: 2 },
    widths: [1003],
    kind: undefined,
    queries: ['groups by all columns'],
  },
  { name: 'spilled', options: spilling, widths: [259], kind: undefined, queries: operators },
]
const slow: readonly Case[] = [
  // 4,096 texts fill a page: rows lie in blocks of two.
  { name: 'of texts', options: { threads: 2 }, widths: [4120], kind: 2, queries: ['sorted by two keys'] },
  { name: 'of more columns', options: { threads: 2 }, widths: [999, 1003], kind: undefined, queries: every },
  { name: 'of more columns, spilled', options: spilling, widths: [257, 1003], kind: undefined, queries: every },
  { name: 'of texts, spilled', options: spilling, widths: [4120], kind: 2, queries: operators },
]
const cases = process.env['SPILLWAY_SLOW'] === '1' ? [...fast, ...slow] : fast

describe.each(cases)('wide tables $name', ({ options, widths, kind, queries: asked }) => {
  let engine: Engine
  beforeAll(() => {
    engine = createEngine({ memoryLimit: '8GB', ...options })
  })
  afterAll(() => engine.close())

  it.each(widths)('of %i columns', { timeout: 240_000 }, async (width) => {
    const wide = await wideTable(width, kind)
    for (const name of asked) {
      const spilledBytes = await (queries[name] as Query)(engine, wide)
      if (options === spilling) expect(spilledBytes, name).toBeGreaterThan(0)
    }
  })
})
