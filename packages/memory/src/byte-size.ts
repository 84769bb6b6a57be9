/** Byte sizes as users write and read them: `512MB` is decimal, `512MiB` binary; sizes are printed in binary units. */
import { makeError } from '@spillway/stdx'

const unitBytes: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
])

/**
 * Bytes of `512MB` (512e6), `512MiB`, `1.5 GB`, or a number of bytes; rounded down.
 * @param option name of the option, for the error
 * @throws PlanError INVALID_OPTION
 */
export function parseByteSize(value: string | number, option = 'size'): number {
  const match = typeof value === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(value) : undefined
  const unit = match === undefined ? 1 : unitBytes.get(match?.[2]?.toLowerCase() ?? '?')
  const bytes = Math.floor((typeof value === 'number' ? value : Number(match?.[1])) * (unit ?? Number.NaN))
  if (!(bytes >= 0 && bytes <= Number.MAX_SAFE_INTEGER)) {
    throw makeError(
      'INVALID_OPTION',
      `Not a byte size: ${option} = ${JSON.stringify(value) ?? String(value)}. ` +
        'Write a number of bytes, "512MB" or "1.5GiB".',
      { option, value: String(value) },
    )
  }
  return bytes
}

const binaryUnits = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `412.8 MiB`, `17 B`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  let scaled = bytes / 1024
  let unit = 0
  // 1023.95 would print as "1024.0", so the step up happens before rounding.
  while (scaled >= 1023.95 && unit < binaryUnits.length - 1) {
    scaled /= 1024
    unit += 1
  }
  return `${scaled.toFixed(1)} ${binaryUnits[unit]}`
}
