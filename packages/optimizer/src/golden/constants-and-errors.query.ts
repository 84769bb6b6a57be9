/** AND with false is false, but not when the left side may raise: it runs on every row. */
import { col, DataType, lit } from '@spillway/plan'
import { scan } from './frame.ts'

const raising = col('a').add(1).gt(0)

export const query = scan('orders.parquet', { a: DataType.Int32, b: DataType.Utf8 }).select(
  raising.and(lit(false)).alias('runs'),
  lit(false).and(raising).alias('never runs'),
  raising.or(lit(true)).alias('runs too'),
  col('a').add(lit(null).cast(DataType.Int32)).alias('nothing'),
  raising.isNull().alias('checked'),
)
