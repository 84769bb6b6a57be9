/** A count reads one narrow column. */
import { DataType, len } from '@spillway/plan'
import { scan } from './frame.ts'

export const query = scan('x.parquet', { a: DataType.Int64, flag: DataType.Bool, c: DataType.Utf8 }).groupBy([], len())
