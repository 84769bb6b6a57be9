// Huffman coding of a zstd block's literals: code lengths of at most 11 bits, their description, one or four streams.

import { buildEncoder, chooseLog, countsOf, encoderOf, firstState, normalize, normsOf } from './zstd-fse-encode'
import { writeNorms } from './zstd-fse-encode'
import { CODES, DEPTHS, ENCODER_SYMBOLS, LITERAL_COUNTS, NODE_COUNTS, NODE_PARENTS } from './zstd-compress-scratch'
import { SORTED, WEIGHTS } from './zstd-compress-scratch'

const LONGEST: u32 = 11
const KIND_WEIGHT: u32 = 3

/** Writes the symbols that occur, rarest first. Returns how many. */
function sortSymbols(scratch: u32): u32 {
  const sorted = scratch + SORTED
  const counts = scratch + LITERAL_COUNTS
  let n: u32 = 0
  for (let symbol: u32 = 0; symbol < 256; symbol++) {
    const count = load<u32>(counts + (symbol << 2))
    if (count == 0) continue
    let at = n++
    while (at > 0) {
      const before = load<u16>(sorted + (at << 1) - 2)
      if (load<u32>(counts + (<u32>before << 2)) <= count) break
      store<u16>(sorted + (at << 1), before)
      at--
    }
    store<u16>(sorted + (at << 1), <u16>symbol)
  }
  return n
}

/** Depths of n ≥ 2 leaves (in sorted order) in a Huffman tree, cut off at 11. */
function treeDepths(scratch: u32, n: u32): void {
  const nodes = scratch + NODE_COUNTS
  const parents = scratch + NODE_PARENTS
  const depths = scratch + DEPTHS
  for (let i: u32 = 0; i < n; i++) {
    const symbol = <u32>load<u16>(scratch + SORTED + (i << 1))
    store<u32>(nodes + (i << 2), load<u32>(scratch + LITERAL_COUNTS + (symbol << 2)))
  }
  let leaf: u32 = 0
  let inner = n
  const root: u32 = 2 * n - 2
  for (let made = n; made <= root; made++) {
    let sum: u32 = 0
    for (let i = 0; i < 2; i++) {
      const takesLeaf = leaf < n && (inner >= made || load<u32>(nodes + (leaf << 2)) <= load<u32>(nodes + (inner << 2)))
      const taken = takesLeaf ? leaf++ : inner++
      sum += load<u32>(nodes + (taken << 2))
      store<u16>(parents + (taken << 1), <u16>made)
    }
    store<u32>(nodes + (made << 2), sum)
  }
  store<u8>(depths + root, 0)
  for (let node = <i32>root - 1; node >= 0; node--) {
    const depth = <u32>load<u8>(depths + <u32>load<u16>(parents + (node << 1))) + 1
    store<u8>(depths + node, <u8>depth)
  }
  for (let i: u32 = 0; i < n; i++) store<u8>(depths + i, min<u8>(load<u8>(depths + i), <u8>LONGEST))
}

/** Changes depths so that the code is complete: the cut-off leaves took room that others now give up. */
function repairDepths(scratch: u32, n: u32): void {
  const depths = scratch + DEPTHS
  let room: i32 = 1 << LONGEST
  for (let i: u32 = 0; i < n; i++) room -= 1 << (LONGEST - <u32>load<u8>(depths + i))
  // Leaves come rarest first, so the first one below the limit is the cheapest to lengthen.
  while (room < 0) {
    let i: u32 = 0
    while (<u32>load<u8>(depths + i) >= LONGEST) i++
    const depth = <u32>load<u8>(depths + i)
    store<u8>(depths + i, <u8>(depth + 1))
    room += 1 << (LONGEST - depth - 1)
  }
  // What is too much goes to the commonest leaves that it suffices for.
  for (let i = <i32>n - 1; room > 0; i = i == 0 ? <i32>n - 1 : i - 1) {
    const depth = <u32>load<u8>(depths + i)
    const gain = 1 << (LONGEST - depth)
    if (depth > 1 && gain <= room) {
      store<u8>(depths + i, <u8>(depth - 1))
      room -= gain
    }
  }
}

/** Weights by symbol and codes from the depths. Returns the length of the longest code. */
function assignCodes(scratch: u32, n: u32): u32 {
  const weights = scratch + WEIGHTS
  const starts = scratch + NODE_COUNTS
  let longest: u32 = 0
  for (let i: u32 = 0; i < n; i++) longest = max(longest, <u32>load<u8>(scratch + DEPTHS + i))
  memory.fill(weights, 0, 256)
  memory.fill(starts, 0, 64)
  for (let i: u32 = 0; i < n; i++) {
    const weight = longest + 1 - <u32>load<u8>(scratch + DEPTHS + i)
    store<u8>(weights + <u32>load<u16>(scratch + SORTED + (i << 1)), <u8>weight)
    store<u32>(starts + (weight << 2), load<u32>(starts + (weight << 2)) + 1)
  }
  let start: u32 = 0
  for (let weight: u32 = 1; weight <= longest; weight++) {
    const codes = load<u32>(starts + (weight << 2))
    store<u32>(starts + (weight << 2), start)
    start += codes << (weight - 1)
  }
  for (let symbol: u32 = 0; symbol < 256; symbol++) {
    const weight = <u32>load<u8>(weights + symbol)
    if (weight == 0) continue
    const from = load<u32>(starts + (weight << 2))
    store<u32>(starts + (weight << 2), from + (1 << (weight - 1)))
    store<u32>(scratch + CODES + (symbol << 2), ((from >> (weight - 1)) << 8) | (longest + 1 - weight))
  }
  return longest
}

/** Makes codes for LITERAL_COUNTS, of which at least two are not 0. Returns the bits that all literals take. */
export function makeCodes(scratch: u32): u32 {
  const n = sortSymbols(scratch)
  treeDepths(scratch, n)
  repairDepths(scratch, n)
  assignCodes(scratch, n)
  let bits: u32 = 0
  for (let i: u32 = 0; i < n; i++) {
    const symbol = <u32>load<u16>(scratch + SORTED + (i << 1))
    bits += load<u32>(scratch + LITERAL_COUNTS + (symbol << 2)) * <u32>load<u8>(scratch + DEPTHS + i)
  }
  return bits
}

/** FSE-coded weights [0, n) to `to`. Returns bytes, or 0 when they do not suit that. */
function writeCodedWeights(scratch: u32, n: u32, to: u32): u32 {
  const weights = scratch + WEIGHTS
  const counts = countsOf(scratch, KIND_WEIGHT)
  memory.fill(counts, 0, 64)
  let last: u32 = 0
  for (let i: u32 = 0; i < n; i++) {
    const weight = <u32>load<u8>(weights + i)
    last = max(last, weight)
    store<u32>(counts + (weight << 2), load<u32>(counts + (weight << 2)) + 1)
  }
  if (n < 3 || load<u32>(counts + (last << 2)) == n) return 0
  const log = chooseLog(n, last, 6)
  const norms = normsOf(scratch, KIND_WEIGHT)
  normalize(counts, last + 1, n, log, norms)
  const encoder = encoderOf(scratch, KIND_WEIGHT)
  buildEncoder(scratch, norms, last + 1, log, encoder)
  let at = writeNorms(norms, log, to)
  // Two states in turn, the last weights first; the decoder's first state holds weight 0.
  let state = firstState(encoder, load<u8>(weights + n - 1))
  let other = firstState(encoder, load<u8>(weights + n - 2))
  let word: u64 = 0
  let used: u32 = 0
  for (let i = <i32>n - 3; i >= 0; i--) {
    const entry = encoder + ENCODER_SYMBOLS + (<u32>load<u8>(weights + i) << 3)
    const bits = (state + load<u32>(entry)) >> 16
    word |= <u64>(state & ((1 << bits) - 1)) << <u64>used
    used += bits
    const next = <u32>load<u16>(encoder + (((state >> bits) + load<u32>(entry, 4)) << 1))
    state = other
    other = next
    store<u64>(at, word)
    at += used >> 3
    word >>= <u64>(used & 0x78)
    used &= 7
  }
  // `state` would have been the next to change, so it belongs to weight 1 and is read second.
  const mask: u32 = (1 << log) - 1
  word |= <u64>(state & mask) << <u64>used
  word |= <u64>(other & mask) << <u64>(used + log)
  used += log << 1
  word |= <u64>1 << <u64>used
  store<u64>(at, word)
  return at + (used >> 3) + 1 - to
}

/** Describes the codes. Returns the end of what was written, or 0 when they cannot be described. */
export function writeCodes(scratch: u32, to: u32): u32 {
  const weights = scratch + WEIGHTS
  let n: u32 = 255
  while (load<u8>(weights + n) == 0) n--
  // The last symbol's weight is left out.
  const coded = writeCodedWeights(scratch, n, to + 1)
  const plain = (n + 1) >> 1
  if (coded != 0 && coded < 128 && (coded < plain || n > 128)) {
    store<u8>(to, <u8>coded)
    return to + 1 + coded
  }
  if (n > 128) return 0
  store<u8>(to, <u8>(127 + n))
  store<u8>(weights + n, 0)
  for (let i: u32 = 0; i < n; i += 2) {
    store<u8>(to + 1 + (i >> 1), (load<u8>(weights + i) << 4) | load<u8>(weights + i + 1))
  }
  return to + 1 + plain
}

/** Encodes [from, from + n), last byte first. Returns the end of what was written. */
export function encodeStream(codes: u32, from: u32, n: u32, to: u32): u32 {
  let word: u64 = 0
  let used: u64 = 0
  let at = from + n
  for (; at >= from + 4; at -= 4) {
    const code0 = load<u32>(codes + (<u32>load<u8>(at - 1) << 2))
    const code1 = load<u32>(codes + (<u32>load<u8>(at - 2) << 2))
    const code2 = load<u32>(codes + (<u32>load<u8>(at - 3) << 2))
    const code3 = load<u32>(codes + (<u32>load<u8>(at - 4) << 2))
    word |= <u64>(code0 >> 8) << used
    used += <u64>(code0 & 255)
    word |= <u64>(code1 >> 8) << used
    used += <u64>(code1 & 255)
    word |= <u64>(code2 >> 8) << used
    used += <u64>(code2 & 255)
    word |= <u64>(code3 >> 8) << used
    used += <u64>(code3 & 255)
    store<u64>(to, word)
    to += <u32>(used >> 3)
    word >>= used & 0x78
    used &= 7
  }
  for (; at > from; at--) {
    const code = load<u32>(codes + (<u32>load<u8>(at - 1) << 2))
    word |= <u64>(code >> 8) << used
    used += <u64>(code & 255)
  }
  word |= (<u64>1) << used
  store<u64>(to, word)
  return to + <u32>(used >> 3) + 1
}

/** Encodes n bytes as four streams behind the table of their sizes. */
export function encodeFourStreams(codes: u32, from: u32, n: u32, to: u32): u32 {
  const part = (n + 3) >> 2
  let at = to + 6
  for (let i: u32 = 0; i < 4; i++) {
    const end = encodeStream(codes, from + part * i, i == 3 ? n - part * 3 : part, at)
    if (i < 3) store<u16>(to + (i << 1), <u16>(end - at))
    at = end
  }
  return at
}
