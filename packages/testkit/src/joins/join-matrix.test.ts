// Every kind of join over every shape of keys, with each side held, in memory and spilled, against DuckDB. The rows are
// compared without an order.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  col,
  createEngine,
  type Engine,
  type EngineOptions,
  type JoinKeys,
  type JoinKind,
  type LazyFrame,
} from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { Oracle } from '../duckdb-oracle.ts'

interface Shape {
  readonly name: string
  /** Rows of the two tables, as SQL over range(…). */
  readonly left: string
  readonly right: string
  readonly leftOn: JoinKeys
  readonly rightOn: JoinKeys
  /** The keys in SQL, over l and r, pairwise. */
  readonly pairs: readonly (readonly [string, string])[]
  readonly nullsEqual?: boolean
  /** No row can match, so that a sink need not keep any. */
  readonly neverMatches?: boolean
}

const LEFT_ROWS = 700
const RIGHT_ROWS = 500

/** A left table: a number, the key, a payload. */
const leftRows = (key: string, rows = LEFT_ROWS): string =>
  `SELECT i::BIGINT AS a, ${key}, i / 4 AS v, 'left payload ' || i AS t FROM range(${rows}) AS rows(i)`
const rightRows = (key: string, rows = RIGHT_ROWS): string =>
  `SELECT i::BIGINT AS b, ${key}, (i * 3)::INTEGER AS w, 'right ' || i AS u FROM range(${rows}) AS rows(i)`

const single = { leftOn: 'k', rightOn: 'm', pairs: [['l.k', 'r.m']] } as const
const floats = (name: string, period: number): string =>
  `[0.0, -0.0, 'NaN'::DOUBLE, 'Infinity'::DOUBLE, 1.5, NULL, 2.5][1 + (i % ${period})::INTEGER]::DOUBLE AS ${name}`

const shapes: readonly Shape[] = [
  { name: 'unique keys', left: leftRows('i AS k'), right: rightRows('i * 2 AS m'), ...single },
  { name: 'duplicates', left: leftRows('i % 60 AS k'), right: rightRows('30 + i % 60 AS m'), ...single },
  {
    name: 'nulls',
    left: leftRows('CASE WHEN i % 3 > 0 THEN i % 90 END AS k'),
    right: rightRows('CASE WHEN i % 7 > 0 THEN i % 120 END AS m'),
    ...single,
  },
  {
    name: 'equal nulls',
    left: leftRows('CASE WHEN i % 31 > 0 THEN i % 90 END AS k'),
    right: rightRows('CASE WHEN i % 37 > 0 THEN i % 120 END AS m'),
    ...single,
    nullsEqual: true,
  },
  {
    name: 'only nulls',
    left: leftRows('NULL::BIGINT AS k'),
    right: rightRows('NULL::BIGINT AS m', 20),
    ...single,
    neverMatches: true,
  },
  { name: 'one key', left: leftRows('7::BIGINT AS k', 90), right: rightRows('7::BIGINT AS m', 80), ...single },
  {
    name: 'texts',
    left: leftRows("CASE WHEN i % 13 > 0 THEN repeat('prefix ', i % 4) || (i % 80) END AS k"),
    right: rightRows("CASE WHEN i % 11 > 0 THEN repeat('prefix ', i % 4) || (i % 120) END AS m"),
    ...single,
  },
  {
    name: 'two keys',
    left: leftRows("i % 9 AS k, 'key ' || (i % 10) || ' is longer than a view' AS s"),
    right: rightRows("i % 7 AS m, 'key ' || (i % 12) || ' is longer than a view' AS z"),
    leftOn: ['k', 's'],
    rightOn: ['m', 'z'],
    pairs: [
      ['l.k', 'r.m'],
      ['l.s', 'r.z'],
    ],
  },
  {
    name: 'two keys with equal nulls',
    left: leftRows('CASE WHEN i % 5 > 0 THEN i % 9 END AS k, CASE WHEN i % 4 > 0 THEN i % 40 END AS s'),
    right: rightRows('CASE WHEN i % 6 > 0 THEN i % 7 END AS m, CASE WHEN i % 4 > 0 THEN i % 50 END AS z'),
    leftOn: ['k', 's'],
    rightOn: ['m', 'z'],
    pairs: [
      ['l.k', 'r.m'],
      ['l.s', 'r.z'],
    ],
    nullsEqual: true,
  },
  { name: 'floats', left: leftRows(floats('k', 7), 80), right: rightRows(floats('m', 5), 60), ...single },
  {
    name: 'other types',
    left: leftRows('(i % 90)::SMALLINT AS k, (i % 8)::DECIMAL(9, 2) AS s'),
    right: rightRows('i % 120 AS m, (i % 6)::DECIMAL(20, 4) AS z'),
    leftOn: ['k', 's'],
    rightOn: ['m', 'z'],
    pairs: [
      ['l.k', 'r.m'],
      ['l.s', 'r.z'],
    ],
  },
  {
    name: 'expressions',
    left: leftRows('i AS k'),
    right: rightRows('i % 50 AS m'),
    leftOn: col('k').mod(70),
    rightOn: col('m').add(1),
    pairs: [['l.k % 70', 'r.m + 1']],
  },
  { name: 'no left rows', left: leftRows('i AS k', 0), right: rightRows('i AS m'), ...single },
  { name: 'no right rows', left: leftRows('i AS k'), right: rightRows('i AS m', 0), ...single },
  { name: 'no rows', left: leftRows('i AS k', 0), right: rightRows('i AS m', 0), ...single },
]

const kinds: readonly JoinKind[] = ['inner', 'left', 'right', 'full', 'semi', 'anti']
const buildSides = ['auto', 'left', 'right'] as const

interface Mode {
  readonly testing: NonNullable<EngineOptions['testing']>
  /** Rows of each side that are taken. */
  readonly rows: number
  readonly buildSides: readonly (typeof buildSides)[number][]
}
const forced = ['left', 'right'] as const
const modes: Readonly<Record<string, Mode>> = {
  'in memory': { testing: { morselRows: 200 }, rows: LEFT_ROWS, buildSides },
  spilled: { testing: { forceSpill: true, morselRows: 200 }, rows: LEFT_ROWS, buildSides: forced },
  'with one hash': { testing: { hashBits: 0, morselRows: 200 }, rows: 300, buildSides: forced },
  'with one hash, spilled': {
    testing: { hashBits: 0, forceSpill: true, morselRows: 200 },
    rows: 300,
    buildSides: forced,
  },
  'in batches of one row': { testing: { batchRows: 1, morselRows: 40 }, rows: 90, buildSides: forced },
}

/** The same join in SQL. */
function twin(shape: Shape, how: JoinKind): string {
  const operator = shape.nullsEqual === true ? 'IS NOT DISTINCT FROM' : '='
  const on = shape.pairs.map(([left, right]) => `(${left}) ${operator} (${right})`).join(' AND ')
  if (how === 'cross') return `SELECT l.*, r.* FROM l CROSS JOIN r`
  if (how === 'semi' || how === 'anti') {
    return `SELECT * FROM l WHERE ${how === 'anti' ? 'NOT ' : ''}EXISTS (SELECT 1 FROM r WHERE ${on})`
  }
  return `SELECT l.*, r.* FROM l ${how.toUpperCase()} JOIN r ON ${on}`
}

let database: Oracle
let folder: string

beforeAll(async () => {
  database = await Oracle.open()
  folder = mkdtempSync(join(tmpdir(), 'spillway-join-matrix-'))
})
afterAll(() => {
  database.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Writes the tables of a shape to files and keeps them in DuckDB as l and r. */
async function prepare(shape: Shape, rows: number): Promise<readonly [string, string]> {
  const paths = [join(folder, 'left.parquet'), join(folder, 'right.parquet')] as const
  await database.execute(`CREATE OR REPLACE TABLE l AS ${shape.left} LIMIT ${rows}`)
  await database.execute(`CREATE OR REPLACE TABLE r AS ${shape.right} LIMIT ${rows}`)
  await database.writeParquet('l', paths[0])
  await database.writeParquet('r', paths[1])
  return paths
}

async function countOf(table: 'l' | 'r'): Promise<number> {
  const { rows } = await database.query(`SELECT count(*) AS rows FROM ${table}`)
  return Number(rows[0]?.[0])
}

/** What is wrong with a join's rows; `spills` says that some of them must have gone to disk. */
async function difference(frame: LazyFrame, sql: string, spills: boolean): Promise<string | undefined> {
  const expected = await database.query(sql)
  const collected = await frame.collect()
  if (spills && !((collected.metrics?.spilledBytes ?? 0) > 0)) return 'nothing was spilled'
  return tableDifference(tableOfArrow(collected.toArrow()), expected, { ordered: false })
}

for (const [name, mode] of Object.entries(modes)) {
  describe(`joins ${name}`, () => {
    let engine: Engine
    beforeAll(() => {
      engine = createEngine({ threads: 2, testing: mode.testing })
    })
    afterAll(() => engine.close())

    for (const shape of shapes) {
      it(shape.name, { timeout: 120_000 }, async () => {
        const [leftPath, rightPath] = await prepare(shape, mode.rows)
        const { leftOn, rightOn, nullsEqual } = shape
        for (const how of kinds) {
          for (const buildSide of mode.buildSides) {
            const right = engine.scanParquet(rightPath)
            const frame = engine
              .scanParquet(leftPath)
              .join(right, { leftOn, rightOn, how, buildSide, nullsEqual, coalesce: false }) as unknown as LazyFrame
            const told = `${how} build ${buildSide}`
            const mustSpill = mode.testing.forceSpill === true && shape.neverMatches !== true
            const spills = mustSpill && (await countOf(buildSide === 'left' ? 'l' : 'r')) > 0
            expect(`${told}: ${await difference(frame, twin(shape, how), spills)}`).toBe(`${told}: undefined`)
          }
        }
      })
    }

    it('cross joins', { timeout: 120_000 }, async () => {
      const key = ['i AS k', 'i AS m'] as const
      for (const [leftCount, rightCount] of [
        [30, 20],
        [1, 500],
        [500, 1],
        [0, 5],
        [5, 0],
      ] as const) {
        const shape = {
          ...(shapes[0] as Shape),
          left: leftRows(key[0], leftCount),
          right: rightRows(key[1], rightCount),
        }
        const [leftPath, rightPath] = await prepare(shape, mode.rows)
        for (const buildSide of mode.buildSides) {
          const right = engine.scanParquet(rightPath)
          const frame = engine.scanParquet(leftPath).join(right, { how: 'cross', buildSide }) as unknown as LazyFrame
          expect(await difference(frame, twin(shape, 'cross'), false)).toBeUndefined()
        }
      }
    })
  })
}
