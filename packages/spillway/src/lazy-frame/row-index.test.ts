/** withRowIndex and the check behind `validate`, run end to end: behind filters and concats, batches of one row. */
import { exprText, makeGuard, makeOrdinal } from '@spillway/plan'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  col,
  concat,
  createEngine,
  DataError,
  DataType,
  type Engine,
  intRange,
  LazyFrame,
  len,
  lit,
  nUnique,
} from '../index.ts'
import { LazyFrame as LazyFrameClass } from './lazy-frame.ts'

const ROWS = 300_000
let engine: Engine

beforeAll(() => {
  engine = createEngine({ threads: 2, memoryLimit: '1GB', testing: { morselRows: 1000 } })
})
afterAll(() => engine.close())

const numbers = (rows = ROWS) => LazyFrame({ n: intRange(0, rows) }, { session: engine })

describe('withRowIndex', () => {
  it('numbers rows in order without gaps', async () => {
    const frame = numbers().withRowIndex('row', 10)
    expect(frame.columns).toEqual(['row', 'n'])
    const wrong = frame.filter(col('row').neq(col('n').add(10))).select(len())
    expect((await wrong.collect()).toRecords()).toEqual([{ len: 0n }])
    expect((await frame.select(len()).collect()).toRecords()).toEqual([{ len: BigInt(ROWS) }])
  })

  it('numbers what a filter left', async () => {
    const even = numbers().filter(col('n').mod(2).eq(0)).withRowIndex()
    const wrong = even.filter(col('index').mul(2).neq(col('n')))
    expect((await wrong.collect()).height).toBe(0)
    expect((await even.slice(1000, 2).collect()).toRecords()).toEqual([
      { index: 1000n, n: 2000n },
      { index: 1001n, n: 2002n },
    ])
    expect((await even.filter(col('n').gt(9)).head(1).collect()).toRecords()).toEqual([{ index: 5n, n: 10n }])
  })

  it('goes on over a concat, and starts at slices', async () => {
    const both = concat([numbers(3), numbers(2)]).withRowIndex('row', -1)
    expect((await both.collect()).toRecords()).toEqual([
      { row: -1n, n: 0n },
      { row: 0n, n: 1n },
      { row: 1n, n: 2n },
      { row: 2n, n: 0n },
      { row: 3n, n: 1n },
    ])
    expect((await both.slice(2, 2).collect()).toRecords()).toEqual([
      { row: 1n, n: 2n },
      { row: 2n, n: 0n },
    ])
    expect((await numbers(0).withRowIndex().collect()).height).toBe(0)
  })

  it('gives each group a number, in any order', async () => {
    const groups = numbers().groupBy(col('n').mod(1000).alias('key')).agg(len()).withRowIndex()
    const { height } = await groups.collect()
    expect(height).toBe(1000)
    const distinct = groups.select(col('index').nUnique(), col('index').max().alias('max'))
    expect((await distinct.collect()).toRecords()).toEqual([{ index: 1000n, max: 999n }])
  })

  it('errors', () => {
    expect(() => numbers().withRowIndex('n')).toThrow('Duplicate column name: "n"')
    expect(() => numbers().withRowIndex('row', 0.5)).toThrow(
      'withRowIndex needs a whole number to start from: got 0.5.',
    )
  })
})

describe('ordinals with gaps', () => {
  it('are unique and increase, behind filters and over a concat', async () => {
    for (const batchRows of [1, 7, 8192]) {
      const rows = batchRows === 1 ? 3000 : ROWS
      const half = numbers(rows).filter(col('n').mod(3).neq(1))
      const plan = makeOrdinal(concat([half, half]).plan, 'row', undefined)
      const frame = await new LazyFrameClass(plan, engine).collect({ testing: { batchRows } })
      const values = frame.getColumn('row').toArray() as bigint[]
      expect(values.length).toBe(2 * Math.ceil((rows * 2) / 3))
      expect(values.findIndex((value, row) => row > 0 && value <= (values[row - 1] as bigint))).toBe(-1)
    }
  })
})

describe('ordinals with gaps over a join', () => {
  it('are unique, whether it spills or not', async () => {
    const side = (period: number) => numbers(20_000).select(col('n').mod(period).alias('k'))
    for (const how of ['inner', 'left', 'full'] as const) {
      const joined = side(6000).join(side(9000), { on: 'k', how })
      const frame = new LazyFrameClass(makeOrdinal(joined.plan, 'row', undefined), engine)
      for (const forceSpill of [false, true]) {
        const counted = await frame.select(nUnique('row').alias('rows'), len()).collect({ testing: { forceSpill } })
        const [record] = counted.toRecords() as unknown as [{ rows: bigint; len: bigint }]
        expect(record.rows).toBe(record.len)
        expect((counted.metrics?.spilledBytes ?? 0) > 0).toBe(forceSpill)
      }
    }
  })
})

describe('the check behind validate', () => {
  const guarded = (rows: LazyFrame, keys: readonly string[]) => {
    const counted = rows.groupBy(...keys).agg(len().alias('rows'))
    const check = { side: 'right', keys: keys.map((key) => exprText(col(key).node)), validate: 'm:1' } as const
    const plan = makeGuard(numbers(3).plan, counted.filter(col('rows').gt(1)).plan, check)
    return new LazyFrameClass(plan, engine)
  }
  const caught = async (frame: LazyFrame, options = {}) => frame.collect(options).catch((error: unknown) => error)

  it('hands rows on when keys are unique', async () => {
    expect((await guarded(numbers(), ['n']).collect()).toRecords()).toEqual([{ n: 0n }, { n: 1n }, { n: 2n }])
    expect((await guarded(numbers(0), ['n']).collect()).height).toBe(3)
  })

  it('names the side, the keys and one of their values', async () => {
    const repeated = numbers()
      .withColumns(lit('a text that is longer than a view').alias('text'))
      .select(col('n').add(col('n').eq(299_999).cast(DataType.Int64).negate()), 'text')
    for (const options of [{}, { testing: { forceSpill: true } }, { testing: { batchRows: 1, morselRows: 200_000 } }]) {
      const error = await caught(guarded(repeated, ['n', 'text']), options)
      expect(error).toBeInstanceOf(DataError)
      expect(error).toMatchObject({
        code: 'JOIN_KEYS_NOT_UNIQUE',
        message:
          'Join keys are not unique in the right frame, as validate "m:1" asks: col("n") = 299998, ' +
          'col("text") = "a text that is longer than a view" in 2 rows. ' +
          'Remove the duplicates with unique(), or relax validate.',
        details: { side: 'right', keys: 'col("n"), col("text")', rows: 2 },
      })
    }
    expect((await engine.usage()).reservedPages).toBe(0)
  })

  it('a filter above does not hide a violation', async () => {
    const twice = concat([numbers(3), numbers(3)])
    for (const frame of [guarded(twice, ['n']).filter(col('n').gt(100)), guarded(twice, ['n']).head(0)]) {
      expect(await caught(frame)).toMatchObject({ code: 'JOIN_KEYS_NOT_UNIQUE' })
    }
  })
})
