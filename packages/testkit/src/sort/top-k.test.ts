/**
 * Top-k against DuckDB: rows and their order for every type, direction and null order, ties at the cut included; and
 * that row groups which the running bound rules out are not read, where NaN and nulls allow it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { col, createEngine, type Engine, type LazyFrame, type QueryMetrics } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { Oracle } from '../duckdb-oracle.ts'

const ROWS = 60_000
const ROW_GROUP_ROWS = 4096

let folder: string
let oracle: Oracle
const path = (table: string) => join(folder, `${table}.parquet`)

/** `place` grows with the row, `back` falls; both have every value some ten times. */
const columns = `i AS row, (i // 10)::BIGINT AS place, -(i // 10)::INTEGER AS back, (hash(i) % 50)::SMALLINT AS few,
  CASE WHEN i % 20011 = 77 THEN 'NaN'::DOUBLE ELSE i::DOUBLE / 8 END AS growing,
  -(i::FLOAT) AS falling, CASE WHEN i % 9000 = 5 THEN NULL ELSE i::UINTEGER END AS gaps,
  printf('%08d of a long text', i // 3) AS text, 'payload ' || hash(i)::VARCHAR AS payload,
  (i::DECIMAL(18, 0) / 4)::DECIMAL(15, 2) AS money, TIMESTAMP '2020-01-01' + INTERVAL (i) SECOND AS moment`

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-top-'))
  oracle = await Oracle.open()
  await oracle.execute(`CREATE TABLE rows AS SELECT ${columns} FROM (SELECT range AS i FROM range(${ROWS}))`)
  await oracle.writeParquet('rows', path('rows'), { rowGroupRows: ROW_GROUP_ROWS })
}, 120_000)
afterAll(() => {
  oracle.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Query {
  readonly build: (frame: LazyFrame) => LazyFrame
  readonly sql: string
}

async function check(engine: Engine, { build, sql }: Query): Promise<QueryMetrics> {
  const result = await build(engine.scanParquet([path('rows')])).collect()
  const difference = tableDifference(tableOfArrow(result.toArrow()), await oracle.query(sql), { ordered: true })
  expect(difference, sql).toBeUndefined()
  return result.metrics as QueryMetrics
}

const skipped = (metrics: QueryMetrics): number =>
  metrics.operators.reduce((sum, { rowGroupsSkipped }) => sum + rowGroupsSkipped, 0)

function topQuery(name: string, descending: boolean, nullsLast: boolean, count: number): Query {
  return {
    build: (frame) => frame.sort(name, { descending, nullsLast }).head(count),
    sql: `SELECT * FROM rows ORDER BY ${name} ${descending ? 'DESC' : 'ASC'} NULLS ${nullsLast ? 'LAST' : 'FIRST'}, row
      LIMIT ${count}`,
  }
}

describe.each([
  { name: 'one thread', options: { threads: 1 } },
  { name: 'three threads, small batches', options: { threads: 3, testing: { batchRows: 700, poison: true } } },
  { name: 'spilled', options: { threads: 2, testing: { forceSpill: true } } },
])('top-k with $name', ({ options }) => {
  let engine: Engine
  beforeAll(() => {
    engine = createEngine({ memoryLimit: '1GB', ...options })
  })
  afterAll(() => engine.close())

  it('gives the first rows of the sorted input', { timeout: 120_000 }, async () => {
    for (const name of ['place', 'back', 'few', 'growing', 'falling', 'gaps', 'text', 'money', 'moment']) {
      for (const [descending, nullsLast] of [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ] as const) {
        await check(engine, topQuery(name, descending, nullsLast, descending ? 25 : 3))
      }
    }
    // More than are sorted at a time, and more than there are.
    for (const count of [0, 1, 5000, 30_000, ROWS + 1]) await check(engine, topQuery('few', true, false, count))
  })

  it('keeps the rows that come first in the input where keys tie', async () => {
    for (const descending of [false, true]) await check(engine, topQuery('few', descending, false, 500))
    const build = (frame: LazyFrame) => frame.topK(40, { by: ['few', 'place'], descending: [true, false] })
    await check(engine, { build, sql: 'SELECT * FROM rows ORDER BY few DESC, place, row LIMIT 40' })
  })

  it('works above filters, projections and groups', async () => {
    await check(engine, {
      build: (frame) => frame.filter(col('few').gt(7)).select('row', col('place').alias('p')).topK(9, { by: 'p' }),
      sql: 'SELECT row, place AS p FROM rows WHERE few > 7 ORDER BY p DESC, row LIMIT 9',
    })
    await check(engine, {
      build: (frame) => frame.groupBy('few').agg(col('row').max().alias('last')).bottomK(7, { by: 'few' }),
      sql: 'SELECT few, max(row) AS last FROM rows GROUP BY few ORDER BY few LIMIT 7',
    })
    await check(engine, {
      build: (frame) => frame.sort(col('place').mod(100), true).slice(10, 20),
      sql: 'SELECT * FROM rows ORDER BY place % 100 DESC, row LIMIT 20 OFFSET 10',
    })
  })
})

describe('row groups below a top-k', () => {
  let engine: Engine
  beforeAll(() => {
    engine = createEngine({ memoryLimit: '1GB', threads: 1 })
  })
  afterAll(() => engine.close())
  const groups = Math.ceil(ROWS / ROW_GROUP_ROWS)

  it('are skipped when their statistics lie beyond the bound', async () => {
    for (const [name, descending] of [
      ['place', false],
      ['place', true],
      ['back', true],
      ['text', true],
      ['money', false],
      ['moment', true],
      ['growing', false],
    ] as const) {
      const metrics = await check(engine, topQuery(name, descending, true, 10))
      // The row group with the best rows is read first; it alone holds the answer. Three hold NaN and have no bounds.
      expect(skipped(metrics), name).toBeGreaterThanOrEqual(name === 'growing' ? groups - 3 : groups - 1)
      expect(metrics.spilledBytes).toBe(0)
    }
  })

  it('are read where NaN or nulls may come first, or where keys are computed', async () => {
    expect(skipped(await check(engine, topQuery('growing', true, true, 10)))).toBe(0)
    const withNulls = skipped(await check(engine, topQuery('gaps', false, false, 10)))
    expect(withNulls).toBeLessThan(groups - 1)
    const computed = {
      build: (frame: LazyFrame) => frame.sort(col('place').mul(2)).head(5),
      sql: 'SELECT * FROM rows ORDER BY place * 2, row LIMIT 5',
    }
    expect(skipped(await check(engine, computed))).toBe(0)
  })

  it('are read when one of their rows might raise an error', async () => {
    const frame = engine.scanParquet([path('rows')]).withColumns(
      col('row')
        .mul(2 ** 50)
        .mul(2 ** 10)
        .alias('made'),
    )
    await expect(frame.topK(5, { by: 'back' }).collect()).rejects.toMatchObject({ code: 'OVERFLOW' })
  })
})
