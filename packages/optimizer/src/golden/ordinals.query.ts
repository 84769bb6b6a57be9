/**
 * Numbers with gaps let filters and slices pass, dense ones only slices; numbers that nobody reads are not made. A
 * guard checks what was written, whatever is filtered above it.
 */
import { col, DataType } from '@spillway/plan'
import { concat, scan } from './frame.ts'

const frame = scan('x.parquet', { a: DataType.Int64, b: DataType.Utf8 })

export const query = concat(
  frame.ordinal('row').filter(col('a').gt(1)).sort(['row']).select('b'),
  frame.ordinal('row').slice(2, 3).sort(['row']).select('b'),
  frame
    .ordinal('row', 0)
    .filter(col('a').gt(1).and(col('row').lt(5)))
    .slice(0, 2)
    .sort(['row'])
    .select('b'),
  frame.ordinal('row', 0).select('b'),
  frame.ordinal('row', 7).slice(2, 3).sort(['row']).select('b'),
  frame.guard(frame, 'a').filter(col('a').gt(1)).slice(0, 2).select('b'),
)
