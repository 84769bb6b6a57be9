// Input of the benchmark with limits, made once by DuckDB in a process of its own and kept under bench/data.
//
// build  key BIGINT (1 … rows, shuffled), payload VARCHAR of 64 random hexadecimal digits
// probe  key BIGINT (uniform over the build keys), amount DOUBLE
// sort   key BIGINT (uniform over 2⁶²), value DOUBLE, payload VARCHAR of 64 random hexadecimal digits
// hot    h_id BIGINT (77 in nine of ten rows), h_text (the key as text of 120 characters and more), h_number BIGINT,
//        h_payload VARCHAR of 112 random hexadecimal digits
// cold   the same with c_ instead of h_: c_id is 77 in 200 rows, null in one of 97
// chain  key BIGINT (1 … rows, shuffled, another order in each part), payload of 96 random hexadecimal digits, p<part>
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(import.meta.url)
const folder = join(dirname(script), 'data')

const hexDigits = (seed, words = [1, 2, 3, 4]) =>
  words.map((word) => `printf('%016x', hash(i * ${words.length} + ${seed + word}))`).join(' || ')

const numbered = (rows) => `FROM (SELECT range AS i FROM range(${rows}))`

/** 112 digits that differ from row to row: the hashed numbers of two rows, and of two seeds, do not overlap. */
const longDigits = (seed) =>
  [1, 2, 3, 4, 5, 6, 7].map((part) => `printf('%016x', hash(i * 16 + ${seed + part}))`).join(' || ')

/** A table of a join with one hot key; `prefix` keeps the column names of the two sides apart. */
const skewed = (prefix, rows, id, seed) => `SELECT id AS ${prefix}_id, repeat('k', 120) || id AS ${prefix}_text,
    (hash(i + ${seed}) % 1000)::BIGINT AS ${prefix}_number, ${longDigits(seed)} AS ${prefix}_payload
    FROM (SELECT i, (${id})::BIGINT AS id ${numbered(rows)})`

/** Multiplying by a prime modulo the row count is a permutation when they share no factor: unique keys, shuffled. */
const shuffled = (rows) => `1 + (i * 2654435761) % ${rows}`

const tables = {
  build: (rows) => `SELECT (${shuffled(rows)})::BIGINT AS key, ${hexDigits(100)} AS payload ${numbered(rows)}`,
  probe: (rows, buildRows) => `SELECT (1 + hash(i) % ${buildRows})::BIGINT AS key,
    (hash(i + 13) % 1000000)::DOUBLE / 100 AS amount ${numbered(rows)}`,
  sort: (rows) => `SELECT (hash(i) >> 2)::BIGINT AS key, (hash(i + 17) % 1000000)::DOUBLE / 100 AS value,
    ${hexDigits(1000)} AS payload ${numbered(rows)}`,
  hot: (rows) => skewed('h', rows, 'CASE WHEN i % 10 < 9 THEN 77 ELSE 1000 + hash(i + 1) % 1200000 END', 2 ** 40),
  cold: (rows) =>
    skewed(
      'c',
      rows,
      `CASE WHEN i % ${rows / 200} = 5 THEN 77 WHEN i % 97 = 0 THEN NULL
    ELSE 401000 + hash(i + 2) % 1200000 END`,
      2 ** 41,
    ),
  chain: (rows, part) => `SELECT (1 + (i * 2654435761 + ${part * 12345}) % ${rows})::BIGINT AS key,
    ${hexDigits(part * 100000007, [1, 2, 3, 4, 5, 6])} AS p${part} ${numbered(rows)}`,
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
  await connection.run(`COPY (${table})
    TO '${path.replaceAll("'", "''")}' (FORMAT PARQUET, COMPRESSION SNAPPY, ROW_GROUP_SIZE 131072)`)
  connection.closeSync()
  instance.closeSync()
}
