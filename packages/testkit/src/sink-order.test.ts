/**
 * Files keep the order of their rows when some morsels have none: two workers take morsels in turns, a filter leaves
 * rows of some of them only, and what one worker puts into a piece of the file must not pass over the other's rows.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { col, createEngine, type Engine, LazyFrame } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeRandom } from './faults/fuzz-queries.ts'

const ROWS = 100_000
const MORSEL_ROWS = 128
let folder: string
let engine: Engine
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-order-'))
  engine = createEngine({ threads: 2, memoryLimit: '1GB' })
})
afterAll(async () => {
  await engine.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('the order of a file', () => {
  it.each(['parquet', 'arrow'])('is that of the rows, %s', async (format) => {
    const random = makeRandom(7)
    // Every morsel keeps some of its rows or none, by chance.
    const isKept = Array.from({ length: Math.ceil(ROWS / MORSEL_ROWS) }, () => random() < 0.5)
    const kept = Array.from({ length: ROWS }, (_, row) =>
      isKept[Math.floor(row / MORSEL_ROWS)] && row % 3 === 0 ? 1 : 0,
    )
    const rows = LazyFrame({ row: kept.map((_, row) => row), kept }, { session: engine })
      .filter(col('kept').eq(1))
      .select('row') as LazyFrame
    const expected = kept.flatMap((isOne, row) => (isOne === 1 ? [row] : []))
    for (const pieceRows of [300, 1000, 100_000]) {
      const path = join(folder, `${pieceRows}.${format}`)
      const testing = { morselRows: MORSEL_ROWS }
      if (format === 'parquet') await rows.sinkParquet(path, { rowGroupSize: pieceRows, testing })
      else await rows.sinkIpc(path, { recordBatchSize: pieceRows, testing })
      const written = format === 'parquet' ? engine.scanParquet(path) : engine.scanIpc(path)
      const found = (await written.collect()).toRecords().map(({ row }) => Number(row))
      const wrong = found.findIndex((row, index) => row !== expected[index])
      expect(wrong, `${pieceRows} rows to a piece`).toBe(-1)
      expect(found.length).toBe(expected.length)
    }
  })
})
