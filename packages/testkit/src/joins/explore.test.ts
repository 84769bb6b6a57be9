import { afterAll, beforeAll, it } from 'vitest'
import { JoinStage, kinds, reached } from './join-stage.ts'
let stage: JoinStage
beforeAll(async () => {
  stage = await JoinStage.open()
  const rows = (side: string, key: string, count: number): string => `
    SELECT ${key}::BIGINT AS ${side}_id, repeat('${side}', i % 60 + 20) || i AS ${side}_payload, i::BIGINT AS ${side}_row
    FROM range(${count}) t(i)`
  await stage.table('big_l', rows('l', 'CASE WHEN i % 97 = 0 THEN NULL ELSE hash(i) % 24000 END', 24000))
  await stage.table('big_r', rows('r', 'CASE WHEN i % 89 = 0 THEN NULL ELSE 3000 + hash(i * 3) % 24000 END', 30000))
  await stage.table('skew_r', rows('r', 'CASE WHEN i % 10 < 9 THEN 77 ELSE hash(i) % 24000 END', 30000))
  await stage.table('skew_l', rows('l', 'CASE WHEN i % 400 = 0 THEN 77 ELSE hash(i) % 24000 END', 24000))
}, 60000)
afterAll(async () => {
  await stage[Symbol.asyncDispose]()
})
it('x', { timeout: 500000 }, async () => {
  for (const [l, r] of [
    ['big_l', 'big_r'],
    ['skew_l', 'skew_r'],
  ] as const)
    for (const budgetPages of [60, 70, 80, 90, 100, 110, 120, 140, 160, 200, 250])
      for (const how of ['full', 'semi'] as const)
        for (const buildSide of ['left', 'right'] as const) {
          const t = performance.now()
          try {
            const result = await stage.checkTotals(
              { name: 'x', how, left: l, right: r, keys: ['id'], buildSide },
              { budgetPages, batchRows: 256, partitionBits: 3 },
              { threads: 1 },
            )
            console.log(
              l,
              budgetPages,
              how,
              buildSide,
              JSON.stringify(reached(result)),
              Math.round(performance.now() - t),
            )
          } catch (e) {
            console.log(l, budgetPages, how, buildSide, (e as Error).message.slice(0, 150))
          }
        }
})
