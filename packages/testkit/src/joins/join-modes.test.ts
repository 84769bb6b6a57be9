/**
 * Every kind of join in every mode of the hash join, against DuckDB: in memory, all or some partitions spilled, split
 * again, and in chunks of constant memory. A mode that the metrics do not show fails.
 */
import type { QueryOptions } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JoinCase, JoinStage, kinds, reached } from './join-stage.ts'

let stage: JoinStage
beforeAll(async () => {
  stage = await JoinStage.open()
  // Keys 0 … 699 and 500 … 1199 with duplicates; nulls; a string payload of 3 … 60 bytes.
  const rows = (side: string, from: number, count: number, seed: number): string => `
    SELECT CASE WHEN i % 41 = 0 THEN NULL ELSE ${from} + (i * ${seed}) % 700 END::BIGINT AS ${side}_id,
      'k' || repeat('ab', (i * 7) % 12) || ((i * ${seed}) % 300) AS ${side}_text,
      CASE WHEN i % 50 = 0 THEN 'NaN'::DOUBLE WHEN i % 51 = 0 THEN -0.0 WHEN i % 52 = 0 THEN 0.0
        ELSE ((i * ${seed}) % 400) / 8 END::DOUBLE AS ${side}_float,
      ((i * 13) % 9)::TINYINT AS ${side}_small,
      repeat('${side}', i % 30 + 1) || i AS ${side}_payload,
      i::BIGINT AS ${side}_row
    FROM range(${count}) t(i)`
  await stage.table('lefts', rows('l', 0, 5000, 3))
  await stage.table('rights', rows('r', 500, 3000, 7))
  await stage.table('few', rows('r', 0, 37, 5))
  await stage.table('no_rights', `SELECT * FROM (${rows('r', 0, 10, 5)}) WHERE r_row < 0`)
  await stage.table('no_lefts', `SELECT * FROM (${rows('l', 0, 10, 5)}) WHERE l_row < 0`)
}, 60_000)
afterAll(async () => {
  await stage[Symbol.asyncDispose]()
})

const cases: Omit<JoinCase, 'how' | 'buildSide'>[] = [
  { name: 'one key', left: 'lefts', right: 'rights', keys: ['id'] },
  { name: 'text key', left: 'lefts', right: 'few', keys: ['text'] },
  { name: 'float key', left: 'lefts', right: 'few', keys: ['float'] },
  { name: 'two keys', left: 'lefts', right: 'rights', keys: ['id', 'small'] },
  { name: 'null keys match', left: 'lefts', right: 'few', keys: ['id', 'small'], nullsEqual: true },
  { name: 'empty right side', left: 'lefts', right: 'no_rights', keys: ['id'] },
  { name: 'empty left side', left: 'no_lefts', right: 'rights', keys: ['id'] },
]

interface Mode {
  readonly name: string
  readonly testing: QueryOptions['testing']
  readonly options?: QueryOptions
  readonly expectReached?: (facts: ReturnType<typeof reached>) => void
}

const modes: Mode[] = [
  { name: 'in memory', testing: {}, expectReached: (facts) => expect(facts.partitionsSpilled).toBe(0) },
  { name: 'small batches', testing: { batchRows: 7, morselRows: 100, poison: true } },
  {
    name: 'all spilled',
    testing: { forceSpill: true, batchRows: 64, partitionBits: 2, poison: true },
    expectReached: (facts) => expect(facts.partitionsSpilled).toBeGreaterThanOrEqual(4),
  },
  { name: 'few hashes', testing: { hashBits: 2 } },
  { name: 'few hashes, spilled', testing: { hashBits: 2, forceSpill: true, batchRows: 256 } },
]

for (const mode of modes) {
  describe(mode.name, () => {
    for (const each of cases) {
      for (const buildSide of ['left', 'right'] as const) {
        it(`${each.name}, build ${buildSide}`, { timeout: 240_000 }, async () => {
          for (const how of kinds) {
            const result = await stage.check({ ...each, how, buildSide }, mode.testing, mode.options)
            const isEmpty = each[buildSide].startsWith('no_')
            if (each.left === 'lefts' && each.right === 'rights' && !isEmpty) mode.expectReached?.(reached(result))
          }
        })
      }
    }
    it('cross', { timeout: 240_000 }, async () => {
      for (const buildSide of ['left', 'right'] as const) {
        const joined: JoinCase = { name: 'cross', how: 'cross', left: 'lefts', right: 'few', keys: [], buildSide }
        await stage.check(joined, mode.testing, mode.options)
      }
    })
  })
}
