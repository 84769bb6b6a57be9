// The table of the Parquet benchmark, written by DuckDB: a column of each kind, once without nulls and once (suffix
// _null) with a tenth of its values missing. Values depend on the row number only. Also the question asked of each
// column: an aggregate that needs every value, and that no statistics of the file can answer.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const draw = (stream, range) => `(hash(i * 16 + ${stream}) % ${range})`

/** The middle of the timestamps, in a form that each engine takes. */
const MIDDLE_MS = Date.UTC(2020, 0, 1)
const MIDDLE_SECONDS = MIDDLE_MS / 1000

const sumOf = (column) => ({
  sql: (source) => `SELECT count(${column}) AS n, sum(${column})::DOUBLE AS v FROM ${source}`,
  build: (frame, { col }) => frame.select(col(column).count().alias('n'), col(column).sum().alias('v')),
})

/** Half of the rows pass, so the filter prunes nothing; the maximum of the rest looks at each value that passed. */
const maxAbove = (column, sqlLiteral, literal) => ({
  sql: (source) => `SELECT count(${column}) AS n, max(${column}) AS v FROM ${source} WHERE ${column} > ${sqlLiteral}`,
  build: (frame, { col }) =>
    frame.filter(col(column).gt(literal)).select(col(column).count().alias('n'), col(column).max().alias('v')),
})

/** Kinds of columns: SQL of a value and the question about it. */
const kinds = [
  ['int32', `${draw(1, 1_000_000_000)}::INTEGER`, sumOf],
  ['int64', `${draw(2, 100_000_000_000)}::BIGINT`, sumOf],
  ['double', `${draw(3, 1_000_000_000)}::DOUBLE / 1e4`, sumOf],
  ['low', `printf('value-%03d', ${draw(4, 100)}::BIGINT)`, (name) => maxAbove(name, `'value-049'`, 'value-049')],
  [
    'high',
    `printf('id%012d', ${draw(5, 1_000_000_000_000)}::BIGINT)`,
    (name) => maxAbove(name, `'id500000000000'`, 'id500000000000'),
  ],
  [
    'time',
    `make_timestamp((${MIDDLE_SECONDS - 100_000_000} + ${draw(6, 200_000_000)}::BIGINT) * 1000000)`,
    (name) => maxAbove(name, `TIMESTAMP '2020-01-01'`, new Date(MIDDLE_MS)),
  ],
  ['decimal', `(${draw(7, 1_000_000_000)}::DECIMAL(18, 0) / 100)::DECIMAL(12, 2)`, sumOf],
]

export const plainColumns = kinds.map(([name]) => name)

const isMissing = (stream) => `hash(i * 16 + ${stream}) % 10 = 0`

function tableSql(rows) {
  const columns = kinds.flatMap(([name, sql], index) => [
    `${sql} AS ${name}`,
    `CASE WHEN ${isMissing(8 + index)} THEN NULL ELSE ${sql} END AS ${name}_null`,
  ])
  return `SELECT ${columns.join(', ')} FROM (SELECT range::UBIGINT AS i FROM range(${rows}))`
}

/** Where the file lies; made by DuckDB unless it exists. Row groups of 122,880 rows. */
export async function parquetBenchFile(rows, codec) {
  const folder = join(dirname(fileURLToPath(import.meta.url)), 'data')
  const path = join(folder, `columns-${rows}-${codec}.parquet`)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const partial = `${path}.partial`
  rmSync(partial, { force: true })
  const options = `FORMAT PARQUET, COMPRESSION ${codec}, ROW_GROUP_SIZE 122880`
  await connection.run(`COPY (${tableSql(rows)}) TO '${partial.replaceAll("'", "''")}' (${options})`)
  connection.closeSync()
  instance.closeSync()
  renameSync(partial, path)
  return path
}

/** Questions by name: each column, each with nulls, and all fourteen together. */
export const readQuestions = new Map()
for (const suffix of ['', '_null']) {
  for (const [name, , question] of kinds) readQuestions.set(`${name}${suffix}`, question(`${name}${suffix}`))
}
readQuestions.set('all columns', {
  sql: (source) => {
    const cells = [...readQuestions.keys()]
      .filter((name) => name !== 'all columns')
      .map((name) => (/^(low|high|time)/.test(name) ? `max(${name})` : `sum(${name})::DOUBLE`))
    return `SELECT count(int32) AS n, ${cells.map((cell, index) => `${cell} AS v${index}`).join(', ')} FROM ${source}`
  },
  build: (frame, { col }) => {
    const cells = [...readQuestions.keys()]
      .filter((name) => name !== 'all columns')
      .map((name, index) => (/^(low|high|time)/.test(name) ? col(name).max() : col(name).sum()).alias(`v${index}`))
    return frame.select(col('int32').count().alias('n'), ...cells)
  },
})

/** What is written: sets of columns by name. */
export const writeSets = new Map([
  ['int32, int64, double', ['int32', 'int64', 'double']],
  ['low, high', ['low', 'high']],
  ['time, decimal', ['time', 'decimal']],
  ['all seven columns', plainColumns],
])
