// Text ↔ integers, booleans, dates, timestamps, decimals, one value at a time. Text is read trimmed of ASCII blanks; a
// parser that fails leaves 0 in castStatus(). A formatter writes at `target`, where 64 bytes must be free, and returns
// the length. The text being read is held in globals of the instance (see wide.ts).

import { pushDigit, resetDigits, takeDigits, writeWideDigits } from './decimal'
import { digitsToBits, exactBegin, exactChoose, exactPush, isAmbiguous, writeDigits } from './float-text'
import { setHigh, setStatus } from './wide'

let textLow: u64 = 0
let textHigh: u64 = 0
let cursor: u32 = 0
let end: u32 = 0

/** Byte `k` of the text; 0 at its end. */
// @ts-ignore: decorator
@inline
function byteAt(k: u32): u32 {
  if (k >= end) return 0
  if (<u32>textLow > 12) return load<u8>(<usize>textHigh + k)
  return <u32>(k < 4 ? textLow >> (32 + (k << 3)) : textHigh >> ((k - 4) << 3)) & 0xff
}

// @ts-ignore: decorator
@inline
function isBlank(byte: u32): bool {
  return byte == 32 || (byte >= 9 && byte <= 13)
}

// @ts-ignore: decorator
@inline
function isDigit(byte: u32): bool {
  return byte - 48 < 10
}

function open(low: u64, high: u64): void {
  textLow = low
  textHigh = high
  cursor = 0
  end = <u32>low
  while (end > 0 && isBlank(byteAt(end - 1))) end--
  while (cursor < end && isBlank(byteAt(cursor))) cursor++
}

/** Reads an optional sign; true for minus. */
function readSign(): bool {
  const byte = byteAt(cursor)
  if (byte == 43 || byte == 45) cursor++
  return byte == 45
}

function fail(): i64 {
  setStatus(false)
  return 0
}

/** Decimal digits with a sign, within int64. */
export function parseSigned(low: u64, high: u64): i64 {
  open(low, high)
  const negative = readSign()
  if (cursor == end) return fail()
  const limit: u64 = negative ? 0x8000000000000000 : 0x7fffffffffffffff
  let value: u64 = 0
  for (; cursor < end; cursor++) {
    const digit = <u64>byteAt(cursor) - 48
    if (digit > 9 || value > (limit - digit) / 10) return fail()
    value = value * 10 + digit
  }
  setStatus(true)
  return <i64>(negative ? 0 - value : value)
}

/** Decimal digits within uint64. */
export function parseUnsigned(low: u64, high: u64): u64 {
  open(low, high)
  const negative = readSign()
  if (cursor == end) return fail()
  let value: u64 = 0
  for (; cursor < end; cursor++) {
    const digit = <u64>byteAt(cursor) - 48
    if (digit > 9 || value > (u64.MAX_VALUE - digit) / 10) return fail()
    value = value * 10 + digit
  }
  setStatus(!negative || value == 0)
  return value
}

/** The rest of the text, lower case, equals the inline word. */
function restIs(word: u64, length: u32): bool {
  if (end - cursor != length) return false
  for (let k: u32 = 0; k < length; k++) {
    if ((byteAt(cursor + k) | 32) != (<u32>(word >> (k << 3)) & 0xff)) return false
  }
  return true
}

/** true or false, any case. */
export function parseBoolean(low: u64, high: u64): u32 {
  open(low, high)
  const isTrue = restIs(0x65757274, 4)
  setStatus(isTrue || restIs(0x65736c6166, 5))
  return isTrue ? 1 : 0
}

/** Decimal notation with optional exponent, inf, infinity, nan; nearest float64. */
export function parseFloat64(low: u64, high: u64): f64 {
  open(low, high)
  const negative = readSign()
  if (restIs(0x6e616e, 3)) {
    setStatus(true)
    return NaN
  }
  if (restIs(0x666e69, 3) || restIs(0x7974696e69666e69, 8)) {
    setStatus(true)
    return negative ? -Infinity : Infinity
  }
  const start = cursor
  let significand: u64 = 0
  let kept = 0
  let digits = 0
  let exponent = 0
  let inexact = false
  let sawPoint = false
  for (; cursor < end; cursor++) {
    const byte = byteAt(cursor)
    if (byte == 46 && !sawPoint) {
      sawPoint = true
      continue
    }
    if (!isDigit(byte)) break
    digits++
    if (sawPoint) exponent--
    if (kept < 19) {
      significand = significand * 10 + <u64>(byte - 48)
      if (significand != 0) kept++
    } else {
      exponent++
      if (byte != 48) inexact = true
    }
  }
  const digitsEnd = cursor
  if (digits == 0) return <f64>fail()
  if ((byteAt(cursor) | 32) == 101) {
    cursor++
    const negativeExponent = readSign()
    if (!isDigit(byteAt(cursor))) return <f64>fail()
    let power = 0
    for (; isDigit(byteAt(cursor)); cursor++) if (power < 100000) power = power * 10 + <i32>(byteAt(cursor) - 48)
    exponent += negativeExponent ? -power : power
  }
  setStatus(cursor == end)
  let bits = digitsToBits(significand, exponent, inexact)
  if (isAmbiguous()) bits = chooseExactly(bits, start, digitsEnd, exponent)
  const value = reinterpret<f64>(bits)
  return negative ? -value : value
}

/** Repeats the digits for exact comparison; `exponent` belongs to the 19th significant digit. */
function chooseExactly(bits: u64, start: u32, digitsEnd: u32, exponent: i32): u64 {
  exactBegin()
  let pushed = 0
  let sticky = false
  for (let k = start; k < digitsEnd; k++) {
    const byte = byteAt(k)
    if (byte == 46 || (pushed == 0 && byte == 48)) continue
    // Beyond 800 digits no halfway point has any: what follows only tells greater from equal.
    if (pushed < 800) {
      exactPush(byte - 48)
      pushed++
    } else if (byte != 48) sticky = true
  }
  return exactChoose(bits, exponent - (pushed - 19), sticky)
}

/** Decimal notation without exponent; more digits than the scale round half away from zero. */
export function parseDecimal(low: u64, high: u64, precision: u32, scale: u32): u64 {
  open(low, high)
  const negative = readSign()
  resetDigits()
  let digits = 0
  let fraction: u32 = 0
  let sawPoint = false
  let fits = true
  let roundUp = false
  for (; cursor < end; cursor++) {
    const byte = byteAt(cursor)
    if (byte == 46 && !sawPoint) {
      sawPoint = true
      continue
    }
    if (!isDigit(byte)) return fail()
    digits++
    if (!sawPoint || fraction < scale) {
      fits = pushDigit(byte - 48) && fits
      if (sawPoint) fraction++
    } else if (fraction == scale) {
      roundUp = byte >= 53
      fraction++
    }
  }
  if (digits == 0) return fail()
  const missing = fraction < scale ? scale - fraction : 0
  const result = takeDigits(negative, missing, precision, roundUp)
  if (!fits) setStatus(false)
  return result
}

/** Reads 1 … `most` digits; -1 when there is none. */
function readNumber(most: u32): i32 {
  let value = 0
  let count: u32 = 0
  for (; count < most && isDigit(byteAt(cursor)); count++) {
    value = value * 10 + <i32>(byteAt(cursor) - 48)
    cursor++
  }
  return count == 0 ? -1 : value
}

/** Days since 1970-01-01 of a date of the proleptic Gregorian calendar. */
function daysOf(year: i32, month: i32, day: i32): i32 {
  const shifted = month <= 2 ? year - 1 : year
  const era = (shifted >= 0 ? shifted : shifted - 399) / 400
  const yearOfEra = shifted - era * 400
  const dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
  const dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
  return era * 146097 + dayOfEra - 719468
}

function daysInMonth(year: i32, month: i32): i32 {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31
}

let parsedDays: i32 = 0

/** [-]YYYY-MM-DD, years of 4 to 6 digits. */
function readDate(): bool {
  const negative = readSign()
  const before = cursor
  const digits = readNumber(6)
  if (cursor - before < 4 || byteAt(cursor) != 45) return false
  cursor++
  const month = readNumber(2)
  if (month < 1 || month > 12 || byteAt(cursor) != 45) return false
  cursor++
  const day = readNumber(2)
  const year = negative ? -digits : digits
  if (day < 1 || day > daysInMonth(year, month)) return false
  parsedDays = daysOf(year, month, day)
  return true
}

export function parseDate(low: u64, high: u64): i32 {
  open(low, high)
  setStatus(readDate() && cursor == end)
  return parsedDays
}

/** Date, then optionally T or blank and HH:MM[:SS[.digits]][Z]. @param unitDigits 0 s, 3 ms, 6 us, 9 ns */
export function parseTimestamp(low: u64, high: u64, unitDigits: u32): i64 {
  open(low, high)
  if (!readDate()) return fail()
  let seconds: i64 = 0
  let fraction: i64 = 0
  let places: u32 = 0
  if (cursor < end) {
    const separator = byteAt(cursor++)
    if (separator != 32 && separator != 84 && separator != 116) return fail()
    const hour = readNumber(2)
    if (hour < 0 || hour > 23 || byteAt(cursor++) != 58) return fail()
    const minute = readNumber(2)
    if (minute < 0 || minute > 59) return fail()
    seconds = hour * 3600 + minute * 60
    if (byteAt(cursor) == 58) {
      cursor++
      const second = readNumber(2)
      if (second < 0 || second > 59) return fail()
      seconds += second
      if (byteAt(cursor) == 46) {
        cursor++
        if (!isDigit(byteAt(cursor))) return fail()
        for (; isDigit(byteAt(cursor)); cursor++) {
          if (places < unitDigits) {
            fraction = fraction * 10 + <i64>(byteAt(cursor) - 48)
            places++
          }
        }
      }
    }
    if ((byteAt(cursor) | 32) == 122) cursor++
  }
  for (; places < unitDigits; places++) fraction *= 10
  const total = <i64>parsedDays * 86400 + seconds
  const perSecond = unitFactor(unitDigits)
  const bound = i64.MAX_VALUE / perSecond
  // The fraction is added last, so the seconds before it may reach one below the bound.
  setStatus(cursor == end && total < bound && total >= -bound)
  return total * perSecond + fraction
}

function unitFactor(unitDigits: u32): i64 {
  return unitDigits == 0 ? 1 : unitDigits == 3 ? 1000 : unitDigits == 6 ? 1000000 : 1000000000
}

/** Low word of the view of `length` bytes at `address`; the high one waits in wideHigh(). */
export function viewOfText(address: usize, length: u32): u64 {
  const first = load<u64>(address)
  if (length > 12) {
    setHigh(<u64>address)
    return <u64>length | (first << 32)
  }
  const prefix = length >= 4 ? first & 0xffffffff : first & ((<u64>1 << (length << 3)) - 1)
  const rest = length > 4 ? load<u64>(address, 4) : 0
  setHigh(length >= 12 ? rest : length > 4 ? rest & ((<u64>1 << ((length - 4) << 3)) - 1) : 0)
  return <u64>length | (prefix << 32)
}

export function formatSigned(value: i64, target: usize): u32 {
  return formatMagnitude(value < 0 ? 0 - <u64>value : <u64>value, value < 0, target)
}

export function formatUnsigned(value: u64, target: usize): u32 {
  return formatMagnitude(value, false, target)
}

function formatMagnitude(value: u64, negative: bool, target: usize): u32 {
  const stop = target + 32
  let start = writeDigits(value, stop, 1)
  if (negative) store<u8>(--start, 45)
  memory.copy(target, start, stop - start)
  return <u32>(stop - start)
}

/** YYYY-MM-DD, proleptic Gregorian; years below 0 with a minus sign. */
export function formatDate(days: i32, target: usize): u32 {
  return formatDays(<i64>days, target)
}

function formatDays(days: i64, target: usize): u32 {
  const shifted = days + 719468
  const era = (shifted >= 0 ? shifted : shifted - 146096) / 146097
  const dayOfEra = shifted - era * 146097
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  const shiftedMonth = (5 * dayOfYear + 2) / 153
  const day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const year = yearOfEra + era * 400 + <i64>(month <= 2)
  const stop = target + 48
  let start = writeDigits(<u64>day, stop, 2)
  store<u8>(--start, 45)
  start = writeDigits(<u64>month, start, 2)
  store<u8>(--start, 45)
  start = writeDigits(<u64>(year < 0 ? -year : year), start, 4)
  if (year < 0) store<u8>(--start, 45)
  memory.copy(target, start, stop - start)
  return <u32>(stop - start)
}

/** YYYY-MM-DD HH:MM:SS[.fraction without trailing zeros] */
export function formatTimestamp(value: i64, unitDigits: u32, target: usize): u32 {
  const perSecond = unitFactor(unitDigits)
  let seconds = value / perSecond
  let fraction = value - seconds * perSecond
  if (fraction < 0) {
    fraction += perSecond
    seconds--
  }
  let days = seconds / 86400
  let rest = seconds - days * 86400
  if (rest < 0) {
    rest += 86400
    days--
  }
  const start = target
  target += formatDays(days, target)
  store<u8>(target, 32)
  writeDigits(<u64>(rest / 3600), target + 3, 2)
  store<u8>(target, 58, 3)
  writeDigits(<u64>((rest / 60) % 60), target + 6, 2)
  store<u8>(target, 58, 6)
  writeDigits(<u64>(rest % 60), target + 9, 2)
  target += 9
  if (fraction != 0) {
    let places = unitDigits
    while (fraction % 10 == 0) {
      fraction /= 10
      places--
    }
    store<u8>(target, 46)
    writeDigits(<u64>fraction, target + 1 + places, places)
    target += places + 1
  }
  return <u32>(target - start)
}

/** All digits of the scale, as "-0.05". */
export function formatDecimal(low: u64, high: u64, scale: u32, target: usize): u32 {
  const stop = target + 62
  let start = writeWideDigits(low, high, stop, scale + 1)
  if (scale > 0) {
    const point = stop - scale
    memory.copy(start - 1, start, point - start)
    store<u8>(point - 1, 46)
    start--
  }
  if (<i64>high < 0) store<u8>(--start, 45)
  memory.copy(target, start, stop - start)
  return <u32>(stop - start)
}
