/** The forms that the arguments of sort, topK and bottomK may have, and what is refused when the plan is built. */
import { col, DataFrame } from '../index.ts'
import { describe, expect, it } from 'vitest'

const frame = () => DataFrame({ a: [3, 1, 2], b: ['x', 'y', 'z'] }).lazy()
const top = (plan: { describePlan(): string }) => plan.describePlan().split('\n')[0]

describe('sort keys', () => {
  it('takes names and expressions, one or several', () => {
    expect(top(frame().sort('a'))).toBe('SORT [col("a")]')
    expect(top(frame().sort(col('a').add(1)))).toBe('SORT [col("a") + 1]')
    expect(top(frame().sort(['b', col('a')]))).toBe('SORT [col("b"), col("a")]')
  })

  it('takes flags for all keys or for each', () => {
    const both = 'SORT [col("b") descending, col("a") descending]'
    expect(top(frame().sort(['b', 'a'], { descending: true }))).toBe(both)
    expect(top(frame().sort(['b', 'a'], true))).toBe(both)
    expect(top(frame().sort({ by: ['b', 'a'], descending: [true, true] }))).toBe(both)
    const mixed = 'SORT [col("b") nulls last, col("a") descending]'
    expect(top(frame().sort(['b', 'a'], { descending: [false, true], nullsLast: [true, false] }))).toBe(mixed)
    expect(top(frame().sort(['b', 'a'], [false, true]))).toBe('SORT [col("b"), col("a") descending]')
  })

  it('topK takes the largest, bottomK the smallest, nulls last', () => {
    expect(top(frame().topK(2, { by: 'a' }))).toBe('TOP 2 rows by [col("a") descending nulls last]')
    expect(top(frame().bottomK(1, { by: ['a', 'b'] }))).toBe('TOP 1 row by [col("a") nulls last, col("b") nulls last]')
    const mixed = 'TOP 2 rows by [col("a") nulls last, col("b") descending nulls last]'
    expect(top(frame().topK(2, { by: ['a', 'b'], descending: [false, true] }))).toBe(mixed)
  })

  it('a slice of a sort is a top-k', async () => {
    const plan = await frame().sort('a').slice(1, 2).describeOptimizedPlan()
    expect(plan.split('\n').slice(0, 2)).toEqual(['SLICE 2 rows from 1', '  TOP 3 rows by [col("a")]'])
    expect((await frame().sort('a').head(2).describeOptimizedPlan()).split('\n')[0]).toBe('TOP 2 rows by [col("a")]')
  })

  it('refuses what cannot be', () => {
    expect(() => frame().sort('c')).toThrow('Column not found: "c"')
    expect(() => frame().sort([])).toThrow('Sort needs at least one key: got 0.')
    expect(() => frame().sort(col('a').sum())).toThrow('Aggregate in sort: col("a").sum().')
    expect(() => frame().topK(-1, { by: 'a' })).toThrow('Top-k needs a whole number of rows from 0: got -1.')
    const flags = 'Option descending of sort needs one boolean, or one for each of 2 keys: got 1 values.'
    expect(() => frame().sort(['a', 'b'], { descending: [true] })).toThrow(flags)
    expect(() => frame().sort('a', { nullsLast: 'yes' as unknown as boolean })).toThrow(
      'Option nullsLast of sort needs one boolean, or one for each of 1 keys: got "yes".',
    )
  })
})
