// What generated expressions need of text and sets, one value at a time: order, membership, parsing, formatting.
//
// A string arrives as the two words of its view: low = length | prefix << 32, high = bytes 4 … 11 of an inline string
// (zero-padded), or the address of all bytes when length > 12.

import { compareBytes } from './strings'
export { formatFloat32, formatFloat64 } from './float-text'
export {
  formatDate,
  formatDecimal,
  formatSigned,
  formatTimestamp,
  formatUnsigned,
  parseBoolean,
  parseDate,
  parseDecimal,
  parseFloat64,
  parseSigned,
  parseTimestamp,
  parseUnsigned,
  viewOfText,
} from './text-value'
export { castStatus, wideHigh } from './wide'

/** Remainder of floats with the sign of the dividend, exact. */
export function fmod64(a: f64, b: f64): f64 {
  return a % b
}

/** Order of strings by unsigned bytes: -1, 0, 1. */
export function textCompare(aLow: u64, aHigh: u64, bLow: u64, bHigh: u64): i32 {
  const aPrefix = bswap<u32>(<u32>(aLow >> 32))
  const bPrefix = bswap<u32>(<u32>(bLow >> 32))
  if (aPrefix != bPrefix) return aPrefix < bPrefix ? -1 : 1
  const aLength = <u32>aLow
  const bLength = <u32>bLow
  if (aLength <= 12 && bLength <= 12) {
    const aRest = bswap<u64>(aHigh)
    const bRest = bswap<u64>(bHigh)
    if (aRest != bRest) return aRest < bRest ? -1 : 1
    return <i32>(aLength > bLength) - <i32>(aLength < bLength)
  }
  if (aLength > 12 && bLength > 12) return compareBytes(<usize>aHigh, aLength, <usize>bHigh, bLength)
  if (aLength <= 12) return compareInline(aHigh, aLength, <usize>bHigh, bLength)
  return -compareInline(bHigh, bLength, <usize>aHigh, aLength)
}

/** Order of an inline string and a longer one whose first four bytes agree. */
function compareInline(rest: u64, length: u32, address: usize, otherLength: u32): i32 {
  for (let k: u32 = 4; k < length; k++) {
    const a = <u32>((rest >> ((k - 4) << 3)) & 0xff)
    const b = <u32>load<u8>(address + k)
    if (a != b) return a < b ? -1 : 1
  }
  return <i32>(length > otherLength) - <i32>(length < otherLength)
}

/** 1 if `key` is in the table of ascending int64. */
export function keyInSet(key: i64, table: usize, count: u32): u32 {
  let low: u32 = 0
  let size = count
  while (size > 0) {
    const half = size >> 1
    const middle = load<i64>(table + ((low + half) << 3))
    if (middle == key) return 1
    if (middle < key) {
      low += half + 1
      size -= half + 1
    } else size = half
  }
  return 0
}

/** 1 if the 128-bit integer is in the table of ascending { low, high }. */
export function wideInSet(keyLow: u64, keyHigh: i64, table: usize, count: u32): u32 {
  let low: u32 = 0
  let size = count
  while (size > 0) {
    const half = size >> 1
    const entry = table + ((low + half) << 4)
    const entryLow = load<u64>(entry)
    const entryHigh = load<i64>(entry, 8)
    if (entryLow == keyLow && entryHigh == keyHigh) return 1
    if (entryHigh < keyHigh || (entryHigh == keyHigh && entryLow < keyLow)) {
      low += half + 1
      size -= half + 1
    } else size = half
  }
  return 0
}

/** 1 if the string is in the table of views, ascending by bytes. */
export function textInSet(keyLow: u64, keyHigh: u64, table: usize, count: u32): u32 {
  let low: u32 = 0
  let size = count
  while (size > 0) {
    const half = size >> 1
    const entry = table + ((low + half) << 4)
    const order = textCompare(load<u64>(entry), load<u64>(entry, 8), keyLow, keyHigh)
    if (order == 0) return 1
    if (order < 0) {
      low += half + 1
      size -= half + 1
    } else size = half
  }
  return 0
}
