/** The native reader on files of parquet-wasm and hyparquet-writer: other encodings, small pages, version 2. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { DuckDBInstance } from '@duckdb/node-api'
import { parquetWriteBuffer } from 'hyparquet-writer'
import {
  Compression,
  Encoding,
  readParquet,
  WriterPropertiesBuilder,
  WriterVersion,
  writeParquet,
} from 'parquet-wasm/esm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readFileMeta } from '../footer.ts'
import { ParquetDecoder } from '../testing/decoder.ts'
import type { ParquetFileMeta } from '../file-meta.ts'
import { parquetWasmModule } from '../testing/wasm-module.ts'
import { allTypes } from '../testing/canonical-values.ts'
import { makeTwinArena } from './chunk-twin.ts'
import { differences, readNative, readWithWasm, skipSome } from './reader-twins.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-encodings-'))
const arena = makeTwinArena()
let duckdb: DuckDBConnection
let decoder: ParquetDecoder
const wasm = (meta: ParquetFileMeta, column: string): string[] => readWithWasm(decoder, meta, column)

beforeAll(async () => {
  duckdb = await (await DuckDBInstance.create(':memory:')).connect()
  await duckdb.run(`set timezone = 'UTC'`)
  decoder = new ParquetDecoder(await parquetWasmModule())
})
afterAll(() => {
  duckdb.closeSync()
  rmSync(directory, { recursive: true })
})

/** Encodings of parquet-wasm's writer that fit the columns of `allTypes`. */
const wasmEncodings: Record<string, Partial<Record<string, Encoding>>> = {
  plain: {},
  differences: {
    i: Encoding.DELTA_BINARY_PACKED,
    int8_: Encoding.DELTA_BINARY_PACKED,
    int16_: Encoding.DELTA_BINARY_PACKED,
    int64_: Encoding.DELTA_BINARY_PACKED,
    uint64_: Encoding.DELTA_BINARY_PACKED,
    date_: Encoding.DELTA_BINARY_PACKED,
    timestamp_us_: Encoding.DELTA_BINARY_PACKED,
    decimal64_: Encoding.DELTA_BINARY_PACKED,
    bool_: Encoding.RLE,
    text_: Encoding.DELTA_BYTE_ARRAY,
    low_: Encoding.DELTA_BYTE_ARRAY,
    decimal128_: Encoding.DELTA_BYTE_ARRAY,
  },
  split: {
    i: Encoding.BYTE_STREAM_SPLIT,
    int32_: Encoding.BYTE_STREAM_SPLIT,
    int8_: Encoding.BYTE_STREAM_SPLIT,
    float32_: Encoding.BYTE_STREAM_SPLIT,
    float64_: Encoding.BYTE_STREAM_SPLIT,
    decimal128_: Encoding.BYTE_STREAM_SPLIT,
    text_: Encoding.DELTA_LENGTH_BYTE_ARRAY,
    low_: Encoding.DELTA_LENGTH_BYTE_ARRAY,
  },
}

describe('files of all types written by parquet-wasm', () => {
  const shapes = Object.keys(wasmEncodings).flatMap((encodings) =>
    [1, 2].flatMap((version) => [3000, 1 << 20].map((pageBytes) => ({ encodings, version, pageBytes }))),
  )
  it.each(shapes)('$encodings, version $version, pages of $pageBytes bytes', { timeout: 60_000 }, async (shape) => {
    const source = join(directory, 'source.parquet')
    await duckdb.run(`copy (${allTypes(30_000)}) to '${source}' (format parquet)`)
    const path = join(directory, `${shape.encodings}-${shape.version}-${shape.pageBytes}.parquet`)
    let builder = new WriterPropertiesBuilder()
      .setWriterVersion(shape.version === 1 ? WriterVersion.V1 : WriterVersion.V2)
      .setCompression(shape.version === 1 ? Compression.SNAPPY : Compression.ZSTD)
      .setDataPageSizeLimit(shape.pageBytes)
      .setWriteBatchSize(200)
      .setMaxRowGroupSize(25_000)
      .setDictionaryPageSizeLimit(20_000)
      .setDictionaryEnabled(shape.encodings === 'plain')
    for (const [column, encoding] of Object.entries(wasmEncodings[shape.encodings] ?? {})) {
      builder = builder.setColumnEncoding(column, encoding as Encoding)
    }
    writeFileSync(path, writeParquet(readParquet(readFileSync(source)), builder.build()))
    const meta = readFileMeta(path)
    expect(differences(arena, meta, wasm)).toEqual([])
    expect(differences(arena, meta, wasm, { windowBytes: 1 << 20, batchRows: 2048 })).toEqual([])
    expect(differences(arena, meta, wasm, { batchRows: 77, skip: skipSome })).toEqual([])
  })
})

describe('files written by hyparquet-writer', () => {
  const rows = 5000
  const integers = Array.from({ length: rows }, (_, row) => (row * 7919) % 65_536)
  const texts = integers.map((value) => `name ${value} of many`)
  const cases = [
    { type: 'INT32', encoding: 'DELTA_BINARY_PACKED', data: integers },
    {
      type: 'INT64',
      encoding: 'DELTA_BINARY_PACKED',
      data: integers.map((value) => (BigInt(value) - 30_000n) ** 3n * 200_000n),
    },
    { type: 'DOUBLE', encoding: 'BYTE_STREAM_SPLIT', data: integers.map((value) => value / 7) },
    { type: 'FLOAT', encoding: 'BYTE_STREAM_SPLIT', data: integers.map((value) => value / 8) },
    { type: 'STRING', encoding: 'DELTA_LENGTH_BYTE_ARRAY', data: texts },
    { type: 'STRING', encoding: 'DELTA_BYTE_ARRAY', data: texts },
    { type: 'STRING', encoding: 'PLAIN', data: texts },
    { type: 'BOOLEAN', encoding: 'RLE', data: integers.map((value) => value % 3 === 0) },
    { type: 'INT32', encoding: undefined, data: integers.map((value) => value % 50) },
  ] as const
  it.each(cases)('$type as $encoding', ({ type, encoding, data }) => {
    for (const [kind, values] of [
      ['required', data],
      ['optional', data.map((value, row) => (row % 5 === 3 ? null : value))],
    ] as const) {
      const path = join(directory, `${type}-${encoding}-${kind}.parquet`)
      const column = { name: 'x', type, nullable: kind === 'optional', data: [...values] as number[] }
      const written = encoding === undefined ? column : { ...column, encoding }
      writeFileSync(
        path,
        new Uint8Array(parquetWriteBuffer({ columnData: [written], pageSize: 4000, rowGroupSize: 3000 })),
      )
      const expected = values.map((value) => (value === null ? 'null' : String(value)))
      for (const batchRows of [1, 31, 2048]) {
        expect(readNative(arena, readFileMeta(path), 'x', { batchRows })).toEqual(expected)
      }
    }
  })
})
