/** `scanIpc`: a lazy frame over Arrow IPC files. Only footers and heads of record batches are read here. */
import { openIpcScan, type PathArgument } from '@spillway/formats'
import { makeSlice, type SchemaTypes } from '@spillway/plan'
import { planFileScan, requestOf, type ScanFileOptions } from './file-frame.ts'
import { LazyFrame } from './lazy-frame/lazy-frame.ts'
import { requireDefaultSession } from './session.ts'

export interface ScanIpcOptions<S extends SchemaTypes = SchemaTypes> extends ScanFileOptions<S> {}

/**
 * A lazy frame over Arrow IPC files (Feather version 2): a path, a directory (its `*.arrow`, `*.feather`, `*.ipc`), a
 * glob, or several. All files need one schema. Dictionaries are decoded, buffers of LZ4 and zstd are decompressed; of
 * other files only the rows and columns that the query needs are read. Streams of IPC are not read.
 *
 * ```ts
 * scanIpc('orders.arrow').select('city')
 * // PROJECT [col("city")]
 * //   IPC SCAN [orders.arrow] columns 3/3
 * ```
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, ARROW_INVALID, SCHEMA_MISMATCH, UNSUPPORTED_TYPE,
 *   UNSUPPORTED_FORMAT;
 *   PlanError COLUMN_NOT_FOUND when `schema` names a column that the files do not have.
 */
export function scanIpc<const S extends SchemaTypes = SchemaTypes>(
  paths: PathArgument | readonly PathArgument[],
  options: ScanIpcOptions<S> = {},
): LazyFrame<S> {
  const request = requestOf('scanIpc', options)
  const scan = planFileScan<S>('scanIpc', openIpcScan(paths, request), options, request)
  const plan = options.nRows === undefined ? scan : makeSlice(scan, 0, options.nRows)
  return new LazyFrame<S>(plan, options.session ?? requireDefaultSession())
}
