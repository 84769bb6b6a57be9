/**
 * unique: one row per distinct value of the key columns. It is a group-by whose other columns take their first or last
 * value; a projection puts the columns back in order.
 */
import { hasField } from '@spillway/columnar'
import {
  columnNotFound,
  type LogicalNode,
  makeAggregate,
  makeGroupBy,
  makeProject,
  refuseSurplus,
  refuseUnknownOptions,
} from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import { keepColumns } from './select-columns.ts'

export interface UniqueOptions {
  /** Columns that decide; all when left out. */
  readonly subset?: string | readonly string[]
  /** Which row of equal ones stays. "any" takes the first. */
  readonly keep?: 'any' | 'first' | 'last'
}

/** The two forms of `unique`'s argument as one. @throws INVALID_OPTION */
export function uniqueOptions(
  argument: string | readonly string[] | UniqueOptions | undefined,
  surplus: readonly unknown[],
): UniqueOptions {
  refuseSurplus(surplus, 'unique', 'Give { subset, keep }.')
  if (argument === undefined) return {}
  if (typeof argument === 'string') return { subset: [argument] }
  if (isNames(argument)) return { subset: argument }
  refuseUnknownOptions(argument, ['subset', 'keep'], 'unique')
  return argument
}

const isNames = (value: readonly string[] | UniqueOptions): value is readonly string[] => Array.isArray(value)

export function planUnique(input: LogicalNode, options: UniqueOptions): LogicalNode {
  const { schema } = input
  const keep = options.keep ?? 'any'
  if (!['any', 'first', 'last'].includes(keep)) {
    throw makeError('INVALID_OPTION', `unique cannot keep ${JSON.stringify(keep)}. Use "any", "first" or "last".`)
  }
  const columns = keepColumns(schema)
  const subset = typeof options.subset === 'string' ? [options.subset] : options.subset
  // Rows that differ in a column that cannot be read only are not told apart: whoever collects them hears of it.
  if (subset === undefined) {
    const distinct = makeGroupBy(input, columns, [])
    if (schema.leftOut === undefined) return distinct
    return makeProject(distinct, keepColumns(distinct.schema), schema.leftOut)
  }
  for (const name of subset) {
    if (!hasField(schema, name)) throw columnNotFound(name, schema)
  }
  if (subset.length === 0) throw makeError('INVALID_OPTION', 'unique needs at least one column in subset: got 0.')
  const chosen = new Set(subset)
  const keys = columns.filter(({ name }) => chosen.has(name))
  const aggregates = columns
    .filter(({ name }) => !chosen.has(name))
    .map(({ name, expr }) => makeAggregate(name, keep === 'last' ? 'last' : 'first', expr, true))
  const grouped = makeGroupBy(input, keys, aggregates)
  const order = keepColumns(grouped.schema)
  const byName = new Map(order.map((column) => [column.name, column]))
  return makeProject(
    grouped,
    columns.map((column) => byName.get(column.name) ?? column),
    schema.leftOut,
  )
}
