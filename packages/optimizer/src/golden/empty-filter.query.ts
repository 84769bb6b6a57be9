/** A filter that keeps nothing reads nothing. */
import { col, DataType, lit } from '@spillway/plan'
import { scan } from './frame.ts'

export const query = scan('orders.parquet', { a: DataType.Float64, b: DataType.Int32 })
  .filter(col('a').gt(1).and(lit(1).gt(2)))
  .select('b')
