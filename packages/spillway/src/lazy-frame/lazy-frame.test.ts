/** LazyFrame: the plan each method makes, the errors it raises at once, and that terminals only delegate. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { col, count, DataType, intRange, len, lit, repeat, sum } from '@spillway/plan'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scanParquet } from '../scan-parquet.ts'
import type { QuerySession } from '../session.ts'
import { requireDefaultSession, setDefaultSession } from '../session.ts'
import { LazyFrame as LazyFrameClass } from './lazy-frame.ts'
import { LazyFrame } from './make-lazy-frame.ts'

const calls: unknown[][] = []
const session = {
  collect: async (...args: unknown[]) => calls.push(['collect', ...args]),
  collectBatches: (...args: unknown[]) => calls.push(['collectBatches', ...args]),
  sinkParquet: async (...args: unknown[]) => calls.push(['sinkParquet', ...args]),
  explain: async (...args: unknown[]) => calls.push(['explain', ...args]),
} as unknown as QuerySession
setDefaultSession(() => session)

const frame = LazyFrame({ key: intRange(0, 10), value: repeat(1.5, 10), name: repeat('x', 10) })
const source = 'GENERATED 10 rows ["key": intRange(0), "value": repeat(1.5), "name": repeat("x")]'
/** Lines of the plan above the source. */
const above = (lazy: { describePlan(): string }): string[] => {
  const lines = lazy.describePlan().split('\n')
  expect(lines.at(-1)?.trim()).toBe(source)
  return lines.slice(0, -1).map((line) => line.trim())
}

describe('plans', () => {
  it('select and withColumns', () => {
    expect(above(frame.select('key', col('value').mul(2).alias('v')))).toEqual([
      'PROJECT [col("key"), (col("value") * 2).alias("v")]',
    ])
    expect(above(frame.select(['key', 'name']))).toEqual(['PROJECT [col("key"), col("name")]'])
    expect(above(frame.withColumns(lit(1).alias('one'), col('value').add(1)))).toEqual([
      'PROJECT [col("key"), (col("value") + 1).alias("value"), col("name"), lit(1).alias("one")]',
    ])
    expect(frame.withColumn(col('key').alias('k2')).columns).toEqual(['key', 'value', 'name', 'k2'])
  })
  it('select of aggregates is one row', () => {
    expect(above(frame.select(sum('key'), count()))).toEqual(['AGGREGATE [col("key").sum(), len().alias("count")]'])
    expect(() => frame.select('key', sum('value'))).toThrow('Column outside an aggregate: col("key")')
  })
  it('filter, drop, rename, slices', () => {
    expect(above(frame.filter(col('key').gt(3), col('name').eq('x')))).toEqual([
      'FILTER col("name") == "x"',
      'FILTER col("key") > 3',
    ])
    expect(frame.drop('value').columns).toEqual(['key', 'name'])
    expect(frame.drop(['value', 'key']).columns).toEqual(['name'])
    expect(frame.rename({ key: 'value', value: 'key' }).columns).toEqual(['value', 'key', 'name'])
    expect(above(frame.head())).toEqual(['SLICE 5 rows from 0'])
    expect(above(frame.limit(1))).toEqual(['SLICE 1 row from 0'])
    expect(above(frame.slice(3))).toEqual(['SLICE all rows from 3'])
    expect(above(frame.slice({ offset: 3, length: 2 }))).toEqual(['SLICE 2 rows from 3'])
  })
  it('groupBy', () => {
    expect(above(frame.groupBy('name', col('key').mod(2).alias('odd')).agg(sum('value'), len()))).toEqual([
      'GROUP BY [col("name"), (col("key") % 2).alias("odd")] [col("value").sum(), len()]',
    ])
    expect(frame.groupBy('name').len().columns).toEqual(['name', 'len'])
  })
  it('unique keeps the order of columns', () => {
    expect(above(frame.unique())).toEqual(['GROUP BY [col("key"), col("value"), col("name")] []'])
    const expected = [
      'PROJECT [col("key"), col("value"), col("name")]',
      'GROUP BY [col("name")] [col("key").first(), col("value").first()]',
    ]
    expect(above(frame.unique('name'))).toEqual(expected)
    expect(above(frame.unique(['name']))).toEqual(expected)
    expect(above(frame.unique({ subset: 'name', keep: 'last' }))[1]).toContain('col("key").last()')
  })
  it('concat', () => {
    const plan = LazyFrame.concat([frame, frame.head(2)])
      .describePlan()
      .split('\n')
    expect(plan.map((line) => line.trim())).toEqual(['CONCAT 2 inputs', source, 'SLICE 2 rows from 0', source])
  })
})

describe('errors come when the plan is built', () => {
  it('names', () => {
    expect(() => frame.select('vlaue')).toThrow('Column not found: "vlaue" (did you mean "value"?)')
    expect(() => frame.drop('zebra')).toThrow('Column not found: "zebra" (columns: "key", "value", "name")')
    expect(() => frame.rename({ kay: 'k' })).toThrow('did you mean "key"')
    expect(() => frame.rename({ key: 'name' })).toThrow('Duplicate column name: "name"')
    expect(() => frame.withColumns(lit(1).alias('x'), lit(2).alias('x'))).toThrow('Duplicate column name: "x"')
    expect(() => frame.unique('nmae')).toThrow('did you mean "name"')
  })
  it('places', () => {
    expect(() => frame.filter(sum('key').gt(1))).toThrow('Aggregate in filter')
    expect(() => frame.withColumns(sum('key'))).toThrow('Aggregate in withColumns')
    expect(() => frame.groupBy()).toThrow('groupBy needs at least one key')
    expect(() => frame.select()).toThrow('select needs at least one column')
    expect(() => frame.filter(col('key'))).toThrow('Filter needs a boolean: col("key") is int64')
    expect(() => frame.select(5 as never)).toThrow('Not a column or an expression: 5')
    expect(() => frame.unique({ keep: 'none' as never })).toThrow('unique cannot keep "none"')
  })
})

describe('LazyFrame()', () => {
  it('works with and without new, and with instanceof', () => {
    const constructed = new LazyFrame({ a: intRange(0, 3) })
    expect(constructed.describePlan()).toBe('GENERATED 3 rows ["a": intRange(0)]')
    expect(constructed instanceof LazyFrame).toBe(true)
    expect(constructed instanceof LazyFrameClass).toBe(true)
    expect(inspect(constructed)).toBe('LazyFrame\nGENERATED 3 rows ["a": intRange(0)]')
    expect(constructed.session).toBe(requireDefaultSession())
  })
  it('takes arrays, alone or beside described columns', () => {
    const lazy = LazyFrame({ a: [1, 2], b: intRange(5, 7), c: new Int32Array([3, 4]), d: repeat('x', 2) })
    expect(lazy.describePlan()).toBe('IN-MEMORY 2 rows ["a", "b", "c", "d"]')
    expect(lazy.schema).toEqual({
      a: DataType.Float64,
      b: DataType.Int64,
      c: DataType.Int32,
      d: DataType.Utf8,
    })
    expect(() => LazyFrame({ a: intRange(0, 3), b: repeat(1, 2) })).toThrow('Columns differ in length')
    expect(() => LazyFrame({ a: [1, 2], b: repeat(1, 3) })).toThrow('Columns differ in length')
  })
})

describe('terminals delegate', () => {
  it('with the plan and the options', async () => {
    const options = { memoryLimit: '400MB' }
    await frame.collect(options)
    frame.collectBatches(options)
    await frame.sinkParquet('out.parquet', options)
    await frame.explain(options)
    await frame.describeOptimizedPlan(options)
    expect(calls).toEqual([
      ['collect', frame.plan, options],
      ['collectBatches', frame.plan, options],
      ['sinkParquet', frame.plan, 'out.parquet', options],
      ['explain', frame.plan, options],
      ['explain', frame.plan, { ...options, optimized: true }],
    ])
  })
})

describe('scanParquet', () => {
  let folder = ''
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'spillway-scan-'))
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    for (const name of ['a', 'b']) {
      const target = join(folder, `${name}.parquet`)
      await connection.run(
        `COPY (SELECT range AS id, 'x' AS name, [1] AS nested FROM range(3)) TO '${target}' (FORMAT parquet)`,
      )
    }
    connection.closeSync()
    instance.closeSync()
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('reads the schema at once', () => {
    const lazy = scanParquet(join(folder, '*.parquet'))
    expect(lazy.schema).toEqual({ id: DataType.Int64, name: DataType.Utf8 })
    expect(lazy.describePlan()).toBe(
      `PARQUET SCAN [${join(folder, 'a.parquet')}, +1 more] columns 2/3 (left out: "nested" list)`,
    )
    expect(scanParquet(join(folder, 'a.parquet'), { nRows: 2 }).describePlan()).toMatch(/^SLICE 2 rows from 0\n/)
  })
  it('checks a declared schema and reads only its columns', () => {
    const path = join(folder, 'a.parquet')
    expect(scanParquet(path, { schema: { name: DataType.Utf8 } }).columns).toEqual(['name'])
    expect(() => scanParquet(path, { schema: { nam: DataType.Utf8 } })).toThrow('did you mean "name"')
    expect(() => scanParquet(path, { schema: { id: DataType.Int32 } })).toThrow(
      'Column has another type: "id" is int64 in the files, int32 in the schema',
    )
    expect(() => scanParquet(path, { schema: { nested: DataType.Utf8 } })).toThrow(
      'Unsupported type of column "nested"',
    )
    expect(() => scanParquet(join(folder, 'none.parquet'))).toThrow('File not found')
  })
})
