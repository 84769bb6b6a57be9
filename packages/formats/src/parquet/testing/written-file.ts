/** For tests: a file of our writer in a folder of its own, and the readers that must find the same in it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeExactReader } from '@spillway/columnar'
import { parquetReadObjects } from 'hyparquet'
import { readFileMeta } from '../footer.ts'
import { ParquetDecoder } from './decoder.ts'
import { parquetWasmModule } from './wasm-module.ts'
import type { TestTable, TestValue } from '../native-writer/write-test-table.ts'

/** What is used of a DuckDB connection. */
interface Duckdb {
  runAndReadAll(sql: string): Promise<{ getRowObjects(): unknown }>
  closeSync(): void
}

export class WrittenFile {
  /** Where tests write the file. */
  readonly path: string
  readonly #directory: string
  readonly #duckdb: Duckdb
  readonly #decoder: ParquetDecoder

  private constructor(directory: string, duckdb: Duckdb, decoder: ParquetDecoder) {
    this.#directory = directory
    this.path = join(directory, 'table.parquet')
    this.#duckdb = duckdb
    this.#decoder = decoder
  }

  /** @param duckdb a connection, which is closed with the file */
  static async open(duckdb: Duckdb): Promise<WrittenFile> {
    await duckdb.runAndReadAll(`set timezone = 'UTC'`)
    const decoder = new ParquetDecoder(await parquetWasmModule())
    return new WrittenFile(mkdtempSync(join(tmpdir(), 'spillway-writer-')), duckdb, decoder)
  }

  /** Rows of a query, which names the file by its path. */
  async rowsOf(sql: string): Promise<Record<string, unknown>[]> {
    return (await this.#duckdb.runAndReadAll(sql)).getRowObjects() as Record<string, unknown>[]
  }

  /** Of each chunk of a column, its encodings as DuckDB lists them. */
  async encodingsOf(column: string): Promise<unknown[]> {
    const sql = `select encodings from parquet_metadata('${this.path}') where path_in_schema = '${column}'`
    return (await this.rowsOf(sql)).map((row) => row['encodings'])
  }

  /** All rows in exact values, column by column, as parquet-wasm reads them. */
  readWithWasm({ schema }: TestTable): TestValue[][] {
    const meta = readFileMeta(this.path)
    const names = schema.fields.map(({ name }) => name)
    const columns: TestValue[][] = names.map(() => [])
    meta.rowGroups.forEach((_, rowGroup) => {
      for (const batch of this.#decoder.decode(this.path, meta, rowGroup, names, 4096).batches) {
        batch.columns.forEach((column, index) => {
          const read = makeExactReader(column)
          for (let row = 0; row < batch.rowCount; row++) columns[index]?.push(read(row) as TestValue)
        })
      }
    })
    return columns
  }

  /** All rows as objects, as hyparquet reads them. */
  readWithHyparquet(): Promise<Record<string, unknown>[]> {
    const file = readFileSync(this.path)
    const buffer = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer
    return parquetReadObjects({
      file: { byteLength: buffer.byteLength, slice: (start, end) => buffer.slice(start, end) },
    })
  }

  close(): void {
    this.#duckdb.closeSync()
    rmSync(this.#directory, { recursive: true })
  }
}
