/** What the compiler knows of a DataFrame's values: from a schema of data types to JavaScript types. */
import type { DataType } from '@spillway/columnar'
import type { SchemaTypes } from '@spillway/plan'

/** The JavaScript value of a data type in `toRecords()`. */
export type RecordValue<D extends DataType> = D extends { kind: 'date' | 'timestamp' } ? Date : ExactColumnValue<D>

/** The JavaScript value of a data type in `getColumn(name).toArray()`: timestamps keep all their digits. */
export type ColumnValue<D extends DataType> = D extends { kind: 'date' } ? Date : ExactColumnValue<D>

type ExactColumnValue<D extends DataType> = D extends { kind: 'int64' | 'uint64' | 'timestamp' }
  ? bigint
  : D extends { kind: 'utf8' | 'decimal' }
    ? string
    : D extends { kind: 'binary' }
      ? Uint8Array
      : D extends { kind: 'boolean' }
        ? boolean
        : D extends { kind: 'null' }
          ? null
          : D extends { kind: 'date' }
            ? Date
            : number

/** One row as a plain object. */
export type RecordOf<S extends SchemaTypes> = { -readonly [K in keyof S]: RecordValue<S[K]> | null }
