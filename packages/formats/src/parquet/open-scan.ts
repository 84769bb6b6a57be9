/** Opens a scan of files: finds them, reads every footer, and checks that the files have one schema. */
import { makeSchema, typeEquals, typeName } from '@spillway/columnar'
import type { Schema } from '@spillway/columnar'
import { assert, makeError, type SpillwayError } from '@spillway/stdx'
import { expandPaths, type FileKind } from '../paths/expand-paths.ts'
import { type PathArgument, pathsOf } from '../paths/path-argument.ts'
import type { LeftOutColumn } from './file-meta.ts'
import { readFileMeta } from './footer.ts'

export interface OpenedScan {
  /** Absolute paths in the order given; those of a directory or glob are sorted. */
  readonly files: string[]
  /** Of the first file; a column is nullable when it is in any file. */
  readonly fileSchema: Schema
  /** Columns that cannot be read, with the reason; use `columnError` when one is asked for. */
  readonly leftOut: readonly LeftOutColumn[]
  /** Rows of all files. */
  readonly rowCount: number
}

/** What the footers of all formats say. */
type ScannedMeta = Pick<OpenedScan, 'leftOut' | 'rowCount'> & { readonly path: string; readonly schema: Schema }

export interface ScannedFormat extends FileKind {
  /** The public function, for messages. */
  readonly scan: string
  readonly readMeta: (path: string) => ScannedMeta
}

/**
 * Opens the files that `paths` name: files, directories or globs. Main thread.
 * @param compared columns in which the files must agree; by default in all
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, NOT_PARQUET, PARQUET_CORRUPT, SCHEMA_MISMATCH
 */
export function openParquetScan(
  paths: PathArgument | readonly PathArgument[],
  compared?: readonly string[],
): OpenedScan {
  return openScan(paths, compared, {
    scan: 'scanParquet',
    name: 'Parquet',
    extensions: ['.parquet'],
    readMeta: readFileMeta,
  })
}

/** @throws DataError FILE_NOT_FOUND, SCHEMA_MISMATCH, and what reading footers gives */
export function openScan(
  paths: PathArgument | readonly PathArgument[],
  compared: readonly string[] | undefined,
  format: ScannedFormat,
): OpenedScan {
  const files = expandPaths(pathsOf(paths, format.scan), format)
  const [firstFile, ...otherFiles] = files
  assert(firstFile !== undefined, 'every path stands for a file')
  const first = format.readMeta(firstFile)
  const nullable = new Set(first.schema.fields.filter((field) => field.nullable).map((field) => field.name))
  let rowCount = first.rowCount
  for (const file of otherFiles) {
    const meta = format.readMeta(file)
    requireSameSchema(first, meta, compared)
    for (const field of meta.schema.fields) if (field.nullable) nullable.add(field.name)
    rowCount += meta.rowCount
  }
  const fields = first.schema.fields.map((field) => ({ ...field, nullable: nullable.has(field.name) }))
  return { files, fileSchema: makeSchema(fields), leftOut: first.leftOut, rowCount }
}

/** Columns are matched by name: their order may differ, since row groups are decoded by name. */
function requireSameSchema(first: ScannedMeta, other: ScannedMeta, compared: readonly string[] | undefined): void {
  const isCompared = compared === undefined ? () => true : (name: string) => names.has(name)
  const names = new Set(compared)
  const fieldsOf = ({ schema }: ScannedMeta) => schema.fields.filter(({ name }) => isCompared(name))
  const otherFields = new Map(fieldsOf(other).map((field) => [field.name, field]))
  const makeMismatch = (column: string, what: string): SpillwayError => {
    const message = `Files of one scan differ: column "${column}" ${what} in ${other.path}, unlike in ${first.path}.`
    return makeError('SCHEMA_MISMATCH', `${message} Scan them separately.`, { file: other.path, column })
  }
  for (const { name, type } of fieldsOf(first)) {
    const field = otherFields.get(name)
    if (field === undefined) throw makeMismatch(name, 'is missing or has an unsupported type')
    if (!typeEquals(field.type, type))
      throw makeMismatch(name, `is ${typeName(field.type)} instead of ${typeName(type)}`)
    otherFields.delete(name)
  }
  for (const name of otherFields.keys()) throw makeMismatch(name, 'is additional')
}
