/** The plans behind select, withColumns, drop, rename and withRowIndex: projections, aggregations, row numbers. */
import { hasField, type Schema } from '@spillway/columnar'
import {
  columnNotFound,
  containsAggregate,
  type Expr,
  type ExprNode,
  exprText,
  type LogicalNode,
  makeAggregation,
  makeOrdinal,
  makeProject,
  type NamedExpr,
  outputNameOf,
  typeExpr,
  makeSlice,
  refuseUnknownOptions,
} from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import type { Selector, SelectorArg } from '../types/frame-types.ts'

/** The nodes of selectors, out of their arrays; a string names a column. */
export function selectorNodes(selectors: readonly SelectorArg[]): ExprNode[] {
  const flat = selectors.flatMap((selector): readonly Selector[] =>
    Array.isArray(selector) ? (selector as readonly Selector[]) : [selector as Selector],
  )
  return flat.map((selector) => (typeof selector === 'string' ? { kind: 'column', name: selector } : nodeOf(selector)))
}

function nodeOf(selector: Expr): ExprNode {
  if (typeof selector !== 'object' || selector === null || selector.node === undefined) {
    throw makeError('INVALID_PLAN', `Not a column or an expression: ${String(selector)}. Use a name, col() or lit().`)
  }
  return selector.node
}

/** Types expressions and names their outputs. */
export function nameExprs(nodes: readonly ExprNode[], schema: Schema): NamedExpr[] {
  return nodes.map((node) => ({ name: outputNameOf(node), expr: typeExpr(node, schema) }))
}

/** select: a row per input row, or one row when the expressions are aggregates. */
export function planSelect(input: LogicalNode, selectors: readonly SelectorArg[]): LogicalNode {
  const nodes = selectorNodes(selectors)
  if (nodes.length === 0) throw makeError('INVALID_PLAN', 'select needs at least one column: got 0.')
  if (nodes.some(containsAggregate)) return makeAggregation(input, [], nodes)
  return makeProject(input, nameExprs(nodes, input.schema))
}

/** withColumns: replaces columns in their place and adds new ones behind the others. */
export function planWithColumns(input: LogicalNode, selectors: readonly SelectorArg[]): LogicalNode {
  const nodes = selectorNodes(selectors)
  const aggregate = nodes.find(containsAggregate)
  if (aggregate !== undefined) {
    throw makeError(
      'INVALID_PLAN',
      `Aggregate in withColumns: ${exprText(aggregate)}. Use select() or groupBy().agg(): one row per group.`,
      { expression: exprText(aggregate) },
    )
  }
  const added = nameExprs(nodes, input.schema)
  const byName = new Map(added.map((named) => [named.name, named]))
  if (byName.size < added.length) {
    // The constructor finds which name occurs twice.
    makeProject(input, added)
  }
  const kept = keepColumns(input.schema).map((named) => byName.get(named.name) ?? named)
  const names = new Set(kept.map((named) => named.name))
  const columns = [...kept, ...added.filter((named) => !names.has(named.name))]
  return makeProject(input, columns, input.schema.leftOut)
}

/** Every column of a schema under its own name. */
export function keepColumns(schema: Schema): NamedExpr[] {
  return schema.fields.map(({ name }) => ({ name, expr: typeExpr({ kind: 'column', name }, schema) }))
}

function requireColumns(names: Iterable<string>, schema: Schema): void {
  for (const name of names) {
    if (!hasField(schema, name)) throw columnNotFound(name, schema)
  }
}

/** drop: a column that cannot be read may be dropped, too. It is gone then, and nobody is told of it any more. */
export function planDrop(input: LogicalNode, names: readonly string[]): LogicalNode {
  const dropped = new Set(names)
  const leftOut = input.schema.leftOut?.filter(({ name }) => !dropped.has(name))
  const unread = new Set(input.schema.leftOut?.map(({ name }) => name))
  requireColumns(
    names.filter((name) => !unread.has(name)),
    input.schema,
  )
  const kept = keepColumns(input.schema).filter((named) => !dropped.has(named.name))
  return makeProject(input, kept, leftOut)
}

/** rename: all at once, so `{ a: 'b', b: 'a' }` swaps two columns. */
export function planRename(input: LogicalNode, mapping: Readonly<Record<string, string>>): LogicalNode {
  const byName = new Map(Object.entries(mapping))
  requireColumns(byName.keys(), input.schema)
  const renamed = keepColumns(input.schema).map(({ name, expr }) => ({ name: byName.get(name) ?? name, expr }))
  return makeProject(input, renamed, input.schema.leftOut)
}

/** withRowIndex: the number is the first column. */
export function planRowIndex(input: LogicalNode, name: string, offset: number): LogicalNode {
  if (!Number.isSafeInteger(offset)) {
    throw makeError('INVALID_OPTION', `withRowIndex needs a whole number to start from: got ${offset}.`, { offset })
  }
  const numbered = makeOrdinal(input, name, offset)
  const columns = keepColumns(numbered.schema)
  return makeProject(numbered, [...columns.slice(-1), ...columns.slice(0, -1)], numbered.schema.leftOut)
}

/** Some rows after others: both numbers, or an object of them. @throws INVALID_OPTION */
export function planSlice(
  input: LogicalNode,
  offset: number | { readonly offset: number; readonly length?: number },
  length: number | undefined,
): LogicalNode {
  if (typeof offset === 'number') return makeSlice(input, offset, length ?? Number.POSITIVE_INFINITY)
  refuseUnknownOptions(offset, ['offset', 'length'], 'slice')
  return makeSlice(input, offset.offset, offset.length ?? Number.POSITIVE_INFINITY)
}
