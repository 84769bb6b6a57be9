/** An int32 sum may overflow: no filter passes below it, and a condition that may raise stays where it is. */
import { col, DataType } from '@spillway/plan'
import { scan } from './frame.ts'

export const query = scan('orders.parquet', { a: DataType.Int32, b: DataType.Utf8, c: DataType.Float64 })
  .filter(col('b').isNotNull().and(col('c').lt(2)).and(col('a').add(1).lt(5)))
  .withColumns(col('a').add(1).alias('next'))
  .filter(col('b').eq('x'))
