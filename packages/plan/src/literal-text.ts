/** Exact text of scaled values: decimals, dates (days) and timestamps (units since 1970-01-01 UTC). */
import type { TimeUnit } from '@spillway/columnar'

/** `123.45` for 12345 at scale 2. */
export function decimalText(scaled: bigint, scale: number): string {
  const digits = (scaled < 0n ? -scaled : scaled).toString().padStart(scale + 1, '0')
  const sign = scaled < 0n ? '-' : ''
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

const DAY_MS = 86_400_000

/** Year, month and day of a day count; falls back to the count outside what a JavaScript date can hold. */
export function dateText(days: number): string {
  const date = new Date(days * DAY_MS)
  if (Number.isNaN(date.getTime())) return `day ${days}`
  return date.toISOString().replace(/T.*$/, '')
}

/** Units of one second. */
export const unitsPerSecond = {
  s: 1n,
  ms: 1_000n,
  us: 1_000_000n,
  ns: 1_000_000_000n,
} as const satisfies Record<TimeUnit, bigint>

/** `2024-01-31 12:00:00.5`; without trailing zeros of the fraction. */
export function timestampText(value: bigint, unit: TimeUnit): string {
  const perSecond = unitsPerSecond[unit]
  let seconds = value / perSecond
  let fraction = value % perSecond
  if (fraction < 0n) {
    fraction += perSecond
    seconds -= 1n
  }
  const date = new Date(Number(seconds) * 1000)
  if (Number.isNaN(date.getTime())) return `${value} ${unit}`
  const text = date
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, '')
  const digits = perSecond.toString().length - 1
  const fractionText = fraction.toString().padStart(digits, '0').replace(/0+$/, '')
  return fraction === 0n ? text : `${text}.${fractionText}`
}
