/**
 * Sorts in every mode against DuckDB, order included: in memory, spilled, in several passes, under a budget near the
 * floor; random, equal, presorted and reversed keys; keys of every type in both directions with nulls at either end.
 * Ties are decided by the order of the input, which DuckDB is told by a column of row numbers.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { col, createEngine, type Engine, type EngineOptions, type QueryMetrics, SpillwayError } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { Oracle } from '../duckdb-oracle.ts'

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

  /** The fewest arena pages with which a query is admitted. */
  async function leastPages(threads: number, run: (engine: Engine) => Promise<unknown>): Promise<number> {
    let low = 1
    let high = 4096
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const engine = createEngine({ threads, memoryLimit: '2GB', testing: { budgetPages: middle } })
      const isAdmitted = await run(engine).then(
        () => true,
        (error: SpillwayError) => error.details['operator'] !== 'admission',
      )
      await engine.close()
      if (isAdmitted) high = middle
      else low = middle + 1
    }
    return low
  }

  it('gives the same answer at the floor and above, whatever the threads', { timeout: 300_000 }, async () => {
    const target = path('sorted')
    const least = await leastPages(1, (engine) =>
      engine
        .scanParquet([path('none')])
        .sort('whole')
        .sinkParquet(target),
    )
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
      await oracle.execute(`CREATE OR REPLACE TABLE sorted AS SELECT *, row_number() OVER () - 1 AS place
        FROM read_parquet('${target}')`)
      const expected = '(SELECT row, row_number() OVER (ORDER BY key, row) - 1 AS place FROM many)'
      const wrong = await oracle.query(
        `SELECT count(*) FROM sorted s JOIN ${expected} e USING (place) JOIN many m ON m.row = e.row
          WHERE s.row <> e.row OR s.key <> m.key OR s.payload <> m.payload`,
      )
      const rows = await oracle.query('SELECT count(*) FROM sorted')
      expect([wrong.rows[0]?.[0], rows.rows[0]?.[0]], `${threads} threads, ${pages} pages`).toEqual([0n, 120_000n])
      if (pages <= least * 2) expect(sortOf(metrics as QueryMetrics).partitionsSpilled).toBeGreaterThan(1)
      await engine.close()
    }
  })

  it('lets chains of sorts and groups end at every budget that admits them', { timeout: 300_000 }, async () => {
    const target = path('chained')
    const expected = await oracle.query('SELECT count(*), sum(key) FROM many')
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
        const found = await oracle.query(`SELECT count(*), sum(key) FROM read_parquet('${target}')`)
        expect(found.rows, `${name}, ${pages} pages`).toEqual(expected.rows)
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
