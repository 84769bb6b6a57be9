/** `scanParquet`: a lazy frame over Parquet files. Only the footers are read here, synchronously. */
import { type DataType, findFieldIndex, typeEquals, typeName } from '@spillway/columnar'
import { openParquetScan } from '@spillway/formats'
import { columnNotFound, makeScanParquet, makeSlice, type SchemaTypes } from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import { LazyFrame } from './lazy-frame/lazy-frame.ts'
import { type QuerySession, requireDefaultSession } from './session.ts'

export interface ScanParquetOptions<S extends SchemaTypes = SchemaTypes> {
  /**
   * Columns to read and their types. It is checked against the files and tells the compiler what the frame holds:
   * `scanParquet(path, { schema: { id: DataType.Int64 } })`.
   */
  readonly schema?: S
  /** Only the first rows. */
  readonly nRows?: number
  readonly session?: QuerySession
}

/**
 * A lazy frame over Parquet files: a path, a directory, a glob such as `orders/*.parquet`, or several. All files need
 * one schema. Only footers are read now; with `schema` the compiler knows the columns, and only those are read.
 *
 * ```ts
 * scanParquet('orders.parquet').select('city')
 * // PROJECT [col("city")]
 * //   PARQUET SCAN [orders.parquet] columns 3/3
 * ```
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, NOT_PARQUET, PARQUET_CORRUPT, SCHEMA_MISMATCH, UNSUPPORTED_TYPE;
 *   PlanError COLUMN_NOT_FOUND when `schema` names a column that the files do not have.
 */
export function scanParquet<const S extends SchemaTypes = SchemaTypes>(
  paths: string | readonly string[],
  options: ScanParquetOptions<S> = {},
): LazyFrame<S> {
  const { files, fileSchema, leftOut } = openParquetScan(paths)
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
  const scan = makeScanParquet({ files, fileSchema, columns, predicate: undefined, slice: undefined })
  const plan = options.nRows === undefined ? scan : makeSlice(scan, 0, options.nRows)
  return new LazyFrame<S>(plan, options.session ?? requireDefaultSession())
}
