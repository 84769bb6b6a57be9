/**
 * A file that was just written may be written again within one step of the clock, so its footer is looked at again by
 * everybody who needs it: once per query and worker, not once per row group. Counted in bytes that the process reads.
 */
import { mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { col, createEngine, type Engine, intRange, LazyFrame, len } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROW_GROUPS = 600

describe.skipIf(process.platform !== 'linux')('a file of many row groups that was just written', () => {
  let folder: string
  let engine: Engine
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'spillway-fresh-'))
    engine = createEngine({ threads: 2, memoryLimit: '1GB' })
  })
  afterAll(async () => {
    await engine[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Bytes that all threads have read so far. */
  const bytesRead = (): number => Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1])

  // Footers of few column chunks are sent to the workers, of many they read them.
  for (const columns of [2, 10]) {
    it(`${columns} columns`, async () => {
      const path = join(folder, `${columns}.parquet`)
      const names = Array.from({ length: columns }, (_, index) => `c${index}`)
      const rows = ROW_GROUPS * 2
      await LazyFrame(Object.fromEntries(names.map((name) => [name, intRange(0, rows)])), {
        session: engine,
      }).sinkParquet(path, { rowGroupSize: 2 })
      // In whole seconds: some file systems know no others, so it stays a fresh file for two seconds.
      const soon = Math.floor(Date.now() / 1000) + 60
      utimesSync(path, soon, soon)
      const file = readFileSync(path)
      const footerBytes = file.readUInt32LE(file.length - 8)

      const before = bytesRead()
      const scan = engine.scanParquet(path)
      expect(scan.numRowGroups).toBe(ROW_GROUPS)
      const top = await scan.sort('c0', { descending: true }).head(1).collect()
      expect(top.toRecords()[0]).toMatchObject({ c0: BigInt(rows - 1) })
      const joined = scan.join(scan.filter(col('c0').gt(1)), { on: 'c0' }).select(len().alias('count'))
      expect((await joined.collect()).toRecords()).toEqual([{ count: BigInt(rows - 2) }])
      const grown = bytesRead() - before
      // Three reads of all pages, and the main thread and two workers look at the footer some times each.
      expect((grown - 3 * (file.length - footerBytes)) / footerBytes).toBeLessThan(40)
    })
  }
})
