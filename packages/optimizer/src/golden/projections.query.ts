/** Chained withColumns become one projection unless that computes something twice; unused columns are not read. */
import { col, DataType, sum } from '@spillway/plan'
import { scan } from './frame.ts'

export const query = scan('x.parquet', {
  a: DataType.Float64,
  b: DataType.Float64,
  c: DataType.Float64,
  d: DataType.Utf8,
  e: DataType.Utf8,
})
  .withColumns(col('a').mul(2).alias('double'))
  .withColumns(col('b').mul(2).alias('twice'))
  .withColumns(col('twice').mul(col('twice')).alias('square'))
  .withColumns(col('c').mul(3).alias('unused'))
  .groupBy(['d'], sum('double'), sum('square'), sum('unused').alias('dropped'))
  .select('double', 'square')
