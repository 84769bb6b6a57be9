/** `collectAll`: results in order, files beside frames, one error for all, nothing left; and what explain shows. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  col,
  collectAll,
  createEngine,
  DataFrame,
  DataType,
  explainAll,
  intRange,
  LazyFrame,
  LazySink,
  len,
  scanIpc,
  sum,
} from './index.ts'
import type { Engine } from './engine/engine.ts'

const folder = mkdtempSync(join(tmpdir(), 'spillway-all-'))
const ROWS = 50_000
let engine: Engine
let orders: LazyFrame

beforeAll(async () => {
  engine = createEngine({ threads: 2, memoryLimit: '1GB' })
  const path = join(folder, 'orders.parquet')
  await LazyFrame({ id: intRange(0, ROWS) }, { session: engine })
    .select('id', col('id').mod(17).alias('city'), col('id').cast(DataType.Utf8).alias('text'))
    .sinkParquet(path, { rowGroupSize: 5000 })
  orders = engine.scanParquet(path)
})
afterAll(async () => {
  await engine.close()
  rmSync(folder, { recursive: true })
})

const inFolder = (name: string): string => join(folder, name)
const others = (): string[] => readdirSync(folder).filter((name) => name !== 'orders.parquet')

async function expectNothingLeft(): Promise<void> {
  expect(await engine.usage()).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
}

describe('collectAll', () => {
  it('gives results in order: frames and files', async () => {
    const [cities, parquet, some, ipc] = await collectAll([
      orders.groupBy('city').agg(col('id').sum().alias('ids')),
      orders.sinkParquet(inFolder('copy.parquet'), { lazy: true, rowGroupSize: 7000 }),
      orders.filter(col('city').eq(3)).select('id'),
      orders.select('id', 'text').sinkIpc(inFolder('copy.arrow'), { lazy: true }),
    ])
    expect(cities).toBeInstanceOf(DataFrame)
    expect(cities.height).toBe(17)
    expect(some.toRecords().map(({ id }) => id)).toEqual(
      Array.from({ length: Math.ceil((ROWS - 3) / 17) }, (_, index) => BigInt(3 + 17 * index)),
    )
    expect(parquet).toMatchObject({ path: inFolder('copy.parquet'), rowCount: ROWS })
    expect(ipc).toMatchObject({ path: inFolder('copy.arrow'), rowCount: ROWS })
    // One query: the file was read once.
    expect(cities.metrics).toBe(parquet.metrics)
    const scans = parquet.metrics.operators.filter(({ label }) => label === 'PARQUET SCAN')
    expect(scans.map(({ rowsOut }) => rowsOut)).toEqual([ROWS])
    const totals = async (frame: LazyFrame) => (await frame.select(sum('id').alias('s'), len()).collect()).toRecords()
    const expected = await totals(orders)
    expect(await totals(engine.scanParquet(inFolder('copy.parquet')))).toEqual(expected)
    expect(await totals(scanIpc(inFolder('copy.arrow'), { session: engine }))).toEqual(expected)
    const first = await engine.scanParquet(inFolder('copy.parquet')).head(3).collect()
    expect(first.toRecords().map(({ text }) => text)).toEqual(['0', '1', '2'])
    rmSync(inFolder('copy.parquet'))
    rmSync(inFolder('copy.arrow'))
    await expectNothingLeft()
  })

  it('one frame twice, frames in memory, no frame at all', async () => {
    const frame = DataFrame({ a: [3, 1, 2], b: ['x', 'y', 'z'] }).lazy()
    const [one, two, part] = await collectAll([frame, frame, frame.select('b')])
    expect(one.toRecords()).toEqual(two.toRecords())
    expect(part.toRecords()).toEqual([{ b: 'x' }, { b: 'y' }, { b: 'z' }])
    expect(await collectAll([])).toEqual([])
    expect(await explainAll([])).toBe('')
  })

  it('a lazy sink runs alone, too', async () => {
    const sink = orders.sinkParquet(inFolder('alone.parquet'), { lazy: true })
    expect(sink).toBeInstanceOf(LazySink)
    expect(existsSync(inFolder('alone.parquet'))).toBe(false)
    expect((await sink.collect()).rowCount).toBe(ROWS)
    expect((await orders.sinkParquet(inFolder('alone.parquet'), { lazy: false } as object)).rowCount).toBe(ROWS)
    rmSync(inFolder('alone.parquet'))
  })

  it('a lazy sink takes every option of its file', async () => {
    const path = inFolder('options.parquet')
    const sink = orders.sinkParquet(path, {
      lazy: true,
      compression: 'zstd',
      compressionLevel: 3,
      statistics: true,
      rowGroupSize: 2000,
      dataPageSize: 4096,
      bloomFilter: [orders.columns[0] as string],
      keyValueMetadata: { made: 'here' },
    })
    const [result] = await collectAll([sink])
    expect(result.rowCount).toBe(ROWS)
    rmSync(path)
  })

  it('an error in one ends all and leaves nothing', async () => {
    const failing = orders
      .select(col('id').cast(DataType.Int8))
      .sinkParquet(inFolder('failing.parquet'), { lazy: true })
    const query = [orders.groupBy('city').agg(len()), failing, orders.sinkIpc(inFolder('fine.arrow'), { lazy: true })]
    await expect(collectAll(query)).rejects.toMatchObject({ code: 'CAST_FAILED' })
    const nowhere = orders.sinkParquet(join(folder, 'no', 'such.parquet'), { lazy: true })
    await expect(collectAll([nowhere, orders])).rejects.toMatchObject({ code: 'OUTPUT_FAILED' })
    expect(others()).toEqual([])
    await expectNothingLeft()
    const [right] = await collectAll([orders.select(len())])
    expect(right.toRecords()).toEqual([{ len: BigInt(ROWS) }])
  })

  it('an abort ends all and leaves nothing', async () => {
    const many = LazyFrame({ n: intRange(0, 2e9) }, { session: engine })
    for (const testing of [{}, { forceSpill: true }]) {
      const groups = many.groupBy(col('n').mod(5_000_000).alias('k')).agg(sum('n'))
      const signal = AbortSignal.timeout(150)
      const started = performance.now()
      const frames = [groups, groups.join(groups, { on: 'k' }), many.sinkIpc(inFolder('many.arrow'), { lazy: true })]
      await expect(collectAll(frames, { signal, testing })).rejects.toMatchObject({ code: 'CANCELLED' })
      expect(performance.now() - started).toBeLessThan(5000)
      expect(others()).toEqual([])
      await expectNothingLeft()
    }
  })

  it('a budget that is too small is one error', async () => {
    const frames = Array.from({ length: 12 }, (_, index) => orders.groupBy(col('id').mod(index + 1)).agg(len()))
    await expect(collectAll(frames, { testing: { budgetPages: 60 } })).rejects.toMatchObject({ code: 'MEMORY_LIMIT' })
    const results = await collectAll(frames)
    expect(results.map(({ height }) => height)).toEqual(frames.map((_, index) => index + 1))
    await expectNothingLeft()
  })

  it('strict accepts what spills and refuses results without a bound', async () => {
    const totals = orders.groupBy('city').agg(col('id').sum().alias('ids'))
    const joined = totals.join(totals, { on: 'city', suffix: '_2' })
    const file = joined.sinkParquet(inFolder('joined.parquet'), { lazy: true })
    const [written] = await collectAll([file], { strict: true })
    expect(written.rowCount).toBe(17)
    expect(written.metrics.operators.some(({ label }) => label === 'MULTIPLEXER')).toBe(true)
    await expect(collectAll([file, totals], { strict: true })).rejects.toMatchObject({ code: 'UNBOUNDED_OPERATOR' })
    rmSync(inFolder('joined.parquet'))
  })

  it('refuses what makes no sense', async () => {
    const twice = ['a.parquet', './a.parquet'].map((name) => orders.sinkParquet(inFolder(name), { lazy: true }))
    await expect(collectAll(twice)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    const limited = orders.sinkIpc(inFolder('a.arrow'), { lazy: true, memoryLimit: '1GB' })
    await expect(collectAll([limited])).rejects.toThrow('memoryLimit belongs to the query that runs it')
    const other = LazyFrame({ n: intRange(0, 1) })
    await expect(collectAll([orders, other])).rejects.toMatchObject({ code: 'INVALID_PLAN' })
    await expect(collectAll([other.collect() as never])).rejects.toMatchObject({ code: 'INVALID_PLAN' })
    await expect(collectAll([orders], { limit: 1 } as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    const many = Array.from({ length: 33 }, () => orders)
    await expect(collectAll(many)).rejects.toThrow('at most 32')
    expect(others()).toEqual([])
  })
})

describe('explainAll', () => {
  it('shows what is shared once, and who reads it', async () => {
    const totals = orders.groupBy('city').agg(col('id').sum().alias('ids'))
    const text = await explainAll([totals, totals.filter(col('ids').gt(5))], { physical: true })
    expect(text.match(/GROUP BY \[/g)).toHaveLength(1)
    expect(text).toContain('SHARED 1 (2 consumers)')
    expect(text).toContain('SHARED 1 (as above)')
    expect(text.match(/BRANCH/g)).toHaveLength(2)
    expect(text).not.toContain('MULTIPLEXER')
    const joined = await totals.join(totals, { on: 'city', suffix: '_2' }).explain({ physical: true })
    expect(joined).toContain('MULTIPLEXER [spillable] store')
    expect(joined).toContain('1 consumer')
    expect(joined).toContain('MULTIPLEXER OUTPUT [bounded]')
    const written = await explainAll([totals, totals], { optimized: false })
    expect(written).not.toContain('SHARED')
  })
})
