/**
 * Join: pairs of a left and a right row whose keys are equal, in no particular order.
 *
 *   inner  the pairs
 *   left   the pairs, and left rows without a match beside nulls
 *   right  the pairs, and right rows without a match beside nulls
 *   full   the pairs, and rows of both sides without a match beside nulls
 *   semi   left rows that have a match, each once
 *   anti   left rows that have none, each once
 *   cross  all pairs; there are no keys
 *
 * Keys compare as group keys do: NaN equals NaN, -0 equals 0; null equals nothing, or null when `nullsEqual` is set.
 * What users say beside that (suffix, coalesce, validate, order) is made of other nodes and of output names.
 */
import { type Field, findFieldIndex, makeSchema, type Schema, typeEquals } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import type { TypedExpr } from '../expr-node.ts'
import { exprText } from '../expr-text.ts'
import type { Join, JoinHow, JoinOutput, LogicalNode } from '../logical-node.ts'
import { assertColumnsMatch, type NodeDef } from '../node-def.ts'
import { columnNotFound } from '../nearest-name.ts'

/** Everything of a join but its inputs and what follows from them. */
export interface JoinInput {
  readonly how: JoinHow
  /** Over the left and the right input; equal counts, pairwise equal types; empty for cross only. */
  readonly leftKeys: readonly TypedExpr[]
  readonly rightKeys: readonly TypedExpr[]
  readonly nullsEqual: boolean
  readonly buildSide: Join['buildSide']
  /** In output order, with distinct names; left columns only for semi and anti. */
  readonly outputs: readonly JoinOutput[]
}

/** @throws PlanError DUPLICATE_COLUMN when two outputs have one name, COLUMN_NOT_FOUND when a side lacks a column. */
export function makeJoin(left: LogicalNode, right: LogicalNode, input: JoinInput): Join {
  const { how, leftKeys, rightKeys } = input
  assert(leftKeys.length === rightKeys.length, 'a join has as many left as right keys')
  assert((leftKeys.length === 0) === (how === 'cross'), 'a join has keys, unless it is a cross join')
  leftKeys.forEach((key, index) => {
    const other = rightKeys[index]
    assert(other !== undefined && typeEquals(key.type, other.type), 'keys of a join have pairwise equal types')
    assertColumnsMatch(key, left.schema)
    assertColumnsMatch(other, right.schema)
  })
  const isOneSided = how === 'semi' || how === 'anti'
  const fields = input.outputs.map(({ name, side, column }): Field => {
    assert(side === 'left' || !isOneSided, 'semi and anti joins put out left columns')
    const { type, nullable } = requireField(side === 'left' ? left.schema : right.schema, column)
    return Object.freeze({ name, type, nullable: nullable || canBeMissing(how, side) })
  })
  return Object.freeze({
    kind: 'join',
    left,
    right,
    how,
    leftKeys: Object.freeze([...leftKeys]),
    rightKeys: Object.freeze([...rightKeys]),
    nullsEqual: input.nullsEqual,
    buildSide: input.buildSide,
    outputs: Object.freeze(input.outputs.map(({ name, side, column }) => Object.freeze({ name, side, column }))),
    schema: makeSchema(fields, [...(left.schema.leftOut ?? []), ...(isOneSided ? [] : (right.schema.leftOut ?? []))]),
  })
}

function requireField(schema: Schema, name: string): Field {
  const field = schema.fields[findFieldIndex(schema, name)]
  if (field === undefined) throw columnNotFound(name, schema)
  return field
}

/** True when a join of this kind puts out rows in which the columns of `side` are all null. */
export function canBeMissing(how: JoinHow, side: 'left' | 'right'): boolean {
  return how === 'full' || how === (side === 'left' ? 'right' : 'left')
}

function outputText({ name, side, column }: JoinOutput): string {
  const source = `${side} ${JSON.stringify(column)}`
  return name === column ? source : `${source} as ${JSON.stringify(name)}`
}

function explain(node: Join): string {
  const list = (keys: readonly TypedExpr[]): string => `[${keys.map(exprText).join(', ')}]`
  const parts = [`${node.how.toUpperCase()} JOIN`]
  if (node.how !== 'cross') parts.push(`${list(node.leftKeys)} = ${list(node.rightKeys)}`)
  if (node.nullsEqual) parts.push('nulls equal')
  if (node.buildSide !== 'auto') parts.push(`build ${node.buildSide}`)
  parts.push(`output [${node.outputs.map(outputText).join(', ')}]`)
  return parts.join(' ')
}

export const join: NodeDef<Join> = {
  childrenOf: (node) => [node.left, node.right],
  withChildren: (node, children) => {
    const [left, right] = children
    assert(left !== undefined && right !== undefined && children.length === 2, 'a join has two inputs')
    const { how, leftKeys, rightKeys, nullsEqual, buildSide, outputs } = node
    return makeJoin(left, right, { how, leftKeys, rightKeys, nullsEqual, buildSide, outputs })
  },
  explain,
}
