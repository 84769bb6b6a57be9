/** Generated: columns computed from the row number (a range, a constant); nothing is materialised. */
import { type Field, makeSchema } from '@spillway/columnar'
import { unreachable } from '@spillway/stdx'
import { literalText } from '../expr-text.ts'
import type { Generated, GeneratedColumn } from '../logical-node.ts'
import { type NodeDef, noChildren } from '../node-def.ts'
import { checkRowRange, type RowRange, rowRangeText } from './slice.ts'

export interface GeneratedInput {
  /** Rows before `slice`. */
  readonly rowCount: number
  readonly columns: readonly GeneratedColumn[]
  readonly slice: RowRange | undefined
}

export function makeGenerated(input: GeneratedInput): Generated {
  const fields = input.columns.map((column): Field => {
    const nullable = column.kind === 'repeat' && column.value === null
    return Object.freeze({ name: column.name, type: column.type, nullable })
  })
  return Object.freeze({
    kind: 'generated',
    schema: makeSchema(fields),
    rowCount: input.rowCount,
    columns: Object.freeze(input.columns.map((column) => Object.freeze({ ...column }))),
    slice: input.slice === undefined ? undefined : checkRowRange(input.slice),
  })
}

function columnText(column: GeneratedColumn): string {
  const name = JSON.stringify(column.name)
  switch (column.kind) {
    case 'intRange':
      return `${name}: intRange(${column.start}${column.step === 1n ? '' : ` by ${column.step}`})`
    case 'repeat':
      return `${name}: repeat(${literalText(column.value, column.type)})`
    default:
      return unreachable(column)
  }
}

function explain(node: Generated): string {
  const slice = node.slice === undefined ? '' : ` slice ${rowRangeText(node.slice)}`
  return `GENERATED ${node.rowCount} rows [${node.columns.map(columnText).join(', ')}]${slice}`
}

export const generated: NodeDef<Generated> = { childrenOf: () => [], withChildren: noChildren, explain }
