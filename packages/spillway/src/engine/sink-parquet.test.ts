/** `sinkParquet` with its options: what DuckDB finds in the file. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { col, createEngine, intRange, LazyFrame, scanParquet } from '../index.ts'
import type { Engine } from './engine.ts'
import type { SinkParquetOptions } from './engine-options.ts'

const folder = mkdtempSync(join(tmpdir(), 'spillway-sink-'))
const target = join(folder, 'target.parquet')
const ROWS = 50_000
let engine: Engine
let duckdb: Awaited<ReturnType<DuckDBInstance['connect']>>

beforeAll(async () => {
  engine = createEngine({ threads: 2, memoryLimit: '1GB' })
  duckdb = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(async () => {
  await engine.close()
  duckdb.closeSync()
  rmSync(folder, { recursive: true })
})

const numbers = () =>
  LazyFrame({ n: intRange(0, ROWS) }, { session: engine }).select(
    'n',
    col('n').mod(97).alias('few'),
    col('n').cast({ kind: 'utf8' }).alias('text'),
    col('n').mod(3).eq(0).alias('third'),
  )

async function rows(sql: string): Promise<unknown[][]> {
  return (await duckdb.runAndReadAll(sql)).getRows() as unknown[][]
}

async function expectNumbers(): Promise<void> {
  const found = await rows(`select count(*)::int, count(distinct n)::int, sum(n)::bigint,
      count(*) filter (few = n % 97 and text = n::varchar and third = (n % 3 = 0))::int from '${target}'`)
  expect(found).toEqual([[ROWS, ROWS, (BigInt(ROWS) * BigInt(ROWS - 1)) / 2n, ROWS]])
}

describe('sinkParquet', () => {
  it.each(['snappy', 'zstd', 'lz4', 'lz4Raw', 'gzip', 'brotli', 'uncompressed'] as const)('%s', async (compression) => {
    const { rowCount } = await numbers().sinkParquet(target, { compression })
    expect(rowCount).toBe(ROWS)
    await expectNumbers()
    expect(
      (
        await scanParquet(target, { session: engine })
          .filter(col('n').gtEq(ROWS - 5))
          .collect()
      ).height,
    ).toBe(5)
    const name = compression.startsWith('lz4') ? 'LZ4_RAW' : compression.toUpperCase()
    expect(await rows(`select distinct compression from parquet_metadata('${target}')`)).toEqual([[name]])
  })

  it('levels change the size', async () => {
    for (const compression of ['zstd', 'gzip', 'brotli'] as const) {
      const [fast, small] = [1, 9].map((compressionLevel) => ({ compression, compressionLevel }))
      const sizes: number[] = []
      for (const options of [fast, small]) sizes.push((await numbers().sinkParquet(target, options)).bytes)
      expect(sizes[1]).toBeLessThan(sizes[0] ?? 0)
      await expectNumbers()
    }
  })

  it('a row group has rowGroupSize rows, a page dataPageSize bytes', async () => {
    await numbers().sinkParquet(target, { rowGroupSize: 7000, dataPageSize: 4096, compression: 'uncompressed' })
    await expectNumbers()
    const groups = await rows(
      `select distinct row_group_id, row_group_num_rows::int from parquet_metadata('${target}')`,
    )
    const sizes = groups.map(([, size]) => size as number)
    expect(Math.max(...sizes)).toBe(7000)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(ROWS)
    const [[largest]] = (await rows(
      `select max(total_uncompressed_size)::int from parquet_metadata('${target}') where path_in_schema = 'n'`,
    )) as [[number]]
    expect(largest).toBeGreaterThan(7000 * 4)
  })

  /** Rows of each row group, in order. */
  const groupRows = async (): Promise<number[]> =>
    (
      await rows(`select row_group_num_rows::int from parquet_metadata('${target}') where path_in_schema = 'n'
        order by row_group_id`)
    ).map(([count]) => count as number)

  it('one worker fills every row group but the last, with an order or without', async () => {
    const testing = { morselRows: 1000, batchRows: 300 }
    const full = [...new Array<number>(7).fill(7000), 1000]
    await numbers().sinkParquet(target, { rowGroupSize: 7000, threads: 1, testing })
    expect(await groupRows()).toEqual(full)
    await numbers().filter(col('n').mod(2).eq(0)).sinkParquet(target, { rowGroupSize: 3500, threads: 1, testing })
    expect(await groupRows()).toEqual([...new Array<number>(7).fill(3500), 500])
  })

  it('several workers end few row groups early', async () => {
    const testing = { morselRows: 500, batchRows: 300 }
    let fullShare = 0
    // How long the runs of morsels are that one worker gets depends on what else the machine does.
    for (let attempt = 0; attempt < 10 && fullShare <= 0.5; attempt++) {
      await numbers().sinkParquet(target, { rowGroupSize: 2600, threads: 2, testing })
      await expectNumbers()
      const ordered = await groupRows()
      expect(Math.max(...ordered)).toBeLessThanOrEqual(2600)
      // A run of five morsels of 500 rows fills a row group but for 100 rows.
      fullShare = ordered.filter((count) => count >= 2500).length / ordered.length
    }
    expect(fullShare).toBeGreaterThan(0.5)
    const inOrder = await rows(`select n::int from '${target}'`)
    expect(inOrder.every(([n], index) => n === index)).toBe(true)
    // The output of a group-by has no order: each worker ends one row group early.
    await numbers().groupBy('n').agg(col('few').max()).sinkParquet(target, { rowGroupSize: 2600, threads: 2, testing })
    expect((await groupRows()).filter((count) => count !== 2600).length).toBeLessThanOrEqual(2)
  })

  it('Bloom filters and statistics as asked for', async () => {
    await numbers().sinkParquet(target, { bloomFilter: ['text'], statistics: false })
    const found =
      await rows(`select path_in_schema, bool_and(bloom_filter_offset is not null), bool_or(stats_max is not null)
        from parquet_metadata('${target}') group by all order by all`)
    expect(found).toEqual([
      ['few', false, false],
      ['n', false, false],
      ['text', true, false],
      ['third', false, false],
    ])
  })

  it('carries the schema for Arrow', async () => {
    await numbers().sinkParquet(target)
    const [[value]] = (await rows(`select value::varchar from parquet_kv_metadata('${target}')
        where key::varchar = 'ARROW:schema'`)) as [[string]]
    const message = Buffer.from(value, 'base64')
    expect([message.readUInt32LE(0), message.readUInt32LE(4)]).toEqual([0xffffffff, message.length - 8])
    expect(message.includes('third')).toBe(true)
  })

  it('keeps keys and values', async () => {
    const keyValueMetadata = { origin: 'a test', empty: '', Übung: '🌍\n' }
    await numbers().sinkParquet(target, { keyValueMetadata })
    const found = await rows(`select decode(key), decode(value) from parquet_kv_metadata('${target}')
        where decode(key) <> 'ARROW:schema' order by all`)
    expect(Object.fromEntries(found)).toEqual(keyValueMetadata)
    await expectNumbers()
  })

  it('packs rising numbers, which this engine reads again', async () => {
    await numbers().sinkParquet(target)
    const [[encodings]] = await rows(`select encodings from parquet_metadata('${target}') where path_in_schema = 'n'`)
    expect(encodings).toContain('DELTA_BINARY_PACKED')
    const read = await scanParquet(target, { session: engine })
      .select(col('n').sum(), col('n').max().alias('most'))
      .collect()
    expect(read.toRecords().map((row) => Object.values(row).map(Number))).toEqual([[(ROWS * (ROWS - 1)) / 2, ROWS - 1]])
  })

  it('ends row groups early when pages are refused', async () => {
    for (const testing of [{ refuseProbability: 0.7 }, { batchRows: 1000, refuseProbability: 1, poison: true }]) {
      const options: SinkParquetOptions = { testing, dataPageSize: 16_384, compression: 'zstd' }
      await numbers().sinkParquet(target, options)
      await expectNumbers()
    }
    const [[groups]] = (await rows(`select count(distinct row_group_id)::int from parquet_metadata('${target}')`)) as [
      [number],
    ]
    expect(groups).toBeGreaterThan(2)
  })

  it('refuses what it cannot do, and leaves the file that was there', async () => {
    await numbers().sinkParquet(target)
    const before = readFileSync(target)
    const wrong: [SinkParquetOptions, string, RegExp][] = [
      [{ compression: 'snappy', compressionLevel: 3 }, 'INVALID_OPTION', /"snappy" has no levels/],
      [{ compression: 'zstd', compressionLevel: 23 }, 'INVALID_OPTION', /compressionLevel 23 of "zstd". Give 1 to 22/],
      [{ bloomFilter: ['nope'] }, 'COLUMN_NOT_FOUND', /bloomFilter not found: "nope"/],
      [{ bloomFilter: ['third'] }, 'INVALID_OPTION', /no bloomFilter for boolean column "third"/],
      [{ keyValueMetadata: { 'ARROW:schema': '' } }, 'INVALID_OPTION', /"ARROW:schema", which is taken/],
      [{ keyValueMetadata: { a: 1 as never } }, 'INVALID_OPTION', /keyValueMetadata/],
      [{ dataPageSize: 0 }, 'INVALID_OPTION', /dataPageSize/],
      [{ rowGroupSize: 0.5 }, 'INVALID_OPTION', /rowGroupSize/],
      [{ compression: 'lzo' as 'zstd' }, 'INVALID_OPTION', /compression/],
    ]
    for (const [options, code, message] of wrong) {
      const refused = numbers().sinkParquet(target, options)
      await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(message) as unknown })
    }
    expect(readFileSync(target).equals(before)).toBe(true)
    expect(readdirSync(folder)).toEqual(['target.parquet'])
  })
})
