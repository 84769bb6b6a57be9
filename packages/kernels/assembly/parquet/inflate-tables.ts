// Decoding tables of deflate's Huffman codes (RFC 1951, section 3.2): a primary table by the next bits of the stream,
// and behind it one table for each group of codes that are longer than it is wide.
//
// An entry (u32): bits 0 … 7 how many bits symbol and extra bits take, bits 8 … 11 those of the code alone, one flag,
// and from bit 16 a value: literal byte, base of a length or distance, or first entry of a longer table, whose width is
// in bits 8 … 11. An entry of 0 is no code.

import { LENGTH_COUNTS, NEXT_CODES } from './inflate-state'

export const LITERAL: u32 = 1 << 12
/** A base value with extra bits. */
export const VALUE: u32 = 1 << 13
export const LONGER: u32 = 1 << 14
export const END_OF_BLOCK: u32 = 1 << 15

export const SYMBOL_BITS: u32 = 11
export const DISTANCE_BITS: u32 = 8
export const LENGTH_BITS: u32 = 7

export const KIND_SYMBOL: u32 = 0
export const KIND_DISTANCE: u32 = 1
export const KIND_LENGTH: u32 = 2

// prettier-ignore
const LENGTH_BASES: usize = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
])
// prettier-ignore
const LENGTH_EXTRAS: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
])

/** The entry of a symbol whose code has `length` bits in its table. */
@inline
function entryOf(kind: u32, symbol: u32, length: u32): u32 {
  if (kind == KIND_LENGTH) return VALUE | (symbol << 16) | (length << 8) | length
  if (kind == KIND_DISTANCE) {
    if (symbol > 29) return 0
    const extra: u32 = symbol < 2 ? 0 : (symbol >> 1) - 1
    const base: u32 = symbol < 2 ? symbol + 1 : ((2 + (symbol & 1)) << extra) + 1
    return VALUE | (base << 16) | (length << 8) | (length + extra)
  }
  if (symbol < 256) return LITERAL | (symbol << 16) | length
  if (symbol == 256) return END_OF_BLOCK | length
  if (symbol > 285) return 0
  const extra = <u32>load<u8>(<u32>LENGTH_EXTRAS + symbol - 257)
  const base = <u32>load<u16>(<u32>LENGTH_BASES + ((symbol - 257) << 1))
  return VALUE | (base << 16) | (length << 8) | (length + extra)
}

@inline
function reverseBits(code: u32, length: u32): u32 {
  code = ((code & 0x5555) << 1) | ((code >> 1) & 0x5555)
  code = ((code & 0x3333) << 2) | ((code >> 2) & 0x3333)
  code = ((code & 0x0f0f) << 4) | ((code >> 4) & 0x0f0f)
  code = ((code & 0x00ff) << 8) | (code >> 8)
  return code >> (16 - length)
}

/** Counts lengths and finds the first code of each. Returns the longest length, or -1 when there is no such code. */
function firstCodes(state: u32, lengths: u32, n: u32, kind: u32): i32 {
  const counts = state + LENGTH_COUNTS
  memory.fill(counts, 0, 64)
  for (let symbol: u32 = 0; symbol < n; symbol++) {
    const count = counts + (<u32>load<u8>(lengths + symbol) << 2)
    store<u32>(count, load<u32>(count) + 1)
  }
  store<u32>(counts, 0)
  let left: i32 = 1
  let code: u32 = 0
  let longest = 0
  for (let length = 1; length < 16; length++) {
    const count = load<u32>(counts + (length << 2))
    store<u32>(state + NEXT_CODES + (length << 2), code)
    code = (code + count) << 1
    left = (left << 1) - <i32>count
    if (left < 0) return -1
    if (count != 0) longest = length
  }
  // Codes that leave room are right only when there is no code or a single one of one bit.
  return left > 0 && (kind == KIND_LENGTH || longest > 1) ? -1 : longest
}

/**
 * Builds a table from code lengths (u8, at most 15).
 * @returns whether the lengths are those of a prefix code
 */
export function buildTable(state: u32, lengths: u32, n: u32, kind: u32, bits: u32, table: u32): bool {
  const longest = firstCodes(state, lengths, n, kind)
  if (longest < 0) return false
  memory.fill(table, 0, 4 << bits)
  const restBits = <u32>longest - bits
  let used: u32 = 1 << bits
  for (let symbol: u32 = 0; symbol < n; symbol++) {
    const length = <u32>load<u8>(lengths + symbol)
    if (length == 0) continue
    const next = state + NEXT_CODES + (length << 2)
    const code = reverseBits(load<u32>(next), length)
    store<u32>(next, load<u32>(next) + 1)
    if (length <= bits) {
      const entry = entryOf(kind, symbol, length)
      const end = table + (4 << bits)
      for (let at = table + (code << 2); at < end; at += 4 << length) store<u32>(at, entry)
      continue
    }
    const group = table + ((code & ((1 << bits) - 1)) << 2)
    if (load<u32>(group) == 0) {
      store<u32>(group, LONGER | (used << 16) | (restBits << 8) | bits)
      memory.fill(table + (used << 2), 0, 4 << restBits)
      used += 1 << restBits
    }
    const first = table + ((load<u32>(group) >> 16) << 2)
    const entry = entryOf(kind, symbol, length - bits)
    const end = first + (4 << restBits)
    for (let at = first + ((code >> bits) << 2); at < end; at += 4 << (length - bits)) store<u32>(at, entry)
  }
  return true
}
