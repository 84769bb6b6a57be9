/** Opens a scan of files: finds them, reads every footer, and checks that the files have one schema. */
import { type LeftOutColumn, makeSchema, typeEquals, typeName } from '@spillway/columnar'
import type { DataType, Field, Schema } from '@spillway/columnar'
import { assert, makeError, type SpillwayError } from '@spillway/stdx'
import { expandPaths, type FileKind } from '../paths/expand-paths.ts'
import { type PathArgument, pathsOf } from '../paths/path-argument.ts'
import { readFileMeta } from './footer.ts'

export interface OpenedScan {
  /** Absolute paths in the order given; those of a directory or glob are sorted. */
  readonly files: string[]
  /** Of the first file; a column is nullable when it is in any file. What is left out is so in any file. */
  readonly fileSchema: Schema
  /** Rows of all files. */
  readonly rowCount: number
}

/** What is asked for when a scan is opened. */
export interface ScanRequest {
  /** Names of the columns that are going to be read; undefined = all. Nothing else is compared between files. */
  readonly columns: readonly string[] | undefined
  /** Columns of bytes are taken for text. */
  readonly binaryAsString: boolean
}

export const everything: ScanRequest = Object.freeze({ columns: undefined, binaryAsString: false })

/** What the footers of all formats say. */
interface ScannedMeta extends Pick<OpenedScan, 'rowCount'> {
  readonly path: string
  readonly schema: Schema
  readonly leftOut: readonly LeftOutColumn[]
}

export interface ScannedFormat extends FileKind {
  /** The public function, for messages. */
  readonly scan: string
  readonly readMeta: (path: string) => ScannedMeta
}

/**
 * Opens the files that `paths` name: files, directories or globs. Main thread.
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, NOT_PARQUET, PARQUET_CORRUPT, ENCRYPTED, SCHEMA_MISMATCH
 */
export function openParquetScan(
  paths: PathArgument | readonly PathArgument[],
  request: ScanRequest = everything,
): OpenedScan {
  const format = { scan: 'scanParquet', name: 'Parquet', extensions: ['.parquet'], readMeta: readFileMeta }
  return openScan(paths, format, request)
}

/** The type that a column of `type` has in a scan. */
export function scannedType(type: DataType, binaryAsString: boolean): DataType {
  return binaryAsString && type.kind === 'binary' ? { kind: 'utf8' } : type
}

/** @throws DataError FILE_NOT_FOUND, SCHEMA_MISMATCH, and what reading footers gives */
export function openScan(
  paths: PathArgument | readonly PathArgument[],
  format: ScannedFormat,
  { columns, binaryAsString }: ScanRequest,
): OpenedScan {
  const files = expandPaths(pathsOf(paths, format.scan), format)
  const [firstFile, ...otherFiles] = files
  assert(firstFile !== undefined, 'every path stands for a file')
  const wanted = columns === undefined ? undefined : new Set(columns)
  const first = format.readMeta(firstFile)
  const nullable = new Set(first.schema.fields.filter((field) => field.nullable).map((field) => field.name))
  const leftOut = new Map(first.leftOut.map((column) => [column.name, column]))
  let rowCount = first.rowCount
  for (const file of otherFiles) {
    const meta = format.readMeta(file)
    requireSameSchema(first, meta, wanted)
    for (const field of meta.schema.fields) if (field.nullable) nullable.add(field.name)
    for (const column of meta.leftOut) if (!leftOut.has(column.name)) leftOut.set(column.name, column)
    rowCount += meta.rowCount
  }
  const fields = first.schema.fields.map(({ name, type }): Field => {
    return { name, type: scannedType(type, binaryAsString), nullable: nullable.has(name) }
  })
  return { files, fileSchema: makeSchema(fields, [...leftOut.values()]), rowCount }
}

/** Columns are matched by name: their order may differ, since row groups are decoded by name. */
function requireSameSchema(first: ScannedMeta, other: ScannedMeta, wanted: ReadonlySet<string> | undefined): void {
  const isCompared = ({ name }: { readonly name: string }): boolean => wanted?.has(name) ?? true
  const otherFields = new Map(other.schema.fields.filter(isCompared).map((field) => [field.name, field]))
  const makeMismatch = (column: string, what: string): SpillwayError => {
    const message = `Files of one scan differ: column "${column}" ${what} in ${other.path}, unlike in ${first.path}.`
    const advice = 'Scan them separately, or name the common columns with the option schema.'
    return makeError('SCHEMA_MISMATCH', `${message} ${advice}`, { file: other.path, column })
  }
  for (const field of first.schema.fields.filter(isCompared)) {
    const { name, type } = field
    const found = otherFields.get(name)
    if (found === undefined) throw makeMismatch(name, whyUnread(other, name) ?? 'is missing')
    if (!typeEquals(found.type, type))
      throw makeMismatch(name, `is ${typeName(found.type)} instead of ${typeName(type)}`)
    otherFields.delete(name)
  }
  for (const [name, { type }] of otherFields) {
    const isKnown = whyUnread(first, name) !== undefined
    throw makeMismatch(name, isKnown ? `can be read (${typeName(type)})` : 'is additional')
  }
}

function whyUnread({ leftOut }: ScannedMeta, name: string): string | undefined {
  const found = leftOut.find((column) => column.name === name)
  return found === undefined ? undefined : `cannot be read (${found.type}; ${found.reason})`
}
