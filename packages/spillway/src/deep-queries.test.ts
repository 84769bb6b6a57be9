/** Conditions without number run; what is too deep for any call stack is refused when it is built. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  closeDefaultEngine,
  col,
  concat,
  DataFrame,
  DataType,
  type Expr,
  type LazyFrame,
  lit,
  scanParquet,
  when,
} from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'spillway-deep-'))
afterAll(async () => {
  await closeDefaultEngine()
  rmSync(folder, { recursive: true })
})

const frame = new DataFrame({ k: [1, 2, 3, null], b: [true, false, null, true] }).lazy()
const k: Expr = col('k')
const evaluate = async (expr: Expr): Promise<unknown[]> =>
  (await frame.select(expr.alias('x')).collect()).toRecords().map(({ x }) => x)
/** `step` applied `count` times. */
const chain = (count: number, first: Expr, step: (before: Expr, index: number) => Expr): Expr =>
  Array.from({ length: count }).reduce<Expr>((before, _, index) => step(before, index), first)

describe('conditions without number', () => {
  const count = 3000
  it.each([
    ['or at the right', chain(count, k.eq(2), (e, i) => e.or(k.eq(i + 9))), [false, true, false, null]],
    ['or at the left', chain(count, k.eq(2), (e, i) => k.eq(i + 9).or(e)), [false, true, false, null]],
    ['and', chain(count, k.neq(2), (e, i) => e.and(k.neq(i + 9))), [true, false, true, null]],
    ['or of a list', k.eq(2).or(...Array.from({ length: count }, (_, i) => k.eq(i + 9))), [false, true, false, null]],
    // The first condition that decides keeps later ones from raising, wherever they stand.
    [
      'or before what raises',
      chain(count, k.isNotNull().or(k.isNull()), (e) => e.or(lit('x').cast(DataType.Int8).eq(1))),
      [true, true, true, true],
    ],
  ] as const)('%s', async (_name, condition, expected) => {
    expect(await evaluate(condition as Expr)).toEqual(expected)
  })

  it('in a filter of a file, one by one and as a list', async () => {
    const path = join(folder, 'a.parquet')
    await frame.sinkParquet(path)
    const conditions = Array.from({ length: count }, (_, i) => k.neq(i * 2))
    expect(
      (
        await scanParquet(path)
          .filter(...conditions)
          .collect()
      )
        .toRecords()
        .map((row) => row['k']),
    ).toEqual([1, 3])
    const any = conditions.reduce((a, b) => a.or(b))
    expect((await scanParquet(path).filter(any).collect()).height).toBe(3)
  })
})

describe('what is too deep', () => {
  const deep = 1_000_000
  it.each<readonly [string, (before: Expr, index: number) => Expr]>([
    ['a sum', (e) => e.add(k)],
    ['a sum at the right', (e) => k.add(e)],
    ['negations', (e) => e.negate()],
    ['casts', (e, i) => e.cast(i % 2 === 0 ? DataType.Int64 : DataType.Float64)],
    ['names', (e, i) => e.alias(String(i))],
    ['and within or', (e, i) => (i % 2 === 0 ? e.gt(0).and(k.gt(1)) : e.or(k.gt(2)))],
    ['a when in another', (e, i) => when(k.eq(i)).then(lit(i)).otherwise(e)],
    ['nulls filled', (e) => e.fillNull(k)],
  ])('is an error of the plan: %s', (_name, step) => {
    expect(() => chain(deep, k, step)).toThrow(/^Expression too deep: more than 1000 operations/)
  })

  it('but near the bound it runs', async () => {
    expect(await evaluate(chain(900, k, (e) => e.add(1)))).toEqual([901, 902, 903, null])
    expect(await evaluate(chain(900, k, (e) => e.negate()))).toEqual([1, 2, 3, null])
    expect(await evaluate(chain(900, lit(-1), (e, i) => when(k.eq(i)).then(lit(i)).otherwise(e)))).toEqual([
      1, 2, 3, -1,
    ])
  })

  it('is an error of the plan: a frame of a frame of a frame', async () => {
    const steps: ((before: LazyFrame, index: number) => LazyFrame)[] = [
      (f) => f.withColumns(col('k').add(1)),
      (f) => f.filter(col('k').gt(0)),
      (f, i) => f.rename(i % 2 === 0 ? { k: 'q' } : { q: 'k' }),
      (f) => f.sort('b'),
      (f) => concat([f, frame as LazyFrame]),
    ]
    for (const step of steps) {
      const nested = (count: number): LazyFrame =>
        Array.from({ length: count }).reduce<LazyFrame>((before, _, index) => step(before, index), frame as LazyFrame)
      expect(() => nested(5000), String(step)).toThrow(/^Query too deep: more than 1000 operations/)
    }
    const filtered = Array.from({ length: 900 }).reduce<LazyFrame>((f) => f.filter(col('k').gt(1)), frame as LazyFrame)
    expect((await filtered.collect()).height).toBe(2)
  })
})
