/**
 * A filter that keeps one row in 10,000 of a sorted column reads only the pages that it must: the bytes read that the
 * metrics tell are compared with the pages that hold the rows, as the file's own page index lists them.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { col, createEngine, type Engine } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import { Oracle, quoteText } from '../duckdb-oracle.ts'
import { exactDifference } from './exact-difference.ts'
import { encodeWithArrow } from './matrix-files.ts'
import { makeChoices } from './random-choices.ts'
import { formatsUrl, openParquetWasm } from './writer-packages.ts'

const ROWS = 400_000
const KEPT = ROWS / 10_000
/** In the middle of a row group and of a page. */
const FIRST = 271_828
/** What a reader reads beside pages, per column: the header in front of a dictionary, and the page index. */
const EXTRA_BYTES = 8192

/** A page beyond the reader's buffer is read twice when it carries a checksum: to check it, then to decode it. */
const BUFFER_BYTES = 256 * 1024

/** Filters per file. */
const RANDOM_ROUNDS = process.env['SPILLWAY_SLOW'] === '1' ? 60 : 3

interface Page {
  readonly offset: number
  readonly compressedBytes: number
  readonly firstRow: number
  readonly rowCount: number
}
interface Chunk {
  readonly dictionaryPageOffset: number | undefined
  readonly dataPageOffset: number
}
interface FormatLayer {
  readFileMeta(path: string): {
    readonly hasPageChecksums: boolean
    readonly rowGroups: readonly { readonly rowStart: number; readonly chunks: Readonly<Record<string, Chunk>> }[]
  }
  readPageLocations(descriptor: number, meta: object, rowGroup: number, column: string): readonly Page[] | undefined
}

const SQL = `SELECT i AS key, (hash(i) % 100003)::INTEGER AS number, (hash(i) % 1000) / 8 AS ratio,
  CASE WHEN i % 10 = 3 THEN NULL ELSE 'city ' || (hash(i) % 40) END AS city,
  'a text that is found once: ' || hash(i) AS words, TIMESTAMP '2024-01-01' + to_seconds(i) AS at
  FROM range(${ROWS}) t(i) ORDER BY i`

describe('a selective filter', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-selective-'))
  const source = join(folder, 'source.parquet')
  let oracle: Oracle
  let engine: Engine
  let layer: FormatLayer
  beforeAll(async () => {
    layer = (await import(formatsUrl.href)) as FormatLayer
    oracle = await Oracle.open()
    engine = createEngine({ threads: 2 })
    await oracle.execute(`COPY (${SQL}) TO ${quoteText(source)} (FORMAT PARQUET, ROW_GROUP_SIZE 100000)`)
  })
  afterAll(async () => {
    await engine.close()
    oracle.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Bytes of the pages that hold rows `FIRST` to `FIRST + KEPT - 1`, with the dictionaries that they refer to. */
  function pageBytes(path: string, columns: readonly string[]): number {
    const meta = layer.readFileMeta(path)
    const descriptor = openSync(path, 'r')
    let bytes = 0
    for (const [index, { rowStart, chunks }] of meta.rowGroups.entries()) {
      for (const column of columns) {
        const pages = layer.readPageLocations(descriptor, meta, index, column)
        if (pages === undefined) throw new Error(`Column ${column} has no page index.`)
        const met = pages.filter(({ firstRow, rowCount }) => {
          const start = rowStart + firstRow
          return start < FIRST + KEPT && start + rowCount > FIRST
        })
        if (met.length === 0) continue
        const { dictionaryPageOffset, dataPageOffset } = chunks[column] as Chunk
        for (const { compressedBytes } of met) {
          const isReadTwice = meta.hasPageChecksums && compressedBytes > BUFFER_BYTES
          bytes += isReadTwice ? 2 * compressedBytes : compressedBytes
        }
        if (dictionaryPageOffset !== undefined) bytes += dataPageOffset - dictionaryPageOffset
      }
    }
    closeSync(descriptor)
    return bytes
  }

  async function expectSparse(path: string): Promise<number> {
    const where = `key >= ${FIRST} AND key < ${FIRST + KEPT}`
    const expected = await oracle.query(`SELECT * FROM ${quoteText(source)} WHERE ${where} ORDER BY key`)
    const all = engine
      .scanParquet(path)
      .filter(col('key').gtEq(FIRST))
      .filter(col('key').lt(FIRST + KEPT))
    const answer = await all.collect()
    expect(answer.height).toBe(KEPT)
    expect(exactDifference(tableOfArrow(answer.toArrow()), expected)).toBeUndefined()
    const bytesRead = answer.metrics?.bytesRead ?? Number.NaN
    const needed = pageBytes(path, answer.columns)
    const fileBytes = statSync(path).size
    expect(bytesRead).toBeGreaterThanOrEqual(needed * 0.5)
    expect(bytesRead).toBeLessThanOrEqual(needed + EXTRA_BYTES * answer.columns.length)
    // Fewer columns, fewer bytes.
    const few = await all.select('key', 'number').collect()
    expect(few.metrics?.bytesRead).toBeLessThanOrEqual(pageBytes(path, ['key', 'number']) + 2 * EXTRA_BYTES)
    expect(few.toRecords().map(({ key }) => key)).toEqual(expected.rows.map(([key]) => key))
    return bytesRead / fileBytes
  }

  it('reads the pages that it must of a file of our own', { timeout: 60_000 }, async () => {
    // A page of 20,000 rows of 400,000 is a twentieth of the file, and dictionaries are read as a whole.
    for (const [compression, dataPageSize, share] of [
      ['snappy', undefined, 0.1],
      ['zstd', 16_384, 0.06],
    ] as const) {
      const path = join(folder, `own-${compression}.parquet`)
      const sizes = dataPageSize === undefined ? {} : { dataPageSize }
      await engine.scanParquet(source).sinkParquet(path, { compression, ...sizes })
      expect(await expectSparse(path), compression).toBeLessThan(share)
    }
  })

  it('reads the pages that it must of a file of arrow-rs', { timeout: 60_000 }, async () => {
    const wasm = await openParquetWasm()
    const ipcStream = wasm.readParquet(readFileSync(source)).intoIPCStream()
    for (const encoding of ['dictionary', 'plain'] as const) {
      const setting = { codec: 'SNAPPY', version: 'V1', pageBytes: 32_768, rowGroupRows: 100_000 } as const
      const path = join(folder, `arrow-${encoding}.parquet`)
      writeFileSync(path, await encodeWithArrow(ipcStream, { ...setting, encoding, statistics: 'Page' }, []))
      expect(await expectSparse(path), encoding).toBeLessThan(0.15)
    }
  })

  it('finds the rows of random ranges', { timeout: 120_000 }, async () => {
    const choices = makeChoices(7, 0)
    const paths = [source, join(folder, 'own-snappy.parquet'), join(folder, 'own-zstd.parquet')]
    for (const path of [...paths, join(folder, 'arrow-dictionary.parquet'), join(folder, 'arrow-plain.parquet')]) {
      for (let round = 0; round < RANDOM_ROUNDS; round++) {
        const ranges = Array.from({ length: 1 + choices.below(3) }, () => {
          const start = choices.below(ROWS)
          return { start, end: start + 1 + choices.below(choices.of([2, 100, 30_000])) }
        })
        const inRange = ({ start, end }: (typeof ranges)[number]) => col('key').gtEq(start).and(col('key').lt(end))
        const modulus = choices.of([1, 2, 1000])
        const rest = choices.below(modulus)
        const wanted = ranges.map(inRange).reduce((left, right) => left.or(right))
        const answer = await engine
          .scanParquet(path)
          .filter(wanted.and(col('number').mod(modulus).eq(rest)))
          .collect()
        const where = ranges.map(({ start, end }) => `(key >= ${start} AND key < ${end})`).join(' OR ')
        const sql = `SELECT * FROM ${quoteText(source)} WHERE (${where}) AND number % ${modulus} = ${rest} ORDER BY key`
        const difference = exactDifference(tableOfArrow(answer.toArrow()), await oracle.query(sql))
        expect(difference, `${path}: ${where}, every ${modulus}`).toBeUndefined()
      }
    }
  })
})
