/**
 * Cells: values of any engine in one neutral form, so that results of Spillway, DuckDB and Arrow can be compared
 * exactly. A column has a family rather than a type, because engines differ in widths (DuckDB sums int32 to 128 bits)
 * but must not differ in values.
 *
 * family      cell
 * boolean     boolean
 * integer     bigint
 * float       number (NaN, -0 and infinities kept)
 * text        string
 * decimal     string of the exact value without trailing zeros: '12.5', '-3', '0'
 * date        bigint, days since 1970-01-01
 * timestamp   bigint, nanoseconds since 1970-01-01
 * null        a column that has no type: every cell is null
 */
import type { DataType, TimeUnit } from '@spillway/columnar'
import { unreachable } from '@spillway/stdx'

export type Cell = null | boolean | bigint | number | string

export type Family = 'boolean' | 'integer' | 'float' | 'text' | 'decimal' | 'date' | 'timestamp' | 'null'

/** A result in neutral form, row by row. */
export interface ResultTable {
  readonly names: readonly string[]
  readonly families: readonly Family[]
  readonly rows: readonly (readonly Cell[])[]
}

export function familyOf(type: DataType): Family {
  switch (type.kind) {
    case 'null':
      return 'null'
    case 'boolean':
      return 'boolean'
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint64':
      return 'integer'
    case 'float32':
    case 'float64':
      return 'float'
    case 'utf8':
    case 'binary':
      return 'text'
    case 'date':
      return 'date'
    case 'timestamp':
      return 'timestamp'
    case 'decimal':
      return 'decimal'
    default:
      return unreachable(type)
  }
}

/** Bytes as text: two digits each. */
export const bytesCell = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const NANOSECONDS = { s: 1_000_000_000n, ms: 1_000_000n, us: 1_000n, ns: 1n } as const satisfies Record<
  TimeUnit,
  bigint
>

/** Nanoseconds of a timestamp of `unit`. */
export function timestampCell(value: bigint, unit: TimeUnit): bigint {
  return value * NANOSECONDS[unit]
}

/** The exact decimal text of `scaled` / 10^scale without trailing zeros. */
export function decimalCell(scaled: bigint, scale: number): string {
  const digits = (scaled < 0n ? -scaled : scaled).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
  const text = fraction === '' ? whole : `${whole}.${fraction}`
  return scaled < 0n && text !== '0' ? `-${text}` : text
}

/**
 * Text of a cell that is equal exactly for cells that are the same value: NaN equals NaN and -0 equals 0, as in
 * comparisons and group keys. The family's letter keeps the text "1" and the number 1 apart.
 */
export function cellText(cell: Cell, family: Family): string {
  if (cell === null) return '∅'
  if (typeof cell === 'number') return `f:${Object.is(cell, -0) ? '0' : String(cell)}`
  if (typeof cell === 'string') return `${family === 'decimal' ? 'd' : 't'}:${JSON.stringify(cell)}`
  return `${family[0]}:${String(cell)}`
}

/** Turns columns into rows. All columns have the same length; no columns give no rows. */
export function rowsOfColumns(columns: readonly (readonly Cell[])[]): Cell[][] {
  const rowCount = columns[0]?.length ?? 0
  return Array.from({ length: rowCount }, (_, row) => columns.map((column) => column[row] ?? null))
}
