/** `scanParquet`: a lazy frame over Parquet files. Only the footers are read here, synchronously. */
import { openParquetScan, type PathArgument } from '@spillway/formats'
import type { SchemaTypes } from '@spillway/plan'
import { planFileScan, requestOf, type ScanFileOptions } from './file-frame.ts'
import { ParquetFrame } from './parquet-frame.ts'
import { requireDefaultSession } from './session.ts'

export interface ScanParquetOptions<S extends SchemaTypes = SchemaTypes> extends ScanFileOptions<S> {
  /**
   * Columns of bytes without an annotation are read as text, which they must be then: old writers (Hive, Impala, Spark)
   * left the annotation out. By default they are read as bytes, `DataType.Binary`.
   */
  readonly binaryAsString?: boolean
}

/**
 * A lazy frame over Parquet files: a path or `file:` URL, a directory with what is below it, a glob such as
 * `orders/*.parquet`, or several. All files need
 * one schema. Only footers are read now; with `schema` the compiler knows the columns, and only those are read.
 *
 * ```ts
 * scanParquet('orders.parquet').select('city')
 * // PROJECT [col("city")]
 * //   PARQUET SCAN [orders.parquet] columns 3/3
 * ```
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, NOT_PARQUET, PARQUET_CORRUPT, ENCRYPTED, SCHEMA_MISMATCH,
 *   UNSUPPORTED_TYPE, UNSUPPORTED_FORMAT;
 *   PlanError COLUMN_NOT_FOUND when `schema` names a column that the files do not have.
 */
export function scanParquet<const S extends SchemaTypes = SchemaTypes>(
  paths: PathArgument | readonly PathArgument[],
  options: ScanParquetOptions<S> = {},
): ParquetFrame<S> {
  const request = requestOf('scanParquet', options, ['binaryAsString'])
  const scan = planFileScan<S>('scanParquet', openParquetScan(paths, request), options, request)
  return new ParquetFrame<S>(scan, options.nRows, options.session ?? requireDefaultSession())
}
