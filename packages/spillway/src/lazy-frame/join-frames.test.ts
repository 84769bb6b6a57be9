/** LazyFrame.join: which columns come out under which names, the plan around the join, every error of the options. */
import { col, DataType, intRange, lit, repeat, sum } from '@spillway/plan'
import { describe, expect, it } from 'vitest'
import { DataFrame } from '../data-frame/data-frame.ts'
import { type QuerySession, setDefaultSession } from '../session.ts'
import type { JoinKind, JoinOptions } from './join-options.ts'
import { LazyFrame } from './make-lazy-frame.ts'

const session = {} as unknown as QuerySession
setDefaultSession(() => session)

const left = DataFrame({ k: [1n, null], x: [1, 1], y: [1, 1] }).lazy()
const right = DataFrame({ k: [1n], r: [1n], x: [1] }).lazy()

const columns = (how: JoinKind, options: JoinOptions): string[] => left.join(right, { ...options, how }).columns
const lines = (frame: LazyFrame): string[] =>
  frame
    .describePlan()
    .split('\n')
    .map((line) => line.trim())
const SOURCES = ['IN-MEMORY 2 rows ["k", "x", "y"]', 'IN-MEMORY 1 rows ["k", "r", "x"]']

describe('columns of a join, as Polars has them', () => {
  const both = ['k', 'x', 'y', 'k_right', 'r', 'x_right']

  it('keys of one name', () => {
    expect(columns('inner', { on: 'k' })).toEqual(['k', 'x', 'y', 'r', 'x_right'])
    expect(columns('left', { on: ['k'] })).toEqual(['k', 'x', 'y', 'r', 'x_right'])
    expect(columns('right', { on: 'k' })).toEqual(['x', 'y', 'k', 'r', 'x_right'])
    expect(columns('full', { on: 'k' })).toEqual(both)
    expect(columns('full', { on: 'k', coalesce: true })).toEqual(['k', 'x', 'y', 'r', 'x_right'])
    expect(columns('semi', { on: 'k' })).toEqual(['k', 'x', 'y'])
    expect(columns('anti', { on: 'k', coalesce: false })).toEqual(['k', 'x', 'y'])
    expect(columns('cross', {})).toEqual(both)
    for (const how of ['inner', 'left', 'right'] as const) {
      expect(columns(how, { on: 'k', coalesce: false })).toEqual(both)
    }
  })

  it('keys of two names', () => {
    const keys = { leftOn: 'k', rightOn: 'r' }
    expect(columns('inner', keys)).toEqual(['k', 'x', 'y', 'k_right', 'x_right'])
    expect(columns('left', keys)).toEqual(['k', 'x', 'y', 'k_right', 'x_right'])
    expect(columns('right', keys)).toEqual(['x', 'y', 'k', 'r', 'x_right'])
    expect(columns('full', { ...keys, coalesce: true })).toEqual(['k', 'x', 'y', 'k_right', 'x_right'])
    const casted = right.withColumns(col('x').cast(DataType.Int64), col('k').cast(DataType.Float64))
    const swapped = { leftOn: ['k', 'x'], rightOn: ['x', 'k'] }
    expect(left.join(casted, swapped).columns).toEqual(['k', 'x', 'y', 'r'])
    expect(left.join(casted, { ...swapped, how: 'right' }).columns).toEqual(['y', 'k', 'r', 'x'])
  })

  it('expressions as keys do not coalesce', () => {
    expect(columns('inner', { leftOn: col('k').add(1), rightOn: 'r' })).toEqual(both)
    expect(columns('inner', { on: lit(1) })).toEqual(both)
    expect(columns('inner', { on: col('k') })).toEqual(['k', 'x', 'y', 'r', 'x_right'])
  })

  it('another suffix', () => {
    expect(columns('inner', { on: 'k', suffix: '2' })).toEqual(['k', 'x', 'y', 'r', 'x2'])
  })
})

describe('the plan of a join', () => {
  it('casts keys to their common type', () => {
    const narrow = right.withColumns(col('k').cast(DataType.Int16))
    expect(lines(left.join(narrow, { on: 'k', how: 'semi' }))[0]).toBe(
      'SEMI JOIN [col("k")] = [col("k").cast(int64)] output [left "k", left "x", left "y"]',
    )
    expect(lines(narrow.join(left, { on: 'k', how: 'semi' }))[0]).toContain('[col("k").cast(int64)] = [col("k")]')
    // Columns that come out keep their own types; merged ones have the common type.
    expect(narrow.join(left, { on: 'k' }).schema.k).toEqual(DataType.Int16)
    expect(narrow.join(left, { on: 'k', how: 'right' }).schema.k).toEqual(DataType.Int64)
    expect(narrow.join(left, { on: 'k', how: 'full', coalesce: true }).schema.k).toEqual(DataType.Int64)
  })

  it('nullsEqual and buildSide', () => {
    const options = { on: 'k', how: 'semi', nullsEqual: true } as const
    expect(lines(left.join(right, { ...options, buildSide: 'left' }))[0]).toContain('nulls equal build left output')
    expect(lines(left.join(right, { ...options, buildSide: 'force_right' }))[0]).toContain('build right')
  })

  it('coalesces a full join in a projection', () => {
    expect(lines(left.join(right, { on: 'k', how: 'full', coalesce: true }))).toEqual([
      'PROJECT [col("k").fillNull(col("__right_k")).alias("k"), col("x"), col("y"), col("r"), col("x_right")]',
      'FULL JOIN [col("k")] = [col("k")] output [left "k", left "x", left "y", right "r", right "x" as "x_right", ' +
        'right "k" as "__right_k"]',
      ...SOURCES,
    ])
  })

  it('keeps order by ordinals', () => {
    const plan = lines(left.join(right, { on: 'k', maintainOrder: 'rightLeft' }))
    expect(plan).toEqual([
      'PROJECT [col("k"), col("x"), col("y"), col("r"), col("x_right")]',
      'SORT [col("__right_row") nulls last, col("__left_row") nulls last]',
      'INNER JOIN [col("k")] = [col("k")] output [left "k", left "x", left "y", right "r", right "x" as "x_right", ' +
        'right "__right_row", left "__left_row"]',
      'ORDINAL "__left_row"',
      SOURCES[0],
      'ORDINAL "__right_row"',
      SOURCES[1],
    ])
    expect(lines(left.join(right, { on: 'k', maintainOrder: 'right_left' }))).toEqual(plan)
    expect(lines(left.join(right, { on: 'k', how: 'semi', maintainOrder: 'right' }))).toHaveLength(3)
    const taken = left.withColumns(lit(1).alias('__left_row'))
    expect(taken.join(right, { on: 'k', maintainOrder: 'left' }).columns).toContain('__left_row')
  })

  it('checks the side that must be unique; null keys match nothing and may repeat', () => {
    expect(lines(left.join(right, { on: 'k', how: 'semi', validate: '1:1' }))).toEqual([
      'REQUIRE UNIQUE right [col("k")]',
      'REQUIRE UNIQUE left [col("k")]',
      'SEMI JOIN [col("k")] = [col("k")] output [left "k", left "x", left "y"]',
      ...SOURCES,
      'FILTER col("rows") > 1',
      'GROUP BY [col("key 0")] [len().alias("rows")]',
      'FILTER col("key 0").isNotNull()',
      'PROJECT [col("k").alias("key 0")]',
      SOURCES[0],
      'FILTER col("rows") > 1',
      'GROUP BY [col("key 0")] [len().alias("rows")]',
      'PROJECT [col("k").alias("key 0")]',
      SOURCES[1],
    ])
    const checked = lines(left.join(right, { on: 'k', validate: 'm:1', nullsEqual: true }))
    expect(checked.filter((line) => line.includes('isNotNull'))).toEqual([])
    expect(checked[0]).toBe('REQUIRE UNIQUE right [col("k")]')
    expect(lines(left.join(right, { on: 'k', validate: '1:m' }))[0]).toBe('REQUIRE UNIQUE left [col("k")]')
  })

  it('joins a frame with itself', () => {
    expect(left.join(left, { on: 'k' }).columns).toEqual(['k', 'x', 'y', 'x_right', 'y_right'])
  })
})

describe('errors of a join', () => {
  const fails = (options: unknown, message: string | RegExp, other: LazyFrame = right): void => {
    expect(() => left.join(other, options as JoinOptions)).toThrow(message)
  }

  it('keys', () => {
    fails({}, 'A join needs keys: there are none. Give on, or leftOn and rightOn.')
    fails({ leftOn: 'k' }, 'A join needs keys: one of two lists is missing.')
    fails({ leftOn: ['k', 'x'], rightOn: 'k' }, 'A join needs pairs of keys: 2 in leftOn, 1 in rightOn.')
    fails({ on: [] }, 'A join needs at least one key: on is empty.')
    fails({ on: 'k', leftOn: 'k' }, 'Join keys are given twice.')
    fails({ on: 'k', how: 'cross' }, 'A cross join has no keys.')
    fails({ how: 'cross', validate: 'm:1' }, 'A cross join has no keys to validate')
    fails({ leftOn: 'kk', rightOn: 'k' }, 'Column not found: "kk" (did you mean "k"?)')
    fails({ on: 'y' }, 'Column not found: "y"')
    fails({ on: sum('k') }, 'Aggregate in a join key: col("k").sum()')
    fails(
      { leftOn: 'k', rightOn: 'name' },
      'Join keys have no common type: col("k") is int64, col("name") is utf8. Cast one side with .cast().',
      LazyFrame({ name: repeat('x', 3) }),
    )
    fails({ on: 5 }, 'Invalid option of join')
  })

  it('names', () => {
    const clash = left.withColumns(lit(1).alias('x_right'))
    expect(() => clash.join(right, { on: 'k' })).toThrow(
      'Duplicate column name after the join: "x_right", from the right frame\'s "x" with suffix "_right".',
    )
    fails({ on: 'k', suffix: '' }, 'Duplicate column name after the join: "x"')
  })

  it('options', () => {
    fails({ on: 'k', how: 'outer' }, /Invalid option of join:[\s\S]*how/)
    fails({ on: 'k', validate: 'm:n' }, /Invalid option of join:[\s\S]*validate/)
    fails({ on: 'k', nullEqual: true }, /Invalid option of join:[\s\S]*nullEqual/)
    fails({ on: col('k').add(1), coalesce: true }, 'coalesce needs plain columns as join keys')
  })

  it('frames', () => {
    const engines = [{}, {}] as unknown as QuerySession[]
    const [one, two] = engines.map((engine) => LazyFrame({ k: intRange(0, 2) }, { session: engine as QuerySession }))
    if (one === undefined || two === undefined) throw new Error('two frames')
    expect(() => one.join(two, { on: 'k' })).toThrow('The frames of a join belong to different engines.')
    expect(one.join(right, { on: 'k' }).session).toBe(engines[0])
    expect(right.join(two, { on: 'k' }).session).toBe(engines[1])
    expect(right.join(left, { on: 'k' }).session).toBe(session)
    expect(() => one.join(DataFrame({ k: [1] }) as never, { on: 'k' })).toThrow('Call .lazy() on a DataFrame')
  })
})
