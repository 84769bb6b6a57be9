/** Every operation of the public interface end to end, on data small enough that the expectation is plain. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  col,
  concat,
  createEngine,
  DataFrame,
  DataType,
  type Engine,
  type Expr,
  first,
  fromArrow,
  intRange,
  last,
  LazyFrame,
  len,
  lit,
  max,
  mean,
  min,
  nUnique,
  repeat,
  sum,
  when,
} from '../index.ts'

let engine: Engine
let folder: string
const people = DataFrame({
  name: ['Ada', 'Bob', 'Cyd', null, 'Eve'],
  age: [36, 41, null, 17, 36],
  city: ['Oslo', 'Rome', 'Oslo', 'Rome', 'Oslo'],
})
const ages = { age: DataType.Int32 }

beforeAll(() => {
  engine = createEngine({ threads: 2, memoryLimit: '1GB' })
  folder = mkdtempSync(join(tmpdir(), 'spillway-operations-'))
})
afterAll(async () => {
  await engine.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A frame on this file's engine. */
const lazy = (columns: Parameters<typeof LazyFrame>[0], schema?: Readonly<Record<string, DataType>>) =>
  LazyFrame(columns, schema === undefined ? { session: engine } : { schema, session: engine })
const persons = () =>
  lazy({ name: people.getColumn('name').toArray(), age: [36, 41, null, 17, 36], city: cities }, ages)
const cities = ['Oslo', 'Rome', 'Oslo', 'Rome', 'Oslo']
const rows = async (frame: { collect(): Promise<{ toRecords(): object[] }> }) => (await frame.collect()).toRecords()
const sorted = async (frame: { collect(): Promise<{ toRecords(): object[] }> }) =>
  (await rows(frame)).map((row) => JSON.stringify(row, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))).sort()

describe('rows and columns', () => {
  it('select, withColumns, drop, rename', async () => {
    expect(await rows(persons().select('name', col('age').add(1).alias('next')).head(2))).toEqual([
      { name: 'Ada', next: 37 },
      { name: 'Bob', next: 42 },
    ])
    expect(await rows(persons().withColumns(col('age').mul(2), lit(true).alias('seen')).head(1))).toEqual([
      { name: 'Ada', age: 72, city: 'Oslo', seen: true },
    ])
    expect(await rows(persons().drop('age', 'city').limit(1))).toEqual([{ name: 'Ada' }])
    expect(await rows(persons().rename({ name: 'city', city: 'name' }).head(1))).toEqual([
      { city: 'Ada', age: 36, name: 'Oslo' },
    ])
  })
  it('filter keeps what is true: not false, not null', async () => {
    expect(await rows(persons().filter(col('age').gt(20)).select('name'))).toEqual([
      { name: 'Ada' },
      { name: 'Bob' },
      { name: 'Eve' },
    ])
    expect(await rows(persons().filter(col('age').gt(20), col('city').eq('Rome')).select('name'))).toEqual([
      { name: 'Bob' },
    ])
    expect(await rows(persons().filter(lit(false)))).toEqual([])
  })
  it('head, limit, slice count rows in order', async () => {
    const numbers = lazy({ n: intRange(0, 300_000) })
    expect(await rows(numbers.slice(262_143, 3))).toEqual([{ n: 262_143n }, { n: 262_144n }, { n: 262_145n }])
    expect(await rows(numbers.slice(299_999))).toEqual([{ n: 299_999n }])
    expect(await rows(numbers.slice(300_000, 5))).toEqual([])
    expect(await rows(numbers.head(0))).toEqual([])
    expect(await rows(numbers.filter(col('n').mod(100_000).eq(99_999)).slice(1, 1))).toEqual([{ n: 199_999n }])
    expect((await numbers.head().collect()).height).toBe(5)
  })
  it('concat keeps order, and slices see it as one table', async () => {
    const frame = (start: number) => lazy({ n: intRange(start, start + 3) })
    const all = LazyFrame.concat([frame(0), frame(10), frame(20)])
    const values = [0n, 1n, 2n, 10n, 11n, 12n, 20n, 21n, 22n]
    expect(await rows(all)).toEqual(values.map((n) => ({ n })))
    for (let offset = 0; offset <= 9; offset++) {
      for (const length of [1, 2, 4, 9]) {
        const wanted = values.slice(offset, offset + length).map((n) => ({ n }))
        expect(await rows(all.slice(offset, length)), `slice(${offset}, ${length})`).toEqual(wanted)
      }
    }
    expect(await rows(LazyFrame.concat([all.slice(2, 2), all.slice(7)]).slice(1, 2))).toEqual([{ n: 10n }, { n: 21n }])
    expect(await rows(all.select(sum('n')))).toEqual([{ n: 99n }])
    expect(await rows(all.select(first('n').alias('a'), last('n').alias('b')))).toEqual([{ a: 0n, b: 22n }])
  })
  it('concat of collected frames shares one query after', async () => {
    const [left, right] = await Promise.all([persons().head(2).collect(), persons().slice(3).collect()])
    const both = concat([left, right])
    expect(both.getColumn('name').toArray()).toEqual(['Ada', 'Bob', null, 'Eve'])
  })
})

describe('groups', () => {
  it('aggregates, with nulls', async () => {
    const frame = persons()
      .groupBy('city')
      .agg(
        len(),
        col('age').count().alias('count'),
        sum('age').alias('sum'),
        mean('age').alias('mean'),
        min('age').alias('min'),
        max('age').alias('max'),
        first('name').alias('first'),
        last('name').alias('last'),
        nUnique('age').alias('distinct'),
      )
    expect(await sorted(frame)).toEqual([
      '{"city":"Oslo","len":"3n","count":"2n","sum":"72n","mean":36,"min":36,"max":36,' +
        '"first":"Ada","last":"Eve","distinct":"2n"}',
      '{"city":"Rome","len":"2n","count":"2n","sum":"58n","mean":29,"min":17,"max":41,' +
        '"first":"Bob","last":null,"distinct":"2n"}',
    ])
  })
  it('expressions as keys and over aggregates', async () => {
    const frame = lazy({ n: intRange(0, 10) })
      .groupBy(col('n').mod(2).alias('odd'))
      .agg(sum('n').div(len()).alias('average'), col('n').mul(2).max().add(1).alias('top'))
    expect(await sorted(frame)).toEqual([
      '{"odd":"0n","average":4,"top":"17n"}',
      '{"odd":"1n","average":5,"top":"19n"}',
    ])
  })
  it('null, NaN and zero make one group each', async () => {
    const frame = lazy({ x: [Number.NaN, null, 0, -0, Number.NaN, null] })
      .groupBy('x')
      .len()
    const found = await rows(frame)
    const text = found.map((row) => Object.values(row).map(String).join(':')).sort()
    expect(text).toEqual(['0:2', 'NaN:2', 'null:2'])
  })
  it('unique', async () => {
    expect(await sorted(persons().select('city', 'age').unique())).toEqual([
      '{"city":"Oslo","age":36}',
      '{"city":"Oslo","age":null}',
      '{"city":"Rome","age":17}',
      '{"city":"Rome","age":41}',
    ])
    expect(await sorted(persons().unique({ subset: 'city', keep: 'last' }).select('city', 'name'))).toEqual([
      '{"city":"Oslo","name":"Eve"}',
      '{"city":"Rome","name":null}',
    ])
  })
  it('no rows: no groups, but one row without keys', async () => {
    const none = persons().filter(lit(false))
    expect(await rows(none.groupBy('city').len())).toEqual([])
    expect(await rows(none.select(len(), sum('age').alias('sum'), mean('age').alias('mean')))).toEqual([
      { len: 0n, sum: 0n, mean: null },
    ])
  })
  it('two group-bys, one over the other', async () => {
    const frame = lazy({ n: intRange(0, 1000) })
      .groupBy(col('n').mod(100).alias('k'))
      .agg(len())
      .groupBy('len')
      .agg(len().alias('groups'))
    expect(await rows(frame)).toEqual([{ len: 10n, groups: 100n }])
  })
})

describe('expressions', () => {
  const one = async (expr: Expr) =>
    (
      await rows(
        lazy({ a: [7, null], b: [2, 2], s: ['x', null] }, { a: DataType.Int32, b: DataType.Int32 }).select(expr),
      )
    ).map((row) => Object.values(row)[0])
  it('arithmetic', async () => {
    expect(await one(col('a').add(col('b')))).toEqual([9, null])
    expect(await one(col('a').sub(1))).toEqual([6, null])
    expect(await one(col('a').mul(col('b')))).toEqual([14, null])
    expect(await one(col('a').div(col('b')))).toEqual([3.5, null])
    expect(await one(col('a').mod(4))).toEqual([3, null])
    expect(await one(col('a').mod(0))).toEqual([null, null])
    expect(await one(col('a').negate())).toEqual([-7, null])
  })
  it('comparison and logic in three values', async () => {
    expect(await one(col('a').gtEq(7))).toEqual([true, null])
    expect(await one(col('a').neq(7).or(true))).toEqual([true, true])
    expect(await one(col('a').lt(9).and(false))).toEqual([false, false])
    expect(await one(col('a').eq(7).not())).toEqual([false, null])
    expect(await one(col('a').between(1, 7))).toEqual([true, null])
    expect(await one(col('a').isIn([1, 7]))).toEqual([true, null])
    expect(await one(col('s').isIn(['x', 'y']))).toEqual([true, null])
    expect(await one(col('s').isNull())).toEqual([false, true])
    expect(await one(col('s').isNotNull())).toEqual([true, false])
    expect(await one(col('a').fillNull(0))).toEqual([7, 0])
  })
  it('when and cast', async () => {
    expect(await one(when(col('a').gt(5)).then(lit('big')).otherwise(lit('small')))).toEqual(['big', 'small'])
    expect(await one(when(col('a').gt(5)).then(lit('big')))).toEqual(['big', null])
    expect(await one(col('a').cast(DataType.Utf8))).toEqual(['7', null])
    expect(await one(col('s').cast(DataType.Int64, { strict: false }))).toEqual([null, null])
    await expect(one(col('s').cast(DataType.Int64))).rejects.toMatchObject({ code: 'CAST_FAILED', name: 'DataError' })
  })
  it('overflow is an error, never a wrong number', async () => {
    const large = lazy({ n: [2_147_483_647] }, { n: DataType.Int32 })
    await expect(large.select(col('n').add(1)).collect()).rejects.toMatchObject({ code: 'OVERFLOW' })
    const sums = lazy({ n: repeat(2n ** 62n, 4) }).select(sum('n'))
    await expect(sums.collect()).rejects.toMatchObject({ code: 'OVERFLOW' })
  })
})

describe('ways in and out', () => {
  it('literal frames of a million rows take no room before they run', async () => {
    const frame = lazy({ key: intRange(0, 1_000_000), payload: repeat('x'.repeat(64), 1_000_000) })
    expect(await rows(frame.filter(col('key').gtEq(999_999)))).toEqual([{ key: 999_999n, payload: 'x'.repeat(64) }])
  })
  it('Arrow there and back', async () => {
    const collected = await persons().collect()
    const again = await fromArrow(collected.toArrow(), engine).lazy().collect()
    expect(again.toRecords()).toEqual(collected.toRecords())
    expect(again.schema).toEqual(collected.schema)
  })
  it('Parquet there and back, and a scan of several files in order', async () => {
    const path = join(folder, 'a.parquet')
    const result = await persons().sinkParquet(path)
    expect(result).toMatchObject({ path, rowCount: 5 })
    expect(await rows(engine.scanParquet(path))).toEqual(await rows(persons()))
    const two = engine.scanParquet([path, path]).select('name').slice(4, 2)
    expect(await rows(two)).toEqual([{ name: 'Eve' }, { name: 'Ada' }])
    expect(readdirSync(folder)).toEqual(['a.parquet'])
  })
  it('an empty result still has columns and types', async () => {
    const path = join(folder, 'none.parquet')
    await persons().filter(lit(false)).sinkParquet(path)
    const back = await engine.scanParquet(path).collect()
    expect([back.height, back.columns]).toEqual([0, ['name', 'age', 'city']])
    expect(back.schema['age']).toEqual(DataType.Int32)
  })
  it('collectBatches gives all rows in order, one batch after the other', async () => {
    const seen: number[] = []
    let expected = 0n
    for await (const batch of lazy({ n: intRange(0, 400_000) }).collectBatches()) {
      const values = batch.getChild('n')?.toArray() as BigInt64Array
      expect(values[0]).toBe(expected)
      expected += BigInt(values.length)
      seen.push(batch.numRows)
    }
    expect(expected).toBe(400_000n)
    expect(seen.length).toBeGreaterThan(4)
  })
  it('a collected frame starts queries again', async () => {
    const adults = await persons().filter(col('age').gt(18)).collect()
    expect(await rows(adults.lazy().select(sum('age')))).toEqual([{ age: 113n }])
  })
})
