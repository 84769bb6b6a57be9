/**
 * ScanParquet: rows of Parquet files in file order. The optimizer narrows `columns` and adds a predicate or a slice.
 */
import type { Schema } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import type { TypedExpr } from '../expr-node.ts'
import { exprText } from '../expr-text.ts'
import type { ScanParquet } from '../logical-node.ts'
import { assertColumnsMatch, type NodeDef, noChildren, pickFields } from '../node-def.ts'
import { checkRowRange, type RowRange, rowRangeText } from './slice.ts'

export interface ScanParquetInput {
  readonly files: readonly string[]
  readonly fileSchema: Schema
  /** Names of `fileSchema`, in output order; undefined = all. */
  readonly columns: readonly string[] | undefined
  readonly predicate: TypedExpr | undefined
  readonly slice: RowRange | undefined
}

export function makeScanParquet(input: ScanParquetInput): ScanParquet {
  const { files, fileSchema, predicate, slice } = input
  assert(predicate === undefined || slice === undefined, 'a scan has a predicate or a slice, not both')
  const columns = Object.freeze([...(input.columns ?? fileSchema.fields.map((field) => field.name))])
  const schema = pickFields(fileSchema, columns)
  if (predicate !== undefined) {
    assert(predicate.type.kind === 'boolean', 'the predicate of a scan is boolean')
    assertColumnsMatch(predicate, fileSchema)
  }
  return Object.freeze({
    kind: 'scanParquet',
    files: Object.freeze([...files]),
    schema,
    columns,
    predicate,
    slice: slice === undefined ? undefined : checkRowRange(slice),
    fileSchema,
  })
}

function explain(node: ScanParquet): string {
  const more = node.files.length > 1 ? `, +${node.files.length - 1} more` : ''
  const parts = [
    `PARQUET SCAN [${node.files[0] ?? ''}${more}]`,
    `columns ${node.columns.length}/${node.fileSchema.fields.length}`,
  ]
  if (node.predicate !== undefined) parts.push(`predicate ${exprText(node.predicate)}`)
  if (node.slice !== undefined) parts.push(`slice ${rowRangeText(node.slice)}`)
  return parts.join(' ')
}

export const scanParquet: NodeDef<ScanParquet> = { childrenOf: () => [], withChildren: noChildren, explain }
