/**
 * prune-columns: sources read, and projections and groupBy compute, only what is used above.
 *
 *   PROJECT a                          PROJECT a
 *     PROJECT a, b * 2.0 as c     →      PROJECT a
 *       PARQUET SCAN columns 9/9           PARQUET SCAN columns 1/9
 *
 * A node below may still hand on columns that only a filter on the way needed; the inputs of a concat are cut to equal
 * columns. A projection that may raise an error is kept. A source keeps at least one column, since batches take their
 * number of rows from it.
 */
import { type DataType, widthOf } from '@spillway/columnar'
import {
  columnsUsed,
  type LogicalNode,
  makeConcat,
  makeGenerated,
  makeGroupBy,
  makeInMemory,
  makeJoin,
  makeProject,
  changeFileScan,
  mayRaise,
  type TypedExpr,
  withChildren,
} from '@spillway/plan'
import { unreachable } from '@spillway/stdx'
import { columnReference, mapSame } from '../rewrite.ts'
import type { Rule } from '../rule.ts'

export const pruneColumns: Rule = {
  name: 'prune-columns',
  before: 'PROJECT a over PARQUET SCAN columns 9/9',
  after: 'PROJECT a over PARQUET SCAN columns 1/9',
  apply: (root) => prune(root, new Set(root.schema.fields.map((field) => field.name))),
}

type Names = ReadonlySet<string>

/** The node with at least the columns `needed`, in the order it has them. */
function prune(node: LogicalNode, needed: Names): LogicalNode {
  switch (node.kind) {
    case 'filter':
      return withChildren(node, [prune(node.input, union(needed, [node.predicate]))])
    case 'sort': {
      const exprs = node.keys.map(({ expr }) => expr)
      return withChildren(node, [prune(node.input, union(needed, exprs))])
    }
    case 'slice':
      return withChildren(node, [prune(node.input, needed)])
    case 'project':
      return pruneProject(node, needed)
    case 'groupBy':
      return pruneGroupBy(node, needed)
    case 'concat':
      return pruneConcat(node, needed)
    case 'join':
      return pruneJoin(node, needed)
    case 'ordinal':
      return pruneOrdinal(node, needed)
    case 'guard': {
      const checked = new Set(node.violations.schema.fields.map((field) => field.name))
      return withChildren(node, [prune(node.input, needed), prune(node.violations, checked)])
    }
    case 'scanParquet':
    case 'scanIpc':
    case 'inMemory':
    case 'generated':
      return pruneSource(node, needed)
    case 'shared':
      return node
    default:
      return unreachable(node)
  }
}

function union(names: Names, exprs: readonly TypedExpr[]): Names {
  const all = new Set(names)
  for (const expr of exprs) for (const name of columnsUsed(expr)) all.add(name)
  return all
}

const noNames: Names = new Set()

function pruneProject(node: Extract<LogicalNode, { kind: 'project' }>, needed: Names): LogicalNode {
  const kept = atLeastOne(
    node.exprs,
    (named) => needed.has(named.name) || mayRaise(named.expr),
    (named) => widthOf(named.expr.type) + (named.expr.kind === 'column' ? 0 : COMPUTED_PENALTY),
  )
  const exprs = kept.map(({ expr }) => expr)
  const input = prune(node.input, union(noNames, exprs))
  return kept === node.exprs && input === node.input ? node : makeProject(input, kept)
}

/** Larger than any width: when some column must stay, one that is only handed on is the cheaper one. */
const COMPUTED_PENALTY = 100

function pruneGroupBy(node: Extract<LogicalNode, { kind: 'groupBy' }>, needed: Names): LogicalNode {
  const { keys } = node
  const isNeeded = ({ name, operand }: (typeof node.aggregates)[number]) =>
    needed.has(name) || (operand !== undefined && mayRaise(operand))
  const aggregates =
    keys.length > 0 ? filterSame(node.aggregates, isNeeded) : atLeastOne(node.aggregates, isNeeded, () => 0)
  const operands = aggregates.flatMap(({ operand }) => (operand === undefined ? [] : [operand]))
  const input = prune(node.input, union(noNames, [...keys.map(({ expr }) => expr), ...operands]))
  return aggregates === node.aggregates && input === node.input ? node : makeGroupBy(input, keys, aggregates)
}

/** Inputs must agree on their columns: each is cut to those of the first field order that are needed. */
function pruneConcat(node: Extract<LogicalNode, { kind: 'concat' }>, needed: Names): LogicalNode {
  const kept = atLeastOne(node.schema.fields, (field) => needed.has(field.name), byWidth)
  const names = kept.map((field) => field.name)
  const inputs = mapSame(node.inputs, (input) => {
    const pruned = prune(input, new Set(names))
    const fields = pruned.schema.fields
    if (fields.length === names.length && fields.every((field, index) => field.name === names[index])) return pruned
    return makeProject(
      pruned,
      names.map((name) => ({ name, expr: columnReference(pruned, name) })),
    )
  })
  return inputs === node.inputs ? node : makeConcat(inputs)
}

/** A join may put out no column at all: it knows its number of rows. Both sides keep their keys. */
function pruneJoin(node: Extract<LogicalNode, { kind: 'join' }>, needed: Names): LogicalNode {
  const { how, leftKeys, rightKeys, nullsEqual, buildSide } = node
  const outputs = filterSame(node.outputs, ({ name }) => needed.has(name))
  const neededOf = (wanted: 'left' | 'right', keys: readonly TypedExpr[]): Names =>
    union(new Set(outputs.filter(({ side }) => side === wanted).map(({ column }) => column)), keys)
  const left = prune(node.left, neededOf('left', leftKeys))
  const right = prune(node.right, neededOf('right', rightKeys))
  if (outputs === node.outputs && left === node.left && right === node.right) return node
  return makeJoin(left, right, { how, leftKeys, rightKeys, nullsEqual, buildSide, outputs })
}

/** Nobody reads the numbers: no numbers. Otherwise the input hands on what it likes, as below a filter. */
function pruneOrdinal(node: Extract<LogicalNode, { kind: 'ordinal' }>, needed: Names): LogicalNode {
  if (!needed.has(node.name)) return prune(node.input, needed)
  const below = new Set(needed)
  below.delete(node.name)
  return withChildren(node, [prune(node.input, below)])
}

type Source = Extract<LogicalNode, { kind: 'scanParquet' | 'scanIpc' | 'inMemory' | 'generated' }>

function pruneSource(node: Source, needed: Names): LogicalNode {
  const fields = atLeastOne(node.schema.fields, (field) => needed.has(field.name), byWidth)
  if (fields === node.schema.fields) return node
  const columns = fields.map((field) => field.name)
  switch (node.kind) {
    case 'scanParquet':
    case 'scanIpc':
      return changeFileScan(node, { columns })
    case 'inMemory': {
      const { schema, rowCount, table, slice } = node
      return makeInMemory({ schema, rowCount, table, columns, slice })
    }
    case 'generated': {
      const { rowCount, slice } = node
      return makeGenerated({ rowCount, columns: node.columns.filter((column) => columns.includes(column.name)), slice })
    }
    default:
      return unreachable(node)
  }
}

const byWidth = ({ type }: { readonly type: DataType }): number => widthOf(type)

function filterSame<T>(items: readonly T[], keep: (item: T) => boolean): readonly T[] {
  return items.every(keep) ? items : items.filter(keep)
}

/** The items to keep, or the one of least cost when none is. */
function atLeastOne<T>(items: readonly T[], keep: (item: T) => boolean, cost: (item: T) => number): readonly T[] {
  const kept = filterSame(items, keep)
  if (kept.length > 0 || items.length <= 1) return items.length <= 1 ? items : kept
  return [items.reduce((cheapest, item) => (cost(item) < cost(cheapest) ? item : cheapest))]
}
