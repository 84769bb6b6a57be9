/**
 * Checksums of pages that are longer than the reader's input buffer: right pages are read once where they have room in
 * the window, and no row of a page with a changed bit leaves the reader, wherever the bit is.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Oracle, quoteText } from '../duckdb-oracle.ts'
import { addChecksums, type AssembledFile, assembleFile, parseFile } from './file-model.ts'
import { formatsUrl } from './writer-packages.ts'

interface FileMeta {
  readonly rowGroups: readonly { readonly chunks: Readonly<Record<string, { readonly compressedBytes: number }>> }[]
  readonly schema: { readonly fields: readonly { readonly name: string; readonly type: object }[] }
}
interface Twin {
  readonly reader: {
    readonly rowsLeft: number
    readonly bytesRead: number
    open(read: (target: Uint8Array, offset: number) => void, meta: FileMeta, rowGroup: number, column: string): void
    readable(rows: number): number
    close(): void
  }
  readColumn(meta: FileMeta, column: string): string[]
  readRows(rows: number): string[]
  checkZones(): void
  free(): void
}
interface TwinModule {
  makeTwinArena(): object
  readonly ChunkTwin: new (arena: object, type: object, options: { windowBytes: number; batchRows: number }) => Twin
}

interface CheckedFiles {
  readonly plain: string
  readonly checked: AssembledFile
  /** Of each page, its column. */
  readonly columns: readonly number[]
}

const ROWS = 60_000
const BATCH_ROWS = 500
/** The input's buffer is of 128 KiB and 64 bytes in the first, of 256 KiB in the second. */
const [SMALL_WINDOW, LARGE_WINDOW] = [160 * 1024, 4 << 20] as const
const FLIPS = 12
const SQL = `SELECT (hash(i) % 100000000000)::BIGINT AS number,
  CASE WHEN i % 10 = 3 THEN NULL ELSE 'text ' || hash(i) END AS text,
  CASE WHEN i % 7 = 2 THEN NULL ELSE (hash(i + 1) % 4000)::DOUBLE / 7 END AS some
  FROM range(${ROWS}) t(i)`

describe('checksums of long pages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-checksums-'))
  const made = new Map<string, CheckedFiles>()
  let oracle: Oracle
  let arena: object
  let twins: TwinModule
  let readFileMeta: (path: string) => FileMeta
  beforeAll(async () => {
    oracle = await Oracle.open()
    ;({ readFileMeta } = (await import(formatsUrl.href)) as { readFileMeta: (path: string) => FileMeta })
    twins = (await import(new URL('parquet/native/chunk-twin.js', formatsUrl).href)) as TwinModule
    arena = twins.makeTwinArena()
  })
  afterAll(() => {
    oracle.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Files of the same rows, without and with checksums; footers are kept in a cache, so that each has its own name. */
  async function makeFiles(codec: string, version: string): Promise<CheckedFiles> {
    const known = made.get(codec + version)
    if (known !== undefined) return known
    const plain = join(folder, `plain-${codec}-${version}.parquet`)
    const options = `FORMAT PARQUET, COMPRESSION ${codec}, PARQUET_VERSION ${version}, ROW_GROUP_SIZE 100000`
    await oracle.execute(`COPY (${SQL}) TO ${quoteText(plain)} (${options})`)
    const model = parseFile(readFileSync(plain))
    addChecksums(model)
    const columns = model.chunks.flatMap(({ pages }, column) => pages.map(() => column))
    const files = { plain, checked: assembleFile(model), columns }
    made.set(codec + version, files)
    return files
  }

  /** Reads batch by batch. Tells what came before the error, and the error's code. */
  function readUntilError(path: string, column: string, windowBytes: number): { rows: number; code: unknown } {
    const meta = readFileMeta(path)
    const type = meta.schema.fields.find(({ name }) => name === column)?.type ?? {}
    const twin = new twins.ChunkTwin(arena, type, { windowBytes, batchRows: BATCH_ROWS })
    const descriptor = openSync(path, 'r')
    let rows = 0
    let code: unknown
    try {
      const read = (target: Uint8Array, offset: number): unknown =>
        readSync(descriptor, target, 0, target.length, offset)
      twin.reader.open(read, meta, 0, column)
      while (twin.reader.rowsLeft > 0) rows += twin.readRows(twin.reader.readable(BATCH_ROWS)).length
    } catch (error) {
      code = (error as { code?: unknown }).code
    } finally {
      closeSync(descriptor)
      twin.reader.close()
      twin.checkZones()
      twin.free()
    }
    return { rows, code }
  }

  // DuckDB takes long for brotli.
  const cases = ['uncompressed', 'snappy', 'zstd', 'gzip', 'lz4_raw', 'brotli'].flatMap((codec) =>
    (codec === 'brotli' ? ['V2'] : ['V1', 'V2']).map((version) => ({ codec, version })),
  )
  it.each(cases)('$codec, $version', { timeout: 120_000 }, async ({ codec, version }) => {
    const { plain, checked } = await makeFiles(codec, version)
    const path = join(folder, `checked-${codec}-${version}.parquet`)
    writeFileSync(path, checked.bytes)
    const meta = readFileMeta(path)
    let longest = 0
    for (const { name, type } of meta.schema.fields) {
      const stored = meta.rowGroups[0]?.chunks[name]?.compressedBytes ?? 0
      for (const windowBytes of [SMALL_WINDOW, LARGE_WINDOW]) {
        const twin = new twins.ChunkTwin(arena, type, { windowBytes, batchRows: BATCH_ROWS })
        expect(twin.readColumn(meta, name)).toEqual(twin.readColumn(readFileMeta(plain), name))
        twin.free()
      }
      const twin = new twins.ChunkTwin(arena, type, { windowBytes: LARGE_WINDOW, batchRows: BATCH_ROWS })
      twin.readColumn(meta, name)
      expect(twin.reader.bytesRead, name).toBe(stored)
      twin.free()
      longest = Math.max(longest, stored)
    }
    expect(longest).toBeGreaterThan(300_000)
  })

  it.each(cases)('a changed bit, $codec, $version', { timeout: 240_000 }, async ({ codec, version }) => {
    const { checked, columns } = await makeFiles(codec, version)
    const meta = readFileMeta(join(folder, `plain-${codec}-${version}.parquet`))
    const names = meta.schema.fields.map(({ name }) => name)
    for (const [index, { start, end }] of checked.layout.bodies.entries()) {
      const column = names[columns[index] as number] as string
      for (let flip = 0; flip < FLIPS; flip++) {
        const at = flip === 0 ? start : flip === 1 ? end - 1 : start + Math.floor(((end - start) * flip) / FLIPS)
        const bytes = Uint8Array.from(checked.bytes)
        bytes[at] = (bytes[at] as number) ^ (1 << (flip % 8))
        const path = join(folder, `flip-${codec}-${version}-${index}-${flip}.parquet`)
        writeFileSync(path, bytes)
        for (const windowBytes of [SMALL_WINDOW, LARGE_WINDOW]) {
          // One page per chunk, or a dictionary in front of it: no row stands before the damage.
          const found = readUntilError(path, column, windowBytes)
          expect(found, `${path}, ${windowBytes}`).toEqual({ rows: 0, code: 'PAGE_CHECKSUM_MISMATCH' })
        }
        rmSync(path)
      }
    }
  })
})
