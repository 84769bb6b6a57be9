/** An input of a concat that may raise runs whole, as it would without the slice; the other is cut. */
import { col, DataType } from '@spillway/plan'
import { concat, memory } from './frame.ts'

const columns = { a: DataType.Int32, b: DataType.Utf8 }

export const query = concat(
  memory(1000, columns).filter(col('a').add(1).gt(0)).select('b'),
  memory(1000, columns).filter(col('b').eq('x')).select('b'),
).slice(0, 5)
