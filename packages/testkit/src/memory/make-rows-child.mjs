/**
 * Writes the test's table in a process of its own, so that generating is not part of what is measured.
 * Arguments: file, rows, rows of a row group. Columns: key (as many groups as rows), name (text), value.
 */
import { DuckDBInstance } from '@duckdb/node-api'

const [target, rows, rowGroupRows] = process.argv.slice(2)
const connection = await (await DuckDBInstance.create(':memory:')).connect()
await connection.run(
  `copy (select (i * 7919) % ${rows} as key, 'name ' || (i % 100000) as name, (i % 1000) / 8 as value ` +
    `from range(${rows}) t(i)) to '${target}' (format parquet, row_group_size ${rowGroupRows})`,
)
