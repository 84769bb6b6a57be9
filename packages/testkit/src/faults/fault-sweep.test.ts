/**
 * The fault sweep over group-by, sort and multiplexer. By default a sample of the points is taken; SPILLWAY_SLOW=1
 * takes all of them. (Joins have a sweep of their own.)
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  distinctQuery,
  FaultStage,
  type KnownQuery,
  recursiveQuery,
  sharedQuery,
  sortQuery,
  topQuery,
} from './fault-stage.ts'
import { sweepRefusals, sweepSpillFaults } from './sweep.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
/** Points per kind and query. */
const SAMPLE = isSlow ? Number.POSITIVE_INFINITY : 4

describe('fault sweep', () => {
  let stage: FaultStage
  const queries = new Map<string, KnownQuery>()
  beforeAll(() => {
    // One worker: the N-th operation is the same one in every run.
    stage = new FaultStage({ threads: 1 })
    queries.set('distinct', distinctQuery(stage.engine, 400))
    queries.set('recursive', recursiveQuery(stage.engine, 2800))
    queries.set('shared', sharedQuery(stage.engine, 900))
    queries.set('sort', sortQuery(stage.engine, 800))
    queries.set('top', topQuery(stage.engine, 800, 500))
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  for (const [name, floor] of [
    ['distinct', isSlow ? 300 : 30],
    ['recursive', isSlow ? 2000 : 30],
    ['shared', isSlow ? 300 : 30],
    ['sort', isSlow ? 100 : 30],
    ['top', isSlow ? 100 : 30],
  ] as const) {
    it(`ends every failed spill operation with its error: ${name}`, { timeout: 3_600_000 }, async () => {
      const points = await sweepSpillFaults(stage, queries.get(name) as KnownQuery, SAMPLE)
      expect(points).toBeGreaterThanOrEqual(floor)
    })

    it(`survives every refused page: ${name}`, { timeout: 3_600_000 }, async () => {
      const points = await sweepRefusals(stage, queries.get(name) as KnownQuery, SAMPLE)
      expect(points).toBeGreaterThanOrEqual(2)
    })
  }

  it.each(['recursive', 'sort', 'top'])('reaches recursion: %s', async (name) => {
    const query = queries.get(name) as KnownQuery
    const { metrics } = await stage.engine.collect(query.frame.plan, { testing: query.testing })
    const depth = Math.max(...(metrics?.operators ?? []).map(({ recursionDepth }) => recursionDepth))
    expect(depth).toBeGreaterThanOrEqual(1)
  })
  it('reaches the multiplexer', async () => {
    const query = queries.get('shared') as KnownQuery
    const { metrics } = await stage.engine.collect(query.frame.plan, { testing: query.testing })
    const stores = (metrics?.operators ?? []).filter(({ label }) => label === 'MULTIPLEXER')
    expect(stores.map(({ spilledBytes }) => spilledBytes > 0)).toEqual([true])
  })
})
