/** `collectBatches`: bounds on bytes, strategies that choose rows, and the default that adapts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RecordBatch, tableToIPC, Table } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  adaptiveChunks,
  type ChunkFacts,
  type ChunkOutcome,
  type CollectBatchesOptions,
  col,
  createEngine,
  DataType,
  intRange,
  LazyFrame,
} from '../index.ts'
import type { Engine } from './engine.ts'

const ROWS = 300_000
const folder = mkdtempSync(join(tmpdir(), 'spillway-chunks-'))
const path = join(folder, 'rows.parquet')
let engine: Engine
beforeAll(async () => {
  engine = createEngine({ threads: 2, memoryLimit: '1GB' })
  await LazyFrame({ n: intRange(0, ROWS) }, { session: engine })
    .select('n', col('n').cast(DataType.Utf8).alias('text'), col('n').mod(7).eq(0).alias('seven'))
    .sinkParquet(path, { rowGroupSize: 50_000, threads: 1 })
})
afterAll(async () => {
  await engine.close()
  rmSync(folder, { recursive: true })
})

/** Takes all batches and checks that they hold all rows in order. */
async function take(options: CollectBatchesOptions, step = 1): Promise<RecordBatch[]> {
  const scan = engine.scanParquet(path)
  const frame = step === 1 ? scan : scan.filter(col('n').mod(step).eq(0))
  const batches: RecordBatch[] = []
  let row = 0
  for await (const batch of frame.collectBatches(options)) {
    const n = batch.getChild('n')
    const text = batch.getChild('text')
    const seven = batch.getChild('seven')
    for (let index = 0; index < batch.numRows; index++) {
      const expected = row * step
      const isRight =
        n?.get(index) === BigInt(expected) &&
        text?.get(index) === String(expected) &&
        seven?.get(index) === (expected % 7 === 0)
      if (!isRight) expect([row, n?.get(index), text?.get(index), seven?.get(index)]).toBeUndefined()
      row += 1
    }
    batches.push(batch)
  }
  expect(row).toBe(Math.ceil(ROWS / step))
  return batches
}

const rowsOf = (batches: readonly RecordBatch[]): number[] => batches.map(({ numRows }) => numRows)

describe('maxBatchBytes', () => {
  it.each([2000, '100kB', 1_000_000])('%s', async (maxBatchBytes) => {
    const most = maxBatchBytes === '100kB' ? 100_000 : Number(maxBatchBytes)
    const batches = await take({ maxBatchBytes })
    // As a stream of its own, whose messages add their heads and padding.
    const bytes = batches.map((batch) => tableToIPC(new Table([batch])).byteLength)
    expect(Math.max(...bytes)).toBeLessThan(most + 1500)
    expect(Math.max(...bytes)).toBeGreaterThan(most / 3)
  })
  it('gives a row that has more a batch of its own', async () => {
    const texts = ['a', 'b'.repeat(5000), 'c', 'd']
    const sizes: number[] = []
    const frame = LazyFrame({ texts }, { session: engine })
    for await (const batch of frame.collectBatches({ maxBatchBytes: 100 })) sizes.push(batch.numRows)
    expect(sizes).toEqual([1, 1, 2])
  })
  it('is checked at the call', () => {
    const call = () => engine.scanParquet(path).collectBatches({ maxBatchBytes: 'many' })
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})

describe('chunkStrategy', () => {
  it('has its way with rows, told what there is and how each batch went', async () => {
    const asked: ChunkFacts[] = []
    const told: ChunkOutcome[] = []
    const chunkStrategy = {
      nextRows: (facts: ChunkFacts) => {
        asked.push(facts)
        return 1000
      },
      chunkDone: (outcome: ChunkOutcome) => told.push(outcome),
    }
    const batches = await take({ chunkStrategy })
    expect(Math.max(...rowsOf(batches))).toBe(1000)
    expect(rowsOf(batches).filter((rows) => rows === 1000).length).toBeGreaterThan(250)
    expect(told.map(({ rows }) => rows)).toEqual(rowsOf(batches))
    expect(asked).toHaveLength(batches.length + 1)
    expect(asked[0]).toMatchObject({ rows: 0, rowBytes: 8 + 20 + 1, maxBatchBytes: Number.POSITIVE_INFINITY })
    expect(asked.at(-1)?.rows).toBe(ROWS)
    // int64, five or six digits with an offset, one bit.
    expect(asked.at(-1)?.rowBytes).toBeGreaterThan(17)
    expect(asked.at(-1)?.rowBytes).toBeLessThan(20)
    expect(asked.at(-1)?.availableBytes).toBeGreaterThan(100e6)
    expect(
      told.every(({ rowsAsked, waitMs, processingMs }) => rowsAsked === 1000 && waitMs >= 0 && processingMs >= 0),
    ).toBe(true)
    expect(told.reduce((sum, { bytes }) => sum + bytes, 0) / ROWS).toBeGreaterThan(17)
  })
  it('may change its mind with every batch', async () => {
    const wanted = [10, 20_000, 1, 5, 40_000, 3]
    let index = 0
    const sizes = rowsOf(await take({ chunkStrategy: { nextRows: () => wanted[index++] ?? 65_536 } }))
    expect(sizes[0]).toBeLessThanOrEqual(10)
    for (const [at, most] of wanted.entries()) expect(sizes[at]).toBeLessThanOrEqual(most)
    // Larger than the engine's own batches of 8,192 rows.
    expect(Math.max(...sizes)).toBeGreaterThan(20_000)
  })
  it('puts the rows together that a filter leaves', async () => {
    const sizes = rowsOf(await take({ chunkStrategy: { nextRows: () => 4000 } }, 20))
    // Row groups of 50,000 rows leave 2,500 each.
    expect(sizes).toEqual(new Array<number>(6).fill(2500))
  })
  it('that fails ends the query with its error', async () => {
    const failing = (nextRows: () => number) => async () => {
      for await (const batch of engine.scanParquet(path).collectBatches({ chunkStrategy: { nextRows } })) {
        expect(batch.numRows).toBeGreaterThan(0)
      }
    }
    await expect(failing(() => 0)()).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    let calls = 0
    const later = failing(() => {
      if (calls++ > 2) throw new RangeError('no idea')
      return 100
    })
    await expect(later()).rejects.toThrow('no idea')
    while ((await engine.usage()).runningQueries > 0) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(await engine.usage()).toMatchObject({ reservedPages: 0, usedPages: 0 })
    const notOne = () => engine.scanParquet(path).collectBatches({ chunkStrategy: {} as never })
    expect(notOne).toThrow('must have a function nextRows')
  })
  it('works for one-row batches and under a small arena', async () => {
    const testing = { batchRows: 1, morselRows: 100 }
    const small = LazyFrame({ n: intRange(0, 1000) }, { session: engine })
    let rows = 0
    for await (const batch of small.collectBatches({ testing, chunkStrategy: { nextRows: () => 64 } })) {
      rows += batch.numRows
      expect(batch.numRows).toBeLessThanOrEqual(64)
    }
    expect(rows).toBe(1000)
    await take({ testing: { budgetPages: 200 } })
  })
})

describe('the default strategy', () => {
  const facts = { availableBytes: 1e9, maxBatchBytes: Number.POSITIVE_INFINITY, rowBytes: 10, rows: 0 }
  const full = { rowsAsked: 8192, rows: 8192, bytes: 81_920, waitMs: 1, processingMs: 1 }
  it('grows batches that come full, up to a bound', () => {
    const strategy = adaptiveChunks()
    const asked: number[] = []
    for (let round = 0; round < 6; round++) {
      const rowsAsked = strategy.nextRows(facts)
      asked.push(rowsAsked)
      strategy.chunkDone?.({ ...full, rowsAsked, rows: rowsAsked })
    }
    expect(asked).toEqual([8192, 16_384, 32_768, 65_536, 65_536, 65_536])
  })
  it('stays where batches do not come full', () => {
    const strategy = adaptiveChunks()
    strategy.chunkDone?.({ ...full, rows: 3000 })
    expect(strategy.nextRows(facts)).toBe(8192)
  })
  it('shrinks for a slow program, for wide rows, and when memory is short', () => {
    const strategy = adaptiveChunks()
    strategy.chunkDone?.({ ...full, processingMs: 400 })
    expect(strategy.nextRows(facts)).toBe(4096)
    expect(strategy.nextRows({ ...facts, rowBytes: 4000 })).toBe(1000)
    expect(strategy.nextRows({ ...facts, availableBytes: 320_000 })).toBe(1000)
    expect(strategy.nextRows({ ...facts, maxBatchBytes: 5000 })).toBe(500)
    expect(strategy.nextRows({ ...facts, availableBytes: 0 })).toBe(256)
  })
  it('is used by collectBatches', async () => {
    const sizes = rowsOf(await take({}))
    expect(sizes[0]).toBeLessThanOrEqual(8192)
    expect(Math.max(...sizes)).toBeGreaterThan(8192)
    const one = rowsOf(await take({ threads: 1 }))
    expect(Math.max(...one)).toBeGreaterThan(30_000)
  })
})
