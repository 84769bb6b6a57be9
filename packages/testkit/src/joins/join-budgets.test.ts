/**
 * Every kind of join in little memory, against DuckDB: some partitions spilled, partitions split again, one key on most
 * rows of the kept side, chunks of constant memory. A mode that the metrics do not show fails.
 */
import type { QueryOptions } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JoinCase, JoinStage, kinds, paddedRows, reached } from './join-stage.ts'

let stage: JoinStage
beforeAll(async () => {
  stage = await JoinStage.open()
  const rows = paddedRows
  await stage.table('big_l', rows('l', 'CASE WHEN i % 97 = 0 THEN NULL ELSE hash(i) % 24000 END', 24_000))
  await stage.table('big_r', rows('r', 'CASE WHEN i % 89 = 0 THEN NULL ELSE 3000 + hash(i * 3) % 24000 END', 30_000))
  const wide = (side: string, count: number): string => `
    SELECT hash(i) % 5000 AS ${side}_id, i::BIGINT AS ${side}_row,
      repeat('${side}', i % 600 + 700) || i AS ${side}_payload
    FROM range(${count}) t(i)`
  await stage.table('thin_l', rows('l', 'CASE WHEN i % 10 < 9 THEN NULL ELSE hash(i) % 24000 END', 40_000))
  await stage.table('wide_l', wide('l', 5000))
  await stage.table('wide_r', wide('r', 4000))
  await stage.table('skew_l', rows('l', 'CASE WHEN i % 10 < 9 THEN 77 ELSE hash(i) % 24000 END', 36_000))
  await stage.table('skew_r', rows('r', 'CASE WHEN i % 300 = 0 THEN 77 ELSE hash(i * 3) % 24000 END', 15_000))
}, 60_000)
afterAll(async () => {
  await stage[Symbol.asyncDispose]()
})

type Facts = ReturnType<typeof reached>

interface Mode {
  readonly name: string
  readonly tables: 'big' | 'skew' | 'wide'
  readonly testing: NonNullable<QueryOptions['testing']>
  readonly threads?: number
  readonly expectReached: (facts: Facts) => void
  /** More memory until the mode is reached, since how much that takes depends on the sizes of buffers. */
  readonly isReached?: (facts: Facts) => boolean
}

const BUDGET_STEP_PAGES = 10
const BUDGET_PAGES_MAX = 1000

const modes: readonly Mode[] = [
  {
    name: 'some partitions spilled',
    tables: 'big',
    testing: { budgetPages: 260, batchRows: 256, partitionBits: 3 },
    isReached: ({ partitionsSpilled }) => partitionsSpilled < 16,
    expectReached: ({ partitionsSpilled, chunks }) => {
      expect(partitionsSpilled).toBeGreaterThanOrEqual(1)
      expect(partitionsSpilled).toBeLessThan(16)
      expect(chunks).toBe(0)
    },
  },
  {
    name: 'two workers, poisoned',
    tables: 'big',
    threads: 2,
    testing: { budgetPages: 340, batchRows: 256, partitionBits: 3, poison: true },
    expectReached: ({ partitionsSpilled }) => expect(partitionsSpilled).toBeGreaterThanOrEqual(1),
  },
  {
    name: 'recursive',
    tables: 'big',
    testing: { budgetPages: 190, batchRows: 256, partitionBits: 0 },
    expectReached: ({ depth, chunks }) => {
      expect(depth).toBeGreaterThanOrEqual(1)
      expect(chunks).toBe(0)
    },
  },
  {
    name: 'one key on most rows',
    tables: 'skew',
    testing: { budgetPages: 200, batchRows: 256, partitionBits: 2, poison: true },
    expectReached: ({ chunks }) => expect(chunks).toBeGreaterThanOrEqual(2),
  },
  {
    name: 'one hash for all rows',
    tables: 'wide',
    testing: { budgetPages: 200, batchRows: 256, partitionBits: 2, hashBits: 0 },
    expectReached: ({ chunks, depth }) => {
      expect(chunks).toBeGreaterThanOrEqual(2)
      expect(depth).toBe(0)
    },
  },
]

for (const mode of modes) {
  describe(mode.name, () => {
    for (const how of kinds) {
      it(how, { timeout: 120_000 }, async () => {
        const tables = { left: `${mode.tables}_l`, right: `${mode.tables}_r` }
        const joined: JoinCase = { name: mode.name, how, ...tables, keys: ['id'], buildSide: 'left' }
        let facts: Facts | undefined
        let budgetPages = mode.testing.budgetPages ?? 0
        while (facts === undefined || (mode.isReached?.(facts) === false && budgetPages < BUDGET_PAGES_MAX)) {
          const testing = { ...mode.testing, budgetPages }
          facts = reached(await stage.checkTotals(joined, testing, { threads: mode.threads ?? 1 }))
          budgetPages += BUDGET_STEP_PAGES
        }
        mode.expectReached(facts)
      })
    }
  })
}

describe('the probe side turns out to be the smaller one', () => {
  for (const how of kinds) {
    it(how, { timeout: 120_000 }, async () => {
      const joined: JoinCase = { name: 'reversed', how, left: 'thin_l', right: 'big_r', keys: ['id'] }
      const testing = { batchRows: 1024, partitionBits: 2, forceSpill: true, poison: true }
      const result = await stage.checkTotals(joined, testing, { threads: 2 })
      expect(reached(result).partitionsSpilled).toBeGreaterThanOrEqual(8)
      expect(reached(result).chunks).toBe(0)
    })
  }
})

it('amplification stays below 2 where partitions are split once', { timeout: 120_000 }, async () => {
  const joined: JoinCase = {
    name: 'split',
    how: 'inner',
    left: 'big_l',
    right: 'big_r',
    keys: ['id'],
    buildSide: 'left',
  }
  let depth = 2
  for (let budgetPages = 240; depth > 1; budgetPages += 30) {
    const result = await stage.checkTotals(joined, { budgetPages, batchRows: 256, partitionBits: 0 }, { threads: 1 })
    depth = reached(result).depth
    if (depth > 1) continue
    expect(depth).toBe(1)
    for (const { amplification } of result.metrics?.operators ?? []) expect(amplification).toBeLessThanOrEqual(2)
  }
})
