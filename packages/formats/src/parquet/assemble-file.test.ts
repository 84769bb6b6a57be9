/** Encoding and assembling, judged by DuckDB and by the decoder. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { makeExactReader, makeSchema } from '@spillway/columnar'
import type { DataType } from '@spillway/columnar'
import { readParquet } from 'parquet-wasm/esm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  beginParquetFile,
  discardParquetFile,
  finishParquetFile,
  PARQUET_BODY_START,
  rowGroupBody,
  temporaryParquetPath,
  writeParquetFooter,
  writeRowGroupBody,
} from './assemble-file.ts'
import type { PlacedRowGroup } from './assemble-file.ts'
import { ParquetDecoder } from './decoder.ts'
import { ParquetEncoder } from './encoder.ts'
import type { ParquetCompression } from './encoder.ts'
import { readFileMeta } from './footer.ts'
import { parquetWasmModule } from './wasm-module.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-assemble-'))
let duckdb: DuckDBConnection
let encoder: ParquetEncoder
let decoder: ParquetDecoder

beforeAll(async () => {
  duckdb = await (await DuckDBInstance.create(':memory:')).connect()
  await duckdb.run(`set timezone = 'UTC'`)
  encoder = new ParquetEncoder(await parquetWasmModule())
  decoder = new ParquetDecoder(await parquetWasmModule())
})
afterAll(() => {
  duckdb.closeSync()
  rmSync(directory, { recursive: true })
})

const columns = `
  i, i % 3 = 0 as b, (i % 100)::tinyint as i8, (i % 1000)::smallint as i16, i::integer as i32,
  (i % 200)::utinyint as u8, (i * 13 % 60000)::usmallint as u16, (i + 4000000000)::uinteger as u32, hash(i) as u64,
  (i / 3)::float as f32, case when i % 10 = 1 then 'nan' else i / 7.0::double end as f64,
  case when i % 5 = 1 then null else 'text ' || i || ' — ü' end as t, date '2020-01-01' + i::int as d,
  make_timestamp(i * 1000003) as us, make_timestamp_ns(i * 1000003) as ns, make_timestamp(i * 1000)::timestamp_ms as ms,
  make_timestamp(i * 1000003)::timestamptz as tz, (i * 1.5)::decimal(9, 2) as d9, (i * 1.5)::decimal(18, 3) as d18,
  (i * -1.5)::decimal(38, 10) as d38, case when i % 2 = 0 then i end as half`

/** An IPC stream of rows [start, start + count) and what DuckDB wrote, from which it was made. */
async function makeRows(start: number, count: number): Promise<Uint8Array> {
  const path = join(directory, `rows-${start}-${count}.parquet`)
  await duckdb.run(`copy (select ${columns} from range(${start}, ${start + count}) t(i)) to '${path}' (format parquet)`)
  return readParquet(readFileSync(path), { batchSize: Math.max(count, 1) }).intoIPCStream()
}

const options = (rowCount: number, compression: ParquetCompression = 'snappy') => ({
  compression,
  level: undefined,
  statistics: true,
  rowCount,
})

async function count(sql: string): Promise<number> {
  return Number((await duckdb.runAndReadAll(sql)).getRows()[0]?.[0])
}

describe('encodeRowGroup', () => {
  it.each(['snappy', 'zstd', 'lz4Raw', 'gzip', 'brotli', 'uncompressed'] as const)('%s', async (compression) => {
    const bytes = encoder.encodeRowGroup(await makeRows(0, 500), options(500, compression))
    const path = join(directory, `encoded-${compression}.parquet`)
    writeFileSync(path, bytes)
    const meta = readFileMeta(path)
    expect(meta.rowGroups[0]?.chunks['i']?.codec).toBe(compression)
    expect(meta.rowGroups[0]?.chunks['i']).toMatchObject({ min: 0n, max: 499n, nullCount: 0 })
    const differ = `(from '${path}' except all from '${join(directory, 'rows-0-500.parquet')}')`
    expect(await count(`select count(*) from ${differ}`)).toBe(0)
    expect(await count(`select count(*) from '${path}'`)).toBe(500)
  })

  it('makes one row group of many batches', async () => {
    const expected = join(directory, 'rows-0-1000.parquet')
    await makeRows(0, 1000)
    const stream = readParquet(readFileSync(expected), { batchSize: 64 }).intoIPCStream()
    const path = join(directory, 'many-batches.parquet')
    writeFileSync(path, encoder.encodeRowGroup(stream, options(1000)))
    expect(readFileMeta(path).rowGroups.map(({ rowCount }) => rowCount)).toEqual([1000])
    expect(await count(`select count(*) from (from '${path}' except all from '${expected}')`)).toBe(0)
  })

  it('refuses a stream that is damaged or has other rows than said', async () => {
    expect(() => encoder.encodeRowGroup(new Uint8Array(100), options(1))).toThrow(/Parquet encoding failed/)
    const stream = await makeRows(0, 10)
    expect(() => encoder.encodeRowGroup(stream, options(11))).toThrow(/10 of 11 rows/)
  })

  it('holds its memory', async () => {
    const stream = await makeRows(0, 2000)
    const encode = (): void => {
      for (let i = 0; i < 50; i++) encoder.encodeRowGroup(stream, options(2000))
    }
    encode()
    const before = encoder.memoryBytes()
    for (let i = 0; i < 4; i++) encode()
    expect(encoder.memoryBytes()).toBe(before)
  })
})

/** Assembles row groups whose bodies are written in the order of `placing`. */
async function assemble(name: string, counts: readonly number[], placing: readonly number[]): Promise<string> {
  const target = join(directory, name)
  const temporary = temporaryParquetPath(target)
  beginParquetFile(temporary)
  const placed: PlacedRowGroup[] = []
  let offset = PARQUET_BODY_START
  for (const index of placing) {
    const start = counts.slice(0, index).reduce((sum, rows) => sum + rows, 0)
    const rows = counts[index] ?? 0
    const { body, footerAt } = rowGroupBody(encoder.encodeRowGroup(await makeRows(start, rows), options(rows)))
    // Footers come from workers: they must survive a structured clone.
    placed[index] = { offset, footer: structuredClone(footerAt(offset)) }
    writeRowGroupBody(temporary, [body.subarray(0, 1), body.subarray(1)], offset)
    offset += body.length
  }
  const rowCount = counts.reduce((sum, rows) => sum + rows, 0)
  const schema = readFileMeta(join(directory, `rows-0-${counts[0] ?? 0}.parquet`)).schema
  const bytes = writeParquetFooter(temporary, { rowGroups: placed, schema, rowCount, keyValue: { origin: 'test' } })
  finishParquetFile(temporary, target)
  expect(readFileSync(target).length).toBe(bytes)
  return target
}

describe('assembled files', () => {
  it('have the row groups in the order given, wherever their bodies lie', async () => {
    const path = await assemble('assembled.parquet', [700, 300, 1000], [2, 0, 1])
    const meta = readFileMeta(path)
    expect(meta.rowGroups.map(({ rowCount }) => rowCount)).toEqual([700, 300, 1000])
    expect(meta.rowGroups.map(({ chunks }) => [chunks['i']?.min, chunks['i']?.max])).toEqual([
      [0n, 699n],
      [700n, 999n],
      [1000n, 1999n],
    ])
    await makeRows(0, 2000)
    const expected = join(directory, 'rows-0-2000.parquet')
    expect(await count(`select count(*) from (from '${path}' except all from '${expected}')`)).toBe(0)
    expect(await count(`select count(*) from (from '${expected}' except all from '${path}')`)).toBe(0)
    expect(await count(`select count(*) from '${path}' where i >= 1000 and t is not null`)).toBe(800)
    const order: bigint[] = []
    for (let rowGroup = 0; rowGroup < 3; rowGroup++) {
      for (const batch of decoder.decode(path, meta, rowGroup, ['i'], 256).batches) {
        const [column] = batch.columns
        if (column === undefined) continue
        const read = makeExactReader(column)
        for (let row = 0; row < batch.rowCount; row++) order.push(read(row) as bigint)
      }
    }
    expect(order).toEqual(Array.from({ length: 2000 }, (_, i) => BigInt(i)))
    expect(readParquet(readFileSync(path)).numBatches).toBeGreaterThan(0)
    expect(readFileSync(path).includes('ARROW:schema')).toBe(false)
  })

  it('may be empty, with every type', async () => {
    const types: DataType[] = [
      ...(['null', 'boolean', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const).map(
        (kind) => ({ kind }),
      ),
      ...(['float32', 'float64', 'utf8', 'date'] as const).map((kind) => ({ kind })),
      ...(['ms', 'us', 'ns'] as const).map((unit) => ({ kind: 'timestamp' as const, unit, timezone: undefined })),
      { kind: 'timestamp', unit: 'us', timezone: 'UTC' },
      ...[1, 9, 10, 18, 19, 38].map((precision) => ({ kind: 'decimal' as const, precision, scale: 1 })),
    ]
    const schema = makeSchema(types.map((type, index) => ({ name: `c${index}`, type, nullable: index % 2 === 0 })))
    const target = join(directory, 'empty.parquet')
    const temporary = temporaryParquetPath(target)
    beginParquetFile(temporary)
    writeParquetFooter(temporary, { rowGroups: [], schema, rowCount: 0, keyValue: {} })
    finishParquetFile(temporary, target)
    expect(readFileMeta(target).schema).toEqual(schema)
    expect(await count(`select count(*) from '${target}'`)).toBe(0)
    const described = await duckdb.runAndReadAll(`describe from '${target}'`)
    expect(
      described
        .getRows()
        .map((row) => row[1])
        .slice(1, 13),
    ).toEqual(
      'BOOLEAN TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT FLOAT DOUBLE VARCHAR'.split(' '),
    )
  })

  it('are refused when rows are missing, and leave nothing behind', () => {
    const target = join(directory, 'short.parquet')
    const temporary = temporaryParquetPath(target)
    beginParquetFile(temporary)
    const parts = { rowGroups: [], schema: makeSchema([]), rowCount: 5, keyValue: {} }
    expect(() => writeParquetFooter(temporary, parts)).toThrow(/0 of 5 rows/)
    discardParquetFile(temporary)
    discardParquetFile(temporary)
    expect(existsSync(temporary)).toBe(false)
    expect(readdirSync(directory).filter((name) => name.includes('.tmp'))).toEqual([])
    expect(() => beginParquetFile(join(directory, 'no', 'such', 'x.tmp'))).toThrow(/cannot be written.*ENOENT/)
  })
})
