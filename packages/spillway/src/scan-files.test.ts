/** Scans of many files: row groups one by one, files read at a time, and the budget for reading ahead. */
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { col, createEngine, DataType, intRange, LazyFrame, len, ParquetFrame, sum } from './index.ts'
import type { Engine } from './engine/engine.ts'

const FILES = 12
const ROWS = 4000
const folder = mkdtempSync(join(tmpdir(), 'spillway-scan-files-'))
let engine: Engine
beforeAll(async () => {
  engine = createEngine({ threads: 3, memoryLimit: '1GB' })
  mkdirSync(join(folder, 'parquet'))
  mkdirSync(join(folder, 'ipc'))
  for (let file = 0; file < FILES; file++) {
    const rows = LazyFrame({ n: intRange(file * ROWS, (file + 1) * ROWS) }, { session: engine }).select(
      'n',
      col('n').cast(DataType.Utf8).alias('text'),
    )
    const name = String(file).padStart(2, '0')
    await rows.sinkParquet(join(folder, 'parquet', `${name}.parquet`), { rowGroupSize: 1500, threads: 1 })
    await rows.sinkIpc(join(folder, 'ipc', `${name}.arrow`), { recordBatchSize: 1500, threads: 1 })
  }
})
afterAll(async () => {
  await engine.close()
  rmSync(folder, { recursive: true })
})

describe('row groups', () => {
  const scan = (options = {}) => engine.scanParquet(join(folder, 'parquet'), options)

  it('are counted over all files and read one by one', async () => {
    const frame = scan()
    expect(frame).toBeInstanceOf(ParquetFrame)
    expect(frame.numRowGroups).toBe(FILES * 3)
    let rows = 0
    for (let index = 0; index < frame.numRowGroups; index++) {
      const { height } = await frame.readRowGroup(index).select('n').collect()
      expect(height).toBe([1500, 1500, 1000][index % 3])
      rows += height
    }
    expect(rows).toBe(FILES * ROWS)
    const fourth = await frame.readRowGroup(4).collect()
    expect(fourth.height).toBe(1500)
    expect(fourth.toRecords()[0]).toEqual({ n: BigInt(ROWS + 1500), text: String(ROWS + 1500) })
    const filtered = await frame.readRowGroup(5).filter(col('n').mod(2).eq(0)).select(len(), sum('n')).collect()
    const kept = Array.from({ length: 500 }, (_, index) => ROWS + 3000 + 2 * index)
    expect(filtered.toRecords()).toEqual([{ len: 500n, n: BigInt(kept.reduce((total, n) => total + n, 0)) }])
  })
  it('read nothing of the other ones', async () => {
    const all = await scan().collect()
    const one = await scan().readRowGroup(7).collect()
    expect((one.metrics?.bytesRead ?? 0) * 20).toBeLessThan(all.metrics?.bytesRead ?? 0)
    expect(await scan().readRowGroup(7).explain({ physical: true })).toContain(`row groups 1/${FILES * 3}`)
  })
  it('end with nRows, and are counted from 0', async () => {
    const some = scan({ nRows: 5000 })
    expect(some.numRowGroups).toBe(4)
    expect((await some.readRowGroup(3).collect()).height).toBe(1000)
    expect((await some.collect()).height).toBe(5000)
    for (const index of [4, -1, 0.5, Number.NaN]) {
      expect(() => some.readRowGroup(index)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    }
    expect(() => scan().readRowGroup(36)).toThrow('Row group not found: 36. The scan has 36, counted from 0.')
  })
})

/** The test's files that are open in this process, workers included. */
function openFiles(): number {
  const paths = readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`)
    } catch {
      return ''
    }
  })
  return new Set(paths.filter((path) => path.startsWith(folder))).size
}

describe.each(['parquet', 'ipc'] as const)('%s files', (format) => {
  const scan = (options: { maxConcurrentFiles?: number; readAheadBytes?: string }) =>
    format === 'ipc' ? engine.scanIpc(join(folder, format), options) : engine.scanParquet(join(folder, format), options)

  /** Takes small batches slowly, so that workers wait with their files open. */
  async function mostOpen(options: { maxConcurrentFiles?: number }): Promise<number> {
    let most = 0
    let rows = 0
    const testing = { batchRows: 50 }
    for await (const batch of scan(options).collectBatches({ testing, chunkStrategy: { nextRows: () => 50 } })) {
      rows += batch.numRows
      most = Math.max(most, openFiles())
    }
    expect(rows).toBe(FILES * ROWS)
    return most
  }

  it('are read so many at a time', async () => {
    expect(await mostOpen({ maxConcurrentFiles: 1 })).toBe(1)
    expect(await mostOpen({ maxConcurrentFiles: 2 })).toBeLessThanOrEqual(2)
    // Three threads; on a busy machine one of them may come late.
    expect(await mostOpen({})).toBeGreaterThan(1)
  })
  it('keep their bounds through the optimizer, and answers do not depend on them', async () => {
    const bounded = scan({ maxConcurrentFiles: 1, readAheadBytes: '1MB' })
    const query = bounded.filter(col('n').gt(7)).select(sum('n'), len())
    const total = (BigInt(FILES * ROWS) * BigInt(FILES * ROWS - 1)) / 2n - 28n
    expect((await query.collect()).toRecords()).toEqual([{ n: total, len: BigInt(FILES * ROWS - 8) }])
    expect((await bounded.slice(10, 3).select('n').collect()).toRecords().map(({ n }) => n)).toEqual([10n, 11n, 12n])
  })
  it('wrong bounds are refused', () => {
    expect(() => scan({ maxConcurrentFiles: 0 })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    expect(() => scan({ readAheadBytes: 'much' })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})
