/**
 * Type tests of the fluent API. They are compiled, never run:
 * `npx tsc -p packages/spillway/src/types/tsconfig.json`
 */
import { col, count, DataType, intRange, len, lit, repeat, sum, when } from '@spillway/plan'
import { collectAll } from '../collect-all.ts'
import { LazyFrame } from '../lazy-frame/make-lazy-frame.ts'
import type { LazyFrame as Frame } from '../lazy-frame/lazy-frame.ts'
import { scanParquet } from '../scan-parquet.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles only when the frame's schema maps to exactly these kinds. */
type Kinds<F> = F extends Frame<infer S> ? { readonly [K in keyof S]: S[K]['kind'] } : never
function expectKinds<Expected>() {
  return <F>(_frame: F, ..._proof: Equal<Kinds<F>, Expected> extends true ? [] : [never]): void => {}
}

const orders = scanParquet('orders.parquet', {
  schema: {
    id: DataType.Int64,
    small: DataType.Int32,
    tiny: DataType.UInt8,
    price: DataType.Float64,
    ratio: DataType.Float32,
    name: DataType.Utf8,
    amount: DataType.Decimal(12, 2),
  },
})

// select: names, expressions, arrays.
expectKinds<{ readonly id: 'int64'; readonly total: 'float64' }>()(
  orders.select('id', col('price').mul(col('small')).alias('total')),
)
expectKinds<{ readonly id: 'int64'; readonly name: 'utf8' }>()(orders.select(['id', 'name']))
expectKinds<{ readonly small: 'int32' }>()(orders.select(col('small').add(1)))
expectKinds<{ readonly small: 'float64' }>()(orders.select(col('small').add(1.5)))
expectKinds<{ readonly small: 'float64' }>()(orders.select(col('small').div(2)))
expectKinds<{ readonly ratio: 'float32' }>()(orders.select(col('ratio').div(2)))
expectKinds<{ readonly tiny: 'int32' }>()(orders.select(col('tiny').add(col('small'))))
expectKinds<{ readonly small: 'int64' }>()(orders.select(col('small').add(col('id'))))
expectKinds<{ readonly id: 'boolean' }>()(orders.select(col('id').gt(5)))
expectKinds<{ readonly id: 'utf8' }>()(orders.select(col('id').cast(DataType.Utf8)))
expectKinds<{ readonly literal: 'int32' }>()(orders.select(lit(1)))
expectKinds<{ readonly small: 'int32' }>()(orders.select(when(col('id').gt(1)).then(col('small')).otherwise(0)))

// withColumns replaces and adds; drop and rename.
expectKinds<{ readonly small: 'float64'; readonly id: 'int64'; readonly flag: 'boolean' }>()(
  orders.select('id', 'small').withColumns(col('small').div(2), col('id').isNull().alias('flag')),
)
expectKinds<{ readonly id: 'int64' }>()(orders.select('id', 'small', 'name').drop('small', 'name'))
expectKinds<{ readonly key: 'int64'; readonly small: 'int32' }>()(orders.select('id', 'small').rename({ id: 'key' }))
expectKinds<{ readonly id: 'int64' }>()(orders.select('id').filter(col('id').gt(5)).head(3).unique('id'))

// sort, topK and bottomK keep the schema.
expectKinds<{ readonly id: 'int64'; readonly small: 'int32' }>()(
  orders
    .select('id', 'small')
    .sort(['id', col('small').mul(2)], { descending: [true, false], nullsLast: true })
    .sort({ by: 'id', descending: true })
    .sort('small', true)
    .topK(3, { by: 'id' })
    .bottomK(2, { by: ['small', 'id'], descending: [true, false] }),
)

// groupBy: keys, then aggregates with their own types.
expectKinds<{
  readonly name: 'utf8'
  readonly small: 'int64'
  readonly mean: 'float64'
  readonly n: 'int64'
  readonly top: 'float64'
  readonly amount: 'decimal'
}>()(
  orders
    .groupBy('name')
    .agg(
      col('small').sum(),
      col('price').mean().alias('mean'),
      len().alias('n'),
      col('price').max().alias('top'),
      sum('amount'),
    ),
)
expectKinds<{ readonly bucket: 'int32'; readonly count: 'int64' }>()(
  orders.groupBy(col('small').mod(10).alias('bucket')).agg(count()),
)
expectKinds<{ readonly tiny: 'uint64'; readonly len: 'int64' }>()(orders.select(sum('tiny'), len()))

expectKinds<{ readonly index: 'int64'; readonly id: 'int64' }>()(orders.select('id').withRowIndex())
expectKinds<{ readonly row: 'int64'; readonly id: 'int64' }>()(orders.select('id').withRowIndex('row', 5))

// join: names of both sides, coalesced keys, suffixes.
const customers = scanParquet('customers.parquet', {
  schema: { id: DataType.Int32, code: DataType.Int64, name: DataType.Utf8 },
})
const sales = orders.select('id', 'name', 'price')
type Flat<T> = { readonly [K in keyof T]: T[K] }
type Sales = { readonly id: 'int64'; readonly name: 'utf8'; readonly price: 'float64' }
expectKinds<Flat<Sales & { readonly code: 'int64'; readonly name_right: 'utf8' }>>()(
  sales.join(customers, { on: 'id' }),
)
expectKinds<Flat<Sales & { readonly code: 'int64'; readonly name2: 'utf8' }>>()(
  sales.join(customers, { on: ['id'], how: 'left', suffix: '2' }),
)
expectKinds<{
  readonly name: 'utf8'
  readonly price: 'float64'
  readonly id: 'int32'
  readonly code: 'int64'
  readonly name_right: 'utf8'
}>()(sales.join(customers, { on: col('id'), how: 'right' }))
expectKinds<Flat<Sales & { readonly id_right: 'int32'; readonly name_right: 'utf8' }>>()(
  sales.join(customers, { leftOn: 'id', rightOn: 'code' }),
)
expectKinds<Flat<Sales & { readonly id_right: 'int32'; readonly code: 'int64'; readonly name_right: 'utf8' }>>()(
  sales.join(customers, { on: 'id', how: 'full' }),
)
expectKinds<Flat<Sales & { readonly code: 'int64'; readonly name_right: 'utf8' }>>()(
  sales.join(customers, { on: 'id', how: 'full', coalesce: true }),
)
expectKinds<Flat<Sales & { readonly id_right: 'int32'; readonly code: 'int64'; readonly name_right: 'utf8' }>>()(
  sales.join(customers, { leftOn: col('id').add(1), rightOn: 'id' }),
)
expectKinds<Flat<Sales & { readonly id_right: 'int32'; readonly code: 'int64'; readonly name_right: 'utf8' }>>()(
  sales.join(customers, { how: 'cross' }),
)
expectKinds<Sales>()(sales.join(customers, { on: 'id', how: 'anti' }))

// Frames from described and given columns.
expectKinds<{ readonly key: 'int64'; readonly payload: 'utf8' }>()(
  LazyFrame({ key: intRange(0, 10), payload: repeat('x'.repeat(64), 10) }),
)
expectKinds<{ readonly a: 'float64'; readonly b: 'utf8'; readonly c: 'int32' }>()(
  LazyFrame({ a: [1, 2], b: ['x', null], c: new Int32Array(2) }),
)

// Without a declared schema everything is open; `as` closes it.
const open = scanParquet('orders.parquet')
open.filter(col('anything').gt(1)).groupBy('x').agg(col('y').sum()).select('x', 'y')
expectKinds<{ readonly id: 'int64' }>()(open.as<{ id: typeof DataType.Int64 }>().select('id'))

// A wrong expectation must not compile.
// @ts-expect-error the sum of an int32 is an int64
expectKinds<{ readonly small: 'int32' }>()(orders.select(col('small').sum()))

// Sixty chained calls stay within the compiler's limits and keep their types.
const wide = LazyFrame({
  c0: intRange(0, 10),
  c1: intRange(0, 10),
  c2: intRange(0, 10),
  c3: intRange(0, 10),
  c4: intRange(0, 10),
  c5: intRange(0, 10),
  c6: intRange(0, 10),
  c7: intRange(0, 10),
  c8: intRange(0, 10),
  c9: intRange(0, 10),
})
  .withColumns(col('c0').add(1).alias('d0'))
  .withColumns(col('c1').add(1).alias('d1'))
  .withColumns(col('c2').add(1).alias('d2'))
  .withColumns(col('c3').add(1).alias('d3'))
  .withColumns(col('c4').add(1).alias('d4'))
  .withColumns(col('c5').add(1).alias('d5'))
  .withColumns(col('c6').add(1).alias('d6'))
  .withColumns(col('c7').add(1).alias('d7'))
  .withColumns(col('c8').add(1).alias('d8'))
  .withColumns(col('c9').add(1).alias('d9'))
  .withColumns(col('c0').add(1).alias('d10'))
  .withColumns(col('c1').add(1).alias('d11'))
  .withColumns(col('c2').add(1).alias('d12'))
  .withColumns(col('c3').add(1).alias('d13'))
  .withColumns(col('c4').add(1).alias('d14'))
  .withColumns(col('c5').add(1).alias('d15'))
  .withColumns(col('c6').add(1).alias('d16'))
  .withColumns(col('c7').add(1).alias('d17'))
  .withColumns(col('c8').add(1).alias('d18'))
  .withColumns(col('c9').add(1).alias('d19'))
  .withColumns(col('c0').add(1).alias('d20'))
  .withColumns(col('c1').add(1).alias('d21'))
  .withColumns(col('c2').add(1).alias('d22'))
  .withColumns(col('c3').add(1).alias('d23'))
  .withColumns(col('c4').add(1).alias('d24'))
  .withColumns(col('c5').add(1).alias('d25'))
  .withColumns(col('c6').add(1).alias('d26'))
  .withColumns(col('c7').add(1).alias('d27'))
  .withColumns(col('c8').add(1).alias('d28'))
  .withColumns(col('c9').add(1).alias('d29'))
  .withColumns(col('c0').add(1).alias('d30'))
  .withColumns(col('c1').add(1).alias('d31'))
  .withColumns(col('c2').add(1).alias('d32'))
  .withColumns(col('c3').add(1).alias('d33'))
  .withColumns(col('c4').add(1).alias('d34'))
  .withColumns(col('c5').add(1).alias('d35'))
  .withColumns(col('c6').add(1).alias('d36'))
  .withColumns(col('c7').add(1).alias('d37'))
  .withColumns(col('c8').add(1).alias('d38'))
  .withColumns(col('c9').add(1).alias('d39'))
  .withColumns(col('c0').add(1).alias('d40'))
  .withColumns(col('c1').add(1).alias('d41'))
  .withColumns(col('c2').add(1).alias('d42'))
  .withColumns(col('c3').add(1).alias('d43'))
  .withColumns(col('c4').add(1).alias('d44'))
  .withColumns(col('c5').add(1).alias('d45'))
  .withColumns(col('c6').add(1).alias('d46'))
  .withColumns(col('c7').add(1).alias('d47'))
  .withColumns(col('c8').add(1).alias('d48'))
  .withColumns(col('c9').add(1).alias('d49'))
  .withColumns(col('c0').add(1).alias('d50'))
  .withColumns(col('c1').add(1).alias('d51'))
  .withColumns(col('c2').add(1).alias('d52'))
  .withColumns(col('c3').add(1).alias('d53'))
  .withColumns(col('c4').add(1).alias('d54'))
  .withColumns(col('c5').add(1).alias('d55'))
  .withColumns(col('c6').add(1).alias('d56'))
  .withColumns(col('c7').add(1).alias('d57'))
  .withColumns(col('c8').add(1).alias('d58'))
  .withColumns(col('c9').add(1).alias('d59'))
expectKinds<{ readonly c3: 'int64'; readonly d59: 'int64' }>()(wide.select('c3', 'd59'))

// collectAll: a frame's schema for each lazy frame, a file's result for each lazy sink, in order.
async function typesOfCollectAll(): Promise<void> {
  const [ids, file, rest] = await collectAll([
    orders.select('id'),
    orders.sinkParquet('copy.parquet', { lazy: true }),
    orders.select('name', 'small'),
  ])
  expectKinds<{ readonly id: 'int64' }>()(ids.lazy())
  const rowCount: number = file.rowCount
  expectKinds<{ readonly name: 'utf8'; readonly small: 'int32' }>()(rest.lazy())
  // @ts-expect-error a file has no rows in memory
  file.height
  // @ts-expect-error without `lazy` the sink runs at once
  await collectAll([orders.sinkParquet('copy.parquet')])
  void rowCount
}
void typesOfCollectAll
