/** "Did you mean": the nearest column name by edit distance, and the COLUMN_NOT_FOUND error that carries it. */
import { leftOutError, type Schema } from '@spillway/columnar'
import { makeError, type SpillwayError } from '@spillway/stdx'

/**
 * Edit distance where swapping two neighbours counts as one edit (optimal string alignment).
 * Quadratic in the lengths, which are column names.
 */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let best = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substitution)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) best = Math.min(best, (beforePrevious[j - 2] ?? 0) + 1)
      current.push(best)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[b.length] ?? 0
}

/** The candidate nearest to `name`, or undefined when none is closer than about a third of its length. */
export function findNearestName(name: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(Math.max(name.length, 3) / 3))
  let nearest: string | undefined
  let nearestDistance = limit + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > limit) continue
    const caseless = candidate.toLowerCase() === name.toLowerCase()
    const distance = caseless ? 0 : editDistance(name, candidate)
    if (distance < nearestDistance) {
      nearest = candidate
      nearestDistance = distance
    }
  }
  return nearest
}

const NAMES_SHOWN_MAX = 12

/**
 * The error for a column that the schema does not have: why it was left out, if it was, or else the nearest name or a
 * list of what there is.
 */
export function columnNotFound(name: string, schema: Schema): SpillwayError {
  const leftOut = schema.leftOut?.find((column) => column.name === name)
  if (leftOut !== undefined) return leftOutError(leftOut)
  const names = schema.fields.map((field) => field.name)
  const nearest = findNearestName(name, names)
  const shown = names.slice(0, NAMES_SHOWN_MAX).map((other) => `"${other}"`)
  const more = names.length > NAMES_SHOWN_MAX ? `, +${names.length - NAMES_SHOWN_MAX} more` : ''
  const list = names.length === 0 ? 'there are no columns' : `columns: ${shown.join(', ')}${more}`
  const hint = nearest === undefined ? list : `did you mean "${nearest}"?`
  return makeError('COLUMN_NOT_FOUND', `Column not found: "${name}" (${hint})`, { column: name, suggestion: nearest })
}
