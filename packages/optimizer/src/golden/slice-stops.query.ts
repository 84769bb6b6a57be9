/** A slice stays above a filter and above what may raise. */
import { col, DataType } from '@spillway/plan'
import { scan } from './frame.ts'

export const query = scan('x.parquet', { a: DataType.Int32, b: DataType.Utf8 })
  .slice(0, 50)
  .filter(col('b').eq('x'))
  .slice(0, 40)
  .select(col('a').add(1))
  .slice(0, 30)
