/**
 * Other queries may ask for memory at any moment. Here somebody asks every few polls, at other ones in each run: while
 * sinks take batches, while they settle, and while partitions and ranges are put out. Answers stay right, and what was
 * asked for goes to disk: without requests none of these queries spills a byte.
 */
import type { QueryMetrics } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  answerDifference,
  distinctQuery,
  FaultStage,
  type KnownQuery,
  recursiveQuery,
  sharedQuery,
  sortQuery,
  stringStatesQuery,
  topQuery,
} from './fault-stage.ts'
import { joinQuery } from './join-queries.ts'

const periods = [1, 2, 3, 5, 8, 13, 21]
/** Enough for every query here when nobody asks. */
const BUDGET_PAGES = 350

interface Asked {
  readonly make: (stage: FaultStage) => KnownQuery
  /** Operators that have something to give at any moment: asked at every poll, all of them spill. */
  readonly spilling: readonly string[]
}

const joinOperators = ['EQUI_JOIN BUILD', 'STREAMING_EQUI_JOIN']
const queries = {
  distinct: {
    make: ({ engine }) => distinctQuery(engine, 900),
    spilling: ['STREAMING_GROUP_BY', 'GROUP_BY OUTPUT'],
  },
  recursive: {
    make: ({ engine }) => recursiveQuery(engine, 1500),
    spilling: ['STREAMING_GROUP_BY', 'GROUP_BY OUTPUT'],
  },
  'string states': { make: ({ engine }) => stringStatesQuery(engine, 1200), spilling: ['STREAMING_GROUP_BY'] },
  shared: {
    make: ({ engine }) => sharedQuery(engine, 900),
    spilling: ['STREAMING_GROUP_BY', 'MULTIPLEXER', ...joinOperators],
  },
  sort: { make: ({ engine }) => sortQuery(engine, 1500), spilling: ['STREAMING_SORT'] },
  top: { make: ({ engine }) => topQuery(engine, 900, 600), spilling: ['STREAMING_SORT'] },
  'inner join': { make: ({ engine }) => joinQuery(engine, 'pairs', 'inner', 'right'), spilling: joinOperators },
  'full join': { make: ({ engine }) => joinQuery(engine, 'pairs', 'full', 'left'), spilling: joinOperators },
} satisfies { readonly [name: string]: Asked }

/** Labels of the operators that spilled; the answer must be right. */
async function spillersOf(
  { engine }: FaultStage,
  query: KnownQuery,
  threads: number,
  every: number | undefined,
): Promise<Set<string>> {
  const asked = every === undefined ? {} : { spillRequestEvery: every }
  // Nothing else makes it spill.
  const testing = { ...query.testing, forceSpill: false, budgetPages: BUDGET_PAGES, ...asked }
  const result = await engine.collect(query.frame.plan, { threads, testing })
  expect(answerDifference(query, result.toRecords()), `asked every ${every} polls`).toBeUndefined()
  const { operators, threads: used } = result.metrics as QueryMetrics
  expect(used).toBe(threads)
  return new Set(operators.filter(({ spilledBytes }) => spilledBytes > 0).map(({ label }) => label))
}

describe.each([1, 2])('asked to spill, %i workers', (threads) => {
  let stage: FaultStage
  beforeAll(() => {
    stage = new FaultStage({ threads })
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  it.each(Object.entries(queries))('%s', async (_, { make, spilling }) => {
    const query = make(stage)
    expect([...(await spillersOf(stage, query, threads, undefined))]).toEqual([])
    for (const every of periods) {
      const spilled = await spillersOf(stage, query, threads, every)
      if (every === 1) expect([...spilled]).toEqual(expect.arrayContaining([...spilling]))
      // Rarer requests may come when there is little to give, up to some period to somebody.
      if (every <= 5) expect(spilled.size, `asked every ${every} polls`).toBeGreaterThan(0)
    }
    expect(await stage.findDamage()).toBeUndefined()
  })
})
