/** Concat: all rows of the first input, then of the second …; names and types must be equal, in the same order. */
import { type Field, leftOutError, makeSchema, type Schema, typeEquals, typeName } from '@spillway/columnar'
import { makeError } from '@spillway/stdx'
import type { Concat, LogicalNode } from '../logical-node.ts'
import type { NodeDef } from '../node-def.ts'

/** @throws PlanError INVALID_PLAN (no inputs, other columns) or TYPE_MISMATCH, naming the input and the column. */
export function makeConcat(inputs: readonly LogicalNode[]): Concat {
  const first = inputs[0]
  if (first === undefined) throw makeError('INVALID_PLAN', 'Concat needs at least one frame: got 0.')
  for (let index = 1; index < inputs.length; index++) {
    const input = inputs[index]
    if (input !== undefined) checkSameColumns(first.schema, input.schema, index)
  }
  const fields = first.schema.fields.map((field, column): Field => {
    const nullable = inputs.some((input) => input.schema.fields[column]?.nullable ?? true)
    return Object.freeze({ name: field.name, type: field.type, nullable })
  })
  const leftOut = new Set(inputs.flatMap((input) => input.schema.leftOut ?? []))
  const schema = makeSchema(fields, [...leftOut])
  return Object.freeze({ kind: 'concat', inputs: Object.freeze([...inputs]), schema })
}

function checkSameColumns(expected: Schema, actual: Schema, inputIndex: number): void {
  const columnCount = Math.max(expected.fields.length, actual.fields.length)
  for (let column = 0; column < columnCount; column++) {
    const left = expected.fields[column]
    const right = actual.fields[column]
    if (left === undefined || right === undefined || left.name !== right.name) {
      // A column that only one of the frames can read.
      const unread = [actual.leftOut?.find(({ name }) => name === left?.name)]
      const [leftOut] = [...unread, expected.leftOut?.find(({ name }) => name === right?.name)].filter(Boolean)
      if (leftOut !== undefined) throw leftOutError(leftOut)
      const place = `column ${column} of frame ${inputIndex}`
      const found = right === undefined ? 'absent' : `"${right.name}"`
      const wanted = left === undefined ? 'none' : `"${left.name}"`
      const names = `${found}, frame 0 has ${wanted}`
      throw makeError('INVALID_PLAN', `Concat needs equal columns: ${place} is ${names}. Select the same columns.`, {
        frame: inputIndex,
        column: right?.name ?? left?.name,
      })
    }
    if (!typeEquals(left.type, right.type)) {
      throw makeError(
        'TYPE_MISMATCH',
        `Concat needs equal types: column "${left.name}" is ${typeName(right.type)} in frame ${inputIndex}, ` +
          `${typeName(left.type)} in frame 0. Cast one of them.`,
        { frame: inputIndex, column: left.name },
      )
    }
  }
}

export const concat: NodeDef<Concat> = {
  childrenOf: (node) => node.inputs,
  withChildren: (_node, children) => makeConcat(children),
  explain: (node) => `CONCAT ${node.inputs.length} inputs`,
}
