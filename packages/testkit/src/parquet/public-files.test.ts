/**
 * The public test files of the format: each column equals DuckDB's answer, or is refused with a typed error that is
 * listed here with its reason. Lists, structs and maps are types that the engine does not have; they are refused when
 * a query names them.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createEngine, type Engine, SpillwayError } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import type { ResultTable } from '../cells.ts'
import { Oracle, quoteName, quoteText } from '../duckdb-oracle.ts'
import { exactDifference } from './exact-difference.ts'

const corpus = resolve(import.meta.dirname, '../../../../../shared/data/parquet-testing')
const folder = process.env['SPILLWAY_PARQUET_TESTING'] ?? corpus
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.parquet')) : []
if (files.length === 0) console.warn(`Public Parquet test files are absent: ${folder} was not tested.`)

/** Codes that a file may be refused with, and why. */
const refused = new Map<string, { readonly codes: readonly string[]; readonly why: string }>([
  [
    'rle-dict-uncompressed-corrupt-checksum.parquet',
    { codes: ['PAGE_CHECKSUM_MISMATCH'], why: 'a checksum is wrong on purpose; DuckDB does not look at it' },
  ],
])

/** Files whose rows DuckDB cannot tell, with the number of rows that we must find. */
const withoutOracle = new Map([
  ['non_hadoop_lz4_compressed.parquet', { rows: 4, why: 'DuckDB lacks the old LZ4 codec' }],
  ['map_no_value.parquet', { rows: 3, why: 'DuckDB refuses maps without values' }],
])

/** 290000-12-31T01:00+02:00, as the file's description says: DuckDB's sum exceeds 64 bits there. */
const LAST_OF_SPARK = 9_089_380_393_200_000_000_000n

const isForeignType = (type: string): boolean => /\[\]|^STRUCT|^MAP/.test(type)

describe.skipIf(files.length === 0)(`public test files (${files.length} present)`, () => {
  let engine: Engine
  let oracle: Oracle
  beforeAll(async () => {
    oracle = await Oracle.open()
    engine = createEngine({ threads: 1 })
  })
  afterAll(async () => {
    oracle.close()
    await engine.close()
  })

  it.each(files)('%s', async (name) => {
    const path = join(folder, name)
    let found: ResultTable
    try {
      found = tableOfArrow((await engine.scanParquet(path).collect()).toArrow())
      expect(refused.get(name)?.codes ?? ['data'], refused.get(name)?.why).toContain('data')
    } catch (error) {
      if (!(error instanceof SpillwayError)) throw error
      expect(refused.get(name)?.codes ?? [], error.message).toContain(error.code)
      expect(error.message).toContain(path)
      return
    }
    const alone = withoutOracle.get(name)
    if (alone !== undefined) {
      const { height } = await engine.scanParquet(path).collect()
      return expect(height, alone.why).toBe(alone.rows)
    }
    const source = `read_parquet(${quoteText(path)})`
    const described = (await oracle.query(`SELECT column_name, column_type FROM (DESCRIBE FROM ${source})`)).rows
    const foreign = described.filter(([, type]) => isForeignType(String(type))).map(([column]) => String(column))
    const known = described.map(([column]) => String(column)).filter((column) => !foreign.includes(column))
    for (const column of foreign.filter((each) => !found.names.includes(each))) {
      // Named: the scan was asked for what it cannot read, and says so.
      const ask = async () => engine.scanParquet(path).select(column).collect()
      await expect(ask(), column).rejects.toMatchObject({
        code: 'UNSUPPORTED_TYPE',
      })
    }
    if (known.length === 0) return
    const expected = await oracle.query(`SELECT ${known.map(quoteName).join(', ')} FROM ${source}`)
    if (name === 'int96_from_spark.parquet') {
      expect(found.rows[5]).toEqual([LAST_OF_SPARK])
      const rows = expected.rows.map((row, index) => (index === 5 ? [LAST_OF_SPARK] : row))
      expect(exactDifference(found, { ...expected, rows })).toBeUndefined()
      return
    }
    expect(exactDifference(found, expected)).toBeUndefined()
  })
})
