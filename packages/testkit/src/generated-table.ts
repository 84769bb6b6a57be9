/**
 * Tables made for tests: a schema and columns of raw cells, how such cells are written in SQL, and which DuckDB type a
 * column has. Cells are raw in the unit of their type: a timestamp[ms] holds milliseconds, a decimal its scaled bigint.
 */
import type { DataType, Schema } from '@spillway/columnar'
import { makeError, unreachable } from '@spillway/stdx'
import { type Cell, decimalCell, familyOf, type ResultTable, rowsOfColumns, timestampCell } from './cells.ts'

/** boolean: boolean; integers, date, timestamp, decimal (scaled): bigint; floats: number; utf8: string. */
export type RawCell = null | boolean | bigint | number | string

export interface GeneratedTable {
  readonly schema: Schema
  readonly rowCount: number
  /** columns[c][row] */
  readonly columns: readonly (readonly RawCell[])[]
}

/** The DuckDB type that holds exactly the values of `type`. */
export function duckdbTypeName(type: DataType): string {
  switch (type.kind) {
    case 'null':
      return 'INTEGER'
    case 'boolean':
      return 'BOOLEAN'
    case 'int8':
      return 'TINYINT'
    case 'int16':
      return 'SMALLINT'
    case 'int32':
      return 'INTEGER'
    case 'int64':
      return 'BIGINT'
    case 'uint8':
      return 'UTINYINT'
    case 'uint16':
      return 'USMALLINT'
    case 'uint32':
      return 'UINTEGER'
    case 'uint64':
      return 'UBIGINT'
    case 'float32':
      return 'FLOAT'
    case 'float64':
      return 'DOUBLE'
    case 'utf8':
      return 'VARCHAR'
    case 'binary':
      return 'BLOB'
    case 'date':
      return 'DATE'
    case 'timestamp':
      if (type.timezone !== undefined) return 'TIMESTAMPTZ'
      return { s: 'TIMESTAMP_S', ms: 'TIMESTAMP_MS', us: 'TIMESTAMP', ns: 'TIMESTAMP_NS' }[type.unit]
    case 'decimal':
      return `DECIMAL(${type.precision}, ${type.scale})`
    default:
      return unreachable(type)
  }
}

/** The neutral cell of a raw one. */
export function neutralCell(value: RawCell, type: DataType): Cell {
  if (value === null) return null
  if (type.kind === 'timestamp') return timestampCell(value as bigint, type.unit)
  if (type.kind === 'decimal') return decimalCell(value as bigint, type.scale)
  return value
}

/** A generated table as the result that a plain scan of it must give. */
export function resultOfTable(table: GeneratedTable): ResultTable {
  const { fields } = table.schema
  const columns = fields.map((field, index) =>
    (table.columns[index] ?? []).map((value) => neutralCell(value, field.type)),
  )
  return {
    names: fields.map((field) => field.name),
    families: fields.map((field) => familyOf(field.type)),
    rows: rowsOfColumns(columns),
  }
}

/** SQL text of a float that reads back as the same bits. */
function floatLiteral(value: number, typeName: string): string {
  if (Number.isNaN(value)) return `'NaN'::${typeName}`
  if (!Number.isFinite(value)) return `'${value > 0 ? '' : '-'}Infinity'::${typeName}`
  return `'${Object.is(value, -0) ? '-0.0' : String(value)}'::${typeName}`
}

/** SQL text of a raw cell, cast to the type, so that no parser's idea of a literal's type interferes. */
export function duckdbLiteral(value: RawCell, type: DataType): string {
  const typeName = duckdbTypeName(type)
  if (value === null) return `NULL::${typeName}`
  switch (type.kind) {
    case 'null':
      throw makeError('INVARIANT', 'A column of type null has only nulls')
    case 'boolean':
      return value === true ? 'true' : 'false'
    case 'float32':
    case 'float64':
      return floatLiteral(value as number, typeName)
    case 'utf8':
      return `'${(value as string).replaceAll("'", "''")}'`
    case 'date':
      return `(DATE '1970-01-01' + (${String(value)})::INTEGER)`
    case 'timestamp':
      return timestampLiteral(value as bigint, type.unit, typeName)
    case 'decimal':
      return `'${decimalCell(value as bigint, type.scale)}'::${typeName}`
    default:
      return `'${String(value)}'::${typeName}`
  }
}

function timestampLiteral(value: bigint, unit: 's' | 'ms' | 'us' | 'ns', typeName: string): string {
  if (unit === 'ns') return `make_timestamp_ns(${value})`
  const micros = timestampCell(value, unit) / 1000n
  const text = `make_timestamp(${micros})`
  return typeName === 'TIMESTAMPTZ' ? `(${text} AT TIME ZONE 'UTC')` : `${text}::${typeName}`
}
