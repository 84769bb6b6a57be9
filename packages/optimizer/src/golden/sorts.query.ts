/** A slice makes a sort a top-k; filters go below a full sort only; constant keys fall away; sources read keys too. */
import { col, DataType, lit } from '@spillway/plan'
import { concat, memory, scan } from './frame.ts'

const columns = { a: DataType.Int64, b: DataType.Utf8, c: DataType.Float64, d: DataType.Bool }

export const query = concat(
  scan('x.parquet', columns)
    .sort(['a', lit(1)], [true])
    .filter(col('c').gt(1))
    .select('b')
    .slice(10, 5),
  scan('x.parquet', columns).sort(['a', 'b']).slice(0, 3).filter(col('c').gt(1)).select('b'),
  memory(1000, columns)
    .sort([lit(1)])
    .slice(0, 2)
    .sort([col('c').mul(2)], [], [true])
    .slice(0, 100)
    .select('b'),
)
