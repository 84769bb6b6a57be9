/**
 * Conditions go to the sides of a join that they can be written for: both for an inner join and for keys, the side that
 * is never missing for outer, semi and anti joins, none for a full join. Sides read keys and what comes out.
 */
import { col, DataType } from '@spillway/plan'
import { concat, type Frame, memory, scan } from './frame.ts'

const left = { k: DataType.Int64, a: DataType.Float64, b: DataType.Utf8, c: DataType.Bool }
const right = { k: DataType.Int64, v: DataType.Float64, w: DataType.Utf8 }

const join = (how: 'inner' | 'left' | 'right' | 'full' | 'semi' | 'anti'): Frame =>
  scan('left.parquet', left).join(scan('right.parquet', right), how, ['k'], ['k'])

export const query = concat(
  join('inner')
    .filter(
      col('k')
        .gt(5)
        .and(col('v').lt(1))
        .and(col('a').lt(col('v'))),
    )
    .select('a', 'v'),
  join('left')
    .filter(col('k').gt(5).and(col('v').isNull()))
    .select('a', 'v'),
  join('right')
    .filter(col('k_right').gt(5).and(col('v').lt(1)).and(col('a').gt(1)))
    .select('a', 'v'),
  join('full').filter(col('k').gt(5)).select('a', 'v'),
  join('semi')
    .filter(col('k').gt(5).and(col('a').gt(1)))
    .select('a', col('a').alias('v')),
  join('anti')
    .filter(col('k').gt(5).and(col('a').gt(1)))
    .select('a', col('a').alias('v')),
  memory(10, left)
    .join(memory(5, right), 'cross', [], [])
    .filter(col('a').gt(1).and(col('w').eq('x')))
    .select('a', 'v')
    .slice(2, 3),
  // Rows without a partner would fail these conditions, so the joins do not make them.
  join('left')
    .filter(col('v').lt(1).or(col('w').eq('x')))
    .select('a', 'v'),
  join('right').filter(col('a').add(1).isNotNull()).select('a', 'v'),
  join('full')
    .filter(col('a').isIn([1, 2]))
    .select('a', 'v'),
  join('full')
    .filter(col('a').gt(1).and(col('v').fillNull(0).lt(5)))
    .select('a', 'v'),
  join('full')
    .filter(col('a').gt(col('v')))
    .select('a', 'v'),
  join('left').filter(col('v').isNull().not().not()).select('a', 'v'),
  // An expression as a key is no column of the other side; a float key keeps conditions that see the sign of zero.
  join('inner')
    .join(memory(5, { f: DataType.Float64 }), 'inner', ['a'], ['f'])
    .filter(col('a').gt(1).and(col('a').div(2).gt(1)))
    .select('a', 'v'),
  join('inner')
    .join(memory(5, { m: DataType.Int64 }), 'inner', [col('k').add(1)], ['m'])
    .filter(col('m').gt(1))
    .select('a', 'v'),
)
