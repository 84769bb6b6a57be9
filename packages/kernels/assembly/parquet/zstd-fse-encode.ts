// Finite-state-entropy encoding for the zstd compressor: normalized counts, their description, encoding tables.
//
// A state is in [2^log, 2^(log + 1)). Encoding a symbol writes its lowest `n = (state + bits) >> 16` bits, and goes to
// states[(state >> n) + place]; `bits` and `place` are the symbol's two words (the common tANS formulation).

import { CODE_COUNTS, ENCODER_BYTES, ENCODER_SYMBOLS, ENCODERS, NORMS, PLACES, SPREAD } from './zstd-compress-scratch'

@inline
export function encoderOf(scratch: u32, kind: u32): u32 {
  return scratch + ENCODERS + kind * ENCODER_BYTES
}

@inline
export function normsOf(scratch: u32, kind: u32): u32 {
  return scratch + NORMS + (kind << 7)
}

@inline
export function countsOf(scratch: u32, kind: u32): u32 {
  return scratch + CODE_COUNTS + (kind << 8)
}

/** A fitting accuracy log for `total` symbols of which `last` is the highest. */
export function chooseLog(total: u32, last: u32, limit: u32): u32 {
  const forTotal = 31 - <i32>clz(total - 1) - 2
  const forSymbols = min(32 - <i32>clz(total), 33 - <i32>clz(last | 1))
  return <u32>max(5, min(<i32>limit, max(forTotal, forSymbols)))
}

/** Scales counts (u32) of at least two symbols so that they sum up to 2^log, each that occurs at least 1. */
export function normalize(counts: u32, symbols: u32, total: u32, log: u32, norms: u32): void {
  let left = <i32>1 << log
  let largest: u32 = 0
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = <u64>load<u32>(counts + (symbol << 2))
    let n = <i32>(((count << <u64>(log + 1)) / <u64>total + 1) >> 1)
    if (count != 0 && n == 0) n = 1
    store<i16>(norms + (symbol << 1), <i16>n)
    if (n > <i32>load<i16>(norms + (largest << 1))) largest = symbol
    left -= n
  }
  if (left >= 0) {
    store<i16>(norms + (largest << 1), <i16>(<i32>load<i16>(norms + (largest << 1)) + left))
    return
  }
  for (; left < 0; left++) {
    for (let symbol: u32 = 0; symbol < symbols; symbol++) {
      if (load<i16>(norms + (symbol << 1)) > load<i16>(norms + (largest << 1))) largest = symbol
    }
    store<i16>(norms + (largest << 1), load<i16>(norms + (largest << 1)) - 1)
  }
}

/** log2 of n ≥ 1 in 1/256, a straight line between powers of two. */
@inline
function log2(n: u32): u32 {
  const whole = 31 - clz(n)
  return (whole << 8) + (((n << 8) >> whole) & 255)
}

/** Bits that symbols with these counts take with these norms; u32 max when one of them has no code. */
export function codedBits(counts: u32, symbols: u32, norms: u32, log: u32): u32 {
  let sum: u64 = 0
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + (symbol << 2))
    if (count == 0) continue
    const norm = <i32>load<i16>(norms + (symbol << 1))
    if (norm == 0) return 0xffffffff
    sum += <u64>count * <u64>((log << 8) - log2(<u32>(norm < 0 ? 1 : norm)))
  }
  return <u32>(sum >> 8)
}

/** Describes normalized counts. @returns the end of what was written */
export function writeNorms(norms: u32, log: u32, to: u32): u32 {
  let word: u64 = log - 5
  let used: u32 = 4
  let left: i32 = 1 << log
  let symbol: u32 = 0
  while (left > 0) {
    const norm = <i32>load<i16>(norms + (symbol << 1))
    symbol++
    const width: u32 = 32 - clz(<u32>left + 1)
    const small: u32 = (1 << (width - 1)) - 1
    const spare: u32 = (1 << width) - 2 - <u32>left
    const value = <u32>(norm + 1)
    word |= <u64>(value > small ? value + spare : value) << <u64>used
    used += value < spare ? width - 1 : width
    left -= abs(norm)
    if (norm == 0) {
      let zeros: u32 = 0
      while (load<i16>(norms + (symbol << 1)) == 0) {
        zeros++
        symbol++
      }
      for (; zeros >= 3; zeros -= 3) {
        word |= <u64>3 << <u64>used
        used += 2
      }
      word |= <u64>zeros << <u64>used
      used += 2
    }
    store<u64>(to, word)
    to += used >> 3
    word >>= <u64>(used & 0x78)
    used &= 7
  }
  store<u8>(to, <u8>word)
  return to + u32(used != 0)
}

/** Builds the encoding table of norms that sum up to 2^log. */
export function buildEncoder(scratch: u32, norms: u32, symbols: u32, log: u32, encoder: u32): void {
  const spread = scratch + SPREAD
  const places = scratch + PLACES
  const size: u32 = 1 << log
  const mask = size - 1
  let high = <i32>mask
  let place: u32 = 0
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const norm = <i32>load<i16>(norms + (symbol << 1))
    const n = <u32>(norm < 0 ? 1 : norm)
    store<u16>(places + (symbol << 1), <u16>place)
    const entry = encoder + ENCODER_SYMBOLS + (symbol << 3)
    if (norm < 0) {
      store<u8>(spread + high, <u8>symbol)
      high--
    }
    if (n <= 1) {
      store<u32>(entry, (log << 16) - size)
      store<i32>(entry, <i32>place - 1, 4)
    } else {
      const bits = log - (31 - clz(n - 1))
      store<u32>(entry, (bits << 16) - (n << bits))
      store<i32>(entry, <i32>place - <i32>n, 4)
    }
    place += n
  }
  let at: u32 = 0
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const norm = <i32>load<i16>(norms + (symbol << 1))
    for (let i = 0; i < norm; i++) {
      store<u8>(spread + at, <u8>symbol)
      do at = (at + (size >> 1) + (size >> 3) + 3) & mask
      while (<i32>at > high)
    }
  }
  for (let cell: u32 = 0; cell < size; cell++) {
    const own = places + (<u32>load<u8>(spread + cell) << 1)
    const to = <u32>load<u16>(own)
    store<u16>(own, <u16>(to + 1))
    store<u16>(encoder + (to << 1), <u16>(size + cell))
  }
}

/** An encoder of one symbol that takes no bits. */
export function buildSingleEncoder(encoder: u32, symbol: u32): void {
  store<u16>(encoder, 0)
  store<u64>(encoder + ENCODER_SYMBOLS + (symbol << 3), 0)
}

/** The state that stands for the first encoded (last decoded) symbol. */
@inline
export function firstState(encoder: u32, symbol: u32): u32 {
  const entry = encoder + ENCODER_SYMBOLS + (symbol << 3)
  const bits = load<u32>(entry)
  const n = (bits + 0x8000) >> 16
  return <u32>load<u16>(encoder + ((((n << 16) - bits) >> n) + load<u32>(entry, 4) << 1))
}
