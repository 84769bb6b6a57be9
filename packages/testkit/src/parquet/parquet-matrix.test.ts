/**
 * The Parquet matrix: files of four writers over types, encodings, codecs, page versions, null patterns and sizes,
 * read by Spillway and compared bit by bit with the rows they were written from, which DuckDB and parquet-wasm must
 * read from the file as well. A sample by default; SPILLWAY_SLOW=1 takes the whole product.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { col, createEngine, type Engine } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import type { ResultTable } from '../cells.ts'
import { Oracle, quoteText } from '../duckdb-oracle.ts'
import { exactDifference } from './exact-difference.ts'
import { allMatrixData, dataName, type MatrixData, matrixRowCounts, matrixSql } from './matrix-data.ts'
import { encodeWithArrow, fileSettings, type FileSetting, type MatrixSource } from './matrix-files.ts'
import { openParquetWasm } from './writer-packages.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
/** Files per table in the sample; the strides are odd, so that all settings and tables are met. */
const SAMPLE_FILES_PER_TABLE = 2
/** SPILLWAY_MATRIX_WRITER takes the settings of one writer only. */
const onlyWriter = process.env['SPILLWAY_MATRIX_WRITER']

interface Finding {
  readonly file: string
  readonly problem: string
}

describe('Parquet matrix', () => {
  let oracle: Oracle
  let engine: Engine
  const folder = mkdtempSync(join(tmpdir(), 'spillway-matrix-'))
  beforeAll(async () => {
    oracle = await Oracle.open()
    engine = createEngine({ threads: 2 })
  })
  afterAll(async () => {
    await engine.close()
    oracle.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function openSource(data: MatrixData): Promise<MatrixSource> {
    await oracle.execute(`CREATE OR REPLACE TABLE matrix AS ${matrixSql(data)}`)
    const path = join(folder, 'base.parquet')
    // Without dictionaries, in which DuckDB (and hyparquet-writer) holds -0 and 0 as one value.
    const options = 'FORMAT PARQUET, COMPRESSION uncompressed, DICTIONARY_SIZE_LIMIT 1'
    await oracle.execute(`COPY matrix TO ${quoteText(path)} (${options})`)
    const wasm = await openParquetWasm()
    const ipcStream = wasm.readParquet(readFileSync(path)).intoIPCStream()
    return { oracle, table: 'matrix', cells: await oracle.query('FROM matrix'), ipcStream, engine }
  }

  /** What is wrong with the answers for one file; refusals of the other readers go to `refused`. */
  async function checkFile(
    setting: FileSetting,
    source: MatrixSource,
    refused: Map<string, number>,
  ): Promise<string | undefined> {
    const path = join(folder, `file-${Math.random().toString(36).slice(2)}.parquet`)
    const columns = setting.columns ?? source.cells.names
    const options = { columns, oneZero: setting.writer === 'duckdb' || setting.writer === 'hyparquet' }
    /** Counts a reader that cannot read a file; the others still must. */
    const tell = (reader: string, reason: unknown): undefined => {
      const text = `${reader} and ${setting.writer}: ${String(reason).slice(0, 120)}`
      refused.set(text, (refused.get(text) ?? 0) + 1)
      return undefined
    }
    try {
      await setting.write(source, path)
      const list = columns.map((name) => `"${name}"`).join(', ')
      const file = `read_parquet(${quoteText(path)})`
      const missing = `SELECT count(*) AS n FROM (SELECT ${list} FROM matrix EXCEPT ALL FROM ${file})`
      const lost = await oracle.query(missing).then(
        ({ rows }) => rows[0]?.[0],
        (error: unknown) => tell('DuckDB', error),
      )
      if (lost !== 0n && lost !== undefined) return `DuckDB misses ${lost} rows in the file: the writer is at fault`
      let difference: string | undefined
      try {
        const frame = await engine.scanParquet(path).collect()
        difference = exactDifference(tableOfArrow(frame.toArrow()), source.cells, options)
      } catch (error) {
        return String(error).slice(0, 400)
      }
      if (difference !== undefined) return difference
      const wasm = await openParquetWasm()
      let twin: ResultTable
      try {
        twin = tableOfArrow(tableFromIPC(wasm.readParquet(readFileSync(path)).intoIPCStream()))
      } catch (error) {
        return tell('parquet-wasm', error)
      }
      const twinDifference = exactDifference(twin, source.cells, options)
      return twinDifference === undefined ? undefined : `parquet-wasm disagrees: ${twinDifference}`
    } finally {
      rmSync(path, { force: true })
    }
  }

  for (const rowCount of matrixRowCounts) {
    it(`all readers agree: ${rowCount} rows`, { timeout: isSlow ? 1_800_000 : 60_000 }, async () => {
      const findings: Finding[] = []
      const refused = new Map<string, number>()
      let files = 0
      const tables = allMatrixData().filter((data) => data.rowCount === rowCount)
      for (const [index, data] of tables.entries()) {
        const source = await openSource(data)
        const settings = isSlow
          ? fileSettings.filter(({ writer }) => onlyWriter === undefined || writer === onlyWriter)
          : Array.from({ length: SAMPLE_FILES_PER_TABLE }, (_, sample) => {
              const at = (rowCount + index * 37 + sample * 83) % fileSettings.length
              return fileSettings[at] as FileSetting
            })
        for (const setting of settings) {
          files++
          const problem = await checkFile(setting, source, refused)
          if (problem !== undefined) findings.push({ file: `${setting.name}: ${dataName(data)}`, problem })
        }
      }
      if (isSlow) console.log(`${rowCount} rows: ${files} files, ${findings.length} wrong; refused:`, refused)
      if (onlyWriter === undefined) expect(files).toBeGreaterThanOrEqual(15 * SAMPLE_FILES_PER_TABLE)
      expect(findings.slice(0, 20)).toEqual([])
    })
  }

  it('NaN rows that arrow-rs leaves out of statistics survive a filter', async () => {
    const path = join(folder, 'nan.parquet')
    await oracle.execute(
      `CREATE OR REPLACE TABLE matrix AS SELECT i AS "row",
        CASE WHEN i % 100 = 7 THEN 'NaN'::DOUBLE ELSE (i % 5)::DOUBLE END AS float64,
        CASE WHEN i % 100 = 8 THEN 'NaN'::FLOAT ELSE -(i % 5)::FLOAT END AS float32 FROM range(3000) t(i)`,
    )
    await oracle.execute(`COPY matrix TO ${quoteText(path)} (FORMAT PARQUET)`)
    const wasm = await openParquetWasm()
    const ipcStream = wasm.readParquet(readFileSync(path)).intoIPCStream()
    const expected = Array.from({ length: 30 }, (_, index) => BigInt(index * 100 + 7))
    for (const encoding of ['dictionary', 'plain', 'split'] as const) {
      const rowGroupRows = 500
      const pageBytes = 256
      const setting = { encoding, codec: 'SNAPPY', version: 'V2', pageBytes, rowGroupRows, statistics: 'Page' } as const
      const file = join(folder, `nan-${encoding}.parquet`)
      writeFileSync(file, await encodeWithArrow(ipcStream, setting, []))
      const kept = await engine.scanParquet(file).filter(col('float64').gt(5)).select('row').collect()
      expect(
        kept.toRecords().map(({ row }) => row),
        encoding,
      ).toEqual(expected)
      const single = await engine.scanParquet(file).filter(col('float32').gt(5)).select('row').collect()
      expect(single.height, encoding).toBe(30)
    }
  })
})
