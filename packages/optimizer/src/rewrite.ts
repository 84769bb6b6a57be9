/**
 * Walking and rewriting plans so that what does not change stays the same object: a rule that finds nothing gives back
 * its input, and a subplan that two parents share is rewritten once.
 */
import { childrenOf, type LogicalNode, mayRaise, type TypedExpr, withChildren } from '@spillway/plan'
import { assert, unreachable } from '@spillway/stdx'

/** Rewrites children first, then the node over its new children. */
export function rewriteUp(root: LogicalNode, rewrite: (node: LogicalNode) => LogicalNode): LogicalNode {
  const done = new Map<LogicalNode, LogicalNode>()
  const visit = (node: LogicalNode): LogicalNode => {
    const known = done.get(node)
    if (known !== undefined) return known
    const result = rewrite(withChildren(node, childrenOf(node).map(visit)))
    done.set(node, result)
    return result
  }
  return visit(root)
}

/** The same array when `map` changes no element. */
export function mapSame<T>(items: readonly T[], map: (item: T) => T): readonly T[] {
  const mapped = items.map(map)
  return mapped.every((item, index) => item === items[index]) ? items : mapped
}

/** All expressions that a node itself evaluates. */
export function expressionsOf(node: LogicalNode): readonly TypedExpr[] {
  switch (node.kind) {
    case 'filter':
      return [node.predicate]
    case 'project':
      return node.exprs.map(({ expr }) => expr)
    case 'groupBy': {
      const operands = node.aggregates.flatMap(({ operand }) => (operand === undefined ? [] : [operand]))
      return [...node.keys.map(({ expr }) => expr), ...operands]
    }
    case 'scanParquet':
    case 'scanIpc':
      return node.predicate === undefined ? [] : [node.predicate]
    case 'join':
      return [...node.leftKeys, ...node.rightKeys]
    case 'sort':
      return node.keys.map(({ expr }) => expr)
    case 'inMemory':
    case 'generated':
    case 'slice':
    case 'concat':
    case 'ordinal':
    case 'guard':
    case 'shared':
      return []
    default:
      return unreachable(node)
  }
}

/** True when some row of the node or of its inputs may raise an error: then its rows must not be cut away below it. */
export function planMayRaise(node: LogicalNode): boolean {
  return node.kind === 'guard' || expressionsOf(node).some(mayRaise) || childrenOf(node).some(planMayRaise)
}

/** A reference to an output column of `node`. */
export function columnReference(node: LogicalNode, name: string): TypedExpr {
  const field = node.schema.fields.find((candidate) => candidate.name === name)
  assert(field !== undefined, 'a referenced column is one of the node')
  return Object.freeze({ kind: 'column', name, type: field.type, nullable: field.nullable })
}
