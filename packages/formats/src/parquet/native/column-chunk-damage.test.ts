/** The native reader on damaged files and with little memory, and the parts of its interface that whole reads hide. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { DuckDBInstance } from '@duckdb/node-api'
import { SpillwayError } from '@spillway/stdx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readFully } from '../file-access.ts'
import type { ParquetFileMeta } from '../file-meta.ts'
import { readFileMeta } from '../footer.ts'
import { allTypes } from '../testing/canonical-values.ts'
import { ChunkTwin, makeTwinArena } from './chunk-twin.ts'
import { readNative, readWithDuckdb } from './reader-twins.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-damage-'))
const arena = makeTwinArena()
let duckdb: DuckDBConnection

beforeAll(async () => {
  duckdb = await (await DuckDBInstance.create(':memory:')).connect()
  await duckdb.run(`set timezone = 'UTC'`)
})
afterAll(() => {
  duckdb.closeSync()
  rmSync(directory, { recursive: true })
})

async function write(name: string, query: string, options: string): Promise<ParquetFileMeta> {
  const path = join(directory, `${name}.parquet`)
  await duckdb.run(`copy (${query}) to '${path}' (format parquet, ${options})`)
  return readFileMeta(path)
}

const codeOf = (error: unknown): string => (error instanceof SpillwayError ? error.code : `untyped: ${String(error)}`)

describe('damaged pages', () => {
  const allowed = ['data', 'PARQUET_CORRUPT', 'NOT_PARQUET', 'DUPLICATE_COLUMN', 'UNSUPPORTED_TYPE', 'MEMORY_LIMIT']
  const shapes = ['uncompressed', 'snappy', 'zstd', 'gzip', 'lz4_raw', 'brotli'].flatMap((codec) =>
    ['V1', 'V2'].map((version) => ({ codec, version })),
  )
  it.each(shapes)('flipped bytes of $codec, $version', { timeout: 60_000 }, async ({ codec, version }) => {
    const options = `compression ${codec}, parquet_version ${version}`
    const meta = await write(`flip-${codec}-${version}`, allTypes(700), options)
    const original = readFileSync(meta.path)
    const path = join(directory, `flipped-${codec}-${version}.parquet`)
    const outcomes = new Map<string, number>()
    let seed = 4711 + codec.length
    for (let round = 0; round < 60; round++) {
      const bytes = Buffer.from(original)
      for (let flip = 0; flip <= round % 3; flip++) {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
        const position = seed % (original.length - 3000)
        bytes[position] = (bytes[position] ?? 0) ^ (1 << ((seed >>> 28) % 8))
      }
      writeFileSync(path, bytes)
      const damaged = readFileMeta(path)
      for (const { name, type } of damaged.schema.fields) {
        const twin = new ChunkTwin(arena, type, { batchRows: 100 })
        let outcome = 'data'
        try {
          twin.readColumn(damaged, name)
        } catch (error) {
          outcome = codeOf(error)
        }
        twin.reader.close()
        twin.checkZones()
        twin.free()
        if (!allowed.includes(outcome)) throw new RangeError(`seed ${seed}, column ${name}: ${outcome}`)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      }
    }
    expect(outcomes.get('PARQUET_CORRUPT') ?? 0).toBeGreaterThan(1)
    expect(outcomes.get('data') ?? 0).toBeGreaterThan(5)
  })

  it('names file, row group, column and page', async () => {
    const meta = await write('named', 'select i as x from range(5000) t(i)', 'compression snappy, row_group_size 2048')
    const bytes = readFileSync(meta.path)
    const { offset = 0 } = meta.rowGroups[1]?.chunks['x'] ?? {}
    bytes.fill(0xff, offset + 100, offset + 300)
    const path = join(directory, 'named-damaged.parquet')
    writeFileSync(path, bytes)
    expect(() => readNative(arena, readFileMeta(path), 'x')).toThrow(
      /^Damaged Parquet file: .* in row group 1, column "x", page 0 of .*named-damaged\.parquet/,
    )
  })

  it('refuses text that is not UTF-8', async () => {
    for (const version of ['V1', 'V2']) {
      const query = `select 'Grüße, number ' || i as x from range(3000) t(i)`
      const meta = await write(`text-${version}`, query, `compression uncompressed, parquet_version ${version}`)
      expect(readNative(arena, meta, 'x')[2999]).toBe('Grüße, number 2999')
      const bytes = readFileSync(meta.path)
      const position = bytes.indexOf('Grüße, number 2500')
      bytes[position + 3] = 0x41
      writeFileSync(meta.path, bytes)
      expect(() => readNative(arena, readFileMeta(meta.path), 'x')).toThrow(/a text is not UTF-8/)
    }
  })

  it('does not believe the size of a string, nor that of a page', async () => {
    const query = `select 'a string of some length ' || i as x from range(20000) t(i)`
    const meta = await write('sizes', query, 'compression uncompressed')
    const bytes = readFileSync(meta.path)
    const position = bytes.indexOf('a string of some length 19000')
    bytes.writeUInt32LE(0x7fff_ff00, position - 4)
    writeFileSync(meta.path, bytes)
    const twin = new ChunkTwin(arena, { kind: 'utf8' })
    expect(() => twin.readColumn(readFileMeta(meta.path), 'x')).toThrow(/ends within its values/)
    expect(twin.memory.peakBytes).toBe(0)
    twin.reader.close()
    twin.free()
  })
})

describe('memory', () => {
  /** Reads in a window of 160 KiB; returns the most chunk memory that was held. */
  const peakOf = async (meta: ParquetFileMeta, limitBytes = Number.POSITIVE_INFINITY): Promise<number> => {
    const [field] = meta.schema.fields
    const twin = new ChunkTwin(arena, field?.type ?? { kind: 'utf8' }, { batchRows: 2048 })
    twin.memory.limitBytes = limitBytes
    try {
      const expected = await readWithDuckdb(duckdb, meta)
      expect(twin.readColumn(meta, 'x')).toEqual(expected(meta, 'x'))
      return twin.memory.peakBytes
    } finally {
      twin.reader.close()
      twin.free()
    }
  }
  const unique = `select 'a text that is found once: ' || i as x from range(60000) t(i)`

  it('follows neither page nor row group, with plain text of several megabytes in a page', async () => {
    for (const codec of ['uncompressed', 'snappy', 'lz4_raw', 'gzip']) {
      const meta = await write(`large-${codec}`, unique, `compression ${codec}, row_group_size 100000`)
      expect(meta.rowGroups[0]?.chunks['x']?.uncompressedBytes).toBeGreaterThan(1_900_000)
      expect(await peakOf(meta), codec).toBe(0)
    }
  })

  it('grows for what a codec refers to, for a dictionary and for a string beyond the window', async () => {
    const zstd = await write('large-zstd', unique, 'compression zstd, row_group_size 100000')
    expect(await peakOf(zstd)).toBeGreaterThan(300_000)
    const longer = `select case when i = 5 then repeat('long text ', 90000) else 'short' || i end as x
      from range(40) t(i)`
    const long = await write('long', longer, 'compression snappy')
    const peak = await peakOf(long)
    expect(peak).toBeGreaterThan(900_000)
    expect(peak).toBeLessThan(2_500_000)
    expect(codeOf(await peakOf(long, 200_000).catch((error: unknown) => error))).toBe('MEMORY_LIMIT')
  })

  it('grows step by step to what the stored bytes do not suggest', async () => {
    const meta = await write(
      'dense',
      `select repeat('same ', 2000000) || i as x from range(2) t(i)`,
      'compression zstd',
    )
    const { compressedBytes = 0 } = meta.rowGroups[0]?.chunks['x'] ?? {}
    expect(compressedBytes).toBeLessThan(10_000)
    expect(await peakOf(meta)).toBeGreaterThan(10_000_000)
  })
})

describe('interface', () => {
  function open(meta: ParquetFileMeta, rowGroup: number, column: string, batchRows = 500): [ChunkTwin, () => void] {
    const field = meta.schema.fields.find(({ name }) => name === column)
    const twin = new ChunkTwin(arena, field?.type ?? { kind: 'utf8' }, { batchRows })
    const descriptor = openSync(meta.path, 'r')
    const place = { file: meta.path, rowGroup, column }
    twin.reader.open((target, offset) => readFully(descriptor, target, offset, place), meta, rowGroup, column)
    return [
      twin,
      () => {
        closeSync(descriptor)
        twin.reader.close()
        twin.free()
      },
    ]
  }

  it('gives the dictionary and indices into it', async () => {
    const query = `select case when i % 5 = 1 then null else 'value ' || (i % 7) end as x from range(3000) t(i)`
    const meta = await write('indices', query, 'compression snappy')
    const expected = (await readWithDuckdb(duckdb, meta))(meta, 'x')
    const [twin, close] = open(meta, 0, 'x')
    const { dictionary } = twin.reader
    expect(dictionary?.count).toBe(7)
    const values = twin.textsAt(dictionary?.values ?? 0, 7)
    const texts: string[] = []
    while (twin.reader.rowsLeft > 0) texts.push(...twin.readCodes(Math.min(500, twin.reader.rowsLeft), values))
    expect(texts).toEqual(expected)
    close()
  })

  it('skips without reading whole chunks, and reads nothing twice', async () => {
    const meta = await write(
      'skipped',
      'select (i * 7919) % 1000003 as x from range(120000) t(i)',
      'compression snappy',
    )
    const { compressedBytes = 0 } = meta.rowGroups[0]?.chunks['x'] ?? {}
    const [twin, close] = open(meta, 0, 'x')
    twin.reader.skip(120_000)
    expect(twin.reader.rowsLeft).toBe(0)
    expect(twin.reader.bytesRead).toBeLessThan(10_000)
    expect(compressedBytes).toBeGreaterThan(300_000)
    close()
    const again = new ChunkTwin(arena, { kind: 'int64' })
    again.readColumn(meta, 'x')
    expect(again.reader.bytesRead).toBe(compressedBytes)
    again.free()
  })

  it('goes to a page', async () => {
    const meta = await write('seek', `select 'v' || (i % 900) as x from range(5000) t(i)`, 'row_group_size 5000')
    const expected = (await readWithDuckdb(duckdb, meta))(meta, 'x')
    const [twin, close] = open(meta, 0, 'x')
    twin.reader.skip(4800)
    expect(twin.readRows(100)).toEqual(expected.slice(4800, 4900))
    twin.reader.seekToPage(meta.rowGroups[0]?.chunks['x']?.dataPageOffset ?? 0, 0)
    expect(twin.reader.rowsLeft).toBe(5000)
    expect(twin.readRows(300)).toEqual(expected.slice(0, 300))
    close()
  })
})
