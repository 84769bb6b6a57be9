/** A lazy frame over files that were opened: checks what the program says about their columns. */
import { type DataType, findFieldIndex, typeEquals, typeName } from '@spillway/columnar'
import type { OpenedScan } from '@spillway/formats'
import { columnNotFound, type FileScan, makeFileScan, makeSlice, type SchemaTypes } from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import { LazyFrame } from './lazy-frame/lazy-frame.ts'
import { type QuerySession, requireDefaultSession } from './session.ts'

export interface ScanFileOptions<S extends SchemaTypes = SchemaTypes> {
  /**
   * Columns to read and their types. It is checked against the files and tells the compiler what the frame holds:
   * `scanParquet(path, { schema: { id: DataType.Int64 } })`.
   */
  readonly schema?: S
  /** Only the first rows. */
  readonly nRows?: number
  readonly session?: QuerySession
}

/** @throws UNSUPPORTED_TYPE, COLUMN_NOT_FOUND, SCHEMA_MISMATCH, INVALID_OPTION (nRows) */
export function frameOverFiles<S extends SchemaTypes>(
  kind: FileScan['kind'],
  { files, fileSchema, leftOut }: OpenedScan,
  options: ScanFileOptions<S>,
): LazyFrame<S> {
  const columns = options.schema === undefined ? undefined : Object.keys(options.schema)
  for (const [name, type] of Object.entries<DataType>(options.schema ?? {})) {
    const field = fileSchema.fields[findFieldIndex(fileSchema, name)]
    const unsupported = leftOut.find((column) => column.name === name)
    if (unsupported !== undefined) {
      const text = `Column cannot be read: "${name}" is ${unsupported.reason}. Leave it out of the schema.`
      throw makeError('UNSUPPORTED_TYPE', text, { column: name })
    }
    if (field === undefined) throw columnNotFound(name, fileSchema)
    if (!typeEquals(field.type, type)) {
      throw makeError(
        'SCHEMA_MISMATCH',
        `Column has another type: "${name}" is ${typeName(field.type)} in the files, ` +
          `${typeName(type)} in the schema. ` +
          'Correct the schema and cast after the scan.',
        { column: name },
      )
    }
  }
  const scan = makeFileScan(kind, { files, fileSchema, columns, predicate: undefined, slice: undefined })
  const plan = options.nRows === undefined ? scan : makeSlice(scan, 0, options.nRows)
  return new LazyFrame<S>(plan, options.session ?? requireDefaultSession())
}
