// Decimals: 128-bit two's complement { low, high }, |value| < 10^38, scaled by a power of ten known to the caller.
//
// A result's low word is returned, its high word waits in wideHigh(), success in castStatus() (0: too large).
// Magnitudes of products have up to 256 bits; they lie in four globals of the instance (w0 lowest), never in memory.

import { digitsToBits, exactBegin, exactChoose, exactPush, isAmbiguous } from './float-text'
import { WIDE } from './powers-of-ten'
import { setHigh, setStatus } from './wide'

let w0: u64 = 0
let w1: u64 = 0
let w2: u64 = 0
let w3: u64 = 0

/** High 64 bits of the product of two unsigned words. */
// @ts-ignore: decorator
@inline
export function multiplyHigh(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff
  const aHigh = a >> 32
  const bLow = b & 0xffffffff
  const bHigh = b >> 32
  const low = aLow * bLow
  const middle = aHigh * bLow + (low >> 32)
  const other = aLow * bHigh + (middle & 0xffffffff)
  return aHigh * bHigh + (middle >> 32) + (other >> 32)
}

// @ts-ignore: decorator
@inline
function setWide(low: u64, high: u64): void {
  w0 = low
  w1 = high
  w2 = 0
  w3 = 0
}

/** w = |value|; returns whether it was negative. */
// @ts-ignore: decorator
@inline
function setMagnitude(low: u64, high: u64): bool {
  const negative = <i64>high < 0
  if (negative) setWide(0 - low, ~high + <u64>(low == 0))
  else setWide(low, high)
  return negative
}

/** w = w0,w1 × the magnitude {low, high}. */
function multiplyWide(low: u64, high: u64): void {
  const a0 = w0
  const a1 = w1
  w0 = a0 * low
  w1 = multiplyHigh(a0, low)
  w2 = 0
  w3 = 0
  addAt1(a0 * high, multiplyHigh(a0, high))
  addAt1(a1 * low, multiplyHigh(a1, low))
  const low3 = a1 * high
  const sum = w2 + low3
  w3 += multiplyHigh(a1, high) + <u64>(sum < low3)
  w2 = sum
}

/** w += {low, high} << 64. */
// @ts-ignore: decorator
@inline
function addAt1(low: u64, high: u64): void {
  const sum1 = w1 + low
  const carry1 = <u64>(sum1 < low)
  const part = w2 + high
  const carry2 = <u64>(part < high)
  const sum2 = part + carry1
  w3 += carry2 + <u64>(sum2 < part)
  w1 = sum1
  w2 = sum2
}

/** w += {low, high}. */
function addWide(low: u64, high: u64): void {
  const sum0 = w0 + low
  const carry = <u64>(sum0 < low)
  w0 = sum0
  addAt1(high, 0)
  addAt1(carry, 0)
}

/** The word `w` of a long division by `divisor` < 2^32; the remainder so far stands in `rest`. */
let rest: u64 = 0
// @ts-ignore: decorator
@inline
function divideWord(word: u64, divisor: u64): u64 {
  const upper = (rest << 32) | (word >> 32)
  const quotientHigh = upper / divisor
  const lower = ((upper - quotientHigh * divisor) << 32) | (word & 0xffffffff)
  const quotientLow = lower / divisor
  rest = lower - quotientLow * divisor
  return (quotientHigh << 32) | quotientLow
}

/** w /= divisor, which is below 2^32; returns the remainder. */
function divideSmall(divisor: u64): u64 {
  rest = 0
  if (w3 != 0) w3 = divideWord(w3, divisor)
  if ((w2 | rest) != 0) w2 = divideWord(w2, divisor)
  if ((w1 | rest) != 0) w1 = divideWord(w1, divisor)
  w0 = divideWord(w0, divisor)
  return rest
}

/** w = round half up of w / 10^digits, digits 0 … 38. */
function dividePower(digits: u32): void {
  if (digits == 0) return
  const power = WIDE + (digits << 4)
  const low = load<u64>(power)
  const high = load<u64>(power, 8)
  addWide((low >> 1) | (high << 63), high >> 1)
  let left = digits
  while (left >= 9) {
    divideSmall(1000000000)
    left -= 9
  }
  if (left > 0) divideSmall(load<u64>(WIDE + (left << 4)))
}

/** Returns ±w as a decimal of `precision` digits. */
function finish(negative: bool, precision: u32): u64 {
  const bound = WIDE + (precision << 4)
  const boundHigh = load<u64>(bound, 8)
  const fits = (w2 | w3) == 0 && (w1 < boundHigh || (w1 == boundHigh && w0 < load<u64>(bound)))
  setStatus(fits)
  setHigh(negative ? ~w1 + <u64>(w0 == 0) : w1)
  return negative ? 0 - w0 : w0
}

/** 1 if |{low, high}| < 10^38. */
// @ts-ignore: decorator
@inline
function finishSum(low: u64, high: u64): u64 {
  return finish(setMagnitude(low, high), 38)
}

/** a + b of one scale; both are below 10^38, so 128 bits cannot wrap. */
export function decimalAdd(aLow: u64, aHigh: u64, bLow: u64, bHigh: u64): u64 {
  const low = aLow + bLow
  return finishSum(low, aHigh + bHigh + <u64>(low < aLow))
}

/** a - b of one scale. */
export function decimalSub(aLow: u64, aHigh: u64, bLow: u64, bHigh: u64): u64 {
  return finishSum(aLow - bLow, aHigh - bHigh - <u64>(aLow < bLow))
}

/** a × b, then `dropDigits` (0 … 38) fewer digits, half away from zero. */
export function decimalMul(aLow: u64, aHigh: u64, bLow: u64, bHigh: u64, dropDigits: u32): u64 {
  const bNegative = setMagnitude(bLow, bHigh)
  const low = w0
  const high = w1
  const aNegative = setMagnitude(aLow, aHigh)
  multiplyWide(low, high)
  dividePower(dropDigits)
  return finish(aNegative != bNegative, 38)
}

/** Remainder with the sign of a; b = 0 gives 0 (the caller makes it null). */
export function decimalRemainder(aLow: u64, aHigh: u64, bLow: u64, bHigh: u64): u64 {
  setMagnitude(bLow, bHigh)
  const low = w0
  const high = w1
  const negative = setMagnitude(aLow, aHigh)
  if ((low | high) == 0) setWide(0, 0)
  else if ((w1 | high) == 0) w0 %= low
  else longRemainder(low, high)
  return finish(negative, 38)
}

/** w = w0,w1 mod the magnitude {low, high}, bit by bit. */
function longRemainder(low: u64, high: u64): void {
  let restLow: u64 = 0
  let restHigh: u64 = 0
  for (let bit: i32 = 127; bit >= 0; bit--) {
    const word = bit >= 64 ? w1 : w0
    restHigh = (restHigh << 1) | (restLow >> 63)
    restLow = (restLow << 1) | ((word >> (bit & 63)) & 1)
    if (restHigh > high || (restHigh == high && restLow >= low)) {
      restHigh = restHigh - high - <u64>(restLow < low)
      restLow -= low
    }
  }
  setWide(restLow, restHigh)
}

/** Same value with another scale and a bound of `precision` digits; fewer digits round half away from zero. */
export function decimalRescale(low: u64, high: u64, fromScale: u32, toScale: u32, precision: u32): u64 {
  const negative = setMagnitude(low, high)
  if (toScale >= fromScale) {
    const power = WIDE + ((toScale - fromScale) << 4)
    multiplyWide(load<u64>(power), load<u64>(power, 8))
  } else dividePower(fromScale - toScale)
  return finish(negative, precision)
}

/** Nearest float64, ties to even. */
export function decimalToFloat(low: u64, high: u64, scale: u32): f64 {
  const negative = setMagnitude(low, high)
  let exponent = -<i32>scale
  let inexact = false
  // Keep the leading 19 digits and whether anything stood behind them.
  const originalLow = w0
  const originalHigh = w1
  while (w1 != 0 || w0 >= 10000000000000000000) {
    const digits: u32 = w1 >= 1000000000 ? 9 : 1
    if (divideSmall(digits == 9 ? 1000000000 : 10) != 0) inexact = true
    exponent += digits
  }
  let bits = digitsToBits(w0, exponent, inexact)
  if (isAmbiguous()) bits = chooseExactly(bits, originalLow, originalHigh, scale)
  const value = reinterpret<f64>(bits)
  return negative ? -value : value
}

/** Pushes the decimal digits of a 128-bit magnitude, first one first, by comparing with powers of ten. */
function chooseExactly(bits: u64, low: u64, high: u64, scale: u32): u64 {
  exactBegin()
  let restLow = low
  let restHigh = high
  for (let k: i32 = 38; k >= 0; k--) {
    const power = WIDE + (<usize>k << 4)
    const powerLow = load<u64>(power)
    const powerHigh = load<u64>(power, 8)
    let digit: u32 = 0
    while (restHigh > powerHigh || (restHigh == powerHigh && restLow >= powerLow)) {
      restHigh = restHigh - powerHigh - <u64>(restLow < powerLow)
      restLow -= powerLow
      digit++
    }
    exactPush(digit)
  }
  return exactChoose(bits, -<i32>scale, false)
}

/** value × 10^scale, rounded half away from zero from the exact binary value. NaN and infinities fail. */
export function decimalFromFloat(value: f64, precision: u32, scale: u32): u64 {
  const bits = reinterpret<u64>(value)
  const field = <i32>((bits >> 52) & 0x7ff)
  if (field == 0x7ff || field >= 1023 + 128) {
    setStatus(false)
    setHigh(0)
    return 0
  }
  const fraction = bits & 0xfffffffffffff
  const exponent = (field == 0 ? 1 : field) - 1075
  setWide(field == 0 ? fraction : fraction | 0x10000000000000, 0)
  if (exponent > 0) shiftLeft(exponent)
  const power = WIDE + (scale << 4)
  multiplyWide(load<u64>(power), load<u64>(power, 8))
  if (exponent < 0) shiftRightRounded(-exponent)
  return finish(<i64>bits < 0, precision)
}

/** w0,w1 <<= count, count below 76 (a significand of 53 bits stays within 128). */
function shiftLeft(count: u32): void {
  if (count >= 64) {
    w1 = w0 << (count - 64)
    w0 = 0
  } else {
    w1 = w0 >> (64 - count)
    w0 <<= count
  }
}

/** w = round half up of w / 2^count. */
function shiftRightRounded(count: u32): void {
  let left = count - 1
  while (left > 0 && (w0 | w1 | w2 | w3) != 0) {
    const step = min<u32>(left, 63)
    const back = 64 - step
    w0 = (w0 >> step) | (w1 << back)
    w1 = (w1 >> step) | (w2 << back)
    w2 = (w2 >> step) | (w3 << back)
    w3 >>= step
    left -= step
  }
  addWide(1, 0)
  w0 = (w0 >> 1) | (w1 << 63)
  w1 = (w1 >> 1) | (w2 << 63)
  w2 = (w2 >> 1) | (w3 << 63)
  w3 >>= 1
}

/** Digits of |{low, high}| written backwards from `end`, at least `least` of them; returns their start. */
export function writeWideDigits(low: u64, high: u64, end: usize, least: u32): usize {
  setMagnitude(low, high)
  let address = end
  let count: u32 = 0
  while ((w0 | w1) != 0 || count < least) {
    store<u8>(--address, 48 + <u32>divideSmall(10))
    count++
  }
  return address
}

/** w = w × 10 + digit, for parsing; returns false when it passes 128 bits. */
export function resetDigits(): void {
  setWide(0, 0)
}

export function pushDigit(digit: u32): bool {
  const high = multiplyHigh(w0, 10)
  const low = w0 * 10
  if (w1 > 0x1900000000000000) return false
  w1 = w1 * 10 + high
  w0 = low + digit
  if (w0 < low) w1++
  return true
}

/** Pushed digits × 10^up / 10^down as a decimal of `precision` digits. */
export function takeDigits(negative: bool, up: u32, precision: u32, plusOne: bool): u64 {
  const power = WIDE + (up << 4)
  multiplyWide(load<u64>(power), load<u64>(power, 8))
  if (plusOne) addWide(1, 0)
  return finish(negative, precision)
}

