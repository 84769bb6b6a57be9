/**
 * fold-constants: computes what does not depend on a row, simplifies AND, OR, NOT, when and null tests, and drops a
 * filter that keeps everything.
 *
 *   FILTER (1 + 1 = 2) and a < 5        FILTER a < 5
 *     scan                          →     scan
 *
 * A sort key that is one value for all rows is none.
 * A filter that keeps nothing becomes an empty slice, unless its input may raise an error.
 */
import {
  type LogicalNode,
  makeFilter,
  makeGroupBy,
  makeJoin,
  makeProject,
  changeFileScan,
  makeSlice,
  makeSort,
  type NamedAggregate,
  type NamedExpr,
  type SortKey,
} from '@spillway/plan'
import { unreachable } from '@spillway/stdx'
import { foldExpr } from '../fold-expr.ts'
import { mapSame, planMayRaise, rewriteUp } from '../rewrite.ts'
import type { Rule } from '../rule.ts'

export const foldConstants: Rule = {
  name: 'fold-constants',
  before: 'FILTER (1 + 1 = 2) and a < 5',
  after: 'FILTER a < 5',
  apply: (root) => rewriteUp(root, foldNode),
}

function foldNode(node: LogicalNode): LogicalNode {
  switch (node.kind) {
    case 'filter': {
      const predicate = foldExpr(node.predicate)
      if (predicate.kind === 'literal' && predicate.value === true) return node.input
      if (predicate.kind === 'literal' && !planMayRaise(node.input)) return makeSlice(node.input, 0, 0)
      return predicate === node.predicate ? node : makeFilter(node.input, predicate)
    }
    case 'project': {
      const exprs = mapSame(node.exprs, foldNamed)
      return exprs === node.exprs ? node : makeProject(node.input, exprs)
    }
    case 'groupBy': {
      const keys = mapSame(node.keys, foldNamed)
      const aggregates = mapSame(node.aggregates, foldAggregate)
      return keys === node.keys && aggregates === node.aggregates ? node : makeGroupBy(node.input, keys, aggregates)
    }
    case 'scanParquet':
    case 'scanIpc': {
      if (node.predicate === undefined) return node
      const predicate = foldExpr(node.predicate)
      if (predicate === node.predicate) return node
      const isTrue = predicate.kind === 'literal' && predicate.value === true
      return changeFileScan(node, { predicate: isTrue ? undefined : predicate })
    }
    case 'sort': {
      const keys = mapSame(node.keys, foldSortKey).filter(({ expr }) => expr.kind !== 'literal')
      if (keys.length === 0) return node.limit === undefined ? node.input : makeSlice(node.input, 0, node.limit)
      const isSame = keys.length === node.keys.length && keys.every((key, index) => key === node.keys[index])
      return isSame ? node : makeSort(node.input, keys, node.limit)
    }
    case 'join': {
      const leftKeys = mapSame(node.leftKeys, foldExpr)
      const rightKeys = mapSame(node.rightKeys, foldExpr)
      if (leftKeys === node.leftKeys && rightKeys === node.rightKeys) return node
      const { left, right, how, nullsEqual, buildSide, outputs } = node
      return makeJoin(left, right, { how, leftKeys, rightKeys, nullsEqual, buildSide, outputs })
    }
    case 'inMemory':
    case 'generated':
    case 'slice':
    case 'concat':
    case 'ordinal':
    case 'guard':
    case 'shared':
      return node
    default:
      return unreachable(node)
  }
}

function foldNamed(named: NamedExpr): NamedExpr {
  const expr = foldExpr(named.expr)
  return expr === named.expr ? named : { name: named.name, expr }
}

function foldSortKey(key: SortKey): SortKey {
  const expr = foldExpr(key.expr)
  return expr === key.expr ? key : { expr, descending: key.descending, nullsLast: key.nullsLast }
}

function foldAggregate(aggregate: NamedAggregate): NamedAggregate {
  if (aggregate.operand === undefined) return aggregate
  const operand = foldExpr(aggregate.operand)
  if (operand === aggregate.operand) return aggregate
  const { name, function: aggregateFunction, type, nullable } = aggregate
  return { name, function: aggregateFunction, operand, type, nullable }
}
