/** A schema: ordered, named, typed columns. Names are unique. */
import { makeError } from '@spillway/stdx'
import type { DataType } from './data-type.ts'

export interface Field {
  readonly name: string
  readonly type: DataType
  /** False only when the source proves that there is no null (a REQUIRED Parquet column, `len()`). */
  readonly nullable: boolean
}

export interface Schema {
  readonly fields: readonly Field[]
}

/** Makes a schema. @throws PlanError DUPLICATE_COLUMN when a name occurs twice. */
export function makeSchema(fields: readonly Field[]): Schema {
  const seen = new Set<string>()
  for (const { name } of fields) {
    if (seen.has(name)) {
      throw makeError('DUPLICATE_COLUMN', `Duplicate column name: "${name}". Rename one with .alias().`, {
        column: name,
      })
    }
    seen.add(name)
  }
  return Object.freeze({ fields: Object.freeze([...fields]) })
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
