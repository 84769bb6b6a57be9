/** Options and arguments that a public function does not know are refused by name: ignored, they are wrong answers. */
import { makeError } from '@spillway/stdx'
import { findNearestName } from './nearest-name.ts'

/**
 * @param options what the program gave: an object of options, or nothing
 * @param known the names that `where`, a public function, understands
 * @throws PlanError INVALID_OPTION
 */
export function refuseUnknownOptions(options: unknown, known: readonly string[], where: string): void {
  if (options === undefined) return
  const list = known.length === 0 ? 'It takes none.' : `It takes ${known.join(', ')}.`
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const found = options === null ? 'null' : Array.isArray(options) ? 'an array' : `a ${typeof options}`
    throw makeError('INVALID_OPTION', `Invalid options of ${where}: ${found} instead of an object. ${list}`, {})
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const nearest = findNearestName(name, known)
    const advice = nearest === undefined ? list : `Did you mean "${nearest}"?`
    throw makeError('INVALID_OPTION', `Unknown option of ${where}: "${name}". ${advice}`, { option: name })
  }
}

/** @param surplus what stands behind the arguments of `where` @throws PlanError INVALID_OPTION */
export function refuseSurplus(surplus: readonly unknown[], where: string, advice: string): void {
  if (surplus.every((value) => value === undefined)) return
  throw makeError('INVALID_OPTION', `Too many arguments of ${where}. ${advice}`, {})
}
