/**
 * Small sound files for fuzzing: all writers, encodings, codecs and page versions, each also with a CRC-32 in every
 * page. Small, so that thousands of mutants a minute are read, with several pages per chunk and two row groups.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Oracle, quoteText } from '../duckdb-oracle.ts'
import { addChecksums, assembleFile, parseFile } from './file-model.ts'
import { matrixColumns, matrixSql, type ValuePattern } from './matrix-data.ts'
import { arrowCodecs, encodeWithArrow, encodeWithHyparquet, type EncodingPlan } from './matrix-files.ts'
import type { SoundFile } from './mutate-file.ts'
import { openParquetWasm } from './writer-packages.ts'

const ROWS = 150
/** DuckDB makes no row group below 2,048 rows, so its files have one. */
const GROUP_ROWS = 100

const NAMES = ['boolean', 'int8', 'int32', 'int64', 'float32', 'float64', 'text', 'timestamp_us', 'decimal_38_6']
const columns = matrixColumns.filter(({ name }) => NAMES.includes(name))

/** Makes the pool; `folder` holds a file for a moment. */
export async function makeFuzzPool(folder: string): Promise<SoundFile[]> {
  const oracle = await Oracle.open()
  const path = join(folder, 'pool.parquet')
  const pool: SoundFile[] = []
  const add = (name: string, bytes: Uint8Array): void => {
    pool.push({ name, assembled: assembleFile(parseFile(bytes)) })
    const model = parseFile(bytes)
    addChecksums(model)
    pool.push({ name: `${name} with checksums`, assembled: assembleFile(model) })
  }
  const addArrow = async (ipcStream: Uint8Array, values: ValuePattern): Promise<void> => {
    const plans: readonly EncodingPlan[] = ['dictionary', 'plain', 'delta', 'prefix', 'split']
    for (const [index, encoding] of plans.entries()) {
      for (const version of ['V1', 'V2'] as const) {
        const codec = arrowCodecs[(index + pool.length) % arrowCodecs.length] ?? 'SNAPPY'
        const setting = {
          encoding,
          codec,
          version,
          pageBytes: 256,
          rowGroupRows: GROUP_ROWS,
          statistics: 'Page',
        } as const
        const bytes = await encodeWithArrow(ipcStream, setting, columns)
        add(`arrow-rs ${encoding} ${codec} ${version} ${values}`, bytes)
      }
    }
  }
  try {
    for (const values of ['few', 'many', 'sorted'] as const) {
      const sql = matrixSql({ values, nulls: values === 'sorted' ? 'none' : 'tenth', rowCount: ROWS }, columns)
      await oracle.execute(`CREATE OR REPLACE TABLE pool AS ${sql}`)
      for (const [index, codec] of ['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw'].entries()) {
        const options = `FORMAT PARQUET, COMPRESSION ${codec}, PARQUET_VERSION V${1 + ((index + pool.length) % 2)}`
        await oracle.execute(`COPY pool TO ${quoteText(path)} (${options})`)
        add(`duckdb ${codec} ${values}`, readFileSync(path))
      }
      await oracle.execute(`COPY pool TO ${quoteText(path)} (FORMAT PARQUET, DICTIONARY_SIZE_LIMIT 1)`)
      const wasm = await openParquetWasm()
      await addArrow(wasm.readParquet(readFileSync(path)).intoIPCStream(), values)
      // Its columns are fewer: the cells are cut down to what it takes by name.
      const cells = await oracle.query('FROM pool')
      for (const encoding of [undefined, 1, 2]) {
        add(`hyparquet ${values} ${encoding}`, await encodeWithHyparquet(cells, 'SNAPPY', encoding, 256))
      }
    }
  } finally {
    oracle.close()
  }
  return pool
}
