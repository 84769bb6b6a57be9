/**
 * Compares a result with DuckDB's own answer, inside DuckDB, in a process of its own.
 * Arguments: source file, result file, shape (`q10`, `rows`). Prints both summaries as JSON.
 */
import { DuckDBInstance } from '@duckdb/node-api'

const [source, result, shape] = process.argv.slice(2)
const keys = shape === 'q10' ? 'id1, id2, id3, id4, id5, id6' : 'key, name'
const sum = shape === 'q10' ? 'v3' : 'value'
const connection = await (await DuckDBInstance.create(':memory:')).connect()
await connection.run("set memory_limit = '4GB'; set temp_directory = '/var/tmp'")
const expected = `(select ${keys}, sum(${sum}) as ${sum}, count(*) as n from '${source}' group by all)`
const summary = (table) =>
  `select count(*)::bigint as rows, sum(n)::bigint as counted, bit_xor(hash(${keys}, n))::varchar as keys, ` +
  `sum(${sum})::double as total, sum(${sum} * (hash(${keys}) % 1000))::double as weighted from ${table}`
const answers = []
for (const table of [expected, `'${result}'`]) {
  const reader = await connection.runAndReadAll(summary(table))
  const row = reader.getRowObjects()[0]
  answers.push({ ...row, rows: Number(row.rows), counted: Number(row.counted) })
}
process.stdout.write(`${JSON.stringify({ expected: answers[0], actual: answers[1] })}\n`)
