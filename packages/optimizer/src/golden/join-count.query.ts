/** Who counts the rows of a join needs its keys only, and none of its columns. */
import { DataType, len } from '@spillway/plan'
import { memory, scan } from './frame.ts'

export const query = scan('left.parquet', { k: DataType.Int64, a: DataType.Float64 })
  .join(memory(10, { k: DataType.Int32, v: DataType.Utf8 }), 'inner', ['k'], ['k'])
  .groupBy([], len())
