// Makes the input of the group-by benchmark: table G1 of the h2o "db-benchmark" (K = 100, no nulls, unsorted) as one
// Parquet file, snappy, row groups of 262,144 rows. The values depend on row number and seed only.
// Usage: node bench/generate-g1.mjs [--rows 10000000] [--force]; prints the path of the file.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const SEED = 20260101
const GROUPS = 100

/** Where the file for `rows` rows lies. */
export function g1Path(rows) {
  return join(dirname(fileURLToPath(import.meta.url)), 'data', `g1-${rows}-k${GROUPS}.parquet`)
}

/** SQL that makes the table: each column draws its own hash stream, reduced to its range. */
export function g1Sql(rows) {
  const draw = (stream, range) => `(hash(i * 16 + ${stream} + ${SEED} * 1000000007::UBIGINT) % ${range})`
  const many = Math.max(1, Math.floor(rows / GROUPS))
  return `
    SELECT
      printf('id%03d', 1 + ${draw(1, GROUPS)}::BIGINT) AS id1,
      printf('id%03d', 1 + ${draw(2, GROUPS)}::BIGINT) AS id2,
      printf('id%010d', 1 + ${draw(3, many)}::BIGINT) AS id3,
      (1 + ${draw(4, GROUPS)})::INTEGER AS id4,
      (1 + ${draw(5, GROUPS)})::INTEGER AS id5,
      (1 + ${draw(6, many)})::INTEGER AS id6,
      (1 + ${draw(7, 5)})::INTEGER AS v1,
      (1 + ${draw(8, 15)})::INTEGER AS v2,
      (${draw(9, 100_000_000)}::DOUBLE / 1e6) AS v3
    FROM (SELECT range::UBIGINT AS i FROM range(${rows}))`
}

/** Writes the file unless it exists; returns its path. A broken run leaves no file under the final name. */
export async function generateG1(rows, force = false) {
  const path = g1Path(rows)
  if (existsSync(path) && !force) return path
  mkdirSync(dirname(path), { recursive: true })
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const partial = `${path}.partial`
  rmSync(partial, { force: true })
  const options = 'FORMAT PARQUET, COMPRESSION SNAPPY, ROW_GROUP_SIZE 262144'
  await connection.run(`COPY (${g1Sql(rows)}) TO '${partial.replaceAll("'", "''")}' (${options})`)
  connection.closeSync()
  instance.closeSync()
  renameSync(partial, path)
  return path
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const at = process.argv.indexOf('--rows')
  const rows = at < 0 ? 10_000_000 : Number(process.argv[at + 1])
  const start = performance.now()
  const path = await generateG1(rows, process.argv.includes('--force'))
  console.log(`${path} (${Math.round(performance.now() - start)} ms)`)
}
