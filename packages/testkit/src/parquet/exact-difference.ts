/**
 * Compares two results row by row and bit by bit: unlike `tableDifference`, -0 is not 0 and the order counts. For
 * readers of files, who must not change anything.
 */
import type { ResultTable } from '../cells.ts'

export interface ExactOptions {
  /** Those compared; all of `expected` by default. */
  readonly columns?: readonly string[]
  /** -0 is 0 all the same: for files of writers that hold both as one dictionary entry. */
  readonly oneZero?: boolean
}

/** What differs first, as a sentence, or undefined. */
export function exactDifference(
  actual: ResultTable,
  expected: ResultTable,
  { columns = expected.names, oneZero = false }: ExactOptions = {},
): string | undefined {
  if (actual.names.join('\u0000') !== columns.join('\u0000')) {
    return `columns are [${actual.names.join(', ')}], expected [${columns.join(', ')}]`
  }
  if (actual.rows.length !== expected.rows.length) {
    return `${actual.rows.length} rows, expected ${expected.rows.length}`
  }
  const places = columns.map((name) => expected.names.indexOf(name))
  for (const [column, place] of places.entries()) {
    const [found, wanted] = [actual.families[column], expected.families[place]]
    if (found !== wanted) return `column "${columns[column]}" is ${found}, expected ${wanted}`
    for (let row = 0; row < expected.rows.length; row++) {
      const a = actual.rows[row]?.[column]
      const b = expected.rows[row]?.[place]
      if (!Object.is(a, b) && !(oneZero && a === b))
        return `column "${columns[column]}", row ${row}: ${show(a)}, expected ${show(b)}`
    }
  }
  return undefined
}

function show(cell: unknown): string {
  if (typeof cell === 'string') return JSON.stringify(cell.slice(0, 60))
  return Object.is(cell, -0) ? '-0' : String(cell)
}
