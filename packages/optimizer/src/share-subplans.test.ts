/** What plans share: by the texts of the optimised plans, and by the rows that random plans give. */
import { col, DataType, explainPlan, explainPlans, len, type LogicalNode } from '@spillway/plan'
import { describe, expect, it } from 'vitest'
import { concat, Frame, generated, memory, scan } from './golden/frame.ts'
import { optimizeAll } from './optimize-all.ts'
import { Raised } from './testing/naive-expr.ts'
import { run } from './testing/naive-plan.ts'
import { PlanGenerator } from './testing/random-plan.ts'

const columns = { k: DataType.Int64, a: DataType.Float64, b: DataType.Utf8, c: DataType.Int32 }
const orders = scan('orders.parquet', columns)

const textOf = (...frames: readonly Frame[]): string[] =>
  explainPlans(optimizeAll(frames.map(({ plan }) => plan)).plans).split('\n')

describe('share-subplans', () => {
  it('equal subplans become one', () => {
    const totals = () => orders.groupBy(['k'], col('a').sum())
    expect(textOf(totals().join(totals(), 'inner', ['k'], ['k']))).toEqual([
      'INNER JOIN [col("k")] = [col("k")] output [left "k", left "a", right "k" as "k_right", right "a" as "a_right"]',
      '  SHARED 1 (2 consumers)',
      '    GROUP BY [col("k")] [col("a").sum()]',
      '      PARQUET SCAN [orders.parquet] columns 2/4',
      '  SHARED 1 (as above)',
    ])
  })

  it('an aggregation keeps what any of its consumers reads', () => {
    const totals = orders.groupBy(['k'], col('a').sum(), col('b').max(), col('c').min())
    expect(textOf(totals.select('k', 'a'), totals.select('b').filter(col('b').gt('x')))).toEqual([
      'PROJECT [col("k"), col("a")]',
      '  SHARED 1 (2 consumers)',
      '    GROUP BY [col("k")] [col("a").sum(), col("b").max()]',
      '      PARQUET SCAN [orders.parquet] columns 3/4',
      'FILTER col("b") > "x"',
      '  PROJECT [col("b")]',
      '    SHARED 1 (as above)',
    ])
  })

  it('inner parts are pruned after the outer ones that read them', () => {
    const totals = orders.groupBy(['k', 'c'], col('a').sum(), col('b').max())
    const rough = totals.groupBy(['k'], col('a').sum(), col('b').max())
    const lines = textOf(
      rough.select('k', 'a').join(rough.select('k'), 'semi', ['k'], ['k']),
      totals.groupBy(['c'], len()),
    )
    expect(lines.filter((line) => /GROUP BY|SCAN/.test(line)).map((line) => line.trim())).toEqual([
      'GROUP BY [col("k")] [col("a").sum()]',
      'GROUP BY [col("k"), col("c")] [col("a").sum()]',
      'PARQUET SCAN [orders.parquet] columns 3/4',
      'GROUP BY [col("c")] [len()]',
    ])
    expect(lines.filter((line) => line.includes('SHARED')).length).toBe(4)
  })

  it('scans of one file get a scan of the union; what was pushed into them stays theirs', () => {
    expect(
      textOf(
        orders.filter(col('c').gt(3)).groupBy(['k'], col('a').sum()),
        orders.filter(col('b').eq('x')).groupBy(['c'], len()),
      ),
    ).toEqual([
      'GROUP BY [col("k")] [col("a").sum()]',
      '  SHARED 1 for PARQUET SCAN [orders.parquet] columns 2/4 predicate col("c") > 3 (2 consumers)',
      '    PARQUET SCAN [orders.parquet] columns 4/4 predicate col("c") > 3 | col("b") == "x"',
      'GROUP BY [col("c")] [len()]',
      '  SHARED 1 for PARQUET SCAN [orders.parquet] columns 1/4 predicate col("b") == "x" (as above)',
    ])
    const table = memory(10, columns)
    expect(textOf(table.select('a'), table.select('b'))).toEqual([
      'SHARED 1 for IN-MEMORY 10 rows ["a"] (2 consumers)',
      '  IN-MEMORY 10 rows ["a", "b"]',
      'SHARED 1 for IN-MEMORY 10 rows ["b"] (as above)',
    ])
  })

  it('a slice, another table, another literal or another file is something else', () => {
    const different: readonly (readonly [Frame, Frame])[] = [
      [orders.slice(0, 5), orders.slice(0, 6)],
      [memory(10, columns), memory(10, columns)],
      [generated(5), generated(6)],
      [scan('one.parquet', columns), scan('two.parquet', columns)],
      [scan('one.parquet', columns), scan('one.parquet', { ...columns, c: DataType.Int64 })],
      [memory(1, columns).groupBy([], len()), memory(1, columns).groupBy([], len())],
    ]
    for (const pair of different) {
      const plans = pair.map(({ plan }) => plan)
      expect(explainPlans(optimizeAll(plans).plans)).not.toContain('SHARED')
    }
    const zeros = [0, -0].map((zero) => orders.groupBy(['k'], col('a').mul(zero).max()))
    expect(textOf(...zeros).filter((line) => line.includes('GROUP BY')).length).toBe(2)
  })

  it('is left out by its name, and finds nothing in one plan of one source', () => {
    const totals = orders.groupBy(['k'], len())
    const plans = [totals.plan, totals.plan]
    const { plans: alone, passes } = optimizeAll(plans, { disabled: ['share-subplans'] })
    expect(explainPlans(alone)).not.toContain('SHARED')
    expect(passes.map(({ name }) => name)).not.toContain('share-subplans')
    expect(optimizeAll([totals.plan]).passes.map(({ name }) => name)).not.toContain('share-subplans')
    expect(() => optimizeAll(plans, { disabled: ['share-subplan'] })).toThrow('Unknown optimizer rule')
  })
})

/** Bit-exact text of the rows, or that the plan raises. */
function outcome(plan: LogicalNode, generator: PlanGenerator): string {
  try {
    return JSON.stringify(run(plan, generator.sources), (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : Object.is(value, -0) ? '-0' : typeof value === 'number' ? String(value) : value,
    )
  } catch (error) {
    if (error instanceof Raised) return 'raised'
    throw error
  }
}

it('random plans that share give the rows that each gives alone', () => {
  let shared = 0
  for (let seed = 1; seed <= 300; seed++) {
    const generator = new PlanGenerator(seed)
    const frame = new Frame(generator.plan())
    const names = frame.plan.schema.fields.map(({ name }) => name)
    const [first = ''] = names
    const counted = frame.groupBy([first], len().alias('rows of it'))
    const frames = [
      concat(frame, frame),
      counted.join(counted.select(first), 'semi', [first], [first], true),
      frame.select(...names.slice(-1)),
      counted.filter(col('rows of it').gt(1)),
    ]
    const { plans } = optimizeAll(frames.map(({ plan }) => plan))
    if (explainPlans(plans).includes('SHARED')) shared += 1
    plans.forEach((plan, index) => {
      const written = frames[index] as Frame
      const context = `seed ${seed}, plan ${index}\n${explainPlan(written.plan)}\n\n${explainPlans(plans)}`
      expect(`${outcome(plan, generator)}\n${context}`).toBe(`${outcome(written.plan, generator)}\n${context}`)
    })
  }
  expect(shared).toBeGreaterThan(150)
})
