/**
 * Filters of a join's build side, against DuckDB and against the same query without them: row groups outside of the
 * build keys are not read, rows without a match on disk are not written. What the metrics do not show fails.
 */
import type { DataFrame, LazyFrame, QueryOptions } from 'spillway'
import { col, DataType, len, sum } from 'spillway'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { type JoinCase, JoinStage, type Kind, kinds, reached } from './join-stage.ts'

let stage: JoinStage
beforeAll(async () => {
  stage = await JoinStage.open()
  // Ascending keys, so that row groups of 2048 rows have ranges of their own.
  const ascending = (columns: string): string => `
    SELECT ${columns}, i::BIGINT AS l_row, 'left ' || i AS l_payload FROM range(40000) t(i)`
  const few = (columns: string, rows = 300): string => `
    SELECT ${columns}, i::BIGINT AS r_row, 'right ' || i AS r_payload FROM range(${rows}) t(i)`
  await stage.table(
    'wide_l',
    ascending(`
      CASE WHEN i % 50 = 7 THEN NULL ELSE i END::BIGINT AS l_id,
      CASE WHEN i % 50 = 7 THEN NULL ELSE i - 20000 END::INTEGER AS l_small,
      (i + 18446744073709500000)::UBIGINT AS l_huge,
      DATE '2020-01-01' + (i / 10)::INTEGER AS l_date,
      TIMESTAMP '2020-01-01' + to_seconds(i) AS l_time,
      CASE WHEN i % 300 = 0 THEN 'NaN'::DOUBLE WHEN i % 300 = 1 THEN -0.0 ELSE i END AS l_float,
      'name ' || i AS l_name, (i % 40)::BIGINT AS l_second`),
  )
  await stage.table(
    'few_r',
    few(`
      CASE WHEN i % 30 = 5 THEN NULL ELSE 10000 + i * 7 END::BIGINT AS r_id,
      CASE WHEN i % 30 = 5 THEN NULL ELSE i * 7 - 10000 END::INTEGER AS r_small,
      (i + 18446744073709510000)::UBIGINT AS r_huge,
      DATE '2021-01-01' + (i / 10)::INTEGER AS r_date,
      TIMESTAMP '2020-01-01' + to_seconds(i * 7 + 10000) AS r_time,
      CASE WHEN i % 30 = 0 THEN 'NaN'::DOUBLE WHEN i % 30 = 1 THEN 0.0 ELSE i END AS r_float,
      'name ' || (i * 7) AS r_name, (i % 50)::BIGINT AS r_second`),
  )
  await stage.table('nulls_r', few('NULL::BIGINT AS r_id, NULL::INTEGER AS r_small', 5))
  await stage.table('none_r', few('i::BIGINT AS r_id, i::INTEGER AS r_small', 0))
  const rows = (side: string, key: string, count: number, fields = ''): string => `
    SELECT ${key} AS ${side}_id, i::BIGINT AS ${side}_row${fields},
      repeat('${side}', i % 60 + 60) || i AS ${side}_payload
    FROM range(${count}) t(i)`
  const second = (side: string): string => `, (hash(i) % 7)::INTEGER AS ${side}_second`
  const shapes: [string, (every: number) => string][] = [
    ['int', (every) => `CASE WHEN i % 97 = 0 THEN NULL ELSE hash(i) % 20000 * ${every} END::BIGINT`],
    [
      'text',
      (every) => `CASE WHEN i % 97 = 0 THEN NULL ELSE 'a key of some length ' || hash(i) % 20000 * ${every} END`,
    ],
    [
      'float',
      (every) => `CASE WHEN i % 900 = 0 THEN 'NaN'::DOUBLE WHEN i % 900 = 1 THEN -0.0 WHEN i % 900 = 2 THEN 0.0
      WHEN i % 900 = 3 THEN NULL ELSE hash(i) % 20000 * ${every} + 0.5 END`,
    ],
  ]
  await stage.table('most_l', rows('l', '(i % 1000)::BIGINT', 150_000))
  await stage.table('most_r', rows('r', '(i + 50)::BIGINT', 1000))
  const [, intKey = String] = shapes[0] ?? []
  await stage.table('large_l', rows('l', intKey(1), 16_000))
  await stage.table('large_r', rows('r', intKey(8), 60_000))
  for (const [name, key] of shapes) {
    await stage.table(`${name}_l`, rows('l', key(1), 16_000, second('l')))
    await stage.table(`${name}_r`, rows('r', key(8), 6000, second('r')))
  }
}, 60_000)
afterAll(async () => {
  await stage[Symbol.asyncDispose]()
})

const skippedBy = (result: DataFrame): number =>
  (result.metrics?.operators ?? []).reduce((most, { rowGroupsSkipped }) => Math.max(most, rowGroupsSkipped), 0)
const filteredBy = (result: DataFrame): number =>
  (result.metrics?.operators ?? []).reduce((total, { filteredRows }) => total + filteredRows, 0)

const rowGroups = 20

describe('row groups without a key of the build side are not read', () => {
  const keySets = [['id'], ['small'], ['huge'], ['date'], ['time'], ['second', 'id'], ['name', 'id']]
  for (const keys of keySets) {
    for (const buildSide of ['left', 'right'] as const) {
      it(`${keys.join(' and ')}, build ${buildSide}`, async () => {
        for (const how of kinds) {
          const [left, right] = ['wide_l', 'few_r']
          const joined: JoinCase = { name: 'ranges', how, left, right, keys, buildSide }
          const result = await stage.checkTotals(joined, {}, { threads: 2 })
          // With the large side kept, it is the few rows that are read behind it: one row group.
          const keepsProbe = how === 'full' || how === 'left' || how === 'anti'
          if (buildSide === 'left') continue
          if (keepsProbe) expect(skippedBy(result)).toBe(0)
          else expect(skippedBy(result)).toBeGreaterThanOrEqual(rowGroups - 4)
        }
      })
    }
  }
  it('also when the large side is on the right, and kept rows of the left one come out', async () => {
    for (const how of ['left', 'anti', 'semi'] as const) {
      const on = { leftOn: 'r_id', rightOn: 'l_id', how, buildSide: 'left', coalesce: false } as const
      const frame = stage.scan('few_r').join(stage.scan('wide_l'), on).select(len().alias('n'), sum('r_row').alias('s'))
      const result = await frame.collect({})
      const exists = '(SELECT 1 FROM wide_l WHERE l_id = r_id)'
      const from = {
        left: 'FROM few_r LEFT JOIN wide_l ON r_id = l_id',
        semi: `FROM few_r WHERE EXISTS ${exists}`,
        anti: `FROM few_r WHERE NOT EXISTS ${exists}`,
      }[how]
      await expectSame(result, `SELECT count(*) AS n, sum(r_row)::BIGINT AS s ${from}`)
      expect(skippedBy(result)).toBeGreaterThanOrEqual(rowGroups - 4)
    }
  })
  it('keeps nulls where they match each other', async () => {
    for (const right of ['few_r', 'nulls_r']) {
      for (const how of kinds) {
        const joined: JoinCase = { name: 'nulls', how, left: 'wide_l', right, keys: ['id'], buildSide: 'right' }
        await stage.checkTotals({ ...joined, nullsEqual: true }, {})
        const result = await stage.checkTotals(joined, {})
        if (right === 'nulls_r' && how === 'inner') expect(skippedBy(result)).toBe(rowGroups)
      }
    }
  })
  it('nor are pages, where the file has an index of them', async () => {
    const path = join(stage.folder, 'paged.parquet')
    const rows = stage.scan('wide_l').select('l_row', 'l_second')
    await rows.sinkParquet(path, { threads: 1, dataPageSize: 4096 })
    const on = { leftOn: 'l_row', rightOn: 'r_id', buildSide: 'right' } as const
    const frame = (stage.engine.scanParquet(path) as LazyFrame).join(stage.scan('few_r'), on).select(len().alias('n'))
    const result = await frame.collect({})
    await expectSame(result, 'SELECT count(*) AS n FROM wide_l JOIN few_r ON l_row = r_id')
    const scans = (result.metrics?.operators ?? []).filter(({ label }) => label === 'PARQUET SCAN')
    const most = Math.max(...scans.map(({ rowsOut }) => rowsOut))
    expect(most).toBeGreaterThan(2000)
    expect(most).toBeLessThan(6000)
  })
  it('leaves floats and texts alone, whose order is not that of their words', async () => {
    for (const keys of [['float'], ['name']]) {
      for (const how of ['inner', 'semi', 'right'] as const) {
        const result = await stage.checkTotals(
          { name: 'words', how, left: 'wide_l', right: 'few_r', keys, buildSide: 'right' },
          {},
        )
        expect(skippedBy(result)).toBe(0)
      }
    }
  })
})

async function expectSame(result: DataFrame, sql: string): Promise<void> {
  const exact = { ordered: false, relativeFloat: 0, absoluteFloat: 0 }
  const difference = tableDifference(tableOfArrow(result.toArrow()), await stage.oracle.query(sql), exact)
  if (difference !== undefined) throw new Error(`${difference}\n${sql}`)
}

describe('what lies between the scan and the join', () => {
  const few = () => stage.scan('few_r')
  const totals = (frame: LazyFrame, right = few()) =>
    frame
      .join(right, { leftOn: 'key', rightOn: 'r_id', buildSide: 'right', coalesce: false })
      .select(len().alias('n'), sum('l_row').alias('s')) as LazyFrame
  const joinSql = (from: string): string =>
    `SELECT count(*) AS n, coalesce(sum(l_row), 0)::BIGINT AS s
     FROM (${from}) JOIN few_r ON key = r_id`
  it('filters and renamed columns let the range through', async () => {
    const frame = stage
      .scan('wide_l')
      .filter(col('l_second').lt(30))
      .select(col('l_row'), col('l_id').alias('key'))
      .filter(col('l_row').gt(11_000))
    const result = await totals(frame as LazyFrame).collect({})
    await expectSame(result, joinSql('SELECT l_row, l_id AS key FROM wide_l WHERE l_second < 30 AND l_row > 11000'))
    expect(skippedBy(result)).toBeGreaterThanOrEqual(10)
  })
  it('so does a join that puts probe rows out as they are, and several ranges are one', async () => {
    for (const how of ['inner', 'left', 'semi', 'anti'] as const) {
      const dates = stage.scan('few_r').select('r_date', col('r_row').alias('other'))
      const frame = stage
        .scan('wide_l')
        .join(dates, { leftOn: 'l_date', rightOn: 'r_date', how, buildSide: 'right', coalesce: false })
        .select(col('l_row'), col('l_id').alias('key'))
      const result = await totals(frame as LazyFrame).collect({})
      const dated = 'SELECT 1 FROM few_r WHERE r_date = l_date'
      const from = {
        inner: 'FROM wide_l JOIN (SELECT r_date FROM few_r) ON l_date = r_date',
        left: 'FROM wide_l LEFT JOIN (SELECT r_date FROM few_r) ON l_date = r_date',
        semi: `FROM wide_l WHERE EXISTS (${dated})`,
        anti: `FROM wide_l WHERE NOT EXISTS (${dated})`,
      }[how]
      await expectSame(result, joinSql(`SELECT l_row, l_id AS key ${from}`))
      expect(skippedBy(result)).toBeGreaterThanOrEqual(rowGroups - 4)
    }
  })
  it('a join that asks which of its rows had a match does not', async () => {
    const small = stage.scan('few_r').select(col('r_second').alias('other'), col('r_row').alias('kept'))
    const frame = stage
      .scan('wide_l')
      .join(small, { leftOn: 'l_second', rightOn: 'other', how: 'full', buildSide: 'right', coalesce: false })
      .select(col('l_row'), col('l_id').alias('key'), col('kept'))
      .join(few(), { leftOn: 'key', rightOn: 'r_id', how: 'right', buildSide: 'right', coalesce: false })
      .select(len().alias('n'), sum('l_row').alias('s'), sum('kept').alias('k'))
    const result = await frame.collect({})
    const kept = 'SELECT r_second AS other, r_row AS kept FROM few_r'
    await expectSame(
      result,
      `SELECT count(*) AS n, coalesce(sum(l_row), 0)::BIGINT AS s, sum(kept)::BIGINT AS k FROM
       (SELECT l_row, l_id AS key, kept FROM wide_l FULL JOIN (${kept}) ON l_second = other)
       RIGHT JOIN few_r ON key = r_id`,
    )
    expect(skippedBy(result)).toBe(0)
  })
  it('nor do a slice, a row number, and an error that a row may raise', async () => {
    const sliced = stage.scan('wide_l').filter(col('l_second').lt(30)).head(5000)
    const result = await totals(sliced.select('l_row', col('l_id').alias('key')) as LazyFrame).collect({})
    // Rows behind the first 5000 would match. (DuckDB, which moves its own filter below the limit, finds them.)
    expect(result.toRecords()).toEqual([{ n: 0n, s: 0n }])
    expect(skippedBy(result)).toBe(0)
    const numbered = stage
      .scan('wide_l')
      .withRowIndex('number')
      .select('l_row', col('number').cast(DataType.Int64).alias('key'))
    const counted = await totals(numbered as LazyFrame).collect({})
    await expectSame(counted, joinSql('SELECT l_row, l_row AS key FROM wide_l'))
    const raising = stage
      .scan('wide_l')
      .select('l_row', col('l_id').alias('key'), col('l_name').cast(DataType.Int64).alias('x'))
    const failing = raising
      .join(few(), { leftOn: 'key', rightOn: 'r_id', buildSide: 'right', coalesce: false })
      .select(sum('x').alias('x'))
    await expect(failing.collect({})).rejects.toMatchObject({ code: 'CAST_FAILED' })
  })
  it('a scan that others read as well is read in whole', async () => {
    const shared = stage.scan('wide_l').select('l_row', col('l_id').alias('key'), 'l_second')
    const joined = shared.join(few(), { leftOn: 'key', rightOn: 'r_id', buildSide: 'right', coalesce: false })
    const other = shared.groupBy('l_second').agg(len().alias('n'), sum('l_row').alias('s'))
    const frame = stage.concat([
      joined.select(len().alias('n'), sum('l_row').alias('s')) as LazyFrame,
      other.select('n', 's') as LazyFrame,
    ])
    const result = await frame.collect({})
    await expectSame(
      result,
      `${joinSql('SELECT l_row, l_id AS key FROM wide_l')} UNION ALL
       SELECT count(*), coalesce(sum(l_row), 0)::BIGINT FROM wide_l GROUP BY l_second`,
    )
  })
  it('an empty build side leaves nothing to read', async () => {
    for (const how of kinds) {
      for (const keys of [['id'], ['id', 'small']]) {
        const joined: JoinCase = { name: 'none', how, left: 'wide_l', right: 'none_r', keys, buildSide: 'right' }
        const result = await stage.checkTotals(joined, {})
        if (['left', 'full', 'anti'].includes(how)) continue
        expect(skippedBy(result)).toBe(rowGroups)
        const scans = result.metrics?.operators.filter(({ label }) => label === 'PARQUET SCAN') ?? []
        expect(scans.reduce((total, { rowsOut }) => total + rowsOut, 0)).toBe(0)
      }
    }
  })
  it('nor in an IPC file, which has no statistics otherwise', async () => {
    const path = join(stage.folder, 'probe.arrow')
    await stage.scan('wide_l').select('l_row', 'l_id').sinkIpc(path)
    for (const [right, rowsRead] of [
      ['none_r', 0],
      ['few_r', 40_000],
    ] as const) {
      const on = { leftOn: 'l_id', rightOn: 'r_id', buildSide: 'right', coalesce: false } as const
      const joined = (stage.engine.scanIpc(path) as LazyFrame).join(stage.scan(right), on)
      const result = await joined.select(len().alias('n')).collect({})
      await expectSame(result, `SELECT count(*) AS n FROM wide_l JOIN ${right} ON l_id = r_id`)
      const scan = result.metrics?.operators.find(({ label }) => label === 'IPC SCAN')
      expect(scan?.rowsOut).toBe(rowsRead)
    }
  })
  it('the plan says so', async () => {
    const text = await totals(stage.scan('wide_l').select('l_row', col('l_id').alias('key')) as LazyFrame).explain({
      physical: true,
    })
    expect(text).toContain('within the keys [l_id] of inner join(col("key") = col("r_id"))')
  })
})

describe('rows without a match are not written', () => {
  const modes: {
    readonly name: string
    readonly tables: readonly string[]
    readonly kinds: readonly Kind[]
    readonly threads: number
    readonly testing: NonNullable<QueryOptions['testing']>
  }[] = [
    {
      name: 'all of them spilled',
      tables: ['int', 'text', 'float'],
      kinds,
      threads: 1,
      testing: { forceSpill: true, batchRows: 2048, partitionBits: 2 },
    },
    {
      name: 'some of them spilled',
      tables: ['large'],
      kinds: ['inner', 'left', 'right', 'full'],
      threads: 1,
      testing: { budgetPages: 300, batchRows: 256, partitionBits: 3, poison: true },
    },
    {
      name: 'two workers',
      tables: ['int', 'text'],
      kinds,
      threads: 2,
      testing: { forceSpill: true, batchRows: 2048, partitionBits: 2, poison: true },
    },
  ]
  for (const { name, tables, testing, threads, kinds: tried } of modes) {
    for (const table of tables) {
      it(`${name}, ${table}`, { timeout: 60_000 }, async () => {
        for (const how of tried) {
          const keys = how === 'semi' ? ['id', 'second'] : ['id']
          const [left, right] = [`${table}_l`, `${table}_r`]
          const nullsEqual = how === 'full' || how === 'semi'
          const joined: JoinCase = { name, how, left, right, keys, buildSide: 'right', nullsEqual }
          const run = (joinFilters: boolean) => stage.checkTotals(joined, { ...testing, joinFilters }, { threads })
          const result = await run(true)
          expect(reached(result).partitionsSpilled).toBeGreaterThan(0)
          // Two workers may come to spill at the same moment, before there is a filter.
          if (threads > 1) continue
          expect(filteredBy(result)).toBeGreaterThan(1000)
          if (how !== 'inner') continue
          const without = await run(false)
          expect(filteredBy(without)).toBe(0)
          expect(reached(result).spilledBytes).toBeLessThan(reached(without).spilledBytes)
        }
      })
    }
  }
  it('a filter that rules nothing out is not asked any more', async () => {
    const testing = { forceSpill: true, batchRows: 4096, partitionBits: 2 }
    const joined: JoinCase = { name: 'most', how: 'inner', left: 'most_l', right: 'most_r', keys: ['id'] }
    const result = await stage.checkTotals({ ...joined, buildSide: 'right' }, testing, { threads: 1 })
    // Of 7500 rows without a match.
    expect(filteredBy(result)).toBeGreaterThan(2000)
    expect(filteredBy(result)).toBeLessThan(5000)
  })
  it('hashes of two bits, or none', async () => {
    for (const hashBits of [0, 2]) {
      for (const how of kinds) {
        const joined: JoinCase = { name: 'hash', how, left: 'wide_l', right: 'few_r', keys: ['id'], buildSide: 'right' }
        await stage.checkTotals(joined, { forceSpill: true, hashBits, partitionBits: 2 })
      }
    }
  })
})
