// Input of the benchmark with limits, made once by DuckDB in a process of its own and kept under bench/data.
//
// build  key BIGINT (1 … rows, shuffled), payload VARCHAR of 64 random hexadecimal digits
// probe  key BIGINT (uniform over the build keys), amount DOUBLE
// sort   key BIGINT (uniform over 2⁶²), value DOUBLE, payload VARCHAR of 64 random hexadecimal digits
// chain  key BIGINT (1 … rows, shuffled, another order in each part), payload of 96 random hexadecimal digits, p<part>
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(import.meta.url)
const folder = join(dirname(script), 'data')

const hexDigits = (seed, words = [1, 2, 3, 4]) =>
  words.map((word) => `printf('%016x', hash(i * ${words.length} + ${seed + word}))`).join(' || ')

/** Multiplying by a prime modulo the row count is a permutation when they share no factor: unique keys, shuffled. */
const shuffled = (rows) => `1 + (i * 2654435761) % ${rows}`

const tables = {
  build: (rows) => `SELECT (${shuffled(rows)})::BIGINT AS key, ${hexDigits(100)} AS payload`,
  probe: (_rows, buildRows) => `SELECT (1 + hash(i) % ${buildRows})::BIGINT AS key,
    (hash(i + 13) % 1000000)::DOUBLE / 100 AS amount`,
  sort: () => `SELECT (hash(i) >> 2)::BIGINT AS key, (hash(i + 17) % 1000000)::DOUBLE / 100 AS value,
    ${hexDigits(1000)} AS payload`,
  chain: (rows, part) => `SELECT (1 + (i * 2654435761 + ${part * 12345}) % ${rows})::BIGINT AS key,
    ${hexDigits(part * 100000007, [1, 2, 3, 4, 5, 6])} AS p${part}`,
}

/** Path of a table's file, which is made if it is not there yet. */
export function spillTable(name, rows, buildRows = 0) {
  const path = join(folder, `${name}-${rows}${buildRows === 0 ? '' : `-${buildRows}`}.parquet`)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  console.log(`making ${path} ...`)
  const made = spawnSync(process.execPath, [script, name, String(rows), String(buildRows), `${path}.part`], {
    stdio: 'inherit',
  })
  if (made.status !== 0) throw new Error(`Making ${path} failed with code ${made.status}`)
  renameSync(`${path}.part`, path)
  return path
}

if (process.argv[1] === script) {
  const [, , name, rows, buildRows, path] = process.argv
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '2GB' })
  const connection = await instance.connect()
  const table = tables[name](Number(rows), Number(buildRows))
  await connection.run(`COPY (${table} FROM (SELECT range AS i FROM range(${rows})))
    TO '${path.replaceAll("'", "''")}' (FORMAT PARQUET, COMPRESSION SNAPPY, ROW_GROUP_SIZE 131072)`)
  connection.closeSync()
  instance.closeSync()
}
