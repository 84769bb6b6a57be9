/** Constants are computed, branches that are never taken are dropped, what would raise is left. */
import { col, DataType, lit, when } from '@spillway/plan'
import { scan } from './frame.ts'

export const query = scan('orders.parquet', { a: DataType.Float64, b: DataType.Int32 })
  .filter(
    lit(1)
      .add(1)
      .eq(2)
      .and(col('a').gt(lit(2).mul(3))),
  )
  .select(
    when(lit(false)).then(0).when(col('a').gt(1)).then(lit(1).add(1)).otherwise(3).alias('branch'),
    lit(2147483647).add(1).alias('overflow'),
    lit(7).mod(0).alias('nothing'),
    lit(1).div(0).alias('infinite'),
    lit(5).isIn([1, 5]).alias('found'),
    col('b').fillNull(0).isNull().alias('never'),
  )
