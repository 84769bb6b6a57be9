/** A schema: ordered, named, typed columns. Names are unique. */
import { makeError, type SpillwayError } from '@spillway/stdx'
import type { DataType } from './data-type.ts'

export interface Field {
  readonly name: string
  readonly type: DataType
  /** False only when the source proves that there is no null (a REQUIRED Parquet column, `len()`). */
  readonly nullable: boolean
}

/** A column of a file that cannot be read, and that is therefore missing among the fields. */
export interface LeftOutColumn {
  readonly name: string
  /** Absolute path. */
  readonly file: string
  /** As the file says it: `list`, `struct`, `uuid`. */
  readonly type: string
  /** The end of a sentence: `lists are not read`. */
  readonly reason: string
  /** Of the error for whoever asks for the column. */
  readonly code: 'UNSUPPORTED_TYPE' | 'DUPLICATE_COLUMN' | 'ENCRYPTED'
}

export interface Schema {
  readonly fields: readonly Field[]
  /** What would be fields if it could be read; absent = nothing. Empty lists are not kept. */
  readonly leftOut?: readonly LeftOutColumn[] | undefined
}

/**
 * Makes a schema.
 * @param leftOut a column whose name a field has is not left out any more
 * @throws PlanError DUPLICATE_COLUMN when a name occurs twice.
 */
export function makeSchema(fields: readonly Field[], leftOut: readonly LeftOutColumn[] = []): Schema {
  const seen = new Set<string>()
  for (const { name } of fields) {
    if (seen.has(name)) {
      throw makeError('DUPLICATE_COLUMN', `Duplicate column name: "${name}". Rename one with .alias().`, {
        column: name,
      })
    }
    seen.add(name)
  }
  const missing = leftOut.filter(({ name }) => !seen.has(name))
  const frozen = Object.freeze([...fields])
  return Object.freeze(missing.length === 0 ? { fields: frozen } : { fields: frozen, leftOut: Object.freeze(missing) })
}

/** For whoever asks for a column that was left out. */
export function leftOutError({ name, file, type, reason, code }: LeftOutColumn): SpillwayError {
  const what = {
    UNSUPPORTED_TYPE: `Unsupported type of column "${name}" in ${file}: ${type}; ${reason}.`,
    DUPLICATE_COLUMN: `Column name is repeated: "${name}" in ${file}; ${reason} (${type}).`,
    ENCRYPTED: `Encrypted column: "${name}" in ${file}; ${reason}.`,
  }[code]
  return makeError(code, `${what} Select or name the other columns.`, { column: name, file, type })
}

/** Index of a column, or -1. */
export function findFieldIndex(schema: Schema, name: string): number {
  const { fields } = schema
  if (fields.length <= LINEAR_MAX) return fields.findIndex((field) => field.name === name)
  let known = indices.get(fields)
  if (known === undefined) {
    known = new Map()
    // The first of equal names counts, as in a search.
    for (let index = fields.length - 1; index >= 0; index--) known.set(fields[index]?.name ?? '', index)
    indices.set(fields, known)
  }
  return known.get(name) ?? -1
}

/** Columns up to which searching beats building an index. */
const LINEAR_MAX = 16
/** Of wide schemas: index by name. A schema's list of fields never changes. */
const indices = new WeakMap<readonly Field[], Map<string, number>>()

/** Whether a column is there. */
export function hasField(schema: Schema, name: string): boolean {
  return findFieldIndex(schema, name) >= 0
}
