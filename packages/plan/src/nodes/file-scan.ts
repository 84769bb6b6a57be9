/** What scans of all file formats have in common: their fields, how they are narrowed, and their line in a plan. */
import { makeSchema, type Schema } from '@spillway/columnar'
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

const unbounded: ScanReading = Object.freeze({
  maxConcurrentFiles: undefined,
  readAheadBytes: undefined,
  binaryAsString: false,
})

/** A scan of this kind. */
export function makeFileScan<K extends FileScan['kind']>(
  kind: K,
  input: FileScanInput,
): Extract<LogicalNode, { readonly kind: K }> {
  const { files, fileSchema, predicate, slice } = input
  assert(predicate === undefined || slice === undefined, 'a scan has a predicate or a slice, not both')
  const columns = Object.freeze([...(input.columns ?? fileSchema.fields.map((field) => field.name))])
  const picked = pickFields(fileSchema, columns)
  // Whoever names columns asks for nothing else.
  const schema = input.columns === undefined ? makeSchema(picked.fields, fileSchema.leftOut) : picked
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

/** Columns shown of those that cannot be read. */
const LEFT_OUT_SHOWN_MAX = 8

/** `columns 2/4 (left out: "tags" list, "point" struct)`: of those that the files have. */
function columnsText({ columns, fileSchema }: FileScan): string {
  const leftOut = fileSchema.leftOut ?? []
  const text = `columns ${columns.length}/${fileSchema.fields.length + leftOut.length}`
  if (leftOut.length === 0) return text
  const shown = leftOut.slice(0, LEFT_OUT_SHOWN_MAX).map(({ name, type }) => `${JSON.stringify(name)} ${type}`)
  const more = leftOut.length > LEFT_OUT_SHOWN_MAX ? `, +${leftOut.length - LEFT_OUT_SHOWN_MAX} more` : ''
  return `${text} (left out: ${shown.join(', ')}${more})`
}

export function explainFileScan(label: string, node: FileScan): string {
  const more = node.files.length > 1 ? `, +${node.files.length - 1} more` : ''
  const parts = [`${label} [${node.files[0] ?? ''}${more}]`, columnsText(node)]
  if (node.reading.binaryAsString) parts.push('binary as string')
  if (node.predicate !== undefined) parts.push(`predicate ${exprText(node.predicate)}`)
  if (node.slice !== undefined) parts.push(`slice ${rowRangeText(node.slice)}`)
  return parts.join(' ')
}
