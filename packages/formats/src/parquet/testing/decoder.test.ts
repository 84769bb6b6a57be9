/** Decoding against DuckDB's answers: generated files of all types, and the format's public test files. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import type { ArrowColumn } from '@spillway/columnar'
import { SpillwayError } from '@spillway/stdx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allTypes, canonical, canonicalColumn } from './canonical-values.ts'
import { ParquetDecoder } from './decoder.ts'
import { fileVersion } from '../file-access.ts'
import type { ParquetFileMeta } from '../file-meta.ts'
import { readFileMeta } from '../footer.ts'
import { parquetWasmModule } from './wasm-module.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-parquet-'))
const corpus = resolve(import.meta.dirname, '../../../../../../shared/data/parquet-testing')
let duckdb: DuckDBConnection
let decoder: ParquetDecoder

beforeAll(async () => {
  duckdb = await (await DuckDBInstance.create(':memory:')).connect()
  decoder = new ParquetDecoder(await parquetWasmModule())
})
afterAll(() => {
  duckdb.closeSync()
  rmSync(directory, { recursive: true })
})

const namesOf = (meta: ParquetFileMeta): string[] => meta.schema.fields.map((field) => field.name)

/** All rows of a file, by column name. */
function decodeAll(meta: ParquetFileMeta, batchRows: number, columns = namesOf(meta)): Map<string, string[]> {
  const values = new Map(columns.map((column) => [column, [] as string[]]))
  for (let rowGroup = 0; rowGroup < meta.rowGroups.length; rowGroup++) {
    const decoded = decoder.decode(meta.path, meta, rowGroup, columns, batchRows)
    for (const batch of decoded.batches) {
      for (const [index, column] of batch.columns.entries()) {
        expect(column.length).toBe(batch.rowCount)
        values.get(columns[index] ?? '')?.push(...canonicalColumn(column))
      }
    }
    decoded.free()
  }
  return values
}

async function askDuckdb(sql: string): Promise<DuckDBValue[][]> {
  return (await duckdb.runAndReadAll(sql)).getColumns()
}

describe('files of all types written by DuckDB', () => {
  const shapes = [
    { rows: 0, rowGroupRows: 2048, codec: 'snappy', version: 'V1' },
    { rows: 1, rowGroupRows: 2048, codec: 'uncompressed', version: 'V1' },
    { rows: 5000, rowGroupRows: 2048, codec: 'snappy', version: 'V2' },
    { rows: 3000, rowGroupRows: 100_000, codec: 'zstd', version: 'V1' },
    { rows: 3000, rowGroupRows: 2048, codec: 'gzip', version: 'V2' },
    { rows: 3000, rowGroupRows: 2048, codec: 'lz4_raw', version: 'V1' },
    { rows: 3000, rowGroupRows: 2048, codec: 'brotli', version: 'V1' },
  ]
  it.each(shapes)('$rows rows, $codec, row groups of $rowGroupRows, $version', async (shape) => {
    const path = join(directory, `all-${shape.codec}-${shape.rows}.parquet`)
    await duckdb.run(`set timezone = 'UTC'`)
    // parquet-wasm refuses the delta encoding of 32-bit columns whose range exceeds 31 bits, which DuckDB writes in V2.
    const wide = shape.version === 'V2' ? 'exclude (int32_, uint32_)' : ''
    await duckdb.run(`copy (select * ${wide} from (${allTypes(shape.rows)}))
      to '${path}' (format parquet,
      compression ${shape.codec}, row_group_size ${shape.rowGroupRows}, parquet_version ${shape.version})`)
    const meta = readFileMeta(path)
    expect(meta.leftOut).toEqual([])
    expect(meta.rowCount).toBe(shape.rows)
    const expected = await askDuckdb(`from read_parquet('${path}')`)
    for (const batchRows of [1024, 700, 1_000_000]) {
      const values = decodeAll(meta, batchRows)
      for (const [index, name] of namesOf(meta).entries()) {
        expect(values.get(name), name).toEqual((expected[index] ?? []).map(canonical))
      }
    }
  })

  it('decodes some columns, in the order asked for and twice', () => {
    const meta = readFileMeta(join(directory, 'all-zstd-3000.parquet'))
    const [first, second, third] =
      decoder.decode(meta.path, meta, 0, ['text_', 'i', 'text_'], 500).batches[2]?.columns ?? []
    expect(first?.type.kind).toBe('utf8')
    expect(canonicalColumn(third as ArrowColumn)).toEqual(canonicalColumn(first as ArrowColumn))
    expect(canonicalColumn(second as ArrowColumn)[0]).toBe('1000')
  })

  it('gives row counts without columns', () => {
    const meta = readFileMeta(join(directory, 'all-zstd-3000.parquet'))
    const decoded = decoder.decode('/no/such/file', meta, 0, [], 1024)
    expect(decoded.batches.map((batch) => batch.rowCount)).toEqual([1024, 1024, 952])
  })

  it('keeps views alive when the memory of the codec grows', () => {
    const meta = readFileMeta(join(directory, 'all-zstd-3000.parquet'))
    const decoded = decoder.decode(meta.path, meta, 0, ['i'], 4096)
    const before = canonicalColumn(decoded.batches[0]?.columns[0] as ArrowColumn)
    const memory = decoded.batches[0]?.columns[0]?.values.buffer as ArrayBuffer
    // Any call into the codec may grow its memory; growing it directly detaches the old buffer in the same way.
    growCodecMemory()
    expect(memory.byteLength).toBe(0)
    expect(canonicalColumn(decoded.batches[0]?.columns[0] as ArrowColumn)).toEqual(before)
    decoded.free()
    expect(() => decoded.batches[0]?.columns).toThrow(/freed/)
  })

  it('holds its memory over many row groups', () => {
    const meta = readFileMeta(join(directory, 'all-snappy-5000.parquet'))
    const decode = (): void => {
      for (let i = 0; i < 50; i++) decoder.decode(meta.path, meta, i % 3, namesOf(meta), 512)
    }
    decode()
    const before = decoder.memoryBytes()
    for (let i = 0; i < 5; i++) decode()
    expect(decoder.memoryBytes()).toBe(before)
    expect(ParquetDecoder.needBytes(meta, 0, ['i', 'text_'])).toBeGreaterThan(2 * 2048 * 12)
  })
})

function growCodecMemory(): void {
  const { wasmMemory } = codecExports
  wasmMemory().grow(1)
}

const codecExports = await import('parquet-wasm/esm')

const corpusFiles = existsSync(corpus) ? readdirSync(corpus).filter((name) => name.endsWith('.parquet')) : []

describe.skipIf(corpusFiles.length === 0)(`public test files (${corpusFiles.length} present)`, () => {
  /** Damaged on purpose, or of codecs and quirks that DuckDB reads otherwise. */
  const damaged = new Map([
    ['nation.dict-malformed.parquet', 'PARQUET_CORRUPT'],
    ['rle-dict-uncompressed-corrupt-checksum.parquet', 'PAGE_CHECKSUM_MISMATCH'],
  ])
  it.each(corpusFiles)('%s', async (name) => {
    const path = join(corpus, name)
    let values: Map<string, string[]>
    try {
      const meta = readFileMeta(path)
      values = decodeAll(meta, 4096)
    } catch (error) {
      expect(error).toBeInstanceOf(SpillwayError)
      expect(`${(error as SpillwayError).code}`).toBe(damaged.get(name))
      return
    }
    for (const [column, actual] of values) {
      if (name === 'non_hadoop_lz4_compressed.parquet') {
        // DuckDB lacks the old LZ4 codec.
        expect(actual).toHaveLength(4)
        continue
      }
      const [expected] = await askDuckdb(`select "${column}" from read_parquet('${path}')`)
      const texts = (expected ?? []).map(canonical)
      if (name === 'int96_from_spark.parquet') {
        // INT96 reaches beyond 64 bits of nanoseconds; parquet-wasm and DuckDB wrap such values around differently.
        for (const row of [2, 5]) actual[row] = texts[row] = 'beyond'
      }
      expect(actual, column).toEqual(texts)
    }
  })
})
if (corpusFiles.length === 0) console.warn(`Public Parquet test files are absent: ${corpus} was not tested.`)

describe('damaged files', () => {
  /** Reads all of a file; gives the code of the error or 'data'. */
  const outcome = (path: string): string => {
    try {
      const meta = readFileMeta(path)
      decodeAll(meta, 4096)
      return 'data'
    } catch (error) {
      return error instanceof SpillwayError ? error.code : `untyped: ${String(error)}`
    }
  }
  const allowed = new Set([
    'data',
    'PARQUET_CORRUPT',
    'NOT_PARQUET',
    'PAGE_CHECKSUM_MISMATCH',
    'ENCRYPTED',
    'UNSUPPORTED_FORMAT',
  ])

  it.each(['snappy', 'zstd', 'gzip', 'lz4_raw'])('flipped bytes of %s pages and footer', async (codec) => {
    const source = join(directory, `flip-${codec}.parquet`)
    await duckdb.run(`copy (${allTypes(300)}) to '${source}' (format parquet, compression ${codec})`)
    const original = readFileSync(source)
    const target = join(directory, `flipped-${codec}.parquet`)
    const outcomes = new Map<string, number>()
    let seed = 12345
    for (let round = 0; round < 250; round++) {
      const bytes = Buffer.from(original)
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
      const position = round % 2 === 0 ? seed % bytes.length : bytes.length - 1 - (seed % 4000)
      bytes[position] = (bytes[position] ?? 0) ^ (1 << ((seed >>> 28) % 8))
      writeFileSync(target, bytes)
      const result = outcome(target)
      if (!allowed.has(result)) throw new Error(`seed ${seed}, byte ${position}: ${result}`)
      outcomes.set(result, (outcomes.get(result) ?? 0) + 1)
    }
    expect(outcomes.get('PARQUET_CORRUPT') ?? 0).toBeGreaterThan(5)
    expect(outcome(source)).toBe('data')
  })

  it('truncation, emptiness, other files, missing files, directories', async () => {
    const source = readFileSync(join(directory, 'all-snappy-5000.parquet'))
    const target = join(directory, 'cut.parquet')
    const write = (bytes: Uint8Array | string): string => {
      writeFileSync(target, bytes)
      return outcome(target)
    }
    expect(write('')).toBe('NOT_PARQUET')
    expect(write('PAR1')).toBe('NOT_PARQUET')
    expect(write('a,b\n1,2\n3,4\n5,6\n')).toBe('NOT_PARQUET')
    expect(write(source.subarray(0, source.length - 100))).toBe('NOT_PARQUET')
    expect(write(source.subarray(1000))).toBe('PARQUET_CORRUPT')
    expect(outcome(join(directory, 'absent.parquet'))).toBe('FILE_NOT_FOUND')
    expect(outcome(directory)).toBe('FILE_UNREADABLE')
  })

  it('a file that vanished or was cut after its footer was read', () => {
    const path = join(directory, 'changing.parquet')
    const bytes = readFileSync(join(directory, 'all-snappy-5000.parquet'))
    writeFileSync(path, bytes)
    const meta = readFileMeta(path)
    writeFileSync(path, bytes.subarray(0, 100))
    expect(() => decoder.decode(path, meta, 0, ['text_'], 100)).toThrow(/File changed while it was being read/)
    const cut = { ...meta, ...fileVersion(undefined, path) }
    expect(() => decoder.decode(path, cut, 0, ['text_'], 100)).toThrow(
      /Damaged Parquet file: the file ends .* row group 0, column "text_" of .*changing/,
    )
    rmSync(path)
    expect(() => decoder.decode(path, meta, 0, ['text_'], 100)).toThrow(/File not found/)
  })

  it('names the column that cannot be decoded', () => {
    const path = join(directory, 'all-gzip-3000.parquet')
    const meta = readFileMeta(path)
    const bytes = readFileSync(path)
    const chunk = meta.rowGroups[0]?.chunks['int64_']
    bytes.fill(0xff, (chunk?.offset ?? 0) + 100, (chunk?.offset ?? 0) + 300)
    const target = join(directory, 'one-column.parquet')
    writeFileSync(target, bytes)
    const damaged = readFileMeta(target)
    expect(() => decoder.decode(target, damaged, 0, namesOf(damaged), 4096)).toThrow(
      /the pages cannot be decoded .* in row group 0, column "int64_" of .*one-column/,
    )
    expect(decoder.decode(target, damaged, 0, ['i', 'text_'], 4096).rowCount).toBe(2048)
  })

  it('tells an encoding that it cannot read from damage', async () => {
    const path = join(directory, 'wide-deltas.parquet')
    await duckdb.run(`copy (select ((hash(i) % 4294967296)::bigint - 2147483648)::integer as x, i from range(3000) t(i))
      to '${path}' (format parquet, parquet_version V2)`)
    expect(() => decoder.decode(path, readFileMeta(path), 0, ['i', 'x'], 4096)).toThrow(
      /Unsupported encoding: deltas of more than 32 bits in row group 0, column "x" of /,
    )
  })

  it('every flipped bit of a page with a checksum is found', () => {
    const source = join(corpus, 'datapage_v1-snappy-compressed-checksum.parquet')
    if (!existsSync(source)) return console.warn('Public Parquet test files are absent: checksums were not tested.')
    const meta = readFileMeta(source)
    expect(meta.hasPageChecksums).toBe(true)
    const [name = '', chunk] = Object.entries(meta.rowGroups[0]?.chunks ?? {})[0] ?? []
    const bytes = readFileSync(source)
    const position = (chunk?.offset ?? 0) + (chunk?.compressedBytes ?? 0) - 5
    bytes[position] = (bytes[position] ?? 0) ^ 4
    const target = join(directory, 'checksum.parquet')
    writeFileSync(target, bytes)
    expect(() => decoder.decode(target, readFileMeta(target), 0, [name], 4096)).toThrow(
      /Page checksum mismatch: .* row group 0, column "[ab]", page \d+ of .*checksum\.parquet/,
    )
  })
})
