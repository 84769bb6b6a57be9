/** Faults of writers that readers know by the name that the writer left in the footer. */

/** `parquet-mr version 1.2.8 (build …)`: numbers that are not there count as 0. */
function versionOf(createdBy: string | undefined, writer: string): readonly [number, number, number] | undefined {
  const match = /^(\S+)(?: version (\d+)(?:\.(\d+)(?:\.(\d+))?)?)?/.exec(createdBy ?? '')
  if (match?.[1] !== writer) return undefined
  return [Number(match[2] ?? 0), Number(match[3] ?? 0), Number(match[4] ?? 0)]
}

function isBefore(createdBy: string | undefined, writer: string, limit: readonly [number, number, number]): boolean {
  const version = versionOf(createdBy, writer)
  if (version === undefined) return false
  for (const [index, part] of version.entries()) {
    if (part !== limit[index]) return part < (limit[index] ?? 0)
  }
  return false
}

/** Most bytes of the header of a dictionary page, as other readers take it. */
const DICTIONARY_HEADER_BYTES = 100

/** Bytes by which a chunk may be longer than the footer says: the dictionary's header was not counted (PARQUET-816). */
export function uncountedBytes(createdBy: string | undefined): number {
  return isBefore(createdBy, 'parquet-mr', [1, 2, 9]) ? DICTIONARY_HEADER_BYTES : 0
}

/** Pages of version 2 are compressed, whatever they say of it (ARROW-10353). */
export function compressesAllPages(createdBy: string | undefined): boolean {
  return isBefore(createdBy, 'parquet-cpp', [2, 0, 0])
}
