/** Each input of a concat is filtered by itself and cut to equal columns. */
import { col, DataType } from '@spillway/plan'
import { concat, memory, scan } from './frame.ts'

const columns = { a: DataType.Float64, b: DataType.Utf8, c: DataType.Int32 }

export const query = concat(concat(scan('x.parquet', columns), scan('y.parquet', columns)), memory(10, columns))
  .filter(col('c').eq(1))
  .filter(col('a').gt(0))
  .select('b')
