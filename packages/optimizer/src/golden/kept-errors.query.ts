/** A projection that may raise is kept even when nobody reads it. */
import { col, DataType } from '@spillway/plan'
import { memory } from './frame.ts'

export const query = memory(100, { a: DataType.Int64, b: DataType.Utf8, c: DataType.Utf8 })
  .withColumns(col('a').mul(2).alias('checked'), col('c').alias('other'))
  .select('b')
