/**
 * The ends of the spilling group-by that ordinary data never reaches: partitions split several times, and partitions
 * that no split makes smaller, merged in chunks of constant memory. A mode that the metrics do not show fails.
 */
import { join } from 'node:path'
import { MemoryLimitError, type QueryOptions } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  answerDifference,
  FaultStage,
  hugeStringsQuery,
  type KnownQuery,
  recursiveQuery,
  runKnown,
  stringStatesQuery,
} from './fault-stage.ts'

describe('terminal algorithm and recursion', () => {
  let stage: FaultStage
  beforeAll(() => {
    stage = new FaultStage()
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  const reach = async (query: KnownQuery, testing: QueryOptions['testing']) => {
    // Through a file, since a collected result would take most of the small arena.
    const path = join(stage.folder, 'result.parquet')
    const merged = { ...query.testing, ...testing }
    const result = await stage.engine.sinkParquet(query.frame.plan, path, { testing: merged, threads: 1 })
    const read = await stage.engine.scanParquet(path).collect()
    expect(answerDifference(query, read.toRecords())).toBeUndefined()
    expect(await stage.findDamage()).toBeUndefined()
    const operators = result.metrics.operators
    return {
      depth: Math.max(...operators.map(({ recursionDepth }) => recursionDepth)),
      chunks: operators.reduce((sum, { terminalChunks }) => sum + terminalChunks, 0),
    }
  }

  it('splits a partition that does not fit', async () => {
    const { depth, chunks } = await reach(recursiveQuery(stage.engine, 4000), {})
    expect(depth).toBeGreaterThanOrEqual(1)
    expect(chunks).toBe(0)
  })

  for (const hashBits of [0, 2]) {
    for (const poison of [false, true]) {
      it(`merges in chunks when only ${hashBits} hash bits differ${poison ? ', poisoned' : ''}`, async () => {
        const { depth, chunks } = await reach(recursiveQuery(stage.engine, hashBits === 0 ? 5000 : 12_000), {
          hashBits,
          poison,
        })
        expect(depth).toBeGreaterThanOrEqual(3)
        expect(chunks).toBeGreaterThanOrEqual(2)
      })
    }
  }

  it('keeps the strings of merged rows alive while splitting', async () => {
    const { depth } = await reach(stringStatesQuery(stage.engine, 6000), { poison: true })
    expect(depth).toBeGreaterThanOrEqual(1)
  })

  it('keeps the strings of merged rows alive while merging in chunks', async () => {
    const { chunks } = await reach(stringStatesQuery(stage.engine, 14_000), { poison: true, hashBits: 0 })
    expect(chunks).toBeGreaterThanOrEqual(2)
  })

  /**
   * The least memory that a query ends in, and how, and then `beyond` more that it ends in, in small steps. What has
   * too little ends with MEMORY_LIMIT and no damage. (Within a few pages of the least, it depends on where free runs
   * of pages lie whether a long string finds one.)
   */
  const reachLeast = async (query: KnownQuery, beyond = 0) => {
    const reached: { depth: number; chunks: number; budgetPages: number }[] = []
    for (let budgetPages = 160; budgetPages < 480; budgetPages += reached.length > 0 || budgetPages > 200 ? 2 : 8) {
      try {
        reached.push({ ...(await reach(query, { budgetPages })), budgetPages })
        if (reached.length > beyond) return reached
      } catch (error) {
        if (!(error instanceof MemoryLimitError)) throw error
        expect(await stage.findDamage()).toBeUndefined()
      }
    }
    throw new Error(`${query.name} needs more memory than the test gives`)
  }

  it('takes strings of many pages, and says what a longer one would need', { timeout: 120_000 }, async () => {
    await reachLeast(hugeStringsQuery(stage.engine, 20, 70_000))
    // With little more than the least memory partitions are split.
    const reached = await reachLeast(hugeStringsQuery(stage.engine, 40, 600_000), 12)
    expect(Math.max(...reached.map(({ depth }) => depth))).toBeGreaterThanOrEqual(1)
    const budgetPages = reached[0]?.budgetPages
    const tooLong = await runKnown(stage.engine, hugeStringsQuery(stage.engine, 10, 2_000_000), {
      testing: { budgetPages },
    })
    expect(tooLong).toBeInstanceOf(MemoryLimitError)
    expect((tooLong as MemoryLimitError).message).toContain('a string of up to 2097152 bytes')
    expect(await stage.findDamage()).toBeUndefined()
  })

  it('merges strings of many pages in chunks when all hashes are equal', { timeout: 120_000 }, async () => {
    const query = hugeStringsQuery(stage.engine, 40, 600_000)
    const alike = { ...query, testing: { ...query.testing, hashBits: 0 } }
    const reached = await reachLeast(alike, 2)
    expect(Math.max(...reached.map(({ chunks }) => chunks))).toBeGreaterThanOrEqual(1)
  })

  // As many groups as fill a directory of some size to the last place, and one more.
  for (const rows of [2, 5, 11]) {
    it(`merges ${Math.ceil(rows / 2)} long groups in all memory beyond the least`, { timeout: 120_000 }, async () => {
      const query = hugeStringsQuery(stage.engine, rows, 600_000)
      const outcomes: ('chunks' | 'whole' | 'refused')[] = []
      for (let budgetPages = 190; budgetPages < 360; budgetPages += 6) {
        const testing = { ...query.testing, hashBits: 0, budgetPages }
        const outcome = await reach(query, testing).catch((error: unknown) => {
          if (!(error instanceof MemoryLimitError)) throw error
          return undefined
        })
        outcomes.push(outcome === undefined ? 'refused' : outcome.chunks > 0 ? 'chunks' : 'whole')
      }
      // Within a few pages of the least it depends on where free runs of pages lie.
      const finishes = outcomes.map((each) => each !== 'refused')
      const least = finishes.findIndex((_, index) => finishes.slice(index, index + 3).every(Boolean))
      expect(outcomes.slice(least)).not.toContain('refused')
      expect(outcomes.length - least).toBeGreaterThan(8)
      expect(outcomes).toContain('chunks')
    })
  }

  it('gives states room when the new rows of a batch take all the memory', { timeout: 120_000 }, async () => {
    const query = stringStatesQuery(stage.engine, 12_000)
    const whole = { ...query, testing: { ...query.testing, forceSpill: false, batchRows: 8192, morselRows: 12_000 } }
    // The smallest arena that is admitted.
    for (let budgetPages = 100; ; budgetPages += 10) {
      expect(budgetPages).toBeLessThan(1000)
      const outcome = await runKnown(stage.engine, whole, { threads: 1, testing: { budgetPages } })
      if (outcome instanceof MemoryLimitError && outcome.details['operator'] === 'admission') continue
      await reach(whole, { budgetPages })
      break
    }
  })
})
