/**
 * Bad input files and bad outputs: each has its own typed error that names file, column or operator and says what to
 * do; afterwards nothing is held and the next query is right.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { col, intRange, LazyFrame, repeat, SpillwayError, sum } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checksummedFile } from './checksummed-file.ts'
import { FaultStage, makeFault } from './fault-stage.ts'

describe('bad inputs and outputs', () => {
  let stage: FaultStage
  let good: string
  let files: string

  const write = async (path: string, rows: number, text = 'text') => {
    await LazyFrame({ number: intRange(0, rows), text: repeat(text, rows) }, { session: stage.engine }).sinkParquet(
      path,
      {
        rowGroupSize: 20_000,
        compression: 'uncompressed',
      },
    )
    return path
  }
  beforeAll(async () => {
    stage = new FaultStage()
    files = join(stage.folder, 'files')
    mkdirSync(files)
    good = await write(join(files, 'good.parquet'), 100_000)
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  /** The error of a query that must fail; it must name `file` or the like, and nothing may be left. */
  const failure = async (run: () => unknown, ...named: string[]): Promise<SpillwayError> => {
    let error: unknown
    try {
      await run()
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(SpillwayError)
    for (const part of named) expect((error as SpillwayError).message).toContain(part)
    expect(await stage.findDamage()).toBeUndefined()
    return error as SpillwayError
  }
  const scan = (path: string) => stage.engine.scanParquet(path)
  const total = (path: string) => scan(path).select(sum('number').alias('total'))

  it('a truncated file', async () => {
    const path = join(files, 'truncated.parquet')
    copyFileSync(good, path)
    truncateSync(path, Math.floor(readFileSync(good).length / 2))
    const error = await failure(() => total(path).collect(), path)
    expect([error.name, error.code]).toEqual(['DataError', 'NOT_PARQUET'])
    expect(error.details['file']).toBe(path)
  })

  it('a file cut in its middle: the footer is there, pages are missing', async () => {
    const path = join(files, 'cut.parquet')
    const bytes = readFileSync(good)
    const footerBytes = bytes.readUInt32LE(bytes.length - 8) + 8
    const middle = Math.floor((bytes.length - footerBytes) / 2)
    writeFileSync(path, Buffer.concat([bytes.subarray(0, middle), bytes.subarray(bytes.length - footerBytes)]))
    const error = await failure(() => total(path).collect(), path, '"number"')
    expect([error.name, error.code]).toEqual(['DataError', 'PARQUET_CORRUPT'])
  })

  it('garbage instead of Parquet', async () => {
    const path = join(files, 'garbage.parquet')
    writeFileSync(path, 'not a parquet file, but long enough to be one '.repeat(100))
    const error = await failure(() => total(path).collect(), path, 'PAR1')
    expect([error.name, error.code]).toEqual(['DataError', 'NOT_PARQUET'])
    writeFileSync(path, `PAR1${'garbage '.repeat(1000)}\u0040\u0001\u0000\u0000PAR1`)
    const inside = await failure(() => total(path).collect(), path)
    expect([inside.name, inside.code]).toEqual(['DataError', 'PARQUET_CORRUPT'])
    writeFileSync(path, '')
    expect((await failure(() => total(path).collect(), path)).name).toBe('DataError')
  })

  it('garbage in the pages', async () => {
    const path = join(files, 'damaged.parquet')
    const bytes = readFileSync(good)
    bytes.fill(0xff, 4, 200)
    writeFileSync(path, bytes)
    const error = await failure(() => total(path).collect(), path, 'row group 0', '"number"')
    expect([error.name, error.code]).toEqual(['DataError', 'PARQUET_CORRUPT'])
  })

  it('a page with a wrong checksum', async () => {
    const path = join(files, 'checksum.parquet')
    writeFileSync(path, checksummedFile(1000, false))
    expect((await total(path).collect()).toRecords()).toEqual([{ total: 499_500n }])
    expect(await total(path).explain({ physical: true })).toContain('page checksums verified')
    writeFileSync(path, checksummedFile(1000, true))
    const error = await failure(() => total(path).collect(), path, '"number"', 'row group 0', 'Restore the file')
    expect([error.name, error.code]).toEqual(['DataError', 'PAGE_CHECKSUM_MISMATCH'])
    expect(error.details).toMatchObject({ file: path, column: 'number', rowGroup: 0, page: 0 })
  })

  it('a missing file, also one that goes between plan and run', async () => {
    const path = join(files, 'missing.parquet')
    const error = await failure(() => total(path).collect(), path, 'Check the path')
    expect([error.name, error.code]).toEqual(['DataError', 'FILE_NOT_FOUND'])
    await write(path, 1000)
    const query = total(path)
    rmSync(path)
    const later = await failure(() => query.collect(), path)
    expect([later.name, later.code]).toEqual(['DataError', 'FILE_NOT_FOUND'])
    await failure(() => scan(join(files, 'none-*.parquet')), 'none-*.parquet')
    expect((await failure(() => total(files + '/nowhere').collect())).code).toBe('FILE_NOT_FOUND')
  })

  it('a file that is replaced between plan and run', async () => {
    const path = await write(join(files, 'replaced.parquet'), 1000)
    const query = total(path)
    // The same columns: the new file is read as it is.
    await write(path, 2000)
    expect((await query.collect()).toRecords()).toEqual([{ total: 1_999_000n }])
    await LazyFrame({ number: repeat('now a text', 10) }, { session: stage.engine }).sinkParquet(path)
    const error = await failure(() => query.collect(), path, '"number"', 'scanParquet again')
    expect([error.name, error.code]).toEqual(['DataError', 'SCHEMA_MISMATCH'])
    await LazyFrame({ other: intRange(0, 10) }, { session: stage.engine }).sinkParquet(path)
    expect((await failure(() => query.collect(), path, '"number"')).code).toBe('COLUMN_NOT_FOUND')
  })

  it('a file that is written again between two runs of one frame, with other row groups', async () => {
    const path = join(files, 'again.parquet')
    const writeAgain = async (rows: number, rowGroupSize: number) => {
      await LazyFrame({ number: intRange(0, rows) }, { session: stage.engine }).sinkParquet(path, { rowGroupSize })
    }
    await writeAgain(1000, 1000)
    const frame = scan(path)
    const run = async (): Promise<unknown> => {
      const numbers = (await frame.sort('number').collect()).toRecords().map(({ number }) => number)
      const all = (await frame.collect()).height
      const some = (await frame.filter(col('number').gt(9)).collect()).height
      const first = (await frame.sort('number', { descending: true }).head(1).collect()).toRecords()
      return { read: numbers.length, last: numbers.at(-1), all, some, first, groups: frame.numRowGroups }
    }
    for (const [rows, rowGroupSize] of [
      [1000, 1000],
      [1000, 500],
      [3000, 3000],
      [200, 200],
      [5000, 1000],
      [5000, 1001],
    ] as const) {
      await writeAgain(rows, rowGroupSize)
      const last = BigInt(rows - 1)
      const expected = { read: rows, last, all: rows, some: rows - 10, first: [{ number: last }] }
      expect(await run()).toEqual({ ...expected, groups: Math.ceil(rows / rowGroupSize) })
      expect(await frame.explain({ physical: true })).toContain(`rows ${rows},`)
    }
  })

  it('a file that is replaced while it is read', async () => {
    const path = await write(join(files, 'changing.parquet'), 200_000, 'before')
    const other = await write(join(files, 'changed.parquet'), 200_000, 'after')
    const reading = async () => {
      let batches = 0
      for await (const batch of scan(path).collectBatches({ threads: 1, testing: { batchRows: 512 } })) {
        batches += batch.numRows > 0 ? 1 : 0
        if (batches === 1) renameSync(other, path)
      }
    }
    const error = await failure(reading, path, 'again')
    expect([error.name, error.code]).toEqual(['DataError', 'PARQUET_CORRUPT'])
  })

  it('a missing column', async () => {
    const error = await failure(() => scan(good).select(col('nunber')).collect(), '"nunber"', '"number"')
    expect([error.name, error.code]).toEqual(['PlanError', 'COLUMN_NOT_FOUND'])
  })

  it('a sink to a directory that cannot be written', async () => {
    const path = join(good, 'below-a-file.parquet')
    const error = await failure(() => scan(good).sinkParquet(path), path)
    expect([error.name, error.code]).toEqual(['ResourceError', 'OUTPUT_FAILED'])
    const missing = join(files, 'no-such-directory', 'out.parquet')
    expect((await failure(() => scan(good).sinkParquet(missing), missing)).code).toBe('OUTPUT_FAILED')
  })

  it('a sink that fails or is cancelled leaves the old file and nothing else', async () => {
    const folder = join(stage.folder, 'outputs')
    mkdirSync(folder)
    const target = join(folder, 'result.parquet')
    writeFileSync(target, 'the old file')
    const unchanged = () => {
      expect(readdirSync(folder)).toEqual(['result.parquet'])
      expect(readFileSync(target, 'utf8')).toBe('the old file')
    }
    const grouped = scan(good).groupBy('number').agg(sum('number').alias('total'))
    const testing = { forceSpill: true, ioFaults: makeFault('enospc', 3) }
    const error = await failure(() => grouped.sinkParquet(target, { testing }))
    expect(error.code).toBe('SPILL_DISK_FULL')
    unchanged()
    for (const delayMs of [0, 5, 30, 60]) {
      const signal = AbortSignal.timeout(delayMs)
      const slow = { testing: { forceSpill: true, batchRows: 64 }, signal }
      const cancelled = await failure(() => grouped.sinkParquet(target, slow))
      expect([cancelled.name, cancelled.code]).toEqual(['CancelledError', 'CANCELLED'])
      unchanged()
    }
    const cut = join(files, 'cut.parquet')
    expect((await failure(() => scan(cut).sinkParquet(target), cut)).code).toBe('PARQUET_CORRUPT')
    unchanged()
    await scan(good).sinkParquet(target)
    expect((await total(target).collect()).toRecords()).toEqual([{ total: 4_999_950_000n }])
    expect(readdirSync(folder)).toEqual(['result.parquet'])
    expect(existsSync(target)).toBe(true)
  })

  it('a scan that is cancelled while a row group is decoded does not keep the decoder', async () => {
    for (let round = 0; round < 10; round++) {
      const abort = new AbortController()
      setTimeout(() => abort.abort(), round)
      const query = scan(good).groupBy('number').agg(sum('number').alias('total'))
      await query.collect({ signal: abort.signal, testing: { batchRows: 16 } }).catch(() => undefined)
      expect(await stage.findLeftovers()).toBeUndefined()
    }
    expect((await total(good).collect()).toRecords()).toEqual([{ total: 4_999_950_000n }])
  })
})
