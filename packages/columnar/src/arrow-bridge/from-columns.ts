/**
 * A table from what users hold: arrays, typed arrays, or values with an explicit type.
 *
 * Types are inferred as nodejs-polars does: number → float64, bigint → int64, boolean, string → utf8,
 * Date → timestamp[ms]; a typed array has the type of its elements; only nulls → null.
 */
import { makeError } from '@spillway/stdx'
import type { ArrowColumn } from '../arrow-column.ts'
import type { DataType, TypeKind } from '../data-type.ts'
import { requireDataType } from '../require-data-type.ts'
import { typeEquals, typeName } from '../data-type.ts'
import { makeSchema } from '../schema.ts'
import type { SharedTable } from '../shared-table.ts'
import { makeTable, shareBytes } from '../shared-table.ts'
import { buildColumn } from './build-column.ts'

export type TypedArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array

/** One column's values; with `type`, they are converted to it and checked. */
export type ColumnInput =
  | readonly unknown[]
  | TypedArray
  | { readonly values: readonly unknown[] | TypedArray; readonly type?: DataType }

/**
 * Makes a table, in shared buffers. Typed arrays are copied by one `set` (not at all when they are shared already).
 * With an explicit type: integers take number or bigint; dates take Date (its UTC day), "YYYY-MM-DD" or days;
 * timestamps take Date, or number or bigint in their unit; decimals take text, number or bigint, exactly ("1.50", 3n).
 *
 * ```ts
 * fromColumns({ id: new Int32Array([1, 2]), price: { values: ['1.50', null], type: decimalType } })
 * ```
 *
 * @param types explicit types by column name; they go before a type given with the values.
 * @throws DataError CAST_FAILED when a value does not fit; PlanError TYPE_MISMATCH when a column mixes kinds of values,
 *   COLUMN_NOT_FOUND when `types` names no column, INVALID_OPTION when the columns differ in length.
 */
export function fromColumns(
  columns: Readonly<Record<string, ColumnInput>>,
  types: Readonly<Record<string, DataType>> = {},
): SharedTable {
  const names = Object.keys(columns)
  for (const [name, type] of Object.entries(types)) {
    requireDataType(type, `the type of column "${name}"`)
    if (Object.hasOwn(columns, name)) continue
    throw makeError('COLUMN_NOT_FOUND', `Column not found: "${name}" has a type but no values.`, { column: name })
  }
  const built = names.map((name) =>
    buildFromInput(name, columns[name] as ColumnInput, Object.hasOwn(types, name) ? types[name] : undefined),
  )
  const rowCount = built[0]?.length ?? 0
  built.forEach((column, index) => {
    if (column.length === rowCount) return
    const text = `Columns differ in length: "${names[index]}" has ${column.length} rows, "${names[0]}" has ${rowCount}.`
    throw makeError('INVALID_OPTION', `${text} Give every column the same number of values.`, { column: names[index] })
  })
  const schema = makeSchema(
    built.map((column, index) => ({
      name: names[index] as string,
      type: column.type,
      nullable: column.nullCount !== 0,
    })),
  )
  return makeTable(schema, rowCount === 0 ? [] : [{ rowCount, columns: built }])
}

function buildFromInput(name: string, input: ColumnInput, wantedType: DataType | undefined): ArrowColumn {
  const typed = isValuesObject(input)
  const values = typed ? input.values : input
  const type = wantedType ?? (typed ? input.type : undefined)
  if (ArrayBuffer.isView(values)) {
    const elementType = typedArrayType(name, values)
    // A timestamp's units and a date's days are stored just as the elements of such an array.
    if (type === undefined || storesAlike(type, elementType)) return viewColumn(type ?? elementType, values)
    return buildColumn(name, type, values as unknown as ArrayLike<unknown>, 'plain')
  }
  if (!Array.isArray(values)) {
    throw makeError(
      'INVALID_OPTION',
      `Column values are not an array: column "${name}". Give an array or typed array.`,
      {
        column: name,
      },
    )
  }
  return buildColumn(name, type ?? inferType(name, values), values, 'plain')
}

function isValuesObject(input: ColumnInput): input is { values: readonly unknown[] | TypedArray; type?: DataType } {
  return typeof input === 'object' && input !== null && !ArrayBuffer.isView(input) && !Array.isArray(input)
}

function storesAlike(type: DataType, elementType: DataType): boolean {
  if (typeEquals(type, elementType)) return true
  return (
    (type.kind === 'timestamp' && elementType.kind === 'int64') ||
    (type.kind === 'date' && elementType.kind === 'int32')
  )
}

const arrayKinds: Readonly<Record<string, TypeKind>> = {
  Int8Array: 'int8',
  Int16Array: 'int16',
  Int32Array: 'int32',
  BigInt64Array: 'int64',
  Uint8Array: 'uint8',
  Buffer: 'uint8',
  Uint8ClampedArray: 'uint8',
  Uint16Array: 'uint16',
  Uint32Array: 'uint32',
  BigUint64Array: 'uint64',
  Float32Array: 'float32',
  Float64Array: 'float64',
}

function typedArrayType(name: string, values: ArrayBufferView): DataType {
  const kind = arrayKinds[values.constructor.name]
  if (kind !== undefined) return { kind } as DataType
  throw makeError('UNSUPPORTED_TYPE', `Unsupported array: ${values.constructor.name} in column "${name}".`, {
    column: name,
  })
}

function viewColumn(type: DataType, values: TypedArray): ArrowColumn {
  return {
    type,
    length: values.length,
    offset: 0,
    nullCount: 0,
    validity: undefined,
    values: shareBytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
    offsets: undefined,
    offsetBytes: 4,
    dictionary: undefined,
    indexBytes: 4,
  }
}

/** The type of the present values, which must all be of one kind. */
function inferType(name: string, values: readonly unknown[]): DataType {
  let type: DataType = { kind: 'null' }
  let firstRow = -1
  for (let row = 0; row < values.length; row++) {
    const value = values[row]
    if (value === null || value === undefined) continue
    const valueType = typeOfValue(value)
    if (valueType === undefined) {
      throw makeError(
        'UNSUPPORTED_TYPE',
        `Unsupported value in column "${name}", row ${row}: an object of no data type.`,
        {
          column: name,
          row,
        },
      )
    }
    if (firstRow === -1) {
      type = valueType
      firstRow = row
    } else if (!typeEquals(type, valueType)) {
      const kinds = `row ${firstRow} gives ${typeName(type)}, row ${row} ${typeName(valueType)}`
      throw makeError('TYPE_MISMATCH', `Mixed values in column "${name}": ${kinds}. Give the column a type.`, {
        column: name,
        row,
      })
    }
  }
  return type
}

function typeOfValue(value: unknown): DataType | undefined {
  if (typeof value === 'number') return { kind: 'float64' }
  if (typeof value === 'bigint') return { kind: 'int64' }
  if (typeof value === 'boolean') return { kind: 'boolean' }
  if (typeof value === 'string') return { kind: 'utf8' }
  if (value instanceof Uint8Array) return { kind: 'binary' }
  return value instanceof Date ? { kind: 'timestamp', unit: 'ms', timezone: undefined } : undefined
}
