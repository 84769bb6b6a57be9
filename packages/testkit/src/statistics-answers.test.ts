/** `min`, `max`, `count` and `len` over whole files: from the footer where it is exact, and the same as DuckDB's. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { col, createEngine, len } from 'spillway'
import { afterAll, beforeAll, expect, it } from 'vitest'

const directory = mkdtempSync(join(tmpdir(), 'spillway-footer-'))
const path = join(directory, 'rows.parquet')
const instance = await DuckDBInstance.create(':memory:')
const duckdb = await instance.connect()
const engine = createEngine({ threads: 1, memoryLimit: '500MB' })

beforeAll(async () => {
  await duckdb.run(`create table rows as select
    (i * 37 % 5000 - 2000)::integer as i32, case when i % 3 = 0 then null else i * 1000000007 end as i64,
    (i * 31 % 250)::utinyint as u8, (4000000000 + i)::uinteger as u32, (i - 2500)::decimal(20, 3) as wide,
    date '1999-12-31' + (i % 700)::integer as d, timestamp '2001-01-01' + to_microseconds(i * 1000003) as t,
    'key ' || (i % 97) as s, repeat('long text ', 40) || i as l, null::integer as n, i % 2 = 0 as b,
    case when i = 2600 then 'nan'::double else i / 8 end as x
    from range(5000) r(i)`)
  await duckdb.run(`copy rows to '${path}' (format parquet, row_group_size 2048)`)
})
afterAll(async () => {
  duckdb.closeSync()
  await engine.close()
  rmSync(directory, { recursive: true })
})

const names = ['i32', 'i64', 'u8', 'u32', 'wide', 'd', 't', 's', 'l', 'n', 'b', 'x']
const fromFooter = new Set(['i32', 'i64', 'u8', 'u32', 'wide', 'd', 't', 's', 'n'])

it.each(names)('column %s', async (name) => {
  const source = engine.scanParquet(path)
  const aggregates = () => [
    col(name).min().alias('low'),
    col(name).max().alias('high'),
    col(name).count().alias('valid'),
    len().alias('rows'),
  ]
  const answered = await source.select(...aggregates()).collect()
  // A limit that takes all rows: the same question, but not one for the footer.
  const read = await source
    .head(5000)
    .select(...aggregates())
    .collect()
  expect(answered.toRecords()).toEqual(read.toRecords())
  const [low, high, valid] = (
    await duckdb.runAndReadAll(`select min(${name})::varchar, max(${name})::varchar, count(${name}) from rows`)
  ).getRows()[0] as [string | null, string | null, bigint]
  const texts = await source
    .select(col(name).min().cast({ kind: 'utf8' }).alias('low'), col(name).count().alias('n'))
    .collect()
  if (!['t', 'x', 'wide'].includes(name)) expect(texts.toRecords()[0]?.low).toBe(low)
  expect(answered.toRecords()[0]?.valid).toBe(valid)
  expect(high === null).toBe(answered.toRecords()[0]?.high === null)
  const labels = (answered.metrics?.operators ?? []).map((operator) => operator.label)
  if (fromFooter.has(name)) expect(labels).toContain('PARQUET STATISTICS')
  if (name === 'x') expect(labels).toContain('PARQUET SCAN')
})
