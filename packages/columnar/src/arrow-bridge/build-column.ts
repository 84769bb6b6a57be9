/**
 * JavaScript values to one Arrow column over shared buffers: ingest, the only place where JavaScript loops over rows.
 *
 * Two forms of values come in: `exact`, as `makeExactReader` gives them, and `plain`, what users write (a Date, a
 * decimal as text). `encoders` brings the second into the first and checks ranges; then both are stored alike.
 */
import { makeError, unreachable } from '@spillway/stdx'
import type { ArrowColumn } from '../arrow-column.ts'
import type { DataType } from '../data-type.ts'
import { hasOwnLength, isFloat, isInteger, typeName } from '../data-type.ts'
import { arrowValueBytes, type ExactValue, unitsPerSecond } from '../read-value.ts'

/**
 * A column of `type` with the given values; null and undefined become null.
 * @param form 'exact' values are trusted, 'plain' ones are converted and checked.
 * @throws DataError CAST_FAILED naming column and row, when a value does not fit the type.
 */
export function buildColumn(
  name: string,
  type: DataType,
  values: ArrayLike<unknown>,
  form: 'exact' | 'plain',
): ArrowColumn {
  const { length } = values
  const exact: ExactValue[] = new Array(length)
  const bitmap = new Uint8Array(new SharedArrayBuffer((length + 7) >> 3))
  let nullCount = 0
  for (let row = 0; row < length; row++) {
    const value = values[row]
    if (value === null || value === undefined) {
      exact[row] = null
      nullCount += 1
      continue
    }
    exact[row] = form === 'exact' ? (value as ExactValue) : encodeValue(value, type, { name, row })
    bitmap[row >> 3] = (bitmap[row >> 3] ?? 0) | (1 << (row & 7))
  }
  const strings = hasOwnLength(type) ? storeBytes(exact) : undefined
  return {
    type,
    length,
    offset: 0,
    nullCount,
    validity: nullCount === 0 ? undefined : bitmap,
    values: strings === undefined ? storeFixed(type, exact) : strings.values,
    offsets: strings?.offsets,
    offsetBytes: strings?.offsetBytes ?? 4,
    dictionary: undefined,
    indexBytes: 4,
  }
}

interface Place {
  readonly name: string
  readonly row: number
}

function encodeValue(value: unknown, type: DataType, place: Place): ExactValue {
  const encoded = tryEncode(value, type)
  if (encoded !== undefined) return encoded
  const { name, row } = place
  const what = `${describeValue(value)} in column "${name}", row ${row}, as ${typeName(type)}`
  const advice = 'Correct the value, or give the column another type.'
  throw makeError('CAST_FAILED', `Value does not fit the type: ${what}. ${advice}`, { column: name, row })
}

/** The exact form of a plain value, or undefined when it does not fit. */
function tryEncode(value: unknown, type: DataType): ExactValue | undefined {
  if (isInteger(type)) return encodeInteger(value, type)
  if (isFloat(type)) {
    if (typeof value === 'number') return value
    return typeof value === 'bigint' ? Number(value) : undefined
  }
  switch (type.kind) {
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined
    case 'utf8':
      return typeof value === 'string' ? value : undefined
    case 'binary':
      return value instanceof Uint8Array ? value : undefined
    case 'date':
      return encodeDate(value)
    case 'timestamp':
      return encodeTimestamp(value, unitsPerSecond[type.unit])
    case 'decimal':
      return encodeDecimal(value, type.precision, type.scale)
    default:
      return undefined
  }
}

const integerBits = { int8: 8, int16: 16, int32: 32, int64: 64, uint8: 8, uint16: 16, uint32: 32, uint64: 64 } as const

function encodeInteger(value: unknown, type: DataType): ExactValue | undefined {
  if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isInteger(value))) return undefined
  const bits = integerBits[type.kind as keyof typeof integerBits]
  const exact = BigInt(value)
  const fits = type.kind.startsWith('u') ? BigInt.asUintN(bits, exact) : BigInt.asIntN(bits, exact)
  if (fits !== exact) return undefined
  return bits === 64 ? exact : Number(exact)
}

const MS_PER_DAY = 86_400_000

/** A Date counts by its UTC day, text is YYYY-MM-DD, a number is days since 1970. */
function encodeDate(value: unknown): ExactValue | undefined {
  if (value instanceof Date) return finite(Math.floor(value.getTime() / MS_PER_DAY))
  if (typeof value === 'number') return Number.isInteger(value) && value === (value | 0) ? value : undefined
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return undefined
  const ms = Date.parse(`${value}T00:00:00Z`)
  // Date.parse refuses a 13th month but takes the 30th of February for the 1st or 2nd of March.
  const day = new Date(ms)
  return Number.isNaN(ms) || !day.toISOString().startsWith(value) ? undefined : ms / MS_PER_DAY
}

function encodeTimestamp(value: unknown, unitsInSecond: bigint): ExactValue | undefined {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value ? value : undefined
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) return undefined
  const ms = BigInt(value.getTime())
  if (unitsInSecond >= 1000n) return tryInt64(ms * (unitsInSecond / 1000n))
  return BigInt(Math.floor(Number(ms) / 1000))
}

/** Text, bigint or number is the value itself (never the scaled integer); digits beyond the scale do not fit. */
function encodeDecimal(value: unknown, precision: number, scale: number): ExactValue | undefined {
  if (typeof value !== 'string' && typeof value !== 'bigint' && typeof value !== 'number') return undefined
  const match = /^\s*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?\s*$/.exec(String(value))
  if (match === null) return undefined
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
  if (whole.length + fraction.length === 0) return undefined
  const digits = BigInt(whole + fraction)
  const shift = scale - fraction.length + Number(exponent)
  const divisor = shift < 0 ? 10n ** BigInt(-shift) : 1n
  if (digits % divisor !== 0n) return undefined
  const magnitude = shift < 0 ? digits / divisor : digits * 10n ** BigInt(shift)
  if (magnitude >= 10n ** BigInt(precision)) return undefined
  return sign === '-' ? -magnitude : magnitude
}

function tryInt64(value: bigint): bigint | undefined {
  return BigInt.asIntN(64, value) === value ? value : undefined
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
}

/** `"abc"`, `12n`, `an object` … for messages. */
function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid Date' : `Date ${value.toISOString()}`
  return typeof value === 'object' || typeof value === 'function' ? `an ${typeof value}` : String(value)
}

/** Null rows hold zeroes. */
function storeFixed(type: DataType, exact: readonly ExactValue[]): Uint8Array {
  const { length } = exact
  const bytes = type.kind === 'boolean' ? (length + 7) >> 3 : length * arrowValueBytes(type)
  const values = new Uint8Array(new SharedArrayBuffer(bytes))
  const store = makeStore(type, new DataView(values.buffer), values)
  for (let row = 0; row < length; row++) {
    const value = exact[row]
    if (value !== null) store(row, value as never)
  }
  return values
}

function makeStore(type: DataType, view: DataView, bytes: Uint8Array): (row: number, value: never) => void {
  switch (type.kind) {
    case 'null':
    case 'utf8':
    case 'binary':
      return () => {}
    case 'boolean':
      return (row, value: boolean) => {
        if (value) bytes[row >> 3] = (bytes[row >> 3] ?? 0) | (1 << (row & 7))
      }
    case 'int8':
    case 'uint8':
      return (row, value: number) => view.setInt8(row, value)
    case 'int16':
    case 'uint16':
      return (row, value: number) => view.setInt16(row * 2, value, true)
    case 'int32':
    case 'uint32':
    case 'date':
      return (row, value: number) => view.setInt32(row * 4, value, true)
    case 'int64':
    case 'uint64':
    case 'timestamp':
      return (row, value: bigint) => view.setBigInt64(row * 8, value, true)
    case 'float32':
      return (row, value: number) => view.setFloat32(row * 4, value, true)
    case 'float64':
      return (row, value: number) => view.setFloat64(row * 8, value, true)
    case 'decimal':
      return (row, value: bigint) => {
        view.setBigInt64(row * 16, value, true)
        view.setBigInt64(row * 16 + 8, value >> 64n, true)
      }
    default:
      return unreachable(type)
  }
}

const INT32_MAX = 2_147_483_647

/** Offsets are 4 bytes wide while the text fits them. */
function storeBytes(exact: readonly ExactValue[]) {
  const { length } = exact
  let total = 0
  for (const value of exact) if (value !== null) total += Buffer.byteLength(value as string | Uint8Array)
  const offsetBytes: 4 | 8 = total > INT32_MAX ? 8 : 4
  const offsets = new Uint8Array(new SharedArrayBuffer((length + 1) * offsetBytes))
  const values = new Uint8Array(new SharedArrayBuffer(total))
  const offsetView = new DataView(offsets.buffer)
  const text = Buffer.from(values.buffer)
  let end = 0
  for (let row = 0; row < length; row++) {
    const value = exact[row]
    if (value instanceof Uint8Array) {
      text.set(value, end)
      end += value.length
    } else if (value !== null) end += text.write(value as string, end)
    if (offsetBytes === 4) offsetView.setInt32((row + 1) * 4, end, true)
    else offsetView.setBigInt64((row + 1) * 8, BigInt(end), true)
  }
  return { offsets, values, offsetBytes }
}
