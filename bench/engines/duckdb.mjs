// The benchmark's DuckDB side. A result is materialised inside DuckDB, as a data frame is inside the others; turning it
// into JavaScript rows is not timed for any engine.
import { DuckDBInstance } from '@duckdb/node-api'

const quote = (path) => `'${path.replaceAll("'", "''")}'`

/** @param {{ file: string, threads: number, limit: string | undefined, inMemory: boolean, target: string }} options */
export async function open({ file, threads, limit, inMemory, target }) {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(threads),
    ...(limit === undefined ? {} : { memory_limit: limit }),
  })
  const connection = await instance.connect()
  if (inMemory) await connection.run(`CREATE TABLE loaded AS SELECT * FROM read_parquet(${quote(file)})`)
  const source = inMemory ? 'loaded' : `read_parquet(${quote(file)})`
  return {
    async run(query) {
      const sql = query.sql(source)
      if (query.kind === 'sink') {
        await connection.run(`COPY (${sql}) TO ${quote(target)} (FORMAT PARQUET, COMPRESSION SNAPPY)`)
      } else {
        await connection.run(sql)
      }
    },
    async check(query) {
      const totals = query.sums.map((name) => `sum(${name})::DOUBLE`).join(', ')
      const from = query.kind === 'sink' ? `read_parquet(${quote(target)})` : `(${query.sql(source)})`
      const reader = await connection.runAndReadAll(`SELECT count(*), ${totals} FROM ${from}`)
      const [rows, ...sums] = reader.getRows()[0]
      return { rows: Number(rows), sums }
    },
    async close() {
      connection.closeSync()
      instance.closeSync()
    },
  }
}
