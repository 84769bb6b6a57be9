/**
 * Several blocking operators of one query under one limit: what plans are guaranteed, that published state is asked
 * back when a later operator needs its memory, and that what finishes in little memory finishes in more. Results are
 * written as Parquet and compared with DuckDB's by checksums over all rows. Budgets are counted from each plan's floor.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { col, type LazyFrame, type QueryOptions } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ResultTable } from '../cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { leastBudgetPages } from '../memory/least-budget.ts'
import { JoinStage } from './join-stage.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
/** Random plans; each one runs at every step of its ladder. */
const PLANS = isSlow ? 150 : 5
const STEPS = [0, 1, 3, 8, 20, 50, 110, 230, 480, 1000]

const ROWS = 12_000
const tables = [0, 1, 2, 3, 4, 5]
let stage: JoinStage
beforeAll(async () => {
  stage = await JoinStage.open()
  for (const n of tables) {
    // Keys of t1 are numbers without gaps, the others' are too far apart for an array by key.
    const text = [0, 1, 2, 3, 4].map((part) => `printf('%016x', hash(i * 8 + ${n * 1000003 + part}))`).join(' || ')
    await stage.table(
      `t${n}`,
      `SELECT (i * 7919 + ${n}) % ${ROWS} AS d${n},
      (i * 7919 + ${n}) % ${ROWS} * 1000003 AS k${n}, ${text} AS p${n} FROM range(${ROWS}) t(i)`,
    )
  }
}, 60_000)
afterAll(async () => {
  await stage[Symbol.asyncDispose]()
})

interface Plan {
  readonly frame: LazyFrame
  readonly sql: string
}

const table = (n: number): Plan => ({ frame: stage.scan(`t${n}`), sql: `SELECT * FROM t${n}` })

/** @param key `d`: numbers without gaps, `k`: numbers far apart */
function joinWith(left: Plan, n: number, key: 'd' | 'k', of = 0): Plan {
  const right = stage.scan(`t${n}`).select(col(`${key}${n}`), col(`p${n}`))
  const on = { leftOn: `${key}${of}`, rightOn: `${key}${n}`, buildSide: 'right', coalesce: false } as const
  return {
    frame: left.frame.join(right, on) as LazyFrame,
    sql: `SELECT * FROM (${left.sql}) JOIN (SELECT ${key}${n}, p${n} FROM t${n}) ON ${key}${of} = ${key}${n}`,
  }
}

function chain(joins: number, key: 'd' | 'k'): Plan {
  let plan = table(0)
  for (let n = 1; n <= joins; n++) plan = joinWith(plan, n, key)
  return plan
}

/** Least text of each key; its columns are those of table 0. */
const grouped = (plan: Plan): Plan => ({
  frame: plan.frame.groupBy('d0', 'k0').agg(col('p0').min()) as LazyFrame,
  sql: `SELECT d0, k0, min(p0) AS p0 FROM (${plan.sql}) GROUP BY d0, k0`,
})

/** Numbered in the order of a text, so that no rule may forget the order. */
const sorted = (plan: Plan, name: string): Plan => ({
  frame: plan.frame.sort('p0').withRowIndex(name) as LazyFrame,
  sql: `SELECT row_number() OVER (ORDER BY p0) - 1 AS ${name}, * FROM (${plan.sql})`,
})

let files = 0

/** Answers of the oracle, by question: each is asked once, however many budgets its plan runs in. */
const answers = new Map<string, Promise<ResultTable>>()

function answerOf(sql: string): Promise<ResultTable> {
  const answer = answers.get(sql) ?? stage.oracle.query(sql)
  answers.set(sql, answer)
  return answer
}

/** Runs a plan in `budgetPages`, and compares. Returns what its operators counted. */
async function check({ frame, sql }: Plan, budgetPages: number, options: QueryOptions = {}) {
  const path = join(stage.folder, `result-${files++}.parquet`)
  const testing = { budgetPages, ...options.testing }
  const { metrics } = await frame.sinkParquet(path, { threads: 1, ...options, testing })
  const names = frame.columns
  const texts = names.map((name) => `${name}::VARCHAR`)
  const sums = [`hash(${texts.join(', ')})`, ...texts.map((text) => `hash(${text})`)]
  const fold = `SELECT count(*) AS n, ${sums.map((sum, index) => `sum(${sum})::VARCHAR AS s${index}`).join(', ')}`
  const own = await stage.oracle.query(`${fold} FROM read_parquet('${path}')`)
  rmSync(path)
  const expected = await answerOf(`${fold} FROM (${sql})`)
  const difference = tableDifference(own, expected, { ordered: false, relativeFloat: 0, absoluteFloat: 0 })
  if (difference !== undefined) throw new Error(`${difference}\n${budgetPages} pages: ${sql}`)
  const counted = (label: string) => metrics.operators.filter((operator) => operator.label === label)
  return {
    counted,
    askedBack: (label: string): number => counted(label).reduce((sum, each) => sum + each.partitionsAskedBack, 0),
  }
}

describe('the floor of several blocking operators', () => {
  it('grows by what a join needs while the rows pass it, not by its build side', { timeout: 60_000 }, async () => {
    const floors: number[] = []
    for (const joins of [0, 1, 2, 3, 4, 5]) floors.push(await leastBudgetPages(chain(joins, 'k').frame))
    const steps = floors.slice(1).map((floor, index) => floor - (floors[index] ?? 0))
    // The first step is a whole join with one build side; each further one adds a probe.
    for (const step of steps.slice(1)) expect(step).toBeLessThan((steps[0] ?? 0) * 0.9)
    const joined = chain(1, 'k')
    const twice = await leastBudgetPages(grouped(joined).frame)
    const thrice = await leastBudgetPages(sorted(grouped(joined), 'i').frame)
    expect(thrice - twice).toBeLessThanOrEqual(12)
  })
})

describe('a query whose operators share the memory', () => {
  it('spills all of five chained joins', { timeout: 60_000 }, async () => {
    const plan = chain(5, 'k')
    const floor = await leastBudgetPages(plan.frame)
    const { counted } = await check(plan, floor + 12)
    const builds = counted('EQUI_JOIN BUILD')
    expect(builds.map(({ partitionsSpilled }) => partitionsSpilled > 0)).toEqual([true, true, true, true, true])
    const probes = counted('STREAMING_EQUI_JOIN')
    expect(probes.every(({ partitionsSpilled }) => partitionsSpilled > 0)).toBe(true)
  })

  it('asks complete build sides back for later ones', { timeout: 60_000 }, async () => {
    for (const key of ['k', 'd'] as const) {
      const plan = chain(3, key)
      const floor = await leastBudgetPages(plan.frame)
      const { askedBack } = await check(plan, floor + 60, { testing: { poison: true } })
      expect(askedBack('EQUI_JOIN BUILD')).toBeGreaterThan(0)
    }
  })

  it('asks groups back that wait for a build side', { timeout: 60_000 }, async () => {
    const plan = joinWith(grouped(table(0)), 1, 'k')
    const floor = await leastBudgetPages(plan.frame)
    const { askedBack } = await check(plan, floor + 50, { testing: { poison: true } })
    expect(askedBack('STREAMING_GROUP_BY')).toBeGreaterThan(0)
  })

  it('asks sorted rows back that wait for a build side', { timeout: 60_000 }, async () => {
    const plan = joinWith(sorted(table(0), 'i'), 1, 'k')
    const floor = await leastBudgetPages(plan.frame)
    // What was touched by queries before may be used too, so that the same budget is more then: one of these is tight.
    let asked = 0
    for (const beyond of [0, 8, 16, 30, 45, 60]) {
      const { askedBack } = await check(plan, floor + beyond, { testing: { poison: true } })
      asked += askedBack('STREAMING_SORT')
    }
    expect(asked).toBeGreaterThan(0)
  })

  it('merges groups into a join that spills', { timeout: 60_000 }, async () => {
    // Rows on their way to disk take more than the join's floor of a reservation that the merge shares.
    const plan = joinWith(joinWith(grouped(table(0)), 1, 'k'), 2, 'k')
    for (const threads of [1, 2]) {
      const floor = await leastBudgetPages(plan.frame)
      // Which operator is refused first is a matter of time, and of what was touched before.
      let reached = 0
      for (const beyond of [0, 10, 20, 30]) {
        const { counted } = await check(plan, floor * threads + beyond, { threads })
        const haveAllSpilled = counted('STREAMING_EQUI_JOIN').every(({ partitionsSpilled }) => partitionsSpilled > 0)
        reached += haveAllSpilled ? 1 : 0
      }
      expect(reached).toBeGreaterThan(0)
    }
  })
})

/** Steps of a random plan, from the bottom: joins with a table that was not joined yet, groups, sorts. */
const steps = fc.array(fc.constantFrom('joinK', 'joinD', 'group', 'sort'), { minLength: 2, maxLength: 4 })

function planOf(kinds: readonly string[]): Plan {
  let plan = table(0)
  kinds.forEach((kind, index) => {
    if (kind === 'group') plan = grouped(plan)
    else if (kind === 'sort') plan = sorted(plan, `i${index}`)
    else plan = joinWith(plan, index + 1, kind === 'joinK' ? 'k' : 'd')
  })
  return plan
}

it('a random plan that finishes in little memory finishes in more', {
  timeout: isSlow ? 1_800_000 : 120_000,
}, async () => {
  const cases = fc.record({ kinds: steps, threads: fc.constantFrom(1, 2), from: fc.nat({ max: 40 }) })
  await fc.assert(
    fc.asyncProperty(cases, async ({ kinds, threads, from }) => {
      const plan = planOf(kinds)
      const floor = (await leastBudgetPages(plan.frame)) + from
      const ladder = isSlow ? STEPS : STEPS.filter((_, index) => index % 3 === from % 3)
      // Admitted with the floor, so it must finish, there and everywhere above.
      for (const step of ladder) await check(plan, floor + step, { threads })
    }),
    { numRuns: PLANS, endOnFailure: true, ...(isSlow ? {} : { seed: 4 }) },
  )
})
