/**
 * On which sides of a join a condition over its output can be evaluated instead.
 *
 *   inner        a row of either side that fails it is in no pair that passes
 *   left, right  only the side that is never missing decides; where that condition reads keys only, rows of the other
 *   semi, anti   side that fail it can match no row that is left, so it may be evaluated there too
 *   full         neither: unmatched rows of both sides come out
 *
 * A pair's keys are equal, so a condition on a key of one side is one on the key of the other. Only plain columns count
 * as keys here. Keys that are floats may differ in the sign of zero: a condition that sees it stays with its own side.
 */
import { isFloat } from '@spillway/columnar'
import { canBeMissing, columnsUsed, type Join, mapColumns, type TypedExpr } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import { seesSignOfZero } from './fold-expr.ts'
import { columnReference } from './rewrite.ts'

type Side = 'left' | 'right'

export interface JoinSides {
  /** The condition over the columns of that input; undefined where it must not be evaluated. */
  readonly left?: TypedExpr | undefined
  readonly right?: TypedExpr | undefined
}

/** Empty when the condition has to stay above the join. Not for full joins. */
export function sidesOf(conjunct: TypedExpr, node: Join): JoinSides {
  const outputs = [...columnsUsed(conjunct)].map((name) => {
    const output = node.outputs.find((candidate) => candidate.name === name)
    assert(output !== undefined, 'a filter reads columns of its input only')
    return output
  })
  if (outputs.length === 0) return {}
  const sees = seesSignOfZero(conjunct)
  const rewrite = (side: Side): TypedExpr | undefined => {
    const columns = new Map<string, string>()
    for (const output of outputs) {
      const column = output.side === side ? output.column : findPartner(node, output.side, output.column, sees)
      if (column === undefined) return undefined
      columns.set(output.name, column)
    }
    const input = side === 'left' ? node.left : node.right
    return mapColumns(conjunct, ({ name }) => columnReference(input, columns.get(name) as string))
  }
  const deciding = (['left', 'right'] as const).filter((side) => {
    if (node.how === 'inner' || node.how === 'cross') return true
    // Columns of the side that may be missing are null in rows that this condition has yet to judge.
    return !canBeMissing(node.how, side) && outputs.every((output) => output.side === side)
  })
  const isDecided = deciding.some((side) => rewrite(side) !== undefined)
  return isDecided ? { left: rewrite('left'), right: rewrite('right') } : {}
}

/** The column of the other side that equals key column `column` of `side` in every pair. */
function findPartner(node: Join, side: Side, column: string, seesSign: boolean): string | undefined {
  const own = side === 'left' ? node.leftKeys : node.rightKeys
  const other = side === 'left' ? node.rightKeys : node.leftKeys
  for (const [index, key] of own.entries()) {
    const partner = other[index]
    if (key.kind !== 'column' || key.name !== column || partner?.kind !== 'column') continue
    if (seesSign && isFloat(key.type)) continue
    return partner.name
  }
  return undefined
}
