/** InMemory: rows of columns that are already in memory, behind an opaque handle that the engine resolves. */
import type { Schema } from '@spillway/columnar'
import type { InMemory } from '../logical-node.ts'
import { type NodeDef, noChildren, pickFields } from '../node-def.ts'
import { checkRowRange, type RowRange, rowRangeText } from './slice.ts'

export interface InMemoryInput {
  /** Schema of the table, or of any part of it that has `columns`. */
  readonly schema: Schema
  /** Rows of the whole table, before `slice`. */
  readonly rowCount: number
  readonly table: object
  /** Columns to read, in output order; undefined = all of `schema`. */
  readonly columns: readonly string[] | undefined
  readonly slice: RowRange | undefined
}

export function makeInMemory(input: InMemoryInput): InMemory {
  const columns = Object.freeze([...(input.columns ?? input.schema.fields.map((field) => field.name))])
  return Object.freeze({
    kind: 'inMemory',
    schema: pickFields(input.schema, columns),
    rowCount: input.rowCount,
    table: input.table,
    columns,
    slice: input.slice === undefined ? undefined : checkRowRange(input.slice),
  })
}

function explain(node: InMemory): string {
  const slice = node.slice === undefined ? '' : ` slice ${rowRangeText(node.slice)}`
  const columns = node.columns.map((name) => JSON.stringify(name)).join(', ')
  return `IN-MEMORY ${node.rowCount} rows [${columns}]${slice}`
}

export const inMemory: NodeDef<InMemory> = { childrenOf: () => [], withChildren: noChildren, explain }
