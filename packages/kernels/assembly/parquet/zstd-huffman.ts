// Huffman-coded literals of zstd (RFC 8878, section 4.2): weights → a table of 2^11 entries → one or four streams.
//
// A stream is read backward. While decoding, its unread bits stand at the top of a 64-bit word whose lowest set bit is
// a mark: how far the mark has moved up is how many bits were used, so that no counter is needed.

import { COUNTS, HUFFMAN, HUFFMAN_READY, STREAMS, WEIGHT_CELLS, WEIGHTS, WORDS } from './zstd-state'
import { buildCells, KIND_WEIGHT, readCounts } from './zstd-fse'
import { buildPairs, decodePairs } from './zstd-huffman-pairs'

const TABLE_LOG: u32 = 11

/** Up to 16 bits that end below bit `left` of a stream; bits below the stream's start are zero. */
@inline
export function peekBackward(first: u32, left: i32, width: u32): u32 {
  const low = left - <i32>width
  const mask: u32 = (1 << width) - 1
  if (low >= 0) return (load<u32>(first + (<u32>low >> 3)) >> (low & 7)) & mask
  return low > -32 ? (load<u32>(first) << <u32>-low) & mask : 0
}

/** Bits of a backward stream [first, end) before its end mark, or -1 when there is no mark. */
@inline
export function backwardBits(first: u32, end: u32): i32 {
  if (first >= end) return -1
  const last = <u32>load<u8>(end - 1)
  return last == 0 ? -1 : <i32>((end - first) << 3) - <i32>(clz(last) - 23)
}

/** Decodes FSE-coded weights with two states in turn. Returns how many, or 0 when corrupt. */
function readCodedWeights(state: u32, at: u32, end: u32): u32 {
  const read = readCounts(state, at, end, KIND_WEIGHT)
  if (read == 0) return 0
  const log = <u32>(load<u8>(at) & 15) + 5
  const cells = state + WEIGHT_CELLS
  const weights = state + WEIGHTS
  buildCells(state, state + COUNTS, 16, log, cells, KIND_WEIGHT)
  const first = at + read
  let left = backwardBits(first, end)
  if (left < <i32>(log << 1)) return 0
  let current = cells + (peekBackward(first, left, log) << 3)
  left -= log
  let other = cells + (peekBackward(first, left, log) << 3)
  left -= log
  for (let n: u32 = 0; n < 254; n++) {
    store<u8>(weights + n, load<u8>(current, 6))
    const bits = <u32>load<u8>(current, 4)
    const next = cells + ((<u32>load<u16>(current) + peekBackward(first, left, bits)) << 3)
    left -= bits
    if (left < 0) {
      store<u8>(weights + n + 1, load<u8>(other, 6))
      return n + 2
    }
    current = other
    other = next
  }
  return 0
}

/** Reads weights of 4 bits each. */
@inline
function readPlainWeights(state: u32, at: u32, n: u32): void {
  for (let i: u32 = 0; i < n; i += 2) {
    const pair = <u32>load<u8>(at + (i >> 1))
    store<u8>(state + WEIGHTS + i, <u8>(pair >> 4))
    store<u8>(state + WEIGHTS + i + 1, <u8>(pair & 15))
  }
}

/** Fills the table from n weights, of which none exceeds `longest`, the length of the longest code. */
function fillTable(state: u32, n: u32, longest: u32): void {
  const ranks = state + COUNTS
  memory.fill(ranks, 0, 64)
  for (let i: u32 = 0; i < n; i++) {
    const rank = ranks + (<u32>load<u8>(state + WEIGHTS + i) << 2)
    store<u32>(rank, load<u32>(rank) + 1)
  }
  const scale = TABLE_LOG - longest
  let start: u32 = 0
  for (let weight: u32 = 1; weight <= longest; weight++) {
    const rank = ranks + (weight << 2)
    const codes = load<u32>(rank)
    store<u32>(rank, start)
    start += codes << (weight - 1 + scale)
  }
  for (let i: u32 = 0; i < n; i++) {
    const weight = <u32>load<u8>(state + WEIGHTS + i)
    if (weight == 0) continue
    const rank = ranks + (weight << 2)
    const from = load<u32>(rank)
    const cells: u32 = 1 << (weight - 1 + scale)
    store<u32>(rank, from + cells)
    const entry = (i << 8) | (longest + 1 - weight)
    let at = state + HUFFMAN + (from << 1)
    if (cells >= 8) {
      const entries = i16x8.splat(<i16>entry)
      for (const end = at + (cells << 1); at < end; at += 16) v128.store(at, entries)
    } else {
      for (const end = at + (cells << 1); at < end; at += 2) store<u16>(at, <u16>entry)
    }
  }
}

/**
 * Reads a Huffman tree description and builds the table.
 * @returns bytes read, or 0 when corrupt (the table is then undefined)
 */
export function readHuffman(state: u32, at: u32, end: u32): u32 {
  if (at >= end) return 0
  const head = <u32>load<u8>(at)
  const bytes = head < 128 ? head : (head - 126) >> 1
  if (bytes >= end - at) return 0
  let n = head - 127
  if (head >= 128) readPlainWeights(state, at + 1, n)
  else n = readCodedWeights(state, at + 1, at + 1 + bytes)
  if (n == 0) return 0
  let total: u32 = 0
  for (let i: u32 = 0; i < n; i++) {
    const weight = <u32>load<u8>(state + WEIGHTS + i)
    if (weight > TABLE_LOG) return 0
    total += (1 << weight) >> 1
  }
  if (total == 0) return 0
  // The last weight is not sent: it fills the sum up to a power of two.
  const longest: u32 = 32 - clz(total)
  const rest: u32 = (1 << longest) - total
  if (longest > TABLE_LOG || (rest & (rest - 1)) != 0) return 0
  store<u8>(state + WEIGHTS + n, <u8>(ctz(rest) + 1))
  fillTable(state, n + 1, longest)
  return bytes + 1
}

/** Decodes the last symbols of a stream one by one. False when it does not end with its last bit. */
function finishStream(table: u32, first: u32, left: i32, out: u32, outEnd: u32): bool {
  for (; out < outEnd && left >= 0; out++) {
    const entry = <u32>load<u16>(table + (peekBackward(first, left, TABLE_LOG) << 1))
    store<u8>(out, <u8>(entry >> 8))
    left -= entry & 255
  }
  return left == 0 && out == outEnd
}

/** Address of the entry that the word's top bits mean. */
@inline
function entryOf(table: u32, bits: u64): u32 {
  return table + (<u32>(bits >> 53) << 1)
}

/**
 * Decodes five symbols: at most 55 of the at least 56 bits above the mark. Returns the word moved on. Symbols are
 * loaded apart from their lengths: the processor has more loads than shifts to spare.
 */
@inline
function decodeFive(table: u32, bits: u64, out: u32): u64 {
  let entry = entryOf(table, bits)
  bits <<= <u64>load<u8>(entry)
  store<u8>(out, load<u8>(entry, 1))
  entry = entryOf(table, bits)
  bits <<= <u64>load<u8>(entry)
  store<u8>(out, load<u8>(entry, 1), 1)
  entry = entryOf(table, bits)
  bits <<= <u64>load<u8>(entry)
  store<u8>(out, load<u8>(entry, 1), 2)
  entry = entryOf(table, bits)
  bits <<= <u64>load<u8>(entry)
  store<u8>(out, load<u8>(entry, 1), 3)
  entry = entryOf(table, bits)
  store<u8>(out, load<u8>(entry, 1), 4)
  return bits << <u64>load<u8>(entry)
}

/** The word whose top is the first unread bit of a stream of at least 8 bytes. */
@inline
function startWord(end: u32): u64 {
  return (load<u64>(end - 8) | 1) << <u64>(clz(<u32>load<u8>(end - 1)) - 23)
}

@inline
function bitsLeft(first: u32, at: u32, bits: u64): i32 {
  return <i32>((at - first) << 3) + 64 - <i32>ctz(bits)
}

/** Decodes one stream [first, end) to [out, outEnd). */
export function decodeStream(table: u32, first: u32, end: u32, out: u32, outEnd: u32): bool {
  let left = backwardBits(first, end)
  if (left < 0) return false
  if (end - first < 8) return finishStream(table, first, left, out, outEnd)
  let at = end - 8
  let bits = startWord(end)
  while (at - first >= 7 && outEnd - out >= 5) {
    bits = decodeFive(table, bits, out)
    out += 5
    const used = <u32>ctz(bits)
    at -= used >> 3
    bits = (load<u64>(at) | 1) << <u64>(used & 7)
  }
  return finishStream(table, first, bitsLeft(first, at, bits), out, outEnd)
}

/**
 * Decodes four streams that lie one behind the other, their sizes before them, to four equal parts of [out, out + n).
 * @param at start of the three sizes (u16)
 */
export function decodeFourStreams(state: u32, at: u32, end: u32, out: u32, n: u32): bool {
  const table = state + HUFFMAN
  const part = (n + 3) >> 2
  if (end - at < 10 || part * 3 > n) return false
  const sizes = <u32>load<u16>(at) + <u32>load<u16>(at, 2) + <u32>load<u16>(at, 4)
  if (sizes + 6 >= end - at) return false
  const first0 = at + 6
  const first1 = first0 + <u32>load<u16>(at)
  const first2 = first1 + <u32>load<u16>(at, 2)
  const first3 = first2 + <u32>load<u16>(at, 4)
  const out1 = out + part
  const out2 = out1 + part
  const out3 = out2 + part
  const shortest = min(min(first1 - first0, first2 - first1), min(first3 - first2, end - first3))
  // A stream without an end mark, or a short one, goes the careful way.
  const marks = min(min(load<u8>(first1 - 1), load<u8>(first2 - 1)), min(load<u8>(first3 - 1), load<u8>(end - 1)))
  if (shortest < 8 || marks == 0) {
    return (
      decodeStream(table, first0, first1, out, out1) &&
      decodeStream(table, first1, first2, out1, out2) &&
      decodeStream(table, first2, first3, out2, out3) &&
      decodeStream(table, first3, end, out3, out + n)
    )
  }
  // Two symbols at once pay when they mostly fit into one look-up, and are enough for building the table.
  const inPairs = n >= 4096 && (end - at) * 8 < n * 5
  if (inPairs) return decodeInPairs(state, first0, first1, first2, first3, end, out, part, n)
  return decodeTogether(table, first0, first1, first2, first3, end, out, part, n)
}

/** The streams' common part, four times five symbols a round, then their ends one by one. */
function decodeTogether(
  table: u32,
  first0: u32,
  first1: u32,
  first2: u32,
  first3: u32,
  end: u32,
  out: u32,
  part: u32,
  n: u32,
): bool {
  let at0 = first1 - 8
  let at1 = first2 - 8
  let at2 = first3 - 8
  let at3 = end - 8
  let bits0 = startWord(first1)
  let bits1 = startWord(first2)
  let bits2 = startWord(first3)
  let bits3 = startWord(end)
  let to0 = out
  let to1 = out + part
  let to2 = to1 + part
  let to3 = to2 + part
  const outEnd = out + n
  while (true) {
    const bytes = min(min(at0 - first0, at1 - first1), min(at2 - first2, at3 - first3))
    const rounds = min(bytes / 7, (outEnd - to3) / 5)
    if (rounds == 0) break
    for (const stop = to0 + rounds * 5; to0 < stop; ) {
      bits0 = decodeFive(table, bits0, to0)
      bits1 = decodeFive(table, bits1, to1)
      bits2 = decodeFive(table, bits2, to2)
      bits3 = decodeFive(table, bits3, to3)
      to0 += 5
      to1 += 5
      to2 += 5
      to3 += 5
      const used0 = <u32>ctz(bits0)
      at0 -= used0 >> 3
      bits0 = (load<u64>(at0) | 1) << <u64>(used0 & 7)
      const used1 = <u32>ctz(bits1)
      at1 -= used1 >> 3
      bits1 = (load<u64>(at1) | 1) << <u64>(used1 & 7)
      const used2 = <u32>ctz(bits2)
      at2 -= used2 >> 3
      bits2 = (load<u64>(at2) | 1) << <u64>(used2 & 7)
      const used3 = <u32>ctz(bits3)
      at3 -= used3 >> 3
      bits3 = (load<u64>(at3) | 1) << <u64>(used3 & 7)
    }
  }
  return (
    finishStream(table, first0, bitsLeft(first0, at0, bits0), to0, out + part) &&
    finishStream(table, first1, bitsLeft(first1, at1, bits1), to1, out + part * 2) &&
    finishStream(table, first2, bitsLeft(first2, at2, bits2), to2, out + part * 3) &&
    finishStream(table, first3, bitsLeft(first3, at3, bits3), to3, outEnd)
  )
}

@inline
function setStream(state: u32, index: u32, first: u32, end: u32, out: u32, outEnd: u32): void {
  const stream = state + STREAMS + (index << 4)
  store<u32>(stream, end - 8)
  store<u32>(stream, out, 4)
  store<u32>(stream, first, 8)
  store<u32>(stream, outEnd, 12)
  store<u64>(state + WORDS + (index << 3), startWord(end))
}

/** The same by pairs of symbols. */
function decodeInPairs(
  state: u32,
  first0: u32,
  first1: u32,
  first2: u32,
  first3: u32,
  end: u32,
  out: u32,
  part: u32,
  n: u32,
): bool {
  if (load<u32>(state + HUFFMAN_READY) != 2) buildPairs(state)
  store<u32>(state + HUFFMAN_READY, 2)
  setStream(state, 0, first0, first1, out, out + part)
  setStream(state, 1, first1, first2, out + part, out + part * 2)
  setStream(state, 2, first2, first3, out + part * 2, out + part * 3)
  setStream(state, 3, first3, end, out + part * 3, out + n)
  decodePairs(state, state + WORDS)
  for (let index: u32 = 0; index < 4; index++) {
    const stream = state + STREAMS + (index << 4)
    const first = load<u32>(stream, 8)
    const left = bitsLeft(first, load<u32>(stream), load<u64>(state + WORDS + (index << 3)))
    if (!finishStream(state + HUFFMAN, first, left, load<u32>(stream, 4), load<u32>(stream, 12))) return false
  }
  return true
}
