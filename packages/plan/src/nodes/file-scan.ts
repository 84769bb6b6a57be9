/** What scans of all file formats have in common: their fields, how they are narrowed, and their line in a plan. */
import type { Schema } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import type { TypedExpr } from '../expr-node.ts'
import { exprText } from '../expr-text.ts'
import type { FileScan, FileScanFields, LogicalNode, ScanReading } from '../logical-node.ts'
import { assertColumnsMatch, pickFields } from '../node-def.ts'
import { checkRowRange, type RowRange, rowRangeText } from './slice.ts'

export interface FileScanInput {
  readonly files: readonly string[]
  readonly fileSchema: Schema
  /** Names of `fileSchema`, in output order; undefined = all. */
  readonly columns: readonly string[] | undefined
  readonly predicate: TypedExpr | undefined
  readonly slice: RowRange | undefined
  /** Not bounded when it is left out. */
  readonly reading?: ScanReading
}

const unbounded: ScanReading = Object.freeze({ maxConcurrentFiles: undefined, readAheadBytes: undefined })

/** A scan of this kind. */
export function makeFileScan<K extends FileScan['kind']>(
  kind: K,
  input: FileScanInput,
): Extract<LogicalNode, { readonly kind: K }> {
  const { files, fileSchema, predicate, slice } = input
  assert(predicate === undefined || slice === undefined, 'a scan has a predicate or a slice, not both')
  const columns = Object.freeze([...(input.columns ?? fileSchema.fields.map((field) => field.name))])
  const schema = pickFields(fileSchema, columns)
  if (predicate !== undefined) {
    assert(predicate.type.kind === 'boolean', 'the predicate of a scan is boolean')
    assertColumnsMatch(predicate, fileSchema)
  }
  const fields: FileScanFields = {
    files: Object.freeze([...files]),
    schema,
    columns,
    predicate,
    slice: slice === undefined ? undefined : checkRowRange(slice),
    fileSchema,
    reading: input.reading ?? unbounded,
  }
  return Object.freeze({ kind, ...fields }) as Extract<LogicalNode, { readonly kind: K }>
}

/** The scan with other columns, predicate or slice; all else stays as it is. */
export function changeFileScan(
  node: FileScan,
  changes: Partial<Pick<FileScanFields, 'columns' | 'predicate' | 'slice'>>,
): FileScan {
  const { files, fileSchema, columns, predicate, slice, reading } = node
  return makeFileScan(node.kind, { files, fileSchema, columns, predicate, slice, reading, ...changes })
}

export function explainFileScan(label: string, node: FileScan): string {
  const more = node.files.length > 1 ? `, +${node.files.length - 1} more` : ''
  const parts = [
    `${label} [${node.files[0] ?? ''}${more}]`,
    `columns ${node.columns.length}/${node.fileSchema.fields.length}`,
  ]
  if (node.predicate !== undefined) parts.push(`predicate ${exprText(node.predicate)}`)
  if (node.slice !== undefined) parts.push(`slice ${rowRangeText(node.slice)}`)
  return parts.join(' ')
}
