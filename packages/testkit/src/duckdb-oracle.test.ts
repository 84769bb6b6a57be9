// The oracle's own ground: generated tables go through DuckDB, and through Parquet files, without losing a value, and
// the SQL twins that docs/semantics.md names mean what it says.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSchema } from '@spillway/columnar'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tables } from './arbitraries.ts'
import { tableDifference } from './compare-tables.ts'
import { hashRowsSql, Oracle, oracle, quoteText } from './duckdb-oracle.ts'
import { type GeneratedTable, type RawCell, resultOfTable } from './generated-table.ts'

let database: Oracle
let folder: string
beforeAll(async () => {
  database = await Oracle.open()
  folder = mkdtempSync(join(tmpdir(), 'spillway-testkit-'))
})
afterAll(() => {
  database.close()
  rmSync(folder, { recursive: true, force: true })
})

const floatTable = (values: RawCell[]): GeneratedTable => ({
  schema: makeSchema([{ name: 'x', type: { kind: 'float64' }, nullable: true }]),
  rowCount: values.length,
  columns: [values],
})

describe('Oracle', () => {
  it('keeps every generated value, in a table and through Parquet', async () => {
    const path = join(folder, 'round-trip.parquet')
    await fc.assert(
      fc.asyncProperty(tables({ maxRows: 40 }), async (table) => {
        await database.createTable('t', table)
        const expected = resultOfTable(table)
        expect(tableDifference(await database.query('SELECT * FROM t'), expected, { ordered: true })).toBeUndefined()
        await database.writeParquet('t', path)
        await database.tableFromParquet('back', [path])
        expect(tableDifference(await database.query('SELECT * FROM back'), expected, { ordered: true })).toBeUndefined()
      }),
      { numRuns: 40 },
    )
  })

  it('tells values that do not fit from other errors', async () => {
    expect((await database.ask('SELECT 2147483647::INTEGER + 1::INTEGER AS x')).kind).toBe('valueError')
    expect((await database.ask("SELECT 'abc'::INTEGER AS x")).kind).toBe('valueError')
    expect((await database.ask('SELECT 1::INTEGER AS x')).kind).toBe('rows')
    await expect(database.ask('SELECT nothing FROM nowhere')).rejects.toThrow()
  })

  it('agrees with the documented float rules: NaN is one value and the greatest, -0 is 0', async () => {
    const table = floatTable([Number.NaN, Number.NaN, 0, -0, null, 1])
    const grouped = await oracle('SELECT x, count(*) AS n FROM t GROUP BY x', { tables: { t: table } })
    expect(grouped.rows).toHaveLength(4)
    const facts = await oracle(
      `SELECT min(x) AS low, max(x) AS high, count(DISTINCT x) AS kinds, count(*) FILTER (x > 1) AS greater,
       'NaN'::DOUBLE = 'NaN'::DOUBLE AS same FROM t`,
      { tables: { t: table } },
    )
    expect(facts.rows[0]?.slice(1)).toEqual([Number.NaN, 3n, 2n, true])
    expect(facts.rows[0]?.[0]).toBeCloseTo(0)
  })

  it('divides as IEEE does, and integer % 0 is null', async () => {
    const { rows } = await oracle('SELECT 1::DOUBLE / 0::DOUBLE AS a, 5 % 0 AS b, -7 % 3 AS c, -7.5::DOUBLE % 2 AS d')
    expect(rows[0]).toEqual([Number.POSITIVE_INFINITY, null, -1n, -1.5])
  })
})

describe('hashRowsSql', () => {
  it('agrees for reordered rows, -0 and NaN, and differs for a changed or repeated row', async () => {
    const columns = [{ name: 'x', float: true }]
    const fold = async (values: RawCell[]) => {
      const { rows } = await oracle(hashRowsSql('t', columns), { tables: { t: floatTable(values) } })
      return rows[0]?.map(String).join()
    }
    const base = await fold([1, 0, Number.NaN, null])
    expect(await fold([null, Number.NaN, 1, -0])).toBe(base)
    expect(await fold([1, 0, Number.NaN, 2])).not.toBe(base)
    expect(await fold([1, 0, Number.NaN, null, 1, 1])).not.toBe(base)
  })

  it('holds what a file holds that it wrote, in which -0 may have become 0', async () => {
    const database = await Oracle.open()
    const folder = mkdtempSync(join(tmpdir(), 'spillway-oracle-'))
    try {
      await database.execute(
        `CREATE TABLE z AS SELECT i, (CASE WHEN i = 9 THEN '-0.0' ELSE '0.0' END)::FLOAT AS f FROM range(20) r(i)`,
      )
      const path = join(folder, 'z.parquet')
      await database.writeParquet('z', path)
      const [own, file] = await Promise.all(
        ['z', `read_parquet('${path}')`].map((from) => database.query(`SELECT 1 / f AS x FROM ${from} ORDER BY i`)),
      )
      expect(own).toEqual(file)
    } finally {
      database.close()
      rmSync(folder, { recursive: true })
    }
  })

  it('quotes paths', () => {
    expect(quoteText("it's")).toBe("'it''s'")
  })
})
