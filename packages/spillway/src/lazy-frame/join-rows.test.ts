/** Joins end to end on data small enough that the expectation is plain; what Polars gives for the same frames. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { col, createEngine, DataError, DataFrame, DataType, type Engine, intRange, LazyFrame, len } from '../index.ts'
import type { JoinOptions } from './join-options.ts'

let engine: Engine

beforeAll(() => {
  engine = createEngine({ threads: 2, memoryLimit: '1GB' })
})
afterAll(() => engine.close())

const { Int32 } = DataType
const left = () =>
  LazyFrame(
    { k: [1, 2, null], x: [1, 2, 3], y: [7, 8, 9] },
    { schema: { k: Int32, x: Int32, y: Int32 }, session: engine },
  )
/** A frame that names no engine. */
const right = () => DataFrame({ k: [1, 1, null], r: [1, 2, 3], x: [5, 6, 7] }, { k: Int32, r: Int32, x: Int32 }).lazy()

/** Rows as arrays of values, in order of their text. */
async function rowsOf(frame: LazyFrame): Promise<unknown[][]> {
  const records = (await frame.collect()).toRecords() as Record<string, unknown>[]
  const rows = records.map((record) => Object.values(record))
  return rows.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}
const joined = (options: JoinOptions) => rowsOf(left().join(right(), options) as unknown as LazyFrame)

describe('rows of a join', () => {
  it('inner, left, right', async () => {
    const pairs = [
      [1, 1, 7, 1, 5],
      [1, 1, 7, 2, 6],
    ]
    expect(await joined({ on: 'k' })).toEqual(pairs)
    expect(await joined({ on: 'k', how: 'left' })).toEqual([...pairs, [2, 2, 8, null, null], [null, 3, 9, null, null]])
    expect(await joined({ on: 'k', how: 'right' })).toEqual([
      [1, 7, 1, 1, 5],
      [1, 7, 1, 2, 6],
      [null, null, null, 3, 7],
    ])
    expect(await joined({ on: 'k', nullsEqual: true })).toEqual([...pairs, [null, 3, 9, 3, 7]])
  })

  it('full, with keys apart and merged', async () => {
    expect(await joined({ leftOn: 'k', rightOn: 'r', how: 'full' })).toEqual([
      [1, 1, 7, 1, 1, 5],
      [2, 2, 8, 1, 2, 6],
      [null, 3, 9, null, null, null],
      [null, null, null, null, 3, 7],
    ])
    expect(await joined({ leftOn: 'k', rightOn: 'r', how: 'full', coalesce: true })).toEqual([
      [1, 1, 7, 1, 5],
      [2, 2, 8, 1, 6],
      [3, null, null, null, 7],
      [null, 3, 9, null, null],
    ])
  })

  it('semi, anti, cross', async () => {
    expect(await joined({ on: 'k', how: 'semi' })).toEqual([[1, 1, 7]])
    expect(await joined({ on: 'k', how: 'anti' })).toEqual([
      [2, 2, 8],
      [null, 3, 9],
    ])
    expect(await joined({ on: 'k', how: 'anti', nullsEqual: true })).toEqual([[2, 2, 8]])
    expect(await joined({ how: 'cross' })).toHaveLength(9)
  })

  it('expressions and other types as keys', async () => {
    expect(await joined({ leftOn: col('k').add(1), rightOn: 'r' })).toEqual([
      [1, 1, 7, 1, 2, 6],
      [2, 2, 8, null, 3, 7],
    ])
    const wide = right().withColumns(col('k').cast(DataType.Float64))
    const frame = left().join(wide, { on: 'k', how: 'semi' }) as unknown as LazyFrame
    expect(await rowsOf(frame)).toEqual([[1, 1, 7]])
  })

  it('a frame with itself, and a join of joins', async () => {
    const self = left().join(left(), { leftOn: 'x', rightOn: 'k' })
    expect(await rowsOf(self as unknown as LazyFrame)).toEqual([
      [1, 1, 7, 1, 7],
      [2, 2, 8, 2, 8],
    ])
    const chain = left().join(right(), { on: 'k' }).join(left(), { leftOn: 'r', rightOn: 'x', suffix: '2' })
    expect(chain.columns).toEqual(['k', 'x', 'y', 'r', 'x_right', 'k2', 'y2'])
    expect(await rowsOf(chain as unknown as LazyFrame)).toEqual([
      [1, 1, 7, 1, 5, 1, 7],
      [1, 1, 7, 2, 6, 2, 8],
    ])
  })

  it('counts rows of a join without a column', async () => {
    const counted = left().join(right(), { on: 'k' }).select(len())
    expect((await counted.collect()).toRecords()).toEqual([{ len: 2n }])
  })
})

describe('maintainOrder', () => {
  /** Values in the order in which they come. */
  const ordered = async (options: JoinOptions) => {
    const frame = left().join(right(), options) as unknown as LazyFrame
    return (await frame.collect()).toRecords().map((record) => Object.values(record))
  }

  it('keeps the order of one side, then of the other', async () => {
    const cross = { how: 'cross' } as const
    const xr = async (maintainOrder: 'leftRight' | 'rightLeft') =>
      (await ordered({ ...cross, maintainOrder })).map(([, x, , , r]) => `${x}${r}`)
    expect(await xr('leftRight')).toEqual(['11', '12', '13', '21', '22', '23', '31', '32', '33'])
    expect(await xr('rightLeft')).toEqual(['11', '21', '31', '12', '22', '32', '13', '23', '33'])
  })

  it('puts rows without a row of that side last', async () => {
    expect(await ordered({ on: 'k', how: 'full', coalesce: true, maintainOrder: 'leftRight' })).toEqual([
      [1, 1, 7, 1, 5],
      [1, 1, 7, 2, 6],
      [2, 2, 8, null, null],
      [null, 3, 9, null, null],
      [null, null, null, 3, 7],
    ])
    expect((await ordered({ on: 'k', how: 'right', maintainOrder: 'right' })).map(([, , , r]) => r)).toEqual([1, 2, 3])
    expect((await ordered({ on: 'k', how: 'anti', maintainOrder: 'left' })).map(([, x]) => x)).toEqual([2, 3])
  })

  it('holds for many rows, also when the join and the sort spill', { timeout: 180_000 }, async () => {
    const side = (period: number) =>
      LazyFrame({ n: intRange(0, 20_000) }, { session: engine }).withColumns(col('n').mod(period).alias('k'))
    const joined = side(7000).join(side(9000), { on: 'k', maintainOrder: 'leftRight' })
    const wrong = joined
      .withRowIndex('row')
      .join(joined.withRowIndex('row').withColumns(col('row').sub(1)).select('row', 'n', 'n_right'), {
        on: 'row',
        suffix: '_next',
      })
    const misplaced = col('n')
      .gt(col('n_next'))
      .or(
        col('n')
          .eq(col('n_next'))
          .and(col('n_right').gtEq(col('n_right_next'))),
      )
    for (const forceSpill of [false, true]) {
      const counted = await wrong.select(len(), misplaced.cast(Int32).sum().alias('misplaced')).collect({
        testing: { forceSpill },
      })
      const total = await joined.select(len()).collect()
      const [{ len: rows }] = total.toRecords() as unknown as [{ len: bigint }]
      expect(counted.toRecords()).toEqual([{ len: rows - 1n, misplaced: 0n }])
      expect((counted.metrics?.spilledBytes ?? 0) > 0).toBe(forceSpill)
    }
  })
})

describe('validate', () => {
  const caught = async (options: JoinOptions, settings = {}) => {
    const frame = left().join(right(), options)
    return frame.collect(settings).catch((error: unknown) => error)
  }

  it('raises for the side that repeats a key', async () => {
    for (const testing of [{}, { forceSpill: true }]) {
      for (const validate of ['m:1', '1:1'] as const) {
        const error = await caught({ on: 'k', validate }, { testing })
        expect(error).toBeInstanceOf(DataError)
        expect(error).toMatchObject({
          code: 'JOIN_KEYS_NOT_UNIQUE',
          message: expect.stringContaining(`right frame, as validate "${validate}" asks: col("k") = 1 in 2 rows.`),
          details: { side: 'right', keys: 'col("k")', key: 'col("k") = 1', rows: 2, validate },
        })
      }
      const turned = right().join(left(), { on: 'k', validate: '1:m' })
      await expect(turned.collect({ testing })).rejects.toMatchObject({ details: { side: 'left' } })
    }
    expect((await engine.usage()).reservedPages).toBe(0)
  })

  it('hands rows on when the keys are unique; null keys may repeat unless they match', async () => {
    expect(await caught({ on: 'k', validate: '1:m' })).toMatchObject({ height: 2 })
    expect(await caught({ leftOn: 'k', rightOn: 'r', validate: '1:1', how: 'left' })).toMatchObject({ height: 3 })
    const nulls = LazyFrame({ k: [null, null, 1] }, { schema: { k: Int32 }, session: engine })
    const options = { on: 'k', validate: 'm:1' } as const
    expect((await left().join(nulls, options).collect()).height).toBe(1)
    const error = await left()
      .join(nulls, { ...options, nullsEqual: true })
      .collect()
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'JOIN_KEYS_NOT_UNIQUE', details: { key: 'col("k") = null', rows: 2 } })
  })

  it('checks many keys that spill', { timeout: 180_000 }, async () => {
    const many = (extra: number) =>
      LazyFrame({ n: intRange(0, 200_000) }, { session: engine }).select(
        col('n')
          .mod(200_000 - extra)
          .alias('k'),
      )
    const join = (extra: number) => many(0).join(many(extra), { on: 'k', how: 'semi', validate: '1:1' }).select(len())
    const options = { testing: { forceSpill: true } }
    const counted = await join(0).collect(options)
    expect(counted.toRecords()).toEqual([{ len: 200_000n }])
    expect(counted.metrics?.spilledBytes).toBeGreaterThan(0)
    await expect(join(1).collect(options)).rejects.toMatchObject({
      code: 'JOIN_KEYS_NOT_UNIQUE',
      details: { side: 'right', key: 'col("k") = 0', rows: 2 },
    })
  })
})
