/** The engine's life and options: modes, strict, cancelling, closing, errors, and what is left afterwards (nothing). */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  closeDefaultEngine,
  col,
  createEngine,
  DataFrame,
  type Engine,
  intRange,
  LazyFrame,
  len,
  setEngineAffinity,
  sum,
} from '../index.ts'

const ROWS = 1_500_000
let engine: Engine
let folder: string
let orders: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-engine-'))
  engine = createEngine({ threads: 2, memoryLimit: '1GB', tempDir: folder })
  orders = join(folder, 'orders.parquet')
  const { rowCount } = await numbers().sinkParquet(orders, { rowGroupSize: 50_000 })
  expect(rowCount).toBe(ROWS)
})
afterAll(async () => {
  await engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const numbers = (session = engine) =>
  LazyFrame({ n: intRange(0, ROWS) }, { session }).withColumns(col('n').mod(300_007).alias('k'))
const groups = () => engine.scanParquet(orders).groupBy('k').agg(sum('n'), len())
const few = () => engine.scanParquet(orders).groupBy(col('n').mod(10).alias('k')).agg(len())
/** Nothing is reserved and no spill file is left. */
async function expectQuiet() {
  expect(await engine.usage()).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
  const spill = readdirSync(folder).filter((name) => name.startsWith('spillway-'))
  const files = spill.flatMap((name) => readdirSync(join(folder, name))).filter((name) => name.endsWith('.arrow'))
  expect(files).toEqual([])
}

describe('modes', () => {
  // A budget of 200 pages (12.5 MiB) is less than 300 thousand groups need.
  const testing = { budgetPages: 200, partitionBits: 3, batchRows: 1024 }

  it('streaming spills where in-memory fails, with the same rows', async () => {
    const path = join(folder, 'streamed.parquet')
    const streamed = await groups().sinkParquet(path, { testing })
    expect(streamed.rowCount).toBe(300_007)
    expect(streamed.metrics.spilledBytes).toBeGreaterThan(0)
    const sums = await engine.scanParquet(path).select(sum('n'), sum('len')).collect()
    expect(sums.toRecords()).toEqual([{ n: (BigInt(ROWS) * BigInt(ROWS - 1)) / 2n, len: BigInt(ROWS) }])
    const refused = groups().collect({ engine: 'in-memory', testing })
    await expect(refused).rejects.toMatchObject({ code: 'MEMORY_LIMIT', name: 'MemoryLimitError' })
    await expectQuiet()
  })
  it('in-memory works when the groups fit', async () => {
    const frame = await few().collect({ engine: 'in-memory', testing })
    expect([frame.height, frame.metrics?.spilledBytes]).toEqual([10, 0])
  })
  it('setEngineAffinity decides for queries that name no mode', async () => {
    setEngineAffinity('in-memory')
    try {
      await expect(groups().collect({ testing })).rejects.toMatchObject({ code: 'MEMORY_LIMIT' })
      const path = join(folder, 'named.parquet')
      expect((await groups().sinkParquet(path, { engine: 'streaming', testing })).rowCount).toBe(300_007)
    } finally {
      setEngineAffinity('auto')
    }
    expect(() => setEngineAffinity('gpu' as 'auto')).toThrow('Invalid engine: "gpu"')
  })
  it('strict refuses what has no memory bound before it runs', async () => {
    const refused = { code: 'UNBOUNDED_OPERATOR', name: 'PlanError' }
    await expect(few().collect({ strict: true })).rejects.toMatchObject(refused)
    const inMemory = few().sinkParquet(join(folder, 'x.parquet'), { strict: true, engine: 'in-memory' })
    await expect(inMemory).rejects.toMatchObject(refused)
    const path = join(folder, 'strict.parquet')
    expect((await few().sinkParquet(path, { strict: true })).rowCount).toBe(10)
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
  it('a limit below the floor names the floor', async () => {
    const refused = groups().collect({ memoryLimit: '1MB' })
    await expect(refused).rejects.toMatchObject({ code: 'MEMORY_LIMIT' })
    await expect(refused).rejects.toThrow(/below the query's floor: it needs [\d.]+ MB/)
    await expectQuiet()
  })
})

describe('cancelling', () => {
  it('a signal ends the query wherever it is, and the next one is right', async () => {
    let cancelled = 0
    for (const delayMs of [0, 5, 10, 20, 40, 80, 120]) {
      const abort = new AbortController()
      setTimeout(() => abort.abort(new Error('enough')), delayMs)
      try {
        await groups().collect({ signal: abort.signal, testing: { forceSpill: true } })
      } catch (error) {
        cancelled += 1
        expect(error).toMatchObject({ code: 'CANCELLED', name: 'CancelledError', cause: { message: 'enough' } })
      }
      await expectQuiet()
    }
    expect(cancelled).toBeGreaterThan(2)
    expect((await groups().collect()).height).toBe(300_007)
  }, 60_000)
  it('an aborted signal ends the query before it begins, also one that waits its turn', async () => {
    await expect(groups().collect({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' })
    const abort = new AbortController()
    const before = Array.from({ length: 8 }, () => few().collect())
    const waiting = few().collect({ signal: abort.signal })
    abort.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' })
    for (const each of await Promise.all(before)) expect(each.height).toBe(10)
    await expectQuiet()
  })
  it('leaving a loop over batches ends the query', async () => {
    for (let round = 0; round < 3; round++) {
      let batches = 0
      for await (const batch of engine.scanParquet(orders).collectBatches()) {
        expect(batch.numRows).toBeGreaterThan(0)
        batches += 1
        if (batches === 2 + round) break
      }
      await expectQuiet()
    }
    expect((await engine.scanParquet(orders).select(len()).collect()).toRecords()).toEqual([{ len: BigInt(ROWS) }])
  })
  it('several calls of next may wait at a time', async () => {
    const batches = numbers().head(20_000).collectBatches()[Symbol.asyncIterator]()
    const results = await Promise.all(Array.from({ length: 6 }, () => batches.next()))
    const counts = results.map((result) => (result.done === true ? 0 : result.value.numRows))
    expect(counts.reduce((total, each) => total + each, 0)).toBe(20_000)
    await expectQuiet()
  })
  it('an error in onProgress cancels, it does not end the process', async () => {
    const onProgress = () => {
      throw new Error('no terminal')
    }
    const refused = groups().collect({ onProgress, testing: { forceSpill: true, batchRows: 256 } })
    await expect(refused).rejects.toMatchObject({ code: 'CANCELLED', cause: { message: 'no terminal' } })
  })
  it('a failed or cancelled sink leaves no file', async () => {
    const path = join(folder, 'cancelled.parquet')
    const abort = new AbortController()
    setTimeout(() => abort.abort(), 30)
    const options = { signal: abort.signal, testing: { batchRows: 64 } }
    await expect(numbers().sinkParquet(path, options)).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(readdirSync(folder).filter((name) => name.includes('cancelled'))).toEqual([])
  })
})

describe('life', () => {
  it('close ends running queries, removes the spill directory, and refuses later ones', async () => {
    const own = createEngine({ threads: 2, memoryLimit: '1GB', tempDir: folder })
    const frame = own.scanParquet(orders).groupBy('k').agg(sum('n'))
    const running = frame.collect({ testing: { forceSpill: true, batchRows: 128 } }).catch((error: unknown) => error)
    while ((await own.usage()).runningQueries === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    await own.close()
    expect(await running).toMatchObject({ code: 'CANCELLED' })
    await expect(frame.collect()).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
    await own.close()
    const directories = readdirSync(folder).filter((name) => name.startsWith('spillway-'))
    expect(directories.length).toBeLessThanOrEqual(1)
  })
  it('await using closes it', async () => {
    const own = createEngine({ threads: 1, memoryLimit: '1GB' })
    expect((await numbers(own).head(3).collect()).height).toBe(3)
    await own[Symbol.asyncDispose]()
    await expect(own.explain(numbers().plan, { physical: true })).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
  })
  it('frames of the default engine outlive its closing', async () => {
    const frame = LazyFrame({ n: intRange(0, 10) }).filter(col('n').gt(6))
    const collected = await frame.collect()
    await closeDefaultEngine()
    expect((await frame.collect()).height).toBe(3)
    expect((await collected.lazy().select(sum('n')).collect()).toRecords()).toEqual([{ n: 24n }])
    await closeDefaultEngine()
  })
  it('engines are independent', async () => {
    const others = [1, 2, 3].map((threads) => createEngine({ threads, memoryLimit: '1GB' }))
    const heights = await Promise.all(others.map(async (other) => (await numbers(other).head(7).collect()).height))
    expect(heights).toEqual([7, 7, 7])
    await Promise.all(others.map((other) => other.close()))
  })
})

describe('errors', () => {
  it('options are checked at once and name what is wrong', () => {
    const options = [{ memoryLimit: 'much' }, { threads: 0 }, { temp: '/tmp' }, { strict: 'yes' }]
    for (const wrong of options) {
      expect(() => createEngine(wrong as object), JSON.stringify(wrong)).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', name: 'PlanError' }),
      )
    }
    const batches = () => numbers().collectBatches({ signal: 'now' } as object)
    expect(batches).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
  it('plans are checked when they are built', () => {
    const frame = DataFrame({ price: [1, 2], name: ['a', 'b'] }).lazy()
    const wrong: [() => unknown, string, string][] = [
      [() => frame.select('prcie'), 'COLUMN_NOT_FOUND', 'Column not found: "prcie" (did you mean "price"?)'],
      [() => frame.filter(col('price').eq('a')), 'TYPE_MISMATCH', 'Types do not match'],
      [() => frame.filter(col('price')), 'TYPE_MISMATCH', 'price'],
      [() => frame.select(col('price').cast('utf8' as never)), 'INVALID_OPTION', 'Write DataType.Utf8.'],
      [() => frame.select('name', col('price').alias('name')), 'DUPLICATE_COLUMN', '"name"'],
      [() => frame.withColumns(sum('price')), 'INVALID_PLAN', 'Aggregate in withColumns'],
      [() => frame.filter(sum('price').gt(1)), 'INVALID_PLAN', 'Aggregate in filter'],
      [() => frame.groupBy().agg(len()), 'INVALID_PLAN', 'groupBy needs at least one key'],
      [() => LazyFrame.concat([frame, frame.drop('name')]), 'INVALID_PLAN', 'Concat'],
      [() => engine.scanParquet(join(folder, 'missing.parquet')), 'FILE_NOT_FOUND', 'missing.parquet'],
    ]
    for (const [make, code, text] of wrong) {
      expect(make, text).toThrow(expect.objectContaining({ code, message: expect.stringContaining(text) }))
    }
  })
  it('a sink into a directory that is not there fails before anything runs', async () => {
    const refused = numbers().sinkParquet(join(folder, 'no', 'such', 'x.parquet'))
    await expect(refused).rejects.toMatchObject({ code: 'OUTPUT_FAILED' })
    await expectQuiet()
  })
})
