/**
 * Other queries may ask for memory at any moment. Here somebody asks every few polls, at other ones in each run: while
 * sinks take batches, while they settle, and while partitions and ranges are put out. Answers stay right.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  distinctQuery,
  FaultStage,
  type KnownQuery,
  recursiveQuery,
  runKnown,
  sharedQuery,
  sortQuery,
  stringStatesQuery,
  topQuery,
} from './fault-stage.ts'
import { joinQuery } from './join-queries.ts'

const periods = [1, 2, 3, 5, 8, 13, 21]

const makers = {
  distinct: (stage) => distinctQuery(stage.engine, 900),
  recursive: (stage) => recursiveQuery(stage.engine, 1500),
  'string states': (stage) => stringStatesQuery(stage.engine, 1200),
  shared: (stage) => sharedQuery(stage.engine, 900),
  sort: (stage) => sortQuery(stage.engine, 1500),
  top: (stage) => topQuery(stage.engine, 900, 600),
  'inner join': (stage) => joinQuery(stage.engine, 'pairs', 'inner', 'right'),
  'full join': (stage) => joinQuery(stage.engine, 'pairs', 'full', 'left'),
} satisfies { readonly [name: string]: (stage: FaultStage) => KnownQuery }

describe.each([1, 2])('asked to spill, %i workers', (threads) => {
  let stage: FaultStage
  beforeAll(() => {
    stage = new FaultStage({ threads })
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  it.each(Object.entries(makers))('%s', async (_, make) => {
    const query = make(stage)
    // Nothing else makes it spill.
    const quiet = { ...query, testing: { ...query.testing, forceSpill: false } }
    for (const spillRequestEvery of periods) {
      const testing = { spillRequestEvery, budgetPages: 350 }
      expect(`${spillRequestEvery}: ${await runKnown(stage.engine, quiet, { testing })}`).toBe(
        `${spillRequestEvery}: right`,
      )
    }
    expect(await stage.findDamage()).toBeUndefined()
  })
})
