/** Slice: rows offset … offset + length of the input in its order; an infinite length takes the rest. */
import { makeError } from '@spillway/stdx'
import type { LogicalNode, Slice } from '../logical-node.ts'
import { type NodeDef, onlyChild } from '../node-def.ts'

/** A range of rows: `offset` >= 0, `length` >= 0 or Infinity. */
export interface RowRange {
  readonly offset: number
  readonly length: number
}

/** @throws PlanError INVALID_OPTION when offset or length is negative or not whole. */
export function checkRowRange(range: RowRange): RowRange {
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
  if (!isCount(range.offset) || !(isCount(range.length) || range.length === Number.POSITIVE_INFINITY)) {
    throw makeError(
      'INVALID_OPTION',
      `Slice needs whole numbers from 0: offset ${range.offset}, length ${range.length}. Count from the start.`,
      { offset: range.offset, length: range.length },
    )
  }
  return Object.freeze({ offset: range.offset, length: range.length })
}

export function makeSlice(input: LogicalNode, offset: number, length: number): Slice {
  const range = checkRowRange({ offset, length })
  return Object.freeze({ kind: 'slice', input, offset: range.offset, length: range.length, schema: input.schema })
}

/** `5 rows from 10`, as printed in plans. */
export function rowRangeText({ offset, length }: RowRange): string {
  const count = length === Number.POSITIVE_INFINITY ? 'all rows' : `${length} ${length === 1 ? 'row' : 'rows'}`
  return `${count} from ${offset}`
}

export const slice: NodeDef<Slice> = {
  childrenOf: (node) => [node.input],
  withChildren: (node, children) => makeSlice(onlyChild(children), node.offset, node.length),
  explain: (node) => `SLICE ${rowRangeText(node)}`,
}
