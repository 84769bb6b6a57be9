/** The plan of a scan of files that were opened: checks what the program says about columns and reading. */
import { type DataType, findFieldIndex, requireDataType, typeEquals, typeName } from '@spillway/columnar'
import type { OpenedScan, ScanRequest } from '@spillway/formats'
import {
  columnNotFound,
  type FileScan,
  makeFileScan,
  refuseUnknownOptions,
  type ScanReading,
  type SchemaTypes,
} from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import { parseByteSize } from '@spillway/memory'
import type { QuerySession } from './session.ts'

export interface ScanFileOptions<S extends SchemaTypes = SchemaTypes> {
  /**
   * Columns to read and their types; the files may differ in others. It is checked against the files and tells the
   * compiler what the frame holds: `scanParquet(path, { schema: { id: DataType.Int64 } })`.
   */
  readonly schema?: S
  /** Only the first rows. */
  readonly nRows?: number
  /**
   * Files that are read at a time, at most; by default as many as there are threads. No more workers read than that,
   * also where files are large.
   */
  readonly maxConcurrentFiles?: number
  /**
   * One budget for the decoded bytes that a scan of Parquet holds ahead, over all files and columns: "64MB", or a
   * number. By default the memory limit says. The least is 160 KiB per column and reading worker.
   */
  readonly readAheadBytes?: number | string
  readonly session?: QuerySession
}

const SCAN_OPTIONS = ['schema', 'nRows', 'maxConcurrentFiles', 'readAheadBytes', 'session']

/**
 * What is asked of the files before anything is known of them.
 * @param own names of options that only this kind of scan has
 * @throws INVALID_OPTION
 */
export function requestOf(
  kind: FileScan['kind'],
  options: ScanFileOptions & { readonly binaryAsString?: boolean | undefined },
  own: readonly string[] = [],
): ScanRequest {
  refuseUnknownOptions(options, [...SCAN_OPTIONS, ...own], kind)
  const { schema, binaryAsString = false } = options
  if (typeof binaryAsString !== 'boolean') {
    const message = `Invalid option of ${kind}: binaryAsString ${String(binaryAsString)}.`
    throw makeError('INVALID_OPTION', `${message} Give true or false.`, { option: 'binaryAsString' })
  }
  return { columns: schema === undefined ? undefined : Object.keys(schema), binaryAsString }
}

/** @throws UNSUPPORTED_TYPE, DUPLICATE_COLUMN, ENCRYPTED, COLUMN_NOT_FOUND, SCHEMA_MISMATCH, INVALID_OPTION (nRows) */
export function planFileScan<S extends SchemaTypes>(
  kind: FileScan['kind'],
  { files, fileSchema }: OpenedScan,
  options: ScanFileOptions<S>,
  request: ScanRequest,
): FileScan {
  const { columns, binaryAsString } = request
  for (const [name, type] of Object.entries<DataType>(options.schema ?? {})) {
    requireDataType(type, `column "${name}" of the schema`)
    const field = fileSchema.fields[findFieldIndex(fileSchema, name)]
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
  const reading = { ...readingOf(kind, options), binaryAsString }
  return makeFileScan(kind, { files, fileSchema, columns, predicate: undefined, slice: undefined, reading })
}

/** @throws INVALID_OPTION */
function readingOf(
  kind: FileScan['kind'],
  { maxConcurrentFiles, readAheadBytes }: ScanFileOptions,
): Omit<ScanReading, 'binaryAsString'> {
  if (maxConcurrentFiles !== undefined && !(Number.isInteger(maxConcurrentFiles) && maxConcurrentFiles >= 1)) {
    const message = `Invalid option of ${kind}: maxConcurrentFiles ${String(maxConcurrentFiles)}.`
    throw makeError('INVALID_OPTION', `${message} Give an integer from 1.`, {})
  }
  const bytes = readAheadBytes === undefined ? undefined : parseByteSize(readAheadBytes, 'readAheadBytes')
  return { maxConcurrentFiles, readAheadBytes: bytes }
}
