/**
 * Skew, against DuckDB: one key on nine of ten rows of one side, many times what memory holds, and on 200 rows of the
 * other side. Payload of both sides is used after the join. Every kind ends at a budget near the floor with either side
 * kept; where the side of the hot key is kept, in chunks of constant memory, which the metrics must show.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { JoinStage, kinds, reached } from './join-stage.ts'

const HOT_ROWS = 12_000
let stage: JoinStage
beforeAll(async () => {
  stage = await JoinStage.open()
  const table = (side: string, isHot: string, count: number): string => `
    SELECT CASE WHEN ${isHot} THEN 77 ELSE 1000 + hash(i) % 5000 END::BIGINT AS ${side}_id,
      CASE WHEN ${isHot} THEN 'hot' || repeat('k', 120) ELSE 'cold' || hash(i) % 5000 END AS ${side}_text,
      i::BIGINT AS ${side}_row, repeat('${side}', i % 60 + 100) || i AS ${side}_payload
    FROM range(${count}) t(i)`
  for (const side of ['l', 'r']) {
    await stage.table(`hot_${side}`, table(side, 'i % 10 < 9', HOT_ROWS))
    await stage.table(`cold_${side}`, table(side, 'i % 20 = 0', 4000))
  }
}, 60_000)
afterAll(async () => {
  await stage[Symbol.asyncDispose]()
})

const testing = { budgetPages: 200, batchRows: 512, partitionBits: 2, poison: true }

for (const hotSide of ['left', 'right'] as const) {
  const [left, right] = hotSide === 'left' ? ['hot_l', 'cold_r'] : ['cold_l', 'hot_r']
  for (const buildSide of ['left', 'right'] as const) {
    describe(`hot key on the ${hotSide}, build ${buildSide}`, () => {
      for (const how of kinds) {
        it(how, { timeout: 120_000 }, async () => {
          // Of the right side semi and anti joins keep the keys only: long ones, so that they are many bytes.
          const keys = how === 'semi' || how === 'anti' ? ['text'] : ['id']
          const joined = { name: 'skew', how, left, right, keys, buildSide }
          const facts = reached(await stage.checkTotals(joined, testing, { threads: 1 }))
          if (buildSide === hotSide) expect(facts.chunks).toBeGreaterThanOrEqual(2)
          expect(await stage.engine.usage()).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
        })
      }
    })
  }
}

it('two workers', { timeout: 120_000 }, async () => {
  for (const how of kinds) {
    const joined = { name: 'skew', how, left: 'hot_l', right: 'cold_r', keys: ['id'], buildSide: 'left' as const }
    // With fewer pages the query would be sized down to one worker.
    const twoWorkers = { ...testing, budgetPages: 300 }
    const result = await stage.checkTotals(joined, twoWorkers, { threads: 2 })
    expect(result.metrics?.threads).toBe(2)
    expect(reached(result).chunks, how).toBeGreaterThanOrEqual(2)
  }
})
