/**
 * Compares two results: exactly for everything but floats, and for floats exactly or within a stated tolerance.
 * Without an order the rows are compared as multisets: rows that agree in all exact columns form a bucket, and inside a
 * bucket each row must find a partner whose floats are near.
 */
import { type Cell, cellText, type Family, type ResultTable } from './cells.ts'

export interface CompareOptions {
  /** Rows must come in the same order. Default false. */
  readonly ordered?: boolean
  /** Allowed |a - b| / max(|a|, |b|) of floats. Default 0: bitwise, but NaN = NaN and -0 = 0. */
  readonly relativeFloat?: number
  /** Allowed |a - b| of floats, for all columns or by name: usually 1e-12 times the sum of |input|. Default 0. */
  readonly absoluteFloat?: number | Readonly<Record<string, number>>
}

/** Whether two float cells agree. NaN agrees with NaN only, an infinity with itself only. */
export function floatsAgree(a: Cell, b: Cell, relative: number, absolute: number): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return a === b
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b)
  if (a === b) return true
  if (!Number.isFinite(a) || !Number.isFinite(b)) return false
  return Math.abs(a - b) <= Math.max(absolute, relative * Math.max(Math.abs(a), Math.abs(b)))
}

interface Comparison {
  readonly families: readonly Family[]
  /** Columns compared with a tolerance; all others belong to the key. */
  readonly floatColumns: readonly number[]
  readonly relative: number
  readonly absolutes: readonly number[]
}

function keyOf(row: readonly Cell[], comparison: Comparison): string {
  const parts: string[] = []
  for (let column = 0; column < row.length; column++) {
    if (comparison.floatColumns.includes(column)) continue
    parts.push(cellText(row[column] ?? null, comparison.families[column] ?? 'null'))
  }
  return parts.join('|')
}

function floatsOfRowsAgree(a: readonly Cell[], b: readonly Cell[], comparison: Comparison): boolean {
  return comparison.floatColumns.every((column) =>
    floatsAgree(a[column] ?? null, b[column] ?? null, comparison.relative, comparison.absolutes[column] ?? 0),
  )
}

function showRow(row: readonly Cell[] | undefined, families: readonly Family[]): string {
  if (row === undefined) return '(no row)'
  return `[${row.map((cell, index) => cellText(cell, families[index] ?? 'null')).join(', ')}]`
}

/** Differences of column names and families, or undefined. A column without a type fits every family. */
function headerDifference(actual: ResultTable, expected: ResultTable): string | undefined {
  if (actual.names.join('\u0000') !== expected.names.join('\u0000')) {
    return `columns differ: [${actual.names.join(', ')}], expected [${expected.names.join(', ')}]`
  }
  for (const [index, family] of actual.families.entries()) {
    const wanted = expected.families[index]
    if (family !== wanted && family !== 'null' && wanted !== 'null') {
      return `column "${actual.names[index]}" is ${family}, expected ${wanted}`
    }
  }
  return undefined
}

function orderedDifference(actual: ResultTable, expected: ResultTable, comparison: Comparison): string | undefined {
  for (const [index, row] of expected.rows.entries()) {
    const found = actual.rows[index] ?? []
    if (keyOf(found, comparison) !== keyOf(row, comparison) || !floatsOfRowsAgree(found, row, comparison)) {
      const { families } = comparison
      return `row ${index} differs: ${showRow(found, families)}, expected ${showRow(row, families)}`
    }
  }
  return undefined
}

function bucketsOf(rows: readonly (readonly Cell[])[], comparison: Comparison): Map<string, (readonly Cell[])[]> {
  const buckets = new Map<string, (readonly Cell[])[]>()
  for (const row of rows) {
    const key = keyOf(row, comparison)
    const bucket = buckets.get(key)
    if (bucket === undefined) buckets.set(key, [row])
    else bucket.push(row)
  }
  return buckets
}

/** Orders rows by their floats, NaN last, so that near rows of two buckets stand at near positions. */
function sortByFloats(rows: (readonly Cell[])[], comparison: Comparison): (readonly Cell[])[] {
  const rank = (cell: Cell | undefined) => {
    if (typeof cell !== 'number') return Number.NEGATIVE_INFINITY
    return Number.isNaN(cell) ? Number.POSITIVE_INFINITY : cell
  }
  return [...rows].sort((a, b) => {
    for (const column of comparison.floatColumns) {
      const left = rank(a[column])
      const right = rank(b[column])
      if (left !== right) return left < right ? -1 : 1
    }
    return 0
  })
}

/** The first row of `expected` without a partner in `actual`, both of one bucket. */
function unpairedRow(
  actual: (readonly Cell[])[],
  expected: (readonly Cell[])[],
  comparison: Comparison,
): readonly Cell[] | undefined {
  const remaining = sortByFloats(actual, comparison)
  for (const row of sortByFloats(expected, comparison)) {
    const at = remaining.findIndex((candidate) => floatsOfRowsAgree(candidate, row, comparison))
    if (at < 0) return row
    remaining.splice(at, 1)
  }
  return undefined
}

function multisetDifference(actual: ResultTable, expected: ResultTable, comparison: Comparison): string | undefined {
  const found = bucketsOf(actual.rows, comparison)
  const wanted = bucketsOf(expected.rows, comparison)
  const { families } = comparison
  for (const [key, rows] of wanted) {
    const candidates = found.get(key) ?? []
    if (candidates.length !== rows.length) {
      const near = candidates.length === 0 ? '' : ` (${candidates.length} times instead of ${rows.length})`
      return `missing row: ${showRow(rows[0], families)}${near}`
    }
    const row = unpairedRow(candidates, rows, comparison)
    if (row !== undefined) return `missing row: ${showRow(row, families)}; nearest: ${showRow(candidates[0], families)}`
  }
  for (const [key, rows] of found) if (!wanted.has(key)) return `unexpected row: ${showRow(rows[0], families)}`
  return undefined
}

/** What differs between two results, as a sentence, or undefined when they agree. */
export function tableDifference(
  actual: ResultTable,
  expected: ResultTable,
  options: CompareOptions = {},
): string | undefined {
  const header = headerDifference(actual, expected)
  if (header !== undefined) return header
  const { relativeFloat = 0, absoluteFloat = 0, ordered = false } = options
  const absolutes = expected.names.map((name) =>
    typeof absoluteFloat === 'number' ? absoluteFloat : (absoluteFloat[name] ?? 0),
  )
  const tolerant = relativeFloat > 0 || absolutes.some((absolute) => absolute > 0)
  const comparison: Comparison = {
    families: expected.families,
    floatColumns: tolerant ? expected.families.flatMap((family, index) => (family === 'float' ? [index] : [])) : [],
    relative: relativeFloat,
    absolutes,
  }
  if (actual.rows.length !== expected.rows.length) {
    const detail = multisetDifference(actual, expected, comparison) ?? ''
    return `${actual.rows.length} rows, expected ${expected.rows.length}; ${detail}`
  }
  return ordered ? orderedDifference(actual, expected, comparison) : multisetDifference(actual, expected, comparison)
}
