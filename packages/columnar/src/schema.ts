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
  return schema.fields.findIndex((field) => field.name === name)
}
