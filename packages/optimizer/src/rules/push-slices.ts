/**
 * push-slices: a slice goes below projections and into its source, and two slices become one. A concat's inputs need no
 * more rows than the slice above can reach.
 *
 *   SLICE 5 rows from 2                PROJECT a + 1.5
 *     PROJECT a + 1.5          →         PARQUET SCAN slice 5 rows from 12
 *       SLICE 100 rows from 10
 *         PARQUET SCAN
 *
 * A slice over a sort makes it a top-k: only rows up to the slice's end are kept.
 *
 * Stops at filters, groupBy, and at whatever may raise an error on a row that would be cut away.
 */
import {
  type LogicalNode,
  makeGenerated,
  makeInMemory,
  changeFileScan,
  makeOrdinal,
  makeSlice,
  makeSort,
  mayRaise,
  type RowRange,
  withChildren,
} from '@spillway/plan'
import { unreachable } from '@spillway/stdx'
import { expressionsOf, mapSame, planMayRaise, rewriteUp } from '../rewrite.ts'
import type { Rule } from '../rule.ts'

export const pushSlices: Rule = {
  name: 'push-slices',
  before: 'SLICE 5 rows from 0 over PROJECT over PARQUET SCAN',
  after: 'PROJECT over PARQUET SCAN slice 5 rows from 0',
  apply: (root) =>
    rewriteUp(root, (node) => {
      if (node.kind !== 'slice') return node
      const result = push(node.input, node)
      const isSame = result.kind === 'slice' && result.input === node.input && sameRange(result, node)
      return isSame ? node : result
    }),
}

/** The rows `range` of `node`. */
function push(node: LogicalNode, range: RowRange): LogicalNode {
  if (range.offset === 0 && range.length === Number.POSITIVE_INFINITY) return node
  switch (node.kind) {
    case 'slice':
      return push(node.input, within(node, range))
    case 'project': {
      if (expressionsOf(node).some(mayRaise)) return sliced(node, range)
      return withChildren(node, [push(node.input, range)])
    }
    case 'concat':
      return pushIntoConcat(node, range)
    case 'scanParquet':
    case 'scanIpc':
      if (node.predicate !== undefined) return sliced(node, range)
      return changeFileScan(node, { slice: within(node.slice, range) })
    case 'inMemory': {
      const { schema, rowCount, table, columns } = node
      return makeInMemory({ schema, rowCount, table, columns, slice: within(node.slice, range) })
    }
    case 'generated':
      return makeGenerated({ rowCount: node.rowCount, columns: node.columns, slice: within(node.slice, range) })
    case 'sort':
      return pushIntoSort(node, range)
    case 'ordinal': {
      // The first row that is left keeps its number; where there is none, no number matters.
      const from = node.denseFrom === undefined ? undefined : node.denseFrom + range.offset
      const input = push(node.input, range)
      if (input.kind === 'slice' && input.input === node.input) return sliced(node, range)
      return Number.isSafeInteger(from ?? 0) ? makeOrdinal(input, node.name, from) : sliced(node, range)
    }
    case 'guard':
      return withChildren(node, [push(node.input, range), node.violations])
    case 'filter':
    case 'groupBy':
    case 'join':
    case 'shared':
      return sliced(node, range)
    default:
      return unreachable(node)
  }
}

function sliced(node: LogicalNode, range: RowRange): LogicalNode {
  return makeSlice(node, range.offset, range.length)
}

/** Rows `inner` of the rows `outer`, counted where `outer` counts. */
function within(outer: RowRange | undefined, inner: RowRange): RowRange {
  if (outer === undefined) return { offset: inner.offset, length: inner.length }
  const rest = Math.max(0, outer.length - inner.offset)
  return { offset: outer.offset + inner.offset, length: Math.min(rest, inner.length) }
}

const sameRange = (a: RowRange, b: RowRange): boolean => a.offset === b.offset && a.length === b.length

function pushIntoConcat(node: Extract<LogicalNode, { kind: 'concat' }>, range: RowRange): LogicalNode {
  const reach = range.offset + range.length
  const inputs = mapSame(node.inputs, (input) => {
    if (!Number.isSafeInteger(reach) || planMayRaise(input) || rowsAtMost(input) <= reach) return input
    return push(input, { offset: 0, length: reach })
  })
  return sliced(withChildren(node, inputs), range)
}

/** A sort whose first rows are all that counts is a top-k; rows are cut off at its start by a slice above. */
function pushIntoSort(node: Extract<LogicalNode, { kind: 'sort' }>, range: RowRange): LogicalNode {
  const reach = range.offset + range.length
  const limit = Math.min(reach, node.limit ?? Number.POSITIVE_INFINITY)
  const isSame = limit === node.limit || !Number.isSafeInteger(limit)
  const top = isSame ? node : makeSort(node.input, node.keys, limit)
  return range.offset === 0 && limit <= reach && Number.isSafeInteger(limit) ? top : sliced(top, range)
}

/** An upper bound of a plan's rows, as far as its top shows it. */
function rowsAtMost(node: LogicalNode): number {
  switch (node.kind) {
    case 'slice':
      return Math.min(node.length, rowsAtMost(node.input))
    case 'scanParquet':
    case 'scanIpc':
      return node.slice?.length ?? Number.POSITIVE_INFINITY
    case 'inMemory':
    case 'generated':
      return Math.min(node.rowCount, node.slice?.length ?? Number.POSITIVE_INFINITY)
    case 'sort':
      return Math.min(node.limit ?? Number.POSITIVE_INFINITY, rowsAtMost(node.input))
    case 'project':
    case 'filter':
    case 'ordinal':
    case 'guard':
      return rowsAtMost(node.input)
    case 'groupBy':
      return node.keys.length === 0 ? 1 : rowsAtMost(node.input)
    case 'concat':
      return node.inputs.reduce((rows, input) => rows + rowsAtMost(input), 0)
    case 'join':
    case 'shared':
      return Number.POSITIVE_INFINITY
    default:
      return unreachable(node)
  }
}
