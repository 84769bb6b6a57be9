// Decoding two Huffman-coded literals by one look-up, for literals that shrink well (most codes then have a few bits).
//
// A pair entry (u32): one or two symbols in the low half, from bit 16 the bits they take, from bit 24 their number.
// A stream's positions stand in memory ({ at, to, first, end }), so that only the four words take registers.

import { HUFFMAN, PAIRS, STREAMS } from './zstd-state'

const TABLE_LOG: u32 = 11
/** Bytes that a round may write at most to each stream's part: five look-ups. */
const ROUND_BYTES: u32 = 10

/** Fills PAIRS from HUFFMAN. */
export function buildPairs(state: u32): void {
  const single = state + HUFFMAN
  const mask: u32 = (1 << TABLE_LOG) - 1
  for (let i: u32 = 0; i <= mask; i++) {
    const first = <u32>load<u16>(single + (i << 1))
    const firstBits = first & 255
    const second = <u32>load<u16>(single + (((i << firstBits) & mask) << 1))
    const bits = firstBits + (second & 255)
    // The second code is there only if all of its bits are.
    let entry = (first >> 8) | (firstBits << 16) | (1 << 24)
    if (bits <= TABLE_LOG) entry = (first >> 8) | (second & 0xff00) | (bits << 16) | (2 << 24)
    store<u32>(state + PAIRS + (i << 2), entry)
  }
}

@inline
function pairAt(table: u32, bits: u64): u32 {
  return load<u32>(table + ((<u32>(bits >> 51)) & 0x1ffc))
}

/** Five look-ups in one stream. Returns the word behind them, filled up. */
@inline
function round(table: u32, bits: u64, stream: u32): u64 {
  let to = load<u32>(stream, 4)
  let entry = pairAt(table, bits)
  store<u16>(to, <u16>entry)
  bits <<= <u64>(entry >> 16)
  to += entry >> 24
  entry = pairAt(table, bits)
  store<u16>(to, <u16>entry)
  bits <<= <u64>(entry >> 16)
  to += entry >> 24
  entry = pairAt(table, bits)
  store<u16>(to, <u16>entry)
  bits <<= <u64>(entry >> 16)
  to += entry >> 24
  entry = pairAt(table, bits)
  store<u16>(to, <u16>entry)
  bits <<= <u64>(entry >> 16)
  to += entry >> 24
  entry = pairAt(table, bits)
  store<u16>(to, <u16>entry)
  bits <<= <u64>(entry >> 16)
  store<u32>(stream, to + (entry >> 24), 4)
  const used = <u32>ctz(bits)
  const at = load<u32>(stream) - (used >> 3)
  store<u32>(stream, at)
  return (load<u64>(at) | 1) << <u64>(used & 7)
}

/** Rounds that surely stay within a stream and its part. */
@inline
function safeRounds(stream: u32): u32 {
  const bytes = load<u32>(stream) - load<u32>(stream, 8)
  const room = load<u32>(stream, 12) - load<u32>(stream, 4)
  return min(bytes / 7, room / ROUND_BYTES)
}

/** Decodes the common part of four streams (words as in zstd-huffman.ts); the words are left in `words`, u64 × 4. */
export function decodePairs(state: u32, words: u32): void {
  const table = state + PAIRS
  const streams = state + STREAMS
  let bits0 = load<u64>(words)
  let bits1 = load<u64>(words, 8)
  let bits2 = load<u64>(words, 16)
  let bits3 = load<u64>(words, 24)
  while (true) {
    let rounds = min(
      min(safeRounds(streams), safeRounds(streams + 16)),
      min(safeRounds(streams + 32), safeRounds(streams + 48)),
    )
    if (rounds == 0) break
    for (; rounds != 0; rounds--) {
      bits0 = round(table, bits0, streams)
      bits1 = round(table, bits1, streams + 16)
      bits2 = round(table, bits2, streams + 32)
      bits3 = round(table, bits3, streams + 48)
    }
  }
  store<u64>(words, bits0)
  store<u64>(words, bits1, 8)
  store<u64>(words, bits2, 16)
  store<u64>(words, bits3, 24)
}
