/** A condition on a key goes into the scan, one on an aggregate stays; a projection without errors is passed. */
import { col, DataType, len } from '@spillway/plan'
import { scan } from './frame.ts'

export const query = scan('orders.parquet', {
  a: DataType.Float64,
  b: DataType.Utf8,
  c: DataType.Int32,
  d: DataType.Utf8,
})
  .filter(col('c').eq(1))
  .select(col('a').add(1.5).alias('price'), 'b')
  .groupBy(['b'], col('price').sum(), len().alias('n'))
  .filter(col('n').gt(3).and(col('b').eq('x')))
