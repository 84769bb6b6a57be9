/**
 * Bytes written ÷ bytes of the rows in memory, by the metrics: at most 2 for sort, group-by and join as long as nothing
 * is split or merged more than once. Budgets go down until rows were written twice, so that both depths are met.
 */
import {
  col,
  createEngine,
  type Engine,
  intRange,
  LazyFrame,
  len,
  max,
  type QueryOptions,
  repeat,
  SpillwayError,
  sum,
} from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

type Testing = NonNullable<QueryOptions['testing']>

const ROWS = 120_000
const LIMIT = 2

interface Case {
  readonly name: string
  /** Labels of the operators that take the input, which they may write. */
  readonly inputs: readonly string[]
  /** Labels of those that may write it again. */
  readonly rest: readonly string[]
  readonly testings: readonly Testing[]
  readonly frame: () => LazyFrame
}

type Run = 'below the floor' | 'in memory' | { readonly depth: number; readonly most: number }

/** The amplification of the operators together, or of one of them by its own metrics, whichever is more. */
async function amplificationOf({ inputs, rest, frame }: Case, testing: Testing): Promise<Run> {
  try {
    const { metrics } = await frame().collect({ threads: 1, testing })
    const named = (labels: readonly string[]) =>
      (metrics?.operators ?? []).filter(({ label }) => labels.includes(label))
    const operators = [...named(inputs), ...named(rest)]
    const written = operators.reduce((bytes, { spilledBytes }) => bytes + spilledBytes, 0)
    if (written === 0) return 'in memory'
    const together = written / named(inputs).reduce((bytes, { inputBytes }) => bytes + inputBytes, 0)
    return {
      depth: Math.max(...operators.map(({ recursionDepth }) => recursionDepth)),
      most: Math.max(together, ...operators.map(({ amplification }) => amplification)),
    }
  } catch (error) {
    if (error instanceof SpillwayError && error.code === 'MEMORY_LIMIT') return 'below the floor'
    throw error
  }
}

describe('amplification', () => {
  let engine: Engine
  beforeAll(() => {
    engine = createEngine({ threads: 1, memoryLimit: '1GB', allowTmpfs: true })
  })
  afterAll(() => engine.close())

  /** Distinct keys in no order, and a payload of about 70 bytes. */
  const rows = (name: string, count: number): LazyFrame =>
    LazyFrame({ n: intRange(0, count), text: repeat('payload '.repeat(9), count) }, { session: engine }).select(
      col('n').mul(7919).mod(count).alias('key'),
      col('n').alias(`row_${name}`),
      col('text').alias(`text_${name}`),
    ) as LazyFrame

  const cases: readonly Case[] = [
    {
      name: 'sort',
      inputs: ['STREAMING_SORT'],
      rest: [],
      // So that runs are merged before the last merge.
      testings: [{ sortFanIn: 6 }],
      frame: () => rows('a', ROWS).sort('key').select(len().alias('n'), max('text_a'), sum('row_a')) as LazyFrame,
    },
    {
      name: 'group-by',
      inputs: ['STREAMING_GROUP_BY'],
      rest: ['GROUP_BY OUTPUT'],
      // With few partitions some are split once; with many, none are, or some twice.
      testings: [{ partitionBits: 1 }, { partitionBits: 4 }, { partitionBits: 3 }, { partitionBits: 2 }],
      frame: () =>
        rows('a', ROWS)
          .groupBy('key')
          .agg(max('text_a'), sum('row_a'))
          .select(len().alias('n'), max('text_a'), sum('row_a')) as LazyFrame,
    },
    {
      name: 'join',
      inputs: ['EQUI_JOIN BUILD', 'STREAMING_EQUI_JOIN'],
      rest: ['EQUI_JOIN PAIRS'],
      testings: [{ partitionBits: 1 }],
      frame: () =>
        rows('a', ROWS)
          .join(rows('b', ROWS), { on: 'key', buildSide: 'right' })
          .select(len().alias('n'), max('text_a'), sum('row_a'), max('text_b')) as LazyFrame,
    },
  ]
  for (const each of cases) {
    const { name, testings } = each
    it(name, { timeout: 120_000 }, async () => {
      const met = new Map<number, number>()
      for (const testing of testings) {
        for (let budgetPages = 900; budgetPages > 60; budgetPages = Math.floor(budgetPages * 0.8)) {
          const run = await amplificationOf(each, { ...testing, budgetPages })
          if (run === 'below the floor') break
          if (run === 'in memory') continue
          met.set(run.depth, Math.max(met.get(run.depth) ?? 0, run.most))
          if (met.has(0) && met.has(1)) break
        }
      }
      console.log(`amplification, ${name}: ${[...met].map(([depth, most]) => `depth ${depth} ${most.toFixed(2)}`)}`)
      for (const depth of [0, 1]) {
        expect(met.get(depth), `depth ${depth} is reached`).toBeDefined()
        expect(met.get(depth), `depth ${depth}`).toBeLessThanOrEqual(LIMIT)
      }
    })
  }
})
