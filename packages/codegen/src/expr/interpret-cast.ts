/** The naive twin of casts: one JavaScript value to another type. For tests only. */
import { type DataType, isFloat, isUnsignedInteger, type TimeUnit, typeEquals } from '@spillway/columnar'
import { SpillwayError } from '@spillway/stdx'
import type { CellValue } from './arena-batch.ts'
import { findIntegerRange } from './integer-range.ts'
import { dropDigits, fromExact } from './interpret-expr.ts'

const perSecond = { s: 1n, ms: 1_000n, us: 1_000_000n, ns: 1_000_000_000n } as const satisfies Record<TimeUnit, bigint>

/** Casts a cell. @throws CAST_FAILED when `strict` and the value does not fit; otherwise that is null */
export function castCell(value: CellValue, from: DataType, to: DataType, strict: boolean): CellValue {
  if (value === null || typeEquals(from, to)) return value
  const result = convert(value, from, to)
  if (result !== undefined) return result
  if (strict) throw new SpillwayError('CAST_FAILED', 'Cast fails in the twin')
  return null
}

/** undefined: does not fit. */
function convert(value: Exclude<CellValue, null>, from: DataType, to: DataType): CellValue | undefined {
  if (to.kind === 'utf8') return textOf(value, from)
  if (from.kind === 'utf8') return parse(String(value).replace(/^[\t-\r ]+|[\t-\r ]+$/g, ''), to)
  const toTime = to.kind === 'date' || to.kind === 'timestamp'
  if (toTime && (from.kind === 'date' || from.kind === 'timestamp')) return convertTime(BigInt(value), from, to)
  if (to.kind === 'boolean') return isFloat(from) ? value !== 0 : BigInt(value) !== 0n
  if (from.kind === 'decimal' && isFloat(to)) return float(Number(decimalText(BigInt(value), from.scale)), to)
  if (isFloat(to)) return float(Number(value), to, value)
  if (isFloat(from)) return fromFloat(Number(value), to)
  const fromScale = from.kind === 'decimal' ? from.scale : 0
  return rescale(BigInt(value), fromScale, to)
}

function float(value: number, to: DataType, exact?: CellValue): number {
  if (to.kind !== 'float32') return value
  // Converting int64 through float64 would round twice; generated code converts at once.
  return typeof exact === 'bigint' ? nearestFloat32(exact) : Math.fround(value)
}

function nearestFloat32(value: bigint): number {
  const magnitude = value < 0n ? -value : value
  const excess = magnitude.toString(2).length - 24
  if (excess <= 0) return Number(value)
  const unit = 1n << BigInt(excess)
  const rest = magnitude % unit
  let head = magnitude / unit
  if (rest * 2n > unit || (rest * 2n === unit && head % 2n === 1n)) head += 1n
  return Number(value < 0n ? -head : head) * 2 ** excess
}

function fromFloat(value: number, to: DataType): CellValue | undefined {
  if (!Number.isFinite(value)) return undefined
  if (to.kind !== 'decimal') return ranged(BigInt(Math.trunc(value)), to)
  // value = mantissa × 2^-1074 exactly.
  const scaled = exactNumerator(value) * 10n ** BigInt(to.scale)
  const half = 1n << 1073n
  const magnitude = ((scaled < 0n ? -scaled : scaled) + half) >> 1074n
  return ranged(scaled < 0n ? -magnitude : magnitude, to)
}

function exactNumerator(value: number): bigint {
  let [scaled, shift] = [value, 1074n]
  while (!Number.isInteger(scaled)) {
    scaled *= 2
    shift -= 1n
  }
  return BigInt(scaled) << shift
}

function rescale(value: bigint, fromScale: number, to: DataType): CellValue | undefined {
  const toScale = to.kind === 'decimal' ? to.scale : 0
  const more = toScale - fromScale
  return ranged(more >= 0 ? value * 10n ** BigInt(more) : dropDigits(value, -more), to)
}

function ranged(value: bigint, to: DataType): CellValue | undefined {
  const bound = to.kind === 'decimal' ? 10n ** BigInt(to.precision) : 0n
  const stored: DataType = to.kind === 'date' ? { kind: 'int32' } : to.kind === 'timestamp' ? { kind: 'int64' } : to
  const range = to.kind === 'decimal' ? ([1n - bound, bound - 1n] as const) : findIntegerRange(stored)
  if (range === undefined || value < range[0] || value > range[1]) return undefined
  return to.kind === 'boolean' ? value !== 0n : fromExact(value, to)
}

function convertTime(value: bigint, from: DataType, to: DataType): CellValue | undefined {
  const perDay = (type: DataType): bigint => (type.kind === 'timestamp' ? perSecond[type.unit] * 86_400n : 1n)
  const [source, target] = [perDay(from), perDay(to)]
  if (target >= source) return ranged(value * (target / source), to)
  const divisor = source / target
  return ranged((value - (((value % divisor) + divisor) % divisor)) / divisor, to)
}

function decimalText(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0')
  const sign = value < 0n ? '-' : ''
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

function shortestFloat32(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const candidate = roundHalfEven(value, digits)
    if (Math.fround(candidate) === value) return candidate
  }
  return Number(value.toPrecision(9))
}

/** `toPrecision`, except that a tie goes to the even digit. */
function roundHalfEven(value: number, digits: number): number {
  const [mantissa = '', exponent = ''] = value.toExponential(90).split('e')
  const all = mantissa.replace(/[-.]/g, '')
  const isTie = /^50*$/.test(all.slice(digits)) && Number(all[digits - 1]) % 2 === 0
  if (!isTie) return Number(value.toPrecision(digits))
  return Number(`${value < 0 ? '-' : ''}${all[0]}.${all.slice(1, digits)}0e${exponent}`)
}

function dateText(days: number): string {
  const text = new Date(days * 86_400_000).toISOString()
  return text.slice(0, text.indexOf('T')).replace(/^\+0*(\d{4})/, '$1')
}

function textOf(value: Exclude<CellValue, null>, from: DataType): string {
  if (isFloat(from)) {
    const number = from.kind === 'float32' && Number.isFinite(value) ? shortestFloat32(Number(value)) : Number(value)
    return /^-?\d+$/.test(String(number)) ? `${number}.0` : String(number)
  }
  if (from.kind === 'decimal') return decimalText(BigInt(value), from.scale)
  if (from.kind === 'date') return dateText(Number(value))
  if (from.kind !== 'timestamp') return String(value)
  const unit = perSecond[from.unit]
  const total = BigInt(value)
  const fraction = ((total % unit) + unit) % unit
  const seconds = (total - fraction) / unit
  const inDay = ((seconds % 86_400n) + 86_400n) % 86_400n
  const clock = new Date(Number(inDay) * 1000).toISOString().slice(11, 19)
  const places = String(unit).length - 1
  const fractionText = fraction === 0n ? '' : `.${String(fraction).padStart(places, '0').replace(/0+$/, '')}`
  return `${dateText(Number((seconds - inDay) / 86_400n))} ${clock}${fractionText}`
}

function parse(text: string, to: DataType): CellValue | undefined {
  if (to.kind === 'boolean') return /^(true|false)$/i.test(text) ? text.toLowerCase() === 'true' : undefined
  if (isFloat(to)) return parseFloatText(text, to)
  if (to.kind === 'decimal') return parseDecimal(text, to)
  if (to.kind === 'date' || to.kind === 'timestamp') return parseTime(text, to)
  if (!/^[+-]?\d+$/.test(text)) return undefined
  const value = BigInt(text.replace(/^\+/, ''))
  return isUnsignedInteger(to) && value < 0n ? undefined : ranged(value, to)
}

function parseFloatText(text: string, to: DataType): number | undefined {
  const special = /^([+-]?)(nan|inf|infinity)$/i.exec(text)
  if (special !== null) {
    return special[2]?.toLowerCase() === 'nan' ? Number.NaN : special[1] === '-' ? -Infinity : Infinity
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return undefined
  return to.kind === 'float32' ? Math.fround(Number(text)) : Number(text)
}

function parseDecimal(text: string, to: DataType & { kind: 'decimal' }): CellValue | undefined {
  const parts = /^([+-]?)(\d*)\.?(\d*)$/.exec(text)
  if (parts === null || `${parts[2]}${parts[3]}` === '') return undefined
  const fraction = parts[3] ?? ''
  const value = BigInt(`${parts[2]}${fraction}`)
  return rescale(parts[1] === '-' ? -value : value, fraction.length, to)
}

function parseTime(text: string, to: DataType): CellValue | undefined {
  const pattern = /^([+-]?)(\d{4,6})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d+))?)?Z?)?$/i
  const parts = pattern.exec(text)
  if (parts === null || (to.kind === 'date' && parts[5] !== undefined)) return undefined
  const [year, month, day] = [Number(`${parts[1]}${parts[2]}`), Number(parts[3]), Number(parts[4])]
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || day === 0) return undefined
  const days = BigInt(Math.round(date.getTime() / 86_400_000))
  if (to.kind !== 'timestamp') return Number(days)
  const [hour, minute, second] = [parts[5], parts[6], parts[7]].map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
  ]
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const unit = perSecond[to.unit]
  const places = String(unit).length - 1
  const fraction = BigInt((parts[8] ?? '').slice(0, places).padEnd(places, '0') || '0')
  return ranged((days * 86_400n + BigInt(hour * 3600 + minute * 60 + second)) * unit + fraction, to)
}
