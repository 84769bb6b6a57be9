/**
 * Writes files whose pages or row groups exceed memory, in a process of its own. Arguments: file, shape, rows, codec.
 *
 *   bigints   one row group of `rows` rows, `x` of eight bytes that no dictionary holds: one page per chunk
 *   texts     one row group; `a` and `b` of some 2,000 bytes each, equal but in every 10,007th row, where they
 *             differ in their last byte; `id` counts the rows
 */
import { DuckDBInstance } from '@duckdb/node-api'

const [target, shape, rows, codec] = process.argv.slice(2)
const connection = await (await DuckDBInstance.create(':memory:')).connect()
await connection.run("set threads = 1; set temp_directory = '/var/tmp'; set memory_limit = '14GB'")
const long = `repeat(hash(i)::varchar || '-', 2000 // (length(hash(i)::varchar) + 1))`
const queries = {
  bigints: `select (i * 7919) % 1000000007 * 409 as x from range(${rows}) t(i)`,
  texts: `select i as id, ${long} || '.' as a, ${long} || case when i % 10007 = 5 then '!' else '.' end as b
    from range(${rows}) t(i)`,
}
const options = `format parquet, compression ${codec}, row_group_size ${rows}`
await connection.run(`copy (${queries[shape]}) to '${target}' (${options})`)
