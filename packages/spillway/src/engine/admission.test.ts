/**
 * Admission beside a query that stands still: a stream whose consumer is busy frees nothing more, so a query inside its
 * loop must make do with the pages that are free, at once and not when the stream ends (which it never would).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { col, collectAll, createEngine, type Engine, intRange, LazyFrame, len } from '../index.ts'

const ROWS = 60_000
/** The stream's floor takes about half of these pages, as the best sizing of the inner query would. */
const testing = { budgetPages: 320 }

describe('a query in the loop over the batches of another one', () => {
  let engine: Engine
  beforeAll(() => {
    engine = createEngine({ threads: 2, memoryLimit: '1GB', tempDir: '/var/tmp' })
  })
  afterAll(() => engine.close())

  const groups = () => {
    const numbers = Array.from({ length: ROWS }, (_, row) => row)
    return LazyFrame({ key: numbers.map((row) => `k${row}`), value: numbers }, { session: engine }).groupBy('key')
  }

  it('is sized down to the pages that are free', async () => {
    const stream = groups().agg(col('value').sum().alias('value')).collectBatches({ testing })
    const inner = groups().agg(len().alias('n')).filter(col('key').eq('k77'))
    const alone = await inner.collect({ testing })
    expect(alone.metrics?.threads).toBe(2)
    let rows = 0
    let asked = 0
    for await (const batch of stream) {
      rows += batch.numRows
      if (++asked > 2) continue
      const found = await inner.collect({ testing })
      expect(found.toRecords()).toEqual(alone.toRecords())
      expect(found.metrics?.threads).toBe(1)
      // A tenth of a second of patience; the rest is for a busy machine.
      expect(found.metrics?.admissionMs).toBeLessThan(5000)
    }
    expect(rows).toBe(ROWS)
    expect(await engine.usage()).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
  }, 60_000)

  it('keeps the order of asking: a later small query does not pass one that waits', async () => {
    const stream = groups().agg(col('value').sum().alias('value')).collectBatches({ testing })
    const batches = stream[Symbol.asyncIterator]()
    await batches.next()
    const large = groups().agg(len().alias('n')).filter(col('key').eq('k5'))
    const small = LazyFrame({ x: [1, 2] }, { session: engine })
    const [first, second] = await Promise.all([large.collect({ testing }), small.collect({ testing })])
    expect([first.height, second.height]).toEqual([1, 2])
    // The small one needs few pages and was asked for later: it waited for its turn as well.
    expect(first.metrics?.admissionMs).toBeGreaterThanOrEqual(100)
    expect(second.metrics?.admissionMs).toBeGreaterThanOrEqual(100)
    await batches.return?.()
  }, 60_000)

  it('lets a query pass that the program waits for while nothing else goes on', async () => {
    const stream = groups().agg(col('value').sum().alias('value')).collectBatches({ testing })
    const batches = stream[Symbol.asyncIterator]()
    await batches.next()
    // As many tables as have room in all of the memory, but not beside the stream.
    const sums = ['a', 'b', 'c', 'd', 'e'].map((name, at) =>
      groups().agg(col('value').sum().add(at).alias(name)).filter(col('key').eq('k9')),
    )
    let isAdmitted = false
    const large = collectAll(sums, { testing }).then((frames) => {
      isAdmitted = true
      return frames
    })
    const small = await LazyFrame({ x: [1, 2] }, { session: engine }).collect({ testing })
    expect([small.height, isAdmitted]).toEqual([2, false])
    await batches.return?.()
    expect((await large).map(({ height }) => height)).toEqual([1, 1, 1, 1, 1])
    expect(await engine.usage()).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
  }, 60_000)

  it('a report does not read files for queries that wait, and says when the engine is closed', async () => {
    const other = createEngine({ threads: 2, memoryLimit: '1GB', tempDir: '/var/tmp' })
    const folder = mkdtempSync(join(tmpdir(), 'spillway-report-'))
    try {
      const path = join(folder, 'gone.parquet')
      await LazyFrame({ x: [1, 2] }, { session: other }).sinkParquet(path)
      const batches = LazyFrame({ x: intRange(0, 1_000_000) }, { session: other })
        .collectBatches({ testing })
        [Symbol.asyncIterator]()
      await batches.next()
      // Asked at once, in this order: the second one was not its turn when the report is made.
      const signal = new AbortController()
      const large = ['a', 'b', 'c', 'd', 'e'].map((name) =>
        LazyFrame({ k: intRange(0, 1000) }, { session: other })
          .groupBy('k')
          .agg(len().alias(name)),
      )
      const first = collectAll(large, { testing, signal: signal.signal }).catch(String)
      const second = other.scanParquet(path).collect({ testing, signal: signal.signal }).catch(String)
      await setTimeout(5)
      rmSync(path)
      const report = await other.report()
      expect(report.match(/a query waits for admission/g)).toHaveLength(2)
      expect(report).toMatch(/tried for \d+ ms/)
      expect(report).toContain('what it needs is not known yet, it is not its turn')
      signal.abort()
      await Promise.all([first, second, batches.return?.()])
      await other.close()
      expect(await other.report()).toBe('closed')
    } finally {
      await other.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }, 60_000)
})
