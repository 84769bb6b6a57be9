/** Slices add up and reach the source through projections that cannot raise. */
import { col, DataType } from '@spillway/plan'
import { concat, generated, memory, scan } from './frame.ts'

const columns = { key: DataType.Int64, payload: DataType.Utf8 }

export const query = concat(
  scan('x.parquet', columns).slice(10, 100).select('key', col('payload').eq('x').alias('payload')).slice(2, 5),
  memory(1000, columns).select('key', col('payload').eq('y').alias('payload')),
  generated(1000).select('key', col('payload').isNull().alias('payload')).slice(5, Number.POSITIVE_INFINITY),
).slice(1, 20)
