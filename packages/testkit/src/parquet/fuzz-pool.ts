/**
 * Small sound files for fuzzing: all writers, encodings, codecs and page versions, each also with a CRC-32 in every
 * page. Small, so that thousands of mutants a minute are read, with several pages per chunk and two row groups.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { createEngine, fromArrow } from 'spillway'
import { Oracle, quoteText } from '../duckdb-oracle.ts'
import { addChecksums, assembleFile, parseFile } from './file-model.ts'
import { matrixColumns, matrixSql, type ValuePattern } from './matrix-data.ts'
import { arrowCodecs, encodeWithArrow, encodeWithHyparquet, type EncodingPlan } from './matrix-files.ts'
import type { SoundFile } from './mutate-file.ts'
import { openParquetWasm } from './writer-packages.ts'

const ROWS = 150
/** DuckDB makes no row group below 2,048 rows, so its files have one. */
const GROUP_ROWS = 100

const ownCodecs = ['uncompressed', 'snappy', 'zstd', 'lz4Raw', 'gzip'] as const
type ParquetCompression = (typeof ownCodecs)[number]

const NAMES = ['boolean', 'int8', 'int32', 'int64', 'float32', 'float64', 'text', 'timestamp_us', 'decimal_38_6']
const columns = matrixColumns.filter(({ name }) => NAMES.includes(name))

/** Larger than any window or input buffer, in one page where the writer does so. */
const LARGE_ROWS = 6000
const LARGE_SQL = matrixSql(
  { values: 'many', nulls: 'tenth', rowCount: LARGE_ROWS },
  columns.filter(({ name }) => name === 'int64' || name === 'text'),
)

/** Makes the pool; `folder` holds a file for a moment. */
export async function makeFuzzPool(folder: string): Promise<SoundFile[]> {
  const oracle = await Oracle.open()
  const engine = createEngine({ threads: 1 })
  const path = join(folder, 'pool.parquet')
  const pool: SoundFile[] = []
  const add = (name: string, bytes: Uint8Array): void => {
    pool.push({ name, assembled: assembleFile(parseFile(bytes)) })
    const model = parseFile(bytes)
    addChecksums(model)
    pool.push({ name: `${name} with checksums`, assembled: assembleFile(model) })
  }
  /** As our own sink writes it: page index and checksums are there by themselves. */
  const addOwn = async (ipcStream: Uint8Array, codec: ParquetCompression, values: ValuePattern): Promise<void> => {
    const frame = fromArrow(tableFromIPC(ipcStream), engine).lazy()
    await frame.sinkParquet(path, { compression: codec, rowGroupSize: GROUP_ROWS, dataPageSize: 1024 })
    add(`spillway ${codec} ${values}`, readFileSync(path))
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
      const ipcStream = wasm.readParquet(readFileSync(path)).intoIPCStream()
      await addArrow(ipcStream, values)
      for (const codec of ownCodecs) await addOwn(ipcStream, codec, values)
      // Its columns are fewer: the cells are cut down to what it takes by name.
      const cells = await oracle.query('FROM pool')
      for (const encoding of [undefined, 1, 2]) {
        add(`hyparquet ${values} ${encoding}`, await encodeWithHyparquet(cells, 'SNAPPY', encoding, 256))
      }
    }
    for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'lz4_raw']) {
      await oracle.execute(`COPY (${LARGE_SQL}) TO ${quoteText(path)} (FORMAT PARQUET, COMPRESSION ${codec})`)
      add(`duckdb ${codec} large`, readFileSync(path))
    }
  } finally {
    await engine.close()
    oracle.close()
  }
  return pool
}
