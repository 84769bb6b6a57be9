/**
 * Sorts in every mode against DuckDB, order included: in memory, spilled, in several passes, under a budget near the
 * floor; random, equal, presorted and reversed keys; keys of every type in both directions with nulls at either end.
 * Ties are decided by the order of the input, which DuckDB is told by a column of row numbers.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  col,
  createEngine,
  type Engine,
  type EngineOptions,
  type LazyFrame,
  type QueryMetrics,
  SpillwayError,
} from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { Oracle } from '../duckdb-oracle.ts'
import { leastBudgetPages } from '../memory/least-budget.ts'

const ROWS = 6000

/** Columns that keys are taken from, by DuckDB, from the row number i and a hash h. */
const columns: Readonly<Record<string, string>> = {
  flag: 'h % 2 = 0',
  tiny: '(h % 200 - 100)::TINYINT',
  small: '(h % 7)::USMALLINT',
  whole: '(h % 100000)::INTEGER - 50000',
  big: 'h * 2 - (1::BIGINT << 62)',
  unsigned: 'h::UBIGINT * 4',
  single: '((h % 1000)::FLOAT - 500) / 8',
  double:
    "CASE WHEN h % 97 = 0 THEN 'NaN'::DOUBLE WHEN h % 89 = 0 THEN -0.0::DOUBLE " +
    'ELSE (h % 5000)::DOUBLE / 16 - 99 END',
  day: "DATE '2001-01-01' + (h % 9000)::INTEGER",
  moment: "TIMESTAMP '2001-01-01' + INTERVAL (h % 100000000) MILLISECOND",
  money: '((h % 2000000)::BIGINT - 1000000)::DECIMAL(12, 2)',
  wide: '((h % 2000000)::HUGEINT * 100000000000000000000)::DECIMAL(38, 2)',
  word: "'w' || (h % 40)::VARCHAR",
  text: "'a long prefix of all texts ' || (h % 3000)::VARCHAR",
}
const names = Object.keys(columns)

interface Mode {
  readonly name: string
  readonly options: EngineOptions
  /** What the metrics must show. */
  readonly reached: (metrics: QueryMetrics) => void
}

const sortOf = (metrics: QueryMetrics) => {
  const operator = metrics.operators.find(({ label }) => label === 'STREAMING_SORT')
  if (operator === undefined) throw new Error('the plan has a sort')
  return operator
}

const modes: readonly Mode[] = [
  {
    name: 'in memory, one range',
    options: { threads: 2 },
    reached: (metrics) => expect(metrics.spilledBytes).toBe(0),
  },
  {
    name: 'in memory, many ranges and chunks',
    options: { threads: 3, testing: { morselRows: 300, batchRows: 200 } },
    reached: (metrics) => expect(metrics.spilledBytes).toBe(0),
  },
  {
    name: 'spilled',
    options: { threads: 2, testing: { forceSpill: true, batchRows: 500, morselRows: 700, poison: true } },
    reached: (metrics) => {
      expect(sortOf(metrics).partitionsSpilled).toBeGreaterThanOrEqual(10)
      expect(sortOf(metrics).recursionDepth).toBe(0)
      expect(sortOf(metrics).amplification).toBeLessThanOrEqual(2)
    },
  },
  {
    name: 'several passes',
    options: { threads: 2, testing: { forceSpill: true, batchRows: 400, sortFanIn: 3, poison: true } },
    reached: (metrics) => expect(sortOf(metrics).recursionDepth).toBeGreaterThanOrEqual(2),
  },
  ...(
    [
      { name: 'many runs', threads: 2, batchRows: 100 },
      { name: 'the largest blocks', threads: 1, batchRows: 2500 },
    ] as const
  ).map(({ name, threads, batchRows }) => ({
    name: `passes of the output, which is refused all but its promised pages: ${name}`,
    options: {
      threads,
      testing: {
        ...{ forceSpill: true, batchRows, morselRows: 700, poison: true },
        reservationFault: { at: 0, sticky: true, operator: 'sortOutput', counter: new SharedArrayBuffer(4) },
      },
    },
    reached: (metrics: QueryMetrics) => {
      const output = metrics.operators.find(({ label }) => label === 'SORT OUTPUT')
      // The table of equal rows has so few columns that no block of it is large.
      const areNarrow = threads === 1 && sortOf(metrics).spilledBytes < 5e5
      expect(output?.recursionDepth).toBeGreaterThanOrEqual(areNarrow ? 0 : 1)
      expect(sortOf(metrics).recursionDepth).toBe(0)
    },
  })),
]

let folder: string
let oracle: Oracle
const path = (table: string) => join(folder, `${table}.parquet`)

async function makeTable(table: string, select: string, rowGroupRows = 2048): Promise<void> {
  await oracle.execute(`CREATE OR REPLACE TABLE ${table} AS ${select}`)
  await oracle.writeParquet(table, path(table), { rowGroupRows })
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-sort-'))
  oracle = await Oracle.open()
  const cells = names.map((name, index) => {
    const value = (columns[name] as string).replace(/\bh\b/g, `(hash(i + ${index * 1_000_003}) >> 2)::BIGINT`)
    return `CASE WHEN hash(i * 31 + ${index}) % 9 = 0 THEN NULL ELSE ${value} END AS ${name}`
  })
  const rows = `(SELECT range AS i FROM range(${ROWS}))`
  await makeTable('rows', `SELECT ${cells.join(', ')}, i AS row FROM ${rows}`)
  // The same rows in other orders: what is sorted already, reversed, or all alike.
  const order = 'ORDER BY whole NULLS FIRST, text DESC NULLS FIRST, row'
  await makeTable('presorted', `SELECT * EXCLUDE row, row_number() OVER () - 1 AS row FROM (FROM rows ${order})`)
  const reversed = 'ORDER BY whole DESC NULLS LAST, text ASC NULLS LAST, row DESC'
  await makeTable('reversed', `SELECT * EXCLUDE row, row_number() OVER () - 1 AS row FROM (FROM rows ${reversed})`)
  await makeTable('equal', `SELECT 7 AS whole, 'one text for all of the rows' AS text, i AS row FROM ${rows}`)
  await makeTable('none', 'SELECT * FROM rows WHERE false')
}, 120_000)
afterAll(() => {
  oracle.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Key {
  readonly name: string
  readonly descending: boolean
  readonly nullsLast: boolean
}

async function check(engine: Engine, table: string, keys: readonly Key[]): Promise<QueryMetrics> {
  const frame = engine.scanParquet([path(table)]).sort(
    keys.map(({ name }) => col(name)),
    { descending: keys.map(({ descending }) => descending), nullsLast: keys.map(({ nullsLast }) => nullsLast) },
  )
  const result = await frame.collect()
  const order = keys.map(
    ({ name, descending, nullsLast }) => `${name} ${descending ? 'DESC' : 'ASC'} NULLS ${nullsLast ? 'LAST' : 'FIRST'}`,
  )
  const expected = await oracle.query(`SELECT * FROM ${table} ORDER BY ${order.join(', ')}, row`)
  const difference = tableDifference(tableOfArrow(result.toArrow()), expected, { ordered: true })
  expect(difference, `${table} by ${order.join(', ')}`).toBeUndefined()
  return result.metrics as QueryMetrics
}

const ascending = (name: string): Key => ({ name, descending: false, nullsLast: false })

describe.each(modes)('sort $name', ({ options, reached }) => {
  let engine: Engine
  beforeAll(() => {
    engine = createEngine({ memoryLimit: '1GB', ...options })
  })
  afterAll(() => engine.close())

  it('by a key of each type', { timeout: 240_000 }, async () => {
    for (const [index, name] of names.entries()) {
      const keys = [{ name, descending: index % 2 === 1, nullsLast: index % 3 === 1 }]
      reached(await check(engine, 'rows', keys))
    }
  })

  it('by several keys', { timeout: 240_000 }, async () => {
    for (let start = 0; start < names.length; start += 2) {
      const keys = [0, 5, 9].map((step) => ({
        name: names[(start + step) % names.length] as string,
        descending: (start + step) % 4 === 1,
        nullsLast: step === 5,
      }))
      reached(await check(engine, 'rows', [ascending('small'), ...keys]))
    }
  })

  it('of keys that are in order, in reverse, or all alike', async () => {
    const keys = [ascending('whole'), { ...ascending('text'), descending: true }]
    for (const table of ['presorted', 'reversed']) reached(await check(engine, table, keys))
    reached(await check(engine, 'equal', keys))
    reached(await check(engine, 'equal', [ascending('text')]))
    reached(await check(engine, 'rows', [ascending('row')]))
  })

  it('of no rows, and top-k of some', async () => {
    await check(engine, 'none', [ascending('whole')])
    for (const [offset, length] of [
      [0, 10],
      [5, 1000],
      [ROWS - 3, 10],
      [3, 0],
    ] as const) {
      const frame = engine
        .scanParquet([path('rows')])
        .sort(['word', 'double'], [true, false])
        .slice(offset, length)
      const sql = 'SELECT * FROM rows ORDER BY word DESC NULLS FIRST, double NULLS FIRST, row'
      const expected = await oracle.query(`${sql} LIMIT ${length} OFFSET ${offset}`)
      const found = tableOfArrow((await frame.collect()).toArrow())
      expect(tableDifference(found, expected, { ordered: true })).toBeUndefined()
    }
  })
})

describe('sort under a small budget', () => {
  beforeAll(async () => {
    const rows = '(SELECT range AS i FROM range(120000))'
    await makeTable(
      'many',
      `SELECT hash(i) % 50000 AS key, i AS row,
        'payload of row ' || hash(i)::VARCHAR || repeat('x', (i % 60)::INTEGER) AS payload FROM ${rows}`,
      30_000,
    )
    await makeTable(
      'huge',
      `SELECT CASE WHEN i % 40 = 0 THEN repeat(chr((97 + i % 26)::INTEGER), 2000000) || i
        ELSE 'short ' || hash(i)::VARCHAR END AS text, i AS row FROM (SELECT range AS i FROM range(400))`,
    )
  }, 120_000)

  /** Makes a table of an ordered SELECT, in which each row has its place. */
  const makeOrdered = (table: string, sql: string) =>
    oracle.execute(`CREATE TABLE ${table} AS SELECT *, row_number() OVER () - 1 AS place FROM (${sql})`)

  /** Places of a file at which there is another row than in such a table, or a row in one of them only. */
  async function wrongPlaces(target: string, table: string, columns: readonly string[]): Promise<unknown> {
    const isWrong = columns.map((name) => `found.${name} IS DISTINCT FROM wanted.${name}`).join(' OR ')
    const { rows } = await oracle.query(
      `SELECT count(*) FROM read_parquet('${target}', file_row_number = true) found
        FULL JOIN ${table} wanted ON file_row_number = place
        WHERE file_row_number IS NULL OR place IS NULL OR ${isWrong}`,
    )
    return rows[0]?.[0]
  }

  it('gives the same answer at the floor and above, whatever the threads', { timeout: 300_000 }, async () => {
    const target = path('sorted')
    await makeOrdered('sorted', 'SELECT * FROM many ORDER BY key, row')
    const asked = createEngine({ threads: 1, memoryLimit: '2GB' })
    const least = await leastBudgetPages(asked.scanParquet([path('many')]).sort('key') as LazyFrame)
    await asked.close()
    for (const [threads, pages] of [
      [1, least + 8],
      [1, least * 2],
      [2, least * 3],
      [3, least * 6],
    ] as const) {
      const testing = { budgetPages: pages, morselRows: 20_000 }
      const engine = createEngine({ threads, memoryLimit: '2GB', testing })
      const { metrics } = await engine
        .scanParquet([path('many')])
        .sort(['key'])
        .sinkParquet(target)
      const wrong = await wrongPlaces(target, 'sorted', ['key', 'row', 'payload'])
      expect(wrong, `${threads} threads, ${pages} pages`).toBe(0n)
      if (pages <= least * 2) expect(sortOf(metrics as QueryMetrics).partitionsSpilled).toBeGreaterThan(1)
      await engine.close()
    }
  })

  it('lets chains of sorts and groups end at every budget that admits them', { timeout: 300_000 }, async () => {
    const target = path('chained')
    // Ties of the second sort keep the order of the first one.
    await makeOrdered('chained_sorts', 'SELECT * FROM many ORDER BY key, payload, row')
    const sums = 'SELECT payload, sum(key)::BIGINT AS key FROM many GROUP BY payload'
    await makeOrdered('chained_groups', `${sums} ORDER BY key, payload`)
    let ended = 0
    for (const pages of [150, 190, 230, 300, 500]) {
      const engine = createEngine({ threads: 1, memoryLimit: '2GB', testing: { budgetPages: pages } })
      const rows = engine.scanParquet([path('many')])
      const groups = rows.groupBy('payload').agg(col('key').sum().alias('key')).sort(['key', 'payload'])
      for (const [name, frame] of Object.entries({ sorts: rows.sort('payload').sort('key'), groups })) {
        try {
          await frame.sinkParquet(target)
        } catch (error) {
          expect((error as SpillwayError).details['operator'], `${name}, ${pages} pages: ${error}`).toBe('admission')
          continue
        }
        ended += 1
        const wrong = await wrongPlaces(target, `chained_${name}`, frame.columns)
        expect(wrong, `${name}, ${pages} pages`).toBe(0n)
      }
      await engine.close()
    }
    expect(ended).toBeGreaterThan(4)
  })

  it('takes rows of two megabytes, or says what they need', { timeout: 300_000 }, async () => {
    const outcomes: string[] = []
    for (const pages of [200, 400, 800, 1600, 4000]) {
      const engine = createEngine({ threads: 2, memoryLimit: '4GB', testing: { budgetPages: pages } })
      try {
        await check(engine, 'huge', [ascending('text')])
        outcomes.push('right')
      } catch (error) {
        if (!(error instanceof SpillwayError) || error.code !== 'MEMORY_LIMIT') throw error
        expect(error.details['needBytes'] ?? error.details['floorBytes']).toBeGreaterThan(0)
        outcomes.push('refused')
      }
      await engine.close()
    }
    // What finishes at a limit finishes at every larger one.
    expect(outcomes).toEqual([...outcomes].sort())
    expect(outcomes.at(-1)).toBe('right')
  })
})
