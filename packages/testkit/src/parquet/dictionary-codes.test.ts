/**
 * Group keys and filters by the dictionary codes of Parquet files: the answers are DuckDB's, whatever mixture of
 * encodings, nulls, files and filters there is, also when groups are spilled; the metrics tell that codes were used.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { col, createEngine, type DataFrame, type Engine, len, lit } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { Oracle, quoteText } from '../duckdb-oracle.ts'

const ROWS = 60_000

/**
 * Columns with few values in every third of the rows, the last third apart: there `mixed` and `number` have too many
 * for a dictionary. @param seed makes other dictionaries in another order
 */
const rowsSql = (seed: number, rows = ROWS): string => `SELECT
  CASE WHEN hash(i + ${seed}) % 11 = 3 THEN NULL ELSE 'key ' || (hash(i + ${seed}) % 40) END AS short,
  CASE WHEN hash(i * 3 + ${seed}) % 7 = 1 THEN NULL
    ELSE 'a text that is longer than a view: ' || (hash(i * 3 + ${seed}) % 30) END AS long,
  CASE WHEN i < ${(rows * 2) / 3} THEN 'kind ' || (hash(i * 5 + ${seed}) % 9) ELSE 'own text ' || i END AS mixed,
  (CASE WHEN i < ${rows / 2} THEN hash(i * 7 + ${seed}) % 100 ELSE i END)::INTEGER AS number,
  (hash(i * 11 + ${seed}) % 12)::SMALLINT AS little,
  CASE WHEN i % 13 = 5 THEN NULL ELSE DATE '2020-02-20' + (hash(i * 13 + ${seed}) % 50)::INTEGER END AS day,
  (hash(i * 17 + ${seed}) % 20 * 1000000007)::BIGINT AS large,
  CASE hash(i * 19 + ${seed}) % 5 WHEN 0 THEN 'NaN'::DOUBLE WHEN 1 THEN 0.0 WHEN 2 THEN -0.0 ELSE 1.5 END AS ratio,
  (hash(i * 23 + ${seed}) % 1000)::INTEGER AS amount, i::DOUBLE / 8 AS weight
  FROM range(${rows}) t(i) ORDER BY i`

const KEYS = ['short', 'long', 'mixed', 'number', 'little', 'day', 'large', 'ratio'] as const

describe('dictionary codes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-codes-'))
  const [coded, late, plain] = ['coded', 'late', 'plain'].map((name) => join(folder, `${name}.parquet`)) as [
    string,
    string,
    string,
  ]
  const all = [coded, late, plain]
  let oracle: Oracle
  let engine: Engine
  beforeAll(async () => {
    oracle = await Oracle.open()
    engine = createEngine({ threads: 2 })
    const write = (seed: number, path: string, options: string) =>
      oracle.execute(`COPY (${rowsSql(seed)}) TO ${quoteText(path)} (FORMAT PARQUET, ${options})`)
    await write(1, coded, 'ROW_GROUP_SIZE 10240')
    await write(2, plain, 'ROW_GROUP_SIZE 20480, DICTIONARY_SIZE_LIMIT 1')
    // A writer that begins with a dictionary and goes on without one when it is full, within a row group.
    const source = join(folder, 'source.parquet')
    await write(3, source, 'ROW_GROUP_SIZE 10240')
    await engine.scanParquet(source).sinkParquet(late, { dataPageSize: 8192, rowGroupSize: 1 << 20, threads: 1 })
    await oracle.tableFromParquet('t', all)
    await oracle.tableFromParquet('c', [coded])
  }, 60_000)
  afterAll(async () => {
    await engine.close()
    oracle.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const codedRows = (frame: DataFrame, label: string): number =>
    (frame.metrics?.operators ?? [])
      .filter((operator) => operator.label.startsWith(label))
      .reduce((sum, operator) => sum + operator.codedRows, 0)
  const differs = async (frame: DataFrame, sql: string): Promise<string | undefined> =>
    tableDifference(tableOfArrow(frame.toArrow()), await oracle.query(sql), {
      ordered: false,
      relativeFloat: 1e-9,
      absoluteFloat: 1e-6,
    })

  const grouped = (on: Engine, paths: readonly string[], keys: readonly string[]) =>
    on
      .scanParquet([...paths])
      .groupBy(...keys)
      .agg(
        col('amount').sum().alias('total'),
        col('weight').mean().alias('mean'),
        col('amount').max().alias('most'),
        len().alias('rows'),
      )
  const groupedSql = (table: string, keys: readonly string[], where = 'true'): string =>
    `SELECT ${keys.join(', ')}, sum(amount) AS total, avg(weight) AS mean, max(amount) AS most, count(*) AS rows
     FROM ${table} WHERE ${where} GROUP BY ${keys.map((_, index) => index + 1).join(', ')}`

  const keyLists = [
    ...KEYS.map((key) => [key]),
    ['short', 'long'],
    ['long', 'little'],
    ['day', 'short', 'ratio'],
    ['large', 'mixed'],
    ['short', 'number', 'mixed'],
  ]
  it.each(keyLists.map((keys) => [keys.join(), keys] as const))('groups by %s', async (_, keys) => {
    const frame = await grouped(engine, all, keys).collect()
    expect(await differs(frame, groupedSql('t', keys))).toBeUndefined()
    // The first file alone has dictionaries everywhere but in its last third.
    expect(codedRows(frame, 'STREAMING_GROUP_BY')).toBeGreaterThan(ROWS / 6)
    expect(codedRows(frame, 'STREAMING_GROUP_BY')).toBeLessThan(2.5 * ROWS)
  })

  it.each([
    ['spilling', { forceSpill: true }, 2],
    ['colliding hashes', { forceSpill: true, hashBits: 2 }, 2],
    ['poisoned pages', { poison: true }, 3],
    ['odd batches', { batchRows: 333 }, 1],
    ['no optimizer', { disabledRules: 'all' as const }, 2],
  ])(
    'gives the same groups with %s',
    async (_, testing, threads) => {
      const own = createEngine({ threads, testing })
      try {
        for (const keys of [['short', 'long'], ['mixed'], ['number']]) {
          const frame = await grouped(own, all, keys).collect()
          expect(await differs(frame, groupedSql('t', keys)), keys.join()).toBeUndefined()
          expect(codedRows(frame, 'STREAMING_GROUP_BY'), keys.join()).toBeGreaterThan(1000)
          if ('forceSpill' in testing) expect(frame.metrics?.spilledBytes).toBeGreaterThan(0)
        }
      } finally {
        await own.close()
      }
    },
    120_000,
  )

  it('groups what a filter leaves, and takes values where codes do not do', async () => {
    const kept = engine.scanParquet(all).filter(col('amount').lt(300))
    const keys = ['short', 'day']
    const frame = await kept
      .groupBy(...keys)
      .agg(len().alias('rows'))
      .collect()
    const sql = `SELECT short, day, count(*) AS rows FROM t WHERE amount < 300 GROUP BY 1, 2`
    expect(await differs(frame, sql)).toBeUndefined()
    expect(codedRows(frame, 'STREAMING_GROUP_BY')).toBeGreaterThan(10_000)
    // A key that is also an operand, distinct values, texts that are kept.
    const others = await engine
      .scanParquet(all)
      .groupBy('little', 'short')
      .agg(col('little').sum().alias('sum'), col('long').nUnique().alias('texts'), col('mixed').min().alias('least'))
      .collect()
    const othersSql = `SELECT little, short, sum(little) AS sum, least(1, count(*) - count(long)) +
      count(DISTINCT long) AS texts, min(mixed) AS least FROM t GROUP BY 1, 2`
    expect(await differs(others, othersSql)).toBeUndefined()
  })

  const texts = ['key 1', 'key 3', 'no such key', 'key 39']
  it.each([
    ['text equals', col('short').eq('key 7'), `short = 'key 7'`],
    ['text is in a list', col('short').isIn(texts), `short IN (${texts.map(quoteText).join()})`],
    [
      'long text is greater',
      col('long').gt('a text that is longer than a view: 2'),
      `long > 'a text that is longer than a view: 2'`,
    ],
    ['null', col('long').isNull(), 'long IS NULL'],
    ['null instead of a text', col('short').fillNull('key 7').eq('key 7'), `coalesce(short, 'key 7') = 'key 7'`],
    ['a text or null', col('short').eq('key 1').or(col('short').isNull()), `short = 'key 1' OR short IS NULL`],
    ['numbers in a range', col('amount').gtEq(100).and(col('amount').lt(900)), 'amount >= 100 AND amount < 900'],
    ['NaN', col('ratio').gt(1), 'ratio > 1'],
    ['zero', col('ratio').eq(0), 'ratio = 0'],
    ['small integers', col('little').neq(3), 'little <> 3'],
    ['dates', col('day').lt(lit(new Date('2020-03-01')).cast({ kind: 'date' })), `day < DATE '2020-03-01'`],
    ['no row', col('short').eq('nobody'), `short = 'nobody'`],
    ['every row', col('amount').gtEq(0), 'amount >= 0'],
    [
      'several columns',
      col('short').neq('key 2').and(col('little').lt(6)).and(col('long').isNotNull()),
      `short <> 'key 2' AND little < 6 AND long IS NOT NULL`,
    ],
    [
      'one column and two together',
      col('little')
        .lt(6)
        .and(col('amount').gt(col('number'))),
      'little < 6 AND amount > number',
    ],
    [
      'a column whose dictionaries end',
      col('mixed').neq('kind 4').and(col('number').lt(50)),
      `mixed <> 'kind 4' AND number < 50`,
    ],
  ])(
    'filters by %s',
    async (name, predicate, where) => {
      const filtered = (on: Engine, paths: readonly string[]) => on.scanParquet([...paths]).filter(predicate)
      // The columns of the filter are read behind it, all of them, none of them.
      const columns = ['short', 'long', 'mixed', 'little', 'amount', 'weight']
      const frame = await filtered(engine, all)
        .select(...columns)
        .collect()
      expect(await differs(frame, `SELECT ${columns.join(', ')} FROM t WHERE ${where}`), name).toBeUndefined()
      const sums = await filtered(engine, [coded])
        .select(col('weight').sum().alias('sum'), len().alias('rows'))
        .collect()
      const sumsSql = `SELECT coalesce(sum(weight), 0) AS sum, count(*) AS rows FROM c WHERE ${where}`
      expect(await differs(sums, sumsSql), name).toBeUndefined()
      const used = codedRows(sums, 'STAGE')
      // A literal that is cast might raise, for all that the plan knows.
      if (name === 'one column and two together' || name === 'dates') expect(used).toBe(0)
      else if (name !== 'no row') expect(used).toBeGreaterThan(10_000)
      const own = createEngine({ threads: 1, testing: { batchRows: 77, poison: true } })
      try {
        const keys = ['short', 'little']
        const groups = await filtered(own, all)
          .groupBy(...keys)
          .agg(len().alias('rows'))
          .collect()
        const sql = `SELECT short, little, count(*) AS rows FROM t WHERE ${where} GROUP BY 1, 2`
        expect(await differs(groups, sql), name).toBeUndefined()
      } finally {
        await own.close()
      }
    },
    60_000,
  )
})
