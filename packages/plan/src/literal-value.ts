/**
 * Literals: what a user may write, the type it has alone, and its exact form in another type.
 *
 * Forms of a typed value: integers up to 32 bits, floats and dates (days) are numbers; int64, uint64, timestamps
 * (units) and decimals (scaled) are bigints; bytes are text with one character for each.
 */
import { type DataType, hasOwnLength, isInteger, isSignedInteger, typeName } from '@spillway/columnar'
import { assert, makeError } from '@spillway/stdx'
import type { ExprNode, LiteralValue } from './expr-node.ts'
import { unitsPerSecond } from './literal-text.ts'
import { integerBits, MAX_DECIMAL_PRECISION } from './supertype.ts'

/** What a user may write as a literal. A Date is a timestamp in milliseconds; a Buffer is a Uint8Array. */
export type LiteralInput = LiteralValue | Date | Uint8Array

const DAY_MS = 86_400_000
const timestampMs: DataType = Object.freeze({ kind: 'timestamp', unit: 'ms', timezone: undefined })
const binary: DataType = Object.freeze({ kind: 'binary' })
const signedLimit = (bits: number): bigint => 1n << BigInt(bits - 1)

/** A decimal number as exact integer and scale: `1.50` is 150 at scale 2. */
export interface ScaledNumber {
  readonly scaled: bigint
  readonly scale: number
}

/** Parses plain or exponent notation exactly; undefined when the text is no finite number. */
export function parseScaled(text: string): ScaledNumber | undefined {
  const match = /^\s*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?\s*$/.exec(text)
  if (match === null) return undefined
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = match
  if (whole === '' && fraction === '') return undefined
  const digits = BigInt(whole + fraction)
  const exponent = Number(exponentText) - fraction.length
  const scaled = exponent > 0 ? digits * 10n ** BigInt(exponent) : digits
  return { scaled: sign === '-' ? -scaled : scaled, scale: exponent > 0 ? 0 : -exponent }
}

/** Drops trailing zeros of the fraction: 150 at scale 2 becomes 15 at scale 1. */
function shortest(value: ScaledNumber): ScaledNumber {
  let { scaled, scale } = value
  while (scale > 0 && scaled % 10n === 0n) {
    scaled /= 10n
    scale -= 1
  }
  return { scaled, scale }
}

/** The smallest decimal literal that holds a number exactly (by its shortest text), or undefined above 38 digits. */
export function findDecimalLiteral(
  value: number | bigint,
): { scaled: bigint; precision: number; scale: number } | undefined {
  const parsed = parseScaled(String(value))
  if (parsed === undefined) return undefined
  const { scaled, scale } = shortest(parsed)
  const digits = (scaled < 0n ? -scaled : scaled).toString().length
  const precision = Math.max(digits, scale, 1)
  return precision > MAX_DECIMAL_PRECISION ? undefined : { scaled, precision, scale }
}

/** The type a literal has when nothing else decides it. @throws PlanError TYPE_MISMATCH for a bigint above 64 bits. */
export function literalOwnType(value: LiteralValue): DataType {
  if (value === null) return { kind: 'null' }
  if (typeof value === 'boolean') return { kind: 'boolean' }
  if (typeof value === 'string') return { kind: 'utf8' }
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) return { kind: 'float64' }
    return value === (value | 0) ? { kind: 'int32' } : { kind: 'int64' }
  }
  if (value >= -signedLimit(64) && value < signedLimit(64)) return { kind: 'int64' }
  if (value > 0n && value < 1n << 64n) return { kind: 'uint64' }
  throw makeError(
    'TYPE_MISMATCH',
    `Literal needs more than 64 bits: ${value}. Give it a type: lit(value, DataType.Decimal(38, 0)).`,
  )
}

/**
 * The value in a numeric, boolean or text type, or undefined when it would change.
 * Only for untyped literals: dates, timestamps and scaled decimals do not come here.
 */
export function fitLiteral(value: LiteralValue, type: DataType): LiteralValue | undefined {
  if (value === null) return null
  if (typeof value === 'boolean') return type.kind === 'boolean' ? value : undefined
  if (typeof value === 'string') return hasOwnLength(type) ? value : undefined
  if (isInteger(type)) return fitInteger(value, type)
  if (type.kind === 'float64' || type.kind === 'float32') {
    const float = type.kind === 'float32' ? Math.fround(Number(value)) : Number(value)
    if (typeof value === 'bigint') return Number.isFinite(float) && BigInt(float) === value ? float : undefined
    return Object.is(float, value) ? float : undefined
  }
  if (type.kind === 'decimal') return fitDecimal(parseScaled(String(value)), type)
  return undefined
}

function fitInteger(value: number | bigint, type: DataType): LiteralValue | undefined {
  if (typeof value === 'number' && (!Number.isInteger(value) || Object.is(value, -0))) return undefined
  const exact = BigInt(value)
  const bits = integerBits(type)
  const isSigned = isSignedInteger(type)
  const low = isSigned ? -signedLimit(bits) : 0n
  const high = isSigned ? signedLimit(bits) : 1n << BigInt(bits)
  if (exact < low || exact >= high) return undefined
  return bits === 64 ? exact : Number(exact)
}

function fitDecimal(value: ScaledNumber | undefined, type: Extract<DataType, { kind: 'decimal' }>): bigint | undefined {
  if (value === undefined) return undefined
  const { scaled, scale } = shortest(value)
  if (scale > type.scale) return undefined
  const result = scaled * 10n ** BigInt(type.scale - scale)
  const limit = 10n ** BigInt(type.precision)
  return result > -limit && result < limit ? result : undefined
}

/** Milliseconds of an ISO date or date-time text, read as UTC; undefined when it is neither. */
function parseTimeText(text: string): { seconds: bigint; fraction: string } | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?)?Z?$/.exec(text.trim())
  if (match === null) return undefined
  const [, day = '', time = '00:00:00', fraction = ''] = match
  const ms = Date.parse(`${day}T${time.length === 5 ? `${time}:00` : time}Z`)
  // JavaScript accepts the 31st of February and moves it to March.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== day) return undefined
  return { seconds: BigInt(ms / 1000), fraction }
}

function fitTime(value: Date | string, type: DataType): LiteralValue | undefined {
  if (typeof value === 'string') {
    const parsed = parseTimeText(value)
    if (parsed === undefined) return undefined
    const nanoseconds = parsed.seconds * unitsPerSecond.ns + BigInt(parsed.fraction.padEnd(9, '0'))
    if (type.kind === 'date') {
      const perDay = 86_400n * unitsPerSecond.ns
      return nanoseconds % perDay === 0n ? Number(nanoseconds / perDay) : undefined
    }
    if (type.kind !== 'timestamp') return undefined
    const perUnit = unitsPerSecond.ns / unitsPerSecond[type.unit]
    return nanoseconds % perUnit === 0n ? nanoseconds / perUnit : undefined
  }
  const ms = value.getTime()
  if (Number.isNaN(ms)) return undefined
  if (type.kind === 'date') return ms % DAY_MS === 0 ? ms / DAY_MS : undefined
  if (type.kind !== 'timestamp') return undefined
  if (type.unit === 's') return ms % 1000 === 0 ? BigInt(ms / 1000) : undefined
  return (BigInt(ms) * unitsPerSecond[type.unit]) / 1000n
}

const bytesText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

/** The exact form of a user's value in a type that the user gave, or undefined when there is none. */
export function fitTypedLiteral(value: LiteralInput, type: DataType): LiteralValue | undefined {
  if (value === null) return null
  if (value instanceof Date) return fitTime(value, type)
  if (value instanceof Uint8Array) return type.kind === 'binary' ? bytesText(value) : undefined
  // What is meant by text as bytes is not certain: that is for the program to say.
  if (type.kind === 'binary') return undefined
  if (typeof value === 'string' && (type.kind === 'date' || type.kind === 'timestamp')) return fitTime(value, type)
  if (typeof value === 'string' && type.kind === 'decimal') return fitDecimal(parseScaled(value), type)
  if (type.kind === 'float32' && typeof value === 'number') return Math.fround(value)
  if (type.kind === 'date' && typeof value === 'number') return fitInteger(value, { kind: 'int32' })
  if (type.kind === 'timestamp' && typeof value === 'bigint') return fitInteger(value, { kind: 'int64' })
  return fitLiteral(value, type)
}

/** A literal node. Without a type, numbers adapt to the other operand; a Date is a timestamp in milliseconds. */
export function makeLiteral(value: LiteralInput, type: DataType | undefined): Extract<ExprNode, { kind: 'literal' }> {
  const known = type ?? (value instanceof Date ? timestampMs : value instanceof Uint8Array ? binary : undefined)
  // Dates and bytes have a type; to the compiler that says nothing of `value` below.
  if (known === undefined && !(value instanceof Date) && !(value instanceof Uint8Array)) {
    if (typeof value !== 'object' && !['string', 'number', 'bigint', 'boolean'].includes(typeof value)) {
      throw makeError(
        'TYPE_MISMATCH',
        `Not a literal: ${String(value)}. Use a number, bigint, string, boolean, Date, Uint8Array or null.`,
      )
    }
    if (value !== null && typeof value === 'object') {
      // Two copies in one process: one was imported and one required, or two versions are installed.
      const what = 'node' in value ? 'an expression of another copy of spillway' : 'an object'
      const advice = 'Use a number, bigint, string, boolean, Date, Uint8Array or null.'
      throw makeError('TYPE_MISMATCH', `Not a literal: ${what}. ${advice}`)
    }
    return Object.freeze({ kind: 'literal', value, type: undefined })
  }
  assert(known !== undefined, 'dates and bytes have a type')
  const fitted = fitTypedLiteral(value, known)
  if (fitted === undefined) {
    const text = value instanceof Date ? String(value.getTime()) : String(value)
    throw makeError(
      'TYPE_MISMATCH',
      `Literal does not fit its type: ${text} as ${typeName(known)}. Use another type.`,
      {
        type: typeName(known),
      },
    )
  }
  return Object.freeze({ kind: 'literal', value: fitted, type: known })
}
