// Finite-state-entropy tables of zstd (RFC 8878, section 4.1): normalized counts are read and spread over cells.
//
// A cell has 8 bytes: next state u16, the largest number to add to it u16 and that one's bits u8, extra bits of the
// symbol u8, base value of the symbol u16: of a match's length less 3, without the bit 16 that symbols of 16 extra bits
// have, and none of an offset (where it is 1 << extra bits).

import { COUNTS, NEXT_STATES } from './zstd-state'

/** Highest symbol + 1 of each kind of table, by kind; kind 3 is the code of Huffman weights. */
export const KIND_LITERAL_LENGTH: u32 = 0
export const KIND_OFFSET: u32 = 1
export const KIND_MATCH_LENGTH: u32 = 2
export const KIND_WEIGHT: u32 = 3

// prettier-ignore
export const LITERAL_LENGTH_BASES: usize = memory.data<u32>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024,
  2048, 4096, 8192, 16384, 32768, 65536,
])
// prettier-ignore
export const LITERAL_LENGTH_EXTRAS: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
])
// prettier-ignore
export const MATCH_LENGTH_BASES: usize = memory.data<u32>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33,
  34, 35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539,
])
// prettier-ignore
export const MATCH_LENGTH_EXTRAS: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3,
  3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
])
// prettier-ignore
const LITERAL_LENGTH_COUNTS: usize = memory.data<i16>([
  4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
])
// prettier-ignore
const OFFSET_COUNTS: usize = memory.data<i16>([
  1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
])
// prettier-ignore
const MATCH_LENGTH_COUNTS: usize = memory.data<i16>([
  1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
])

/** How many symbols a kind of table may have. */
@inline
export function symbolLimit(kind: u32): u32 {
  return kind == KIND_LITERAL_LENGTH ? 36 : kind == KIND_OFFSET ? 32 : kind == KIND_MATCH_LENGTH ? 53 : 16
}

/** The largest accuracy log of a kind of table. */
@inline
export function logLimit(kind: u32): u32 {
  return kind == KIND_OFFSET ? 8 : kind == KIND_WEIGHT ? 6 : 9
}

/** Address of the normalized counts of the predefined table. */
export function predefinedCounts(kind: u32): u32 {
  if (kind == KIND_LITERAL_LENGTH) return <u32>LITERAL_LENGTH_COUNTS
  return <u32>(kind == KIND_OFFSET ? OFFSET_COUNTS : MATCH_LENGTH_COUNTS)
}

/** How many symbols the predefined table has. */
export function predefinedSymbols(kind: u32): u32 {
  return kind == KIND_LITERAL_LENGTH ? 36 : kind == KIND_OFFSET ? 29 : 53
}

@inline
export function predefinedLog(kind: u32): u32 {
  return kind == KIND_OFFSET ? 5 : 6
}

/** Writes extra bits and base value of a symbol. */
@inline
function setSymbol(cell: u32, kind: u32, symbol: u32): void {
  let base = symbol
  let extra: u32 = 0
  if (kind == KIND_LITERAL_LENGTH) {
    base = load<u32>(<u32>LITERAL_LENGTH_BASES + (symbol << 2))
    extra = load<u8>(<u32>LITERAL_LENGTH_EXTRAS + symbol)
  } else if (kind == KIND_MATCH_LENGTH) {
    base = load<u32>(<u32>MATCH_LENGTH_BASES + (symbol << 2)) - 3
    extra = load<u8>(<u32>MATCH_LENGTH_EXTRAS + symbol)
  } else if (kind == KIND_OFFSET) extra = symbol
  store<u8>(cell, <u8>extra, 5)
  store<u16>(cell, <u16>base, 6)
}

/** A table of one cell: each symbol is this one, and takes no bits. */
export function buildSingle(cells: u32, kind: u32, symbol: u32): void {
  store<u64>(cells, 0)
  setSymbol(cells, kind, symbol)
}

/**
 * Spreads normalized counts over 2^log cells.
 * @param counts i16 × symbolCount; their magnitudes sum up to 2^log
 */
export function buildCells(state: u32, counts: u32, symbolCount: u32, log: u32, cells: u32, kind: u32): void {
  const next = state + NEXT_STATES
  const mask: u32 = (1 << log) - 1
  let high = <i32>mask
  for (let symbol: u32 = 0; symbol < symbolCount; symbol++) {
    const n = <i32>load<i16>(counts + (symbol << 1))
    if (n < 0) {
      store<u32>(cells + (<u32>high << 3), symbol)
      high--
    }
    store<u16>(next + (symbol << 1), <u16>(n < 0 ? 1 : n))
  }
  const step: u32 = ((mask + 1) >> 1) + ((mask + 1) >> 3) + 3
  let at: u32 = 0
  for (let symbol: u32 = 0; symbol < symbolCount; symbol++) {
    const n = <i32>load<i16>(counts + (symbol << 1))
    for (let i = 0; i < n; i++) {
      store<u32>(cells + (at << 3), symbol)
      do at = (at + step) & mask
      while (<i32>at > high)
    }
  }
  for (let cell = cells; cell <= cells + (mask << 3); cell += 8) {
    const symbol = load<u32>(cell)
    const state = <u32>load<u16>(next + (symbol << 1))
    store<u16>(next + (symbol << 1), <u16>(state + 1))
    const bits = log - (31 - clz(state))
    store<u16>(cell, <u16>((state << bits) - mask - 1))
    store<u16>(cell, <u16>((<u32>1 << bits) - 1), 2)
    store<u8>(cell, <u8>bits, 4)
    setSymbol(cell, kind, symbol)
  }
}

/**
 * Reads normalized counts into COUNTS. The accuracy log is the low half of the first byte, plus 5.
 * @param at readable to end + 16
 * @returns bytes read, or 0 when they are corrupt
 */
export function readCounts(state: u32, at: u32, end: u32, kind: u32): u32 {
  if (at >= end) return 0
  const log = <u32>(load<u8>(at) & 15) + 5
  if (log > logLimit(kind)) return 0
  const limit = symbolLimit(kind)
  const counts = state + COUNTS
  memory.fill(counts, 0, limit << 1)
  const bitEnd = (end - at) << 3
  let bit: u32 = 4
  let left: i32 = 1 << log
  let symbol: u32 = 0
  while (left > 0) {
    if (symbol >= limit || bit >= bitEnd) return 0
    const width = 32 - clz(<u32>left + 1)
    const small: u32 = (1 << (width - 1)) - 1
    const spare: u32 = (1 << width) - 2 - <u32>left
    let value = (load<u32>(at + (bit >> 3)) >> (bit & 7)) & ((1 << width) - 1)
    bit += width
    if ((value & small) < spare) {
      value &= small
      bit--
    } else if (value > small) value -= spare
    const n = <i32>value - 1
    left -= n < 0 ? 1 : n
    store<i16>(counts + (symbol << 1), <i16>n)
    symbol++
    if (n != 0) continue
    // After a zero: how many more zeros, two bits at a time.
    let zeros: u32 = 3
    while (zeros == 3) {
      if (bit >= bitEnd) return 0
      zeros = (<u32>load<u16>(at + (bit >> 3)) >> (bit & 7)) & 3
      bit += 2
      symbol += zeros
    }
  }
  const bytes = (bit + 7) >> 3
  return left == 0 && symbol <= limit && bytes <= end - at ? bytes : 0
}
