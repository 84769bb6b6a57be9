/** A float key is 0 for groups of -0: a condition that tells them apart stays above, a comparison goes below. */
import { col, DataType, len, lit } from '@spillway/plan'
import { memory } from './frame.ts'

export const query = memory(100, { x: DataType.Float64, y: DataType.Utf8 })
  .groupBy(['x', 'y'], len())
  .filter(lit(1).div(col('x')).gt(0).and(col('x').ltEq(0)).and(col('y').eq('a')))
