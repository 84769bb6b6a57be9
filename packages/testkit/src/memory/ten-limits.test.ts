/**
 * Ten limits from the floor upward, against DuckDB: every one gives the same answer, and none fails where a smaller one
 * succeeded. Joins of every kind with either side kept, a group-by, a sort, and the three after one another. One page
 * below the floor is refused before anything runs; at the floor as much as possible is on disk, at the last limit
 * nothing, and the metrics must show what lies between. By default four limits and some of the cases; SPILLWAY_SLOW=1
 * takes all, on larger tables, in about four minutes: 78 sweeps of which each prints what it reached.
 */
import { type LazyFrame, len, max, min, type QueryOptions, sum } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import type { ResultTable } from '../cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { type JoinCase, JoinStage, kinds, paddedRows, reached, totalsOf, totalsSql } from '../joins/join-stage.ts'
import { leastBudgetPages } from './least-budget.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
const SCALE = isSlow ? 3 : 1
const LIMITS = isSlow ? 10 : 4
/** All of a table's rows with directories and the sinks' share: more than any query here needs without spilling. */
const PLENTY_PAGES = isSlow ? 2000 : 3000
const TIMEOUT_MS = 600_000

let stage: JoinStage
beforeAll(async () => {
  stage = await JoinStage.open()
  const rows = (side: string, key: string, count: number) => paddedRows(side, key, count * SCALE)
  const uniform = (start: number): string => `${start} + hash(i + ${start}) % ${20_000 * SCALE}`
  await stage.table('even_l', rows('l', `CASE WHEN i % 97 = 0 THEN NULL ELSE ${uniform(0)} END`, 20_000))
  await stage.table('even_r', rows('r', `CASE WHEN i % 89 = 0 THEN NULL ELSE ${uniform(3000)} END`, 24_000))
  // What is collected whole has to fit beside the floor, so its table does not grow.
  await stage.table('whole_l', paddedRows('l', 'CASE WHEN i % 97 = 0 THEN NULL ELSE hash(i) % 20_000 END', 20_000))
  await stage.table('skew_l', rows('l', `CASE WHEN i % 10 < 9 THEN 77 ELSE ${uniform(0)} END`, 16_000))
  await stage.table('skew_r', rows('r', `CASE WHEN i % 900 = 0 THEN 77 ELSE ${uniform(3000)} END`, 16_000))
}, 120_000)
afterAll(async () => {
  await stage[Symbol.asyncDispose]()
})

interface Swept {
  readonly frame: LazyFrame
  readonly sql: string
  readonly isOrdered: boolean
  readonly threads: number
  /** With none, a partition that does not fit has to be split. */
  readonly partitionBits: number
}

type Testing = NonNullable<QueryOptions['testing']>
type Facts = ReturnType<typeof reached>

const testingOf = ({ partitionBits }: Swept, budgetPages: number): Testing => ({
  budgetPages,
  partitionBits,
  batchRows: 512,
  poison: true,
})

async function runWithin(swept: Swept, expected: ResultTable, pages: number): Promise<Facts> {
  const { frame, threads, isOrdered } = swept
  const result = await frame.collect({ threads, testing: testingOf(swept, pages) })
  const compared = { ordered: isOrdered, relativeFloat: 0, absoluteFloat: 0 }
  expect(tableDifference(tableOfArrow(result.toArrow()), expected, compared), `${pages} pages`).toBeUndefined()
  expect(await stage.engine.usage()).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
  return { ...reached(result), spilledBytes: result.metrics?.spilledBytes ?? 0 }
}

/** Runs at ten budgets, each the same factor larger, the first of which is the floor. Returns what each reached. */
async function sweep(swept: Swept): Promise<readonly Facts[]> {
  const started = performance.now()
  const expected = await stage.oracle.query(swept.sql)
  const { frame, threads } = swept
  const floor = await leastBudgetPages(frame, { sink: 'collect', threads, testing: testingOf(swept, 0) })
  const below = frame.collect({ threads, testing: testingOf(swept, floor - 1) })
  await expect(below).rejects.toMatchObject({ code: 'MEMORY_LIMIT' })
  const facts: Facts[] = []
  for (let step = 0; step < LIMITS; step++) {
    const pages = Math.round(floor * (PLENTY_PAGES / floor) ** (step / (LIMITS - 1)))
    facts.push(await runWithin(swept, expected, pages))
  }
  if (isSlow) {
    const depth = Math.max(...facts.map((each) => each.depth))
    const chunks = Math.max(...facts.map((each) => each.chunks))
    const spilled = facts.map(({ spilledBytes }) => (spilledBytes / 1e6).toFixed(1)).join(' ')
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    console.log(
      `${expect.getState().currentTestName}: ${LIMITS} limits of ${floor} to ${PLENTY_PAGES} pages, ` +
        `MB spilled ${spilled}, depth ${depth}, chunks ${chunks}, ${seconds} s`,
    )
  }
  expect(facts[0]?.spilledBytes).toBeGreaterThan(0)
  expect(facts.at(-1)?.spilledBytes).toBe(0)
  return facts
}

const threadCounts = isSlow ? [1, 2] : [2]
const sides = ['left', 'right'] as const

/** Each kind with one of the sides, alternating; with both when all is swept. */
const joins = kinds.flatMap((how, index) =>
  sides.filter((_, side) => isSlow || side === index % 2).map((buildSide) => ({ how, buildSide })),
)

describe.each(threadCounts)('%i threads', (threads) => {
  async function sweepJoin(joined: JoinCase, partitionBits: number): Promise<readonly Facts[]> {
    const frame = totalsOf(stage.frame(joined), joined)
    const sql = totalsSql(stage.sql(joined), joined)
    return sweep({ frame, sql, isOrdered: false, threads, partitionBits })
  }

  for (const { how, buildSide } of joins) {
    const even = { name: how, how, keys: ['id'], buildSide, left: 'even_l', right: 'even_r' }
    const skew = { ...even, left: 'skew_l', right: 'skew_r' }

    it(`${how} join, ${buildSide} side kept`, { timeout: TIMEOUT_MS }, async () => {
      const facts = await sweepJoin(even, 0)
      // Of the right side semi and anti joins keep the keys only, which fit into any budget here.
      const isSmall = (how === 'semi' || how === 'anti') && buildSide === 'right'
      if (!isSmall) expect(Math.max(...facts.map(({ depth }) => depth))).toBeGreaterThanOrEqual(1)
    })

    it.runIf(isSlow)(`${how} join, ${buildSide} side kept, partitions`, { timeout: TIMEOUT_MS }, async () => {
      const facts = await sweepJoin(even, 3)
      const spilled = new Set(facts.map(({ partitionsSpilled }) => partitionsSpilled))
      expect(spilled.size).toBeGreaterThanOrEqual(3)
    })

    it.runIf(isSlow || how === 'inner')(
      `${how} join, one key, ${buildSide} side kept`,
      { timeout: TIMEOUT_MS },
      async () => {
        const facts = await sweepJoin(skew, 2)
        if (buildSide === 'left') expect(Math.max(...facts.map(({ chunks }) => chunks))).toBeGreaterThanOrEqual(2)
      },
    )
  }

  it('group-by', { timeout: TIMEOUT_MS }, async () => {
    const frame = stage
      .scan('whole_l')
      .groupBy('l_id')
      .agg(len().alias('n'), sum('l_row').alias('total'), min('l_payload').alias('text')) as LazyFrame
    const sql = `SELECT l_id, count(*) AS n, sum(l_row)::BIGINT AS total, min(l_payload) AS text
      FROM whole_l GROUP BY l_id`
    await sweep({ frame, sql, isOrdered: false, threads, partitionBits: 2 })
  })

  it('sort', { timeout: TIMEOUT_MS }, async () => {
    const frame = stage.scan('whole_l').sort(['l_id', 'l_row']) as LazyFrame
    const sql = 'SELECT * FROM whole_l ORDER BY l_id NULLS FIRST, l_row'
    await sweep({ frame, sql, isOrdered: true, threads, partitionBits: 2 })
  })

  it('join, group-by and sort', { timeout: TIMEOUT_MS }, async () => {
    const joined = { name: 'chain', how: 'inner', left: 'even_l', right: 'even_r', keys: ['id'] } as const
    const frame = stage
      .frame(joined)
      .groupBy('l_id')
      .agg(len().alias('n'), sum('r_row').alias('total'), max('r_payload').alias('text'))
      .sort('l_id') as LazyFrame
    const sql = `SELECT l_id, count(*) AS n, sum(r_row)::BIGINT AS total, max(r_payload) AS text
      ${stage.sql(joined)} GROUP BY l_id ORDER BY l_id`
    await sweep({ frame, sql, isOrdered: true, threads, partitionBits: 2 })
  })
})
