// Text ↔ float64: correctly rounded reading, shortest writing that reads back the same.
//
// Reading: Lemire's method on 19 digits ("Number parsing at a gigabyte per second", 2021); where the dropped digits
// decide, exact big integers. Writing: Schubfach (Giulietti, 2020), laid out as JavaScript prints numbers.

import { POWERS, POWERS_MIN } from './powers-of-ten'
import { multiplyHigh } from './decimal'

const INFINITY_BITS: u64 = 0x7ff0000000000000

/** Bits of the float64 nearest to w × 10^q (exactly that number), ties to even. */
function nearestBits(w: u64, q: i32): u64 {
  if (w == 0 || q < -342) return 0
  if (q > 308) return INFINITY_BITS
  const zeros = <i32>clz(w)
  const scaled = w << zeros
  const power = POWERS + (<usize>(q - POWERS_MIN) << 4)
  const first = load<u64>(power)
  let low = scaled * first
  let high = multiplyHigh(scaled, first)
  if ((high & 0x1ff) == 0x1ff) {
    const more = multiplyHigh(scaled, load<u64>(power, 8))
    low += more
    if (low < more) high++
  }
  const upper = <i32>(high >> 63)
  let significand = high >> (upper + 9)
  let exponent = (((152170 + 65536) * q) >> 16) + 63 + upper - zeros + 1023
  if (exponent <= 0) {
    if (1 - exponent >= 64) return 0
    significand >>= 1 - exponent
    significand += significand & 1
    return significand >> 1
  }
  if (low <= 1 && q >= -4 && q <= 23 && (significand & 3) == 1 && significand << (upper + 9) == high) {
    significand &= ~(<u64>1)
  }
  significand += significand & 1
  significand >>= 1
  if (significand >= 0x20000000000000) {
    significand = 0x10000000000000
    exponent++
  }
  if (exponent >= 0x7ff) return INFINITY_BITS
  return (significand & 0xfffffffffffff) | (<u64>exponent << 52)
}

/** Bits for w × 10^q plus a little when `inexact`; `isAmbiguous()` tells whether that little decides. */
let ambiguous: bool = false

export function digitsToBits(w: u64, q: i32, inexact: bool): u64 {
  const bits = nearestBits(w, q)
  ambiguous = inexact && bits != nearestBits(w + 1, q)
  return bits
}

export function isAmbiguous(): bool {
  return ambiguous
}

// Exact comparison. Its two numbers are shared by all threads, so a spin lock guards them; they are
// needed only for texts of more than 19 digits that lie next to a halfway point. Little-endian u32 limbs.
const LIMBS: u32 = 256
const exactLock = memory.data(16)
const left: usize = memory.data(1024)
const right: usize = memory.data(1024)

function clear(number: usize): void {
  memory.fill(number, 0, LIMBS << 2)
}

/** number = number × factor + addend */
function multiplyAdd(number: usize, factor: u32, addend: u32): void {
  let carry: u64 = addend
  for (let k: u32 = 0; k < LIMBS; k++) {
    const product = <u64>load<u32>(number + (k << 2)) * factor + carry
    store<u32>(number + (k << 2), <u32>product)
    carry = product >> 32
  }
}

function timesPower(number: usize, base: u32, exponent: i32): void {
  for (let k = 0; k < exponent; k++) multiplyAdd(number, base, 0)
}

/** Takes the lock and starts a number of digits. */
export function exactBegin(): void {
  while (atomic.cmpxchg<u32>(exactLock, 0, 1) != 0) {}
  clear(left)
  clear(right)
}

export function exactPush(digit: u32): void {
  multiplyAdd(left, 10, digit)
}

/** Chooses between `bits` and the next float for (pushed digits, and more when `sticky`) × 10^exponent; unlocks. */
export function exactChoose(bits: u64, exponent: i32, sticky: bool): u64 {
  const field = <i32>(bits >> 52)
  const significand = field == 0 ? bits : (bits & 0xfffffffffffff) | 0x10000000000000
  const binary = (field == 0 ? 1 : field) - 1076
  const half = significand * 2 + 1
  store<u64>(right, half)
  timesPower(exponent >= 0 ? left : right, 10, exponent >= 0 ? exponent : -exponent)
  timesPower(binary >= 0 ? right : left, 2, binary >= 0 ? binary : -binary)
  let order = 0
  for (let k: i32 = LIMBS - 1; k >= 0 && order == 0; k--) {
    const a = load<u32>(left + (k << 2))
    const b = load<u32>(right + (k << 2))
    order = <i32>(a > b) - <i32>(a < b)
  }
  atomic.store<u32>(exactLock, 0)
  if (order == 0 && sticky) order = 1
  return order > 0 || (order == 0 && (bits & 1) == 1) ? bits + 1 : bits
}

// @ts-ignore: decorator
@inline
function roundToOdd(powerHigh: u64, powerLow: u64, factor: u64): u64 {
  const x1 = multiplyHigh(powerLow, factor)
  const y0 = powerHigh * factor
  const y1 = multiplyHigh(powerHigh, factor)
  const z = (y0 >> 1) + x1
  const w = y1 + (z >> 63)
  return w | (((z & 0x7fffffffffffffff) + 0x7fffffffffffffff) >> 63)
}

let digitExponent: i32 = 0

/** Shortest digits of significand × 2^q; their power of ten is left in digitExponent. */
function shortestDigits(significand: u64, q: i32, smallestNormal: u64, smallestExponent: i32): u64 {
  const odd = significand & 1
  const regular = significand != smallestNormal || q == smallestExponent
  const center = significand << 2
  const lowerEnd = regular ? center - 2 : center - 1
  const k = <i32>((<i64>q * 661971961083 - (regular ? 0 : 274743187321)) >> 41)
  const h = q + <i32>((<i64>-k * 913124641741) >> 38) + 2
  const entry = POWERS + (<usize>(-k - POWERS_MIN) << 4)
  let powerHigh = load<u64>(entry)
  let powerLow = load<u64>(entry, 8)
  if (-k < 0) {
    if (powerLow == 0) powerHigh--
    powerLow--
  }
  powerLow = ((powerLow >> 2) | (powerHigh << 62)) + 1
  powerHigh >>= 2
  if (powerLow == 0) powerHigh++
  const g1 = (powerHigh << 1) | (powerLow >> 63)
  const g0 = powerLow & 0x7fffffffffffffff
  const value = roundToOdd(g1, g0, center << h)
  const lower = roundToOdd(g1, g0, lowerEnd << h) + odd
  const upper = roundToOdd(g1, g0, (center + 2) << h) - odd
  const s = value >> 2
  digitExponent = k
  if (s >= 10) {
    const tenth = s / 10
    const below = lower <= tenth * 40
    const above = tenth * 40 + 40 <= upper
    if (below != above) {
      digitExponent = k + 1
      return tenth + <u64>above
    }
  }
  const below = lower <= s << 2
  const above = (s << 2) + 4 <= upper
  if (below != above) return s + <u64>above
  const middle = (s << 2) + 2
  return s + <u64>(value > middle || (value == middle && (s & 1) == 1))
}

// @ts-ignore: decorator
@inline
function putText4(target: usize, text: u32): void {
  store<u32>(target, text)
}

/** Writes ASCII digits of `value` ending before `end`; returns their start. */
export function writeDigits(value: u64, end: usize, least: u32): usize {
  let address = end
  let left = value
  let count: u32 = 0
  while (left != 0 || count < least) {
    const next = left / 10
    store<u8>(--address, 48 + <u32>(left - next * 10))
    left = next
    count++
  }
  return address
}

/** Text of a float as JavaScript prints it, whole numbers with ".0". At most 32 bytes; returns the length. */
export function formatFloat64(value: f64, target: usize): u32 {
  const bits = reinterpret<u64>(value)
  const field = <i32>((bits >> 52) & 0x7ff)
  const fraction = bits & 0xfffffffffffff
  if (field == 0x7ff) return formatSpecial(fraction != 0, <i64>bits < 0, target)
  if ((bits << 1) == 0) return formatZero(target)
  const digits =
    field == 0
      ? shortestDigits(fraction, -1074, 0x10000000000000, -1074)
      : shortestDigits(fraction | 0x10000000000000, field - 1075, 0x10000000000000, -1074)
  return layOut(digits, digitExponent, <i64>bits < 0, target)
}

/** The same for the shortest digits that read back as the same float32. */
export function formatFloat32(value: f32, target: usize): u32 {
  const bits = reinterpret<u32>(value)
  const field = <i32>((bits >> 23) & 0xff)
  const fraction = <u64>(bits & 0x7fffff)
  if (field == 0xff) return formatSpecial(fraction != 0, <i32>bits < 0, target)
  if ((bits << 1) == 0) return formatZero(target)
  const digits =
    field == 0
      ? shortestDigits(fraction, -149, 0x800000, -149)
      : shortestDigits(fraction | 0x800000, field - 150, 0x800000, -149)
  return layOut(digits, digitExponent, <i32>bits < 0, target)
}

function formatZero(target: usize): u32 {
  store<u16>(target, 0x2e30)
  store<u8>(target, 0x30, 2)
  return 3
}

/** NaN, Infinity, -Infinity */
function formatSpecial(isNan: bool, negative: bool, target: usize): u32 {
  if (isNan) {
    putText4(target, 0x004e614e)
    return 3
  }
  if (negative) store<u8>(target++, 0x2d)
  store<u64>(target, 0x7974696e69666e49)
  return negative ? 9 : 8
}

function layOut(rawDigits: u64, rawExponent: i32, negative: bool, target: usize): u32 {
  let digits = rawDigits
  let exponent = rawExponent
  while (digits % 10 == 0) {
    digits /= 10
    exponent++
  }
  const start = target
  if (negative) store<u8>(target++, 0x2d)
  // The digits are written at the end of the room first, then moved to their place.
  const end = start + 56
  const from = writeDigits(digits, end, 1)
  const count = <i32>(end - from)
  const point = count + exponent
  if (point > 0 && point <= 21) {
    if (count <= point) {
      memory.copy(target, from, count)
      memory.fill(target + count, 48, point - count)
      store<u16>(target + point, 0x302e)
      return <u32>(target + point + 2 - start)
    }
    memory.copy(target, from, point)
    store<u8>(target + point, 0x2e)
    memory.copy(target + point + 1, from + point, count - point)
    return <u32>(target + count + 1 - start)
  }
  if (point <= 0 && point > -6) {
    store<u16>(target, 0x2e30)
    memory.fill(target + 2, 48, -point)
    memory.copy(target + 2 - point, from, count)
    return <u32>(target + 2 - point + count - start)
  }
  store<u8>(target++, load<u8>(from))
  if (count > 1) {
    store<u8>(target++, 0x2e)
    memory.copy(target, from + 1, count - 1)
    target += count - 1
  }
  store<u8>(target++, 0x65)
  let power = point - 1
  store<u8>(target++, power < 0 ? 0x2d : 0x2b)
  if (power < 0) power = -power
  const length = power >= 100 ? 3 : power >= 10 ? 2 : 1
  writeDigits(power, target + length, length)
  return <u32>(target + length - start)
}
