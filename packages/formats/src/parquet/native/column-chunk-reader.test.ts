/** The native reader against parquet-wasm: generated files of all types, and the format's public test files. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { makeExactReader } from '@spillway/columnar'
import type { ArrowColumn } from '@spillway/columnar'
import { SpillwayError } from '@spillway/stdx'
import {
  Compression,
  Encoding,
  readParquet,
  WriterPropertiesBuilder,
  WriterVersion,
  writeParquet,
} from 'parquet-wasm/esm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ParquetDecoder } from '../decoder.ts'
import type { ParquetFileMeta } from '../file-meta.ts'
import { readFileMeta } from '../footer.ts'
import { parquetWasmModule } from '../wasm-module.ts'
import { ChunkTwin, makeTwinArena } from './chunk-twin.ts'
import type { TwinOptions } from './chunk-twin.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-native-'))
const corpus =
  process.env['SPILLWAY_PARQUET_TESTING'] ??
  resolve(import.meta.dirname, '../../../../../../shared/data/parquet-testing')
const arena = makeTwinArena()
let duckdb: DuckDBConnection
let decoder: ParquetDecoder

beforeAll(async () => {
  duckdb = await (await DuckDBInstance.create(':memory:')).connect()
  await duckdb.run(`set timezone = 'UTC'`)
  decoder = new ParquetDecoder(await parquetWasmModule())
})
afterAll(() => {
  duckdb.closeSync()
  rmSync(directory, { recursive: true })
})

function canonicalColumn(column: ArrowColumn): string[] {
  const read = makeExactReader(column)
  const { type } = column
  const scale = type.kind === 'timestamp' ? { s: 1_000_000_000n, ms: 1_000_000n, us: 1_000n, ns: 1n }[type.unit] : 1n
  return Array.from({ length: column.length }, (_, row) => {
    const value = read(row) as unknown
    if (value === null || value === undefined) return 'null'
    if (typeof value === 'bigint') return String(value * scale)
    if (typeof value !== 'object') return Object.is(value, -0) ? '-0' : String(value)
    const object = value as Record<string, unknown>
    return String(object['days'] ?? object['value'])
  })
}

function decodeTwin(meta: ParquetFileMeta, column: string): string[] {
  return meta.rowGroups.flatMap((_, rowGroup) => {
    const decoded = decoder.decode(meta.path, meta, rowGroup, [column], 4096)
    const texts = decoded.batches.flatMap((batch) => canonicalColumn(batch.columns[0] as ArrowColumn))
    decoded.free()
    return texts
  })
}

function readNative(meta: ParquetFileMeta, column: string, options: TwinOptions = {}): string[] {
  const field = meta.schema.fields.find(({ name }) => name === column)
  if (field === undefined) throw new TypeError(`no column ${column}`)
  const twin = new ChunkTwin(arena, field.type, options)
  try {
    return twin.readColumn(meta, column, options)
  } finally {
    twin.free()
  }
}

/** Columns that come out differently, each with the first difference. */
function differences(meta: ParquetFileMeta, options: TwinOptions = {}, expectedOf = decodeTwin): string[] {
  return meta.schema.fields.flatMap(({ name }) => {
    const expected = expectedOf(meta, name)
    const actual = readNative(meta, name, options)
    const row = expected.findIndex((text, index) => actual[index] !== text && actual[index] !== 'skipped')
    if (row < 0 && actual.length === expected.length) return []
    return [
      `${name} row ${row}: ${actual[row]} instead of ${expected[row]} (${actual.length} of ${expected.length} rows)`,
    ]
  })
}

const allTypes = `
  select i,
    case when i % 7 = 3 then null else i % 2 = 0 end as bool_,
    case when i % 5 = 1 then null else (i * 37 % 256 - 128)::tinyint end as int8_,
    case when i % 5 = 2 then null else (i * 7919 % 65536 - 32768)::smallint end as int16_,
    case when i % 5 = 3 then null else ((hash(i) % 4294967296)::bigint - 2147483648)::integer end as int32_,
    case when i = 0 then 9223372036854775807 when i = 1 then -9223372036854775808 when i % 5 = 4 then null
      else (hash(i) >> 1)::bigint end as int64_,
    (i * 37 % 256)::utinyint as uint8_,
    case when i % 3 = 1 then null else (i * 7919 % 65536)::usmallint end as uint16_,
    case when i % 3 = 2 then null else (hash(i) % 4294967296)::uinteger end as uint32_,
    hash(i)::ubigint as uint64_,
    case when i % 11 = 1 then 'nan' when i % 11 = 2 then '-0'::float when i % 11 = 3 then null
      else (i / 3)::float end as float32_,
    case when i % 11 = 1 then 'nan' when i % 11 = 2 then '-inf' when i % 11 = 3 then null
      else i / 7.0::double end as float64_,
    case when i % 9 = 1 then null when i % 9 = 2 then '' when i % 9 = 3 then 'Grüße 🌍 ' || i
      else repeat('x', (i % 40)::int) || i end as text_,
    case when i % 4 = 1 then null else ['red', 'green', 'a colour with a long name'][1 + i % 3] end as low_,
    case when i % 6 = 1 then null else date '1900-01-01' + (i % 30000)::int end as date_,
    make_timestamp(i * 1234567890123) as timestamp_us_,
    make_timestamp_ns(case when i % 4 = 0 then null else i * 12345678901234 - 1000 end) as timestamp_ns_,
    make_timestamp(i * 123456789000)::timestamp_ms as timestamp_ms_,
    make_timestamp(i * 1234567890123)::timestamptz as timestamp_tz_,
    case when i % 8 = 1 then null else (i * 1.25 - 100)::decimal(9, 2) end as decimal32_,
    (i * 123456.789 - 1000000)::decimal(18, 4) as decimal64_,
    case when i % 8 = 2 then null when i = 0 then '9999999999999999999999999999.9999999999'::decimal(38, 10)
      else (i * -98765432109.0123456789)::decimal(38, 10) end as decimal128_,
    case when i % 2 = 0 then null else i end as half_null_,
    case when i % 1000 < 500 then null else i end as runs_,
    (i // 700)::integer as sorted_,
    null::integer as all_null_
  from range(ROWS) t(i)`

describe('files of all types written by DuckDB', () => {
  const shapes = [
    { rows: 0, rowGroupRows: 2048, codec: 'snappy', version: 'V1' },
    { rows: 1, rowGroupRows: 2048, codec: 'uncompressed', version: 'V1' },
    { rows: 50_000, rowGroupRows: 100_000, codec: 'uncompressed', version: 'V1' },
    { rows: 5000, rowGroupRows: 2048, codec: 'snappy', version: 'V1' },
    { rows: 50_000, rowGroupRows: 100_000, codec: 'snappy', version: 'V1' },
    { rows: 50_000, rowGroupRows: 100_000, codec: 'zstd', version: 'V1' },
    { rows: 50_000, rowGroupRows: 100_000, codec: 'gzip', version: 'V1' },
    { rows: 5000, rowGroupRows: 2048, codec: 'uncompressed', version: 'V2' },
    { rows: 50_000, rowGroupRows: 100_000, codec: 'snappy', version: 'V2' },
    { rows: 50_000, rowGroupRows: 100_000, codec: 'zstd', version: 'V2' },
    { rows: 3000, rowGroupRows: 2048, codec: 'lz4_raw', version: 'V1' },
    { rows: 3000, rowGroupRows: 2048, codec: 'brotli', version: 'V1' },
  ]
  it.each(shapes)(
    '$rows rows, $codec, row groups of $rowGroupRows, $version',
    async (shape) => {
      const path = join(directory, `all-${shape.codec}-${shape.rows}-${shape.version}.parquet`)
      await duckdb.run(`copy (${allTypes.replace('ROWS', String(shape.rows))}) to '${path}' (format parquet,
      compression ${shape.codec}, row_group_size ${shape.rowGroupRows}, parquet_version ${shape.version})`)
      const meta = readFileMeta(path)
      expect(differences(meta)).toEqual([])
      expect(differences(meta, { windowBytes: 1 << 20, batchRows: 2048 })).toEqual([])
      expect(differences(meta, { batchRows: 77, skip: (left) => (left % 3 === 0 ? 1234 : 0) })).toEqual([])
    },
    60_000,
  )
})

const corpusFiles = existsSync(corpus) ? readdirSync(corpus).filter((name) => name.endsWith('.parquet')) : []

describe.skipIf(corpusFiles.length === 0)(`public test files (${corpusFiles.length} present)`, () => {
  const damaged = new Map([
    ['nation.dict-malformed.parquet', 'PARQUET_CORRUPT'],
    ['rle-dict-uncompressed-corrupt-checksum.parquet', 'PAGE_CHECKSUM_MISMATCH'],
  ])
  it.each(corpusFiles)('%s', (name) => {
    const path = join(corpus, name)
    try {
      const meta = readFileMeta(path)
      for (const batchRows of [1, 13, 1000]) expect(differences(meta, { batchRows })).toEqual([])
    } catch (error) {
      if (!(error instanceof SpillwayError)) throw error
      expect(`${error.code}: ${damaged.get(name) === error.code ? '' : error.message}`).toBe(`${damaged.get(name)}: `)
    }
  })
})
if (corpusFiles.length === 0) console.warn(`Public Parquet test files are absent: ${corpus} was not tested.`)
