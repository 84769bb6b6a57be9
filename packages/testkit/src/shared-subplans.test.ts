// Several plans of one query against DuckDB under every variant: random ones, and given ones in which a subplan is read
// by branches of one pipeline, by a multiplexer, or again. What ran once is seen in the metrics.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  col,
  collectAll,
  concat,
  createEngine,
  type DataFrame,
  type Engine,
  type EngineOptions,
  first,
  last,
  type LazyFrame,
  len,
  nUnique,
  type QueryMetrics,
  type QueryOptions,
  sum,
} from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tables } from './arbitraries.ts'
import { tableOfArrow } from './arrow-cells.ts'
import type { ResultTable } from './cells.ts'
import { tapes } from './choices.ts'
import { tableDifference } from './compare-tables.ts'
import { Oracle } from './duckdb-oracle.ts'
import { queryOfTape } from './query-generator.ts'
import { type Variant, variants } from './variants.ts'

const RUNS = Number(process.env['SPILLWAY_ORACLE_RUNS'] ?? '30')
const RESOURCE_CODES = ['MEMORY_LIMIT', 'SPILL_DISK_FULL', 'SPILL_IO', 'SPILL_CORRUPTION']
const floats = { relativeFloat: 1e-9, absoluteFloat: 1e-6 }

let database: Oracle
let folder: string
beforeAll(async () => {
  database = await Oracle.open()
  folder = mkdtempSync(join(tmpdir(), 'spillway-shared-'))
})
afterAll(() => {
  database.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Undefined: the variant may fail, and did. */
async function collected(
  variant: Variant,
  frames: readonly LazyFrame[],
  options: QueryOptions = {},
): Promise<readonly DataFrame[] | undefined> {
  try {
    return await collectAll(frames, options)
  } catch (error) {
    if (variant.mayFail && RESOURCE_CODES.includes(String((error as { code?: unknown }).code))) return undefined
    throw error
  }
}

describe('random plans that are collected together', () => {
  for (const variant of variants) {
    it(variant.name, { timeout: 120_000 }, async () => {
      const engine = createEngine(variant.engineOptions() as EngineOptions)
      let file = 0
      let shared = 0
      try {
        const property = fc.asyncProperty(tables(), tapes(), tapes(), async (table, one, other) => {
          const path = join(folder, `${variant.name}-${file++}.parquet`)
          await database.createTable('t', table)
          await database.writeParquet('t', path, { rowGroupRows: 2048 })
          const queries = [queryOfTape(table.schema, one), queryOfTape(table.schema, other)]
          const api = { concat: (frames: readonly unknown[]) => concat(frames as LazyFrame[]) }
          const build = (query: (typeof queries)[number]) =>
            query.build(engine.scanParquet(path) as never, api as never) as unknown as LazyFrame
          const [a, b] = queries.map((query) => ({ frame: build(query), sql: query.sql('t'), ordered: query.ordered }))
          if (a === undefined || b === undefined) return
          const twice = `SELECT * FROM (${a.sql}) UNION ALL SELECT * FROM (${a.sql})`
          const all = [a, b, a, { frame: concat([a.frame, a.frame]), sql: twice, ordered: false }]
          const expected = await Promise.all(all.map(({ sql }) => database.query(sql)))
          const frames = await collected(
            variant,
            all.map(({ frame }) => frame),
          )
          if (frames === undefined) return
          frames.forEach((frame, index) => {
            const wanted = expected[index]
            if (wanted === undefined) return
            const ordered = all[index]?.ordered ?? false
            const difference = tableDifference(tableOfArrow(frame.toArrow()), wanted, { ordered, ...floats })
            expect(difference === undefined ? undefined : `${difference}\n${index}: ${all[index]?.sql}`).toBeUndefined()
          })
          shared += 1
        })
        await fc.assert(property, { numRuns: RUNS, interruptAfterTimeLimit: 90_000 })
        if (!variant.mayFail) expect(shared).toBeGreaterThan(0)
      } finally {
        await engine.close()
      }
    })
  }
})

/** Rows that operators of a kind put out or took in. */
const rowsOf = (metrics: QueryMetrics | undefined, label: string, which: 'rowsIn' | 'rowsOut'): number[] =>
  (metrics?.operators ?? []).filter((operator) => operator.label === label).map((operator) => operator[which])

const spilledBy = (metrics: QueryMetrics | undefined, label: string): number =>
  (metrics?.operators ?? [])
    .filter((operator) => operator.label === label)
    .reduce((bytes, operator) => bytes + operator.spilledBytes, 0)

const ROWS = 60_000
const CITIES = 7_001

describe('a shared subplan runs once', () => {
  let path: string
  beforeAll(async () => {
    path = join(folder, 'orders.parquet')
    await database.execute(`
      CREATE OR REPLACE TABLE orders AS
      SELECT i AS id, (i * 7919) % ${CITIES} AS city, i % 11 AS kind,
        CASE WHEN i % 5 = 0 THEN NULL ELSE i % 1000 END AS price,
        'note ' || repeat(chr(97 + (i % 26)::INT), (i % 40)::INT) AS note
      FROM range(${ROWS}) r(i)`)
    await database.writeParquet('orders', path, { rowGroupRows: 4096 })
  })

  interface Case {
    readonly name: string
    readonly frames: (orders: LazyFrame) => readonly LazyFrame[]
    readonly sql: readonly string[]
    /** Of the results. */
    readonly ordered?: boolean
    /** Rows that the scans give in all. */
    readonly scanned: number
    /** A multiplexer stores rows; undefined: that depends on the rules. */
    readonly isStored: boolean | undefined
  }

  const byCity = (orders: LazyFrame): LazyFrame =>
    orders.groupBy('city').agg(col('price').sum().alias('total'), col('note').max().alias('note'), len().alias('n'))
  const byCitySql =
    'SELECT city, sum(price)::BIGINT AS total, max(note) AS note, count(*) AS n FROM orders GROUP BY city'

  const cases: readonly Case[] = [
    {
      name: 'two aggregations and rows of one scan',
      frames: (orders) => [
        byCity(orders),
        orders.groupBy('kind').agg(nUnique('city').alias('cities'), first('id').alias('a'), last('id').alias('b')),
        orders.filter(col('kind').eq(3)).select('id', 'note'),
      ],
      sql: [
        byCitySql,
        'SELECT kind, count(DISTINCT city) AS cities, min(id) AS a, max(id) AS b FROM orders GROUP BY kind',
        'SELECT id, note FROM orders WHERE kind = 3',
      ],
      scanned: ROWS,
      isStored: false,
    },
    {
      name: 'two aggregations by a text that the file has a dictionary for',
      frames: (orders) => [
        orders.groupBy('note').agg(len().alias('n'), sum('id').alias('ids')),
        orders.groupBy('note', 'kind').agg(len().alias('n')),
        orders.filter(col('kind').eq(1)).groupBy('note').agg(nUnique('id').alias('n')),
      ],
      sql: [
        'SELECT note, count(*) AS n, sum(id)::BIGINT AS ids FROM orders GROUP BY note',
        'SELECT note, kind, count(*) AS n FROM orders GROUP BY note, kind',
        'SELECT note, count(DISTINCT id) AS n FROM orders WHERE kind = 1 GROUP BY note',
      ],
      scanned: ROWS,
      isStored: false,
    },
    {
      name: 'an aggregation joined with a part of itself',
      frames: (orders) => {
        const totals = byCity(orders)
        const large = totals.filter(col('total').gt(4000)).select('city', col('total').alias('large'))
        return [totals.join(large, { on: 'city', how: 'left' })]
      },
      sql: [
        `WITH t AS (${byCitySql}) SELECT t.*, l.total AS large FROM t LEFT JOIN (SELECT * FROM t WHERE total > 4000) l
          USING (city)`,
      ],
      scanned: ROWS,
      isStored: true,
    },
    {
      name: 'both halves of an aggregation, one after the other, and all of it',
      frames: (orders) => {
        const totals = byCity(orders)
        return [concat([totals.filter(col('n').gt(8)), totals.filter(col('n').lt(9))]), totals]
      },
      sql: [byCitySql, byCitySql],
      scanned: ROWS,
      isStored: true,
    },
    {
      name: 'an aggregation of an aggregation beside it, and some of its rows',
      frames: (orders) => {
        const totals = byCity(orders)
        return [totals, totals.select(sum('total').alias('s'), len().alias('n')), totals.head(CITIES + 5)]
      },
      sql: [byCitySql, `SELECT sum(total)::BIGINT AS s, count(*) AS n FROM (${byCitySql})`, byCitySql],
      scanned: ROWS,
      isStored: false,
    },
    {
      name: 'rows of a join in order of nothing, twice',
      frames: (orders) => {
        const joined = orders.select('id', 'city', 'note').join(byCity(orders).select('city', 'total'), { on: 'city' })
        return [joined.filter(col('id').lt(9000)), joined.groupBy('total').agg(len().alias('n'))]
      },
      sql: [
        `SELECT id, city, orders.note, t.total FROM orders JOIN (${byCitySql}) t USING (city) WHERE id < 9000`,
        `SELECT t.total, count(*) AS n FROM orders JOIN (${byCitySql}) t USING (city) GROUP BY t.total`,
      ],
      scanned: -1,
      isStored: undefined,
    },
    {
      name: 'the first rows beside all: the one that needs order reads by itself',
      frames: (orders) => [
        orders.filter(col('kind').eq(2)).select('id', 'price').slice(100, 900),
        orders.filter(col('kind').eq(2)).select('id', 'price'),
        orders.filter(col('kind').eq(2)).groupBy('price').agg(len().alias('n')),
      ],
      sql: [
        'SELECT id, price FROM orders WHERE kind = 2 ORDER BY id LIMIT 900 OFFSET 100',
        'SELECT id, price FROM orders WHERE kind = 2 ORDER BY id',
        'SELECT price, count(*) AS n FROM orders WHERE kind = 2 GROUP BY price',
      ],
      ordered: false,
      scanned: -1,
      isStored: false,
    },
  ]

  const modes: readonly {
    readonly name: string
    readonly testing: QueryOptions['testing']
    readonly threads?: number
  }[] = [
    { name: 'in memory', testing: {} },
    { name: 'one worker', testing: {}, threads: 1 },
    { name: 'forced spilling', testing: { forceSpill: true, poison: true } },
    { name: 'refusals', testing: { refuseProbability: 0.3 } },
    { name: 'little memory', testing: { budgetPages: 700 } },
    { name: 'batches of seven rows', testing: { batchRows: 7, poison: true } },
    { name: 'no rules but sharing', testing: { disabledRules: ['push-predicates', 'prune-columns', 'push-slices'] } },
  ]

  for (const each of cases) {
    it(each.name, { timeout: 120_000 }, async () => {
      const engine = createEngine({ threads: 2, memoryLimit: '1GB' })
      try {
        const expected: ResultTable[] = []
        for (const sql of each.sql) expected.push(await database.query(sql))
        for (const { name, testing, threads } of modes) {
          const frames = each.frames(engine.scanParquet(path))
          const results = await collectAll(frames, { testing, threads })
          results.forEach((frame, index) => {
            const wanted = expected[index]
            if (wanted === undefined) return
            const difference = tableDifference(tableOfArrow(frame.toArrow()), wanted, floats)
            expect(difference === undefined ? undefined : `${name}, result ${index}: ${difference}`).toBeUndefined()
          })
          const metrics = results[0]?.metrics
          const scanned = rowsOf(metrics, 'PARQUET SCAN', 'rowsOut').reduce((rows, count) => rows + count, 0)
          if (each.scanned >= 0) expect({ name, scanned }).toEqual({ name, scanned: each.scanned })
          const stores = rowsOf(metrics, 'MULTIPLEXER', 'rowsIn').length > 0
          if (each.isStored !== undefined) expect({ name, stores }).toEqual({ name, stores: each.isStored })
          if (stores && testing?.forceSpill === true) {
            expect(spilledBy(metrics, 'MULTIPLEXER')).toBeGreaterThan(0)
          }
          expect(await engine.usage()).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
        }
      } finally {
        await engine.close()
      }
    })
  }

  it('without the rule every plan reads for itself', async () => {
    const engine = createEngine({ threads: 2, memoryLimit: '1GB', testing: { disabledRules: ['share-subplans'] } })
    try {
      const orders = engine.scanParquet(path)
      const results = await collectAll([byCity(orders), byCity(orders)])
      expect(rowsOf(results[0]?.metrics, 'PARQUET SCAN', 'rowsOut')).toEqual([ROWS, ROWS])
      expect(results.map(({ height }) => height)).toEqual([CITIES, CITIES])
    } finally {
      await engine.close()
    }
  })

  it('a slow program does not stall the others: its rows wait in the multiplexer', { timeout: 60_000 }, async () => {
    const engine = createEngine({ threads: 2, memoryLimit: '1GB' })
    try {
      for (const testing of [{}, { forceSpill: true }] as const) {
        const totals = byCity(engine.scanParquet(path))
        const parts = concat([totals.select('city', 'n'), totals.filter(col('n').gt(0)).select('city', 'n')])
        let rows = 0
        for await (const batch of parts.collectBatches({ testing })) {
          rows += batch.numRows
          if (rows < 3000) await new Promise((resolve) => setTimeout(resolve, 20))
        }
        expect(rows).toBe(2 * CITIES)
        let taken = 0
        for await (const batch of parts.collectBatches({ testing })) {
          taken += batch.numRows
          if (taken > 1000) break
        }
        expect(await engine.usage()).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
      }
    } finally {
      await engine.close()
    }
  })

  it('others are told to spill the store while a later pipeline runs', { timeout: 60_000 }, async () => {
    const engine: Engine = createEngine({ threads: 1, memoryLimit: '1GB' })
    try {
      const wide = engine.scanParquet(path).groupBy('id').agg(col('note').max().alias('note'), len().alias('n'))
      const twice = wide.join(wide.select(col('id').add(1).alias('id'), col('note').alias('before')), { on: 'id' })
      const options = { testing: { budgetPages: 260 } }
      const all = twice.select(
        len().alias('rows'),
        col('note').max().alias('note'),
        col('before').max().alias('before'),
      )
      const [joined] = await collectAll([all], options)
      const longest = `note ${'z'.repeat(39)}`
      expect(joined?.toRecords()).toEqual([{ rows: BigInt(ROWS - 1), note: longest, before: longest }])
      expect(spilledBy(joined?.metrics, 'MULTIPLEXER')).toBeGreaterThan(0)
      expect(rowsOf(joined?.metrics, 'PARQUET SCAN', 'rowsOut')).toEqual([ROWS])
    } finally {
      await engine.close()
    }
  })
})
