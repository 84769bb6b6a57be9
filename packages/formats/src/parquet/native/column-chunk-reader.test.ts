/** The native reader on files of DuckDB, and on the format's public test files, against DuckDB and parquet-wasm. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { DuckDBInstance } from '@duckdb/node-api'
import { SpillwayError } from '@spillway/stdx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ParquetDecoder } from '../testing/decoder.ts'
import type { ParquetFileMeta } from '../file-meta.ts'
import { readFileMeta } from '../footer.ts'
import { parquetWasmModule } from '../testing/wasm-module.ts'
import { allTypes } from '../testing/canonical-values.ts'
import { makeTwinArena } from './chunk-twin.ts'
import { differences, readWithDuckdb, readWithWasm, skipSome } from './reader-twins.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-native-'))
const corpus =
  process.env['SPILLWAY_PARQUET_TESTING'] ??
  resolve(import.meta.dirname, '../../../../../../shared/data/parquet-testing')
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
  it.each(shapes)('$rows rows, $codec, row groups of $rowGroupRows, $version', { timeout: 60_000 }, async (shape) => {
    const path = join(directory, `all-${shape.codec}-${shape.rows}-${shape.version}.parquet`)
    await duckdb.run(`copy (${allTypes(shape.rows)}) to '${path}' (format parquet, compression ${shape.codec},
      row_group_size ${shape.rowGroupRows}, parquet_version ${shape.version})`)
    const meta = readFileMeta(path)
    const expected = await readWithDuckdb(duckdb, meta)
    expect(differences(arena, meta, expected)).toEqual([])
    expect(differences(arena, meta, expected, { windowBytes: 1 << 20, batchRows: 2048 })).toEqual([])
    expect(differences(arena, meta, expected, { batchRows: 77, skip: skipSome })).toEqual([])
  })
})

const corpusFiles = existsSync(corpus) ? readdirSync(corpus).filter((name) => name.endsWith('.parquet')) : []

describe.skipIf(corpusFiles.length === 0)(`public test files (${corpusFiles.length} present)`, () => {
  const damaged = new Map([['rle-dict-uncompressed-corrupt-checksum.parquet', 'PAGE_CHECKSUM_MISMATCH']])
  it.each(corpusFiles)('%s', async (name) => {
    const path = join(corpus, name)
    try {
      const meta = readFileMeta(path)
      // parquet-wasm looks for the end of a page where the footer says that the chunk ends, which is wrong here.
      const isCounted = name !== 'nation.dict-malformed.parquet'
      // INT96 reaches beyond the 64 bits of nanoseconds that parquet-wasm reads it to.
      const unlike = meta.schema.fields.filter((field) => !isCounted || meta.storage[field.name]?.physical === 'int96')
      const inDuckdb = await readWithDuckdb(
        duckdb,
        meta,
        unlike.map((field) => field.name),
      )
      const expected: typeof wasm = (of, column) => {
        if (!unlike.some((field) => field.name === column)) return wasm(of, column)
        const texts = inDuckdb(of, column)
        // 290000-12-31T01:00+02:00, as the file's description says: DuckDB's sum exceeds 64 bits there.
        return name === 'int96_from_spark.parquet' ? texts.with(5, '9089380393200000000000') : texts
      }
      for (const batchRows of [1, 13, 1000]) expect(differences(arena, meta, expected, { batchRows })).toEqual([])
    } catch (error) {
      if (!(error instanceof SpillwayError)) throw error
      expect(`${error.code}: ${damaged.get(name) === error.code ? '' : error.message}`).toBe(`${damaged.get(name)}: `)
    }
  })
})
if (corpusFiles.length === 0) console.warn(`Public Parquet test files are absent: ${corpus} was not tested.`)
