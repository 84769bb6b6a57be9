// The zstd compressor (RFC 8878): one frame per call, with its content size, in blocks of 128 KiB.

import { HEADS, LITERAL_COUNTS, LITERAL_END, LITERALS, REPEAT, REPEAT_BEFORE } from './zstd-compress-scratch'
import { CODES, SCRATCH_BYTES, SEQUENCE_END, SEQUENCES } from './zstd-compress-scratch'
import { encodeFourStreams, encodeStream, makeCodes, writeCodes } from './zstd-huffman-encode'
import { findFast, findLazy } from './zstd-match'
import { encodeSequences } from './zstd-sequences-encode'

const BLOCK_BYTES: u32 = 131072

/** Most bytes that zstdCompress writes for `length` bytes; the target must also be writable 64 bytes past them. */
export function zstdCompressBound(length: u32): u32 {
  return length + (length >> 17) * 3 + 1024
}

export function zstdScratchBytes(): u32 {
  return SCRATCH_BYTES
}

/**
 * Compresses to one frame.
 * @param source readable to 16 bytes past its end
 * @param scratch zstdScratchBytes() bytes, of any content
 * @param level 1 (fastest) … 19 (smallest)
 * @returns bytes written
 */
export function zstdCompress(source: u32, length: u32, target: u32, scratch: u32, level: u32): u32 {
  const lengthBits = 32 - clz(length | 1)
  const bits = max<u32>(10, min<u32>(level < 2 ? 15 : 16, lengthBits))
  memory.fill(scratch + HEADS, 0, 4 << bits)
  store<u32>(scratch + REPEAT, 1)
  store<u32>(scratch + REPEAT, 4, 4)
  store<u32>(scratch + REPEAT, 8, 8)
  let to = writeFrameHeader(length, target)
  const end = source + length
  let at = source
  do {
    const n = min(end - at, BLOCK_BYTES)
    const head = u32(at + n == end)
    to = compressBlock(scratch, source, at, n, to, head, bits, level)
    at += n
  } while (at != end)
  return to - target
}

function writeFrameHeader(length: u32, to: u32): u32 {
  store<u32>(to, 0xfd2fb528)
  if (length < 256) {
    store<u8>(to, 0x20, 4)
    store<u8>(to, <u8>length, 5)
    return to + 6
  }
  if (length < 65792) {
    store<u8>(to, 0x60, 4)
    store<u16>(to, <u16>(length - 256), 5)
    return to + 7
  }
  store<u8>(to, 0xa0, 4)
  store<u32>(to, length, 5)
  return to + 9
}

@inline
function writeBlockHeader(to: u32, head: u32): void {
  store<u16>(to, <u16>head)
  store<u8>(to, <u8>(head >> 16), 2)
}

/** One block; `head` is 1 for the last one. Returns the end of what was written. */
function compressBlock(
  scratch: u32,
  lowest: u32,
  at: u32,
  n: u32,
  to: u32,
  head: u32,
  bits: u32,
  level: u32,
): u32 {
  if (n > 2 && isRun(at, n)) {
    writeBlockHeader(to, head | 2 | (n << 3))
    store<u8>(to, load<u8>(at), 3)
    return to + 4
  }
  memory.copy(scratch + REPEAT_BEFORE, scratch + REPEAT, 12)
  store<u32>(scratch + SEQUENCE_END, scratch + SEQUENCES)
  store<u32>(scratch + LITERAL_END, scratch + LITERALS)
  const anchor = findMatches(scratch, lowest, at, at + n, bits, level)
  const literalEnd = load<u32>(scratch + LITERAL_END)
  memory.copy(literalEnd, anchor, at + n - anchor)
  const literalBytes = literalEnd + (at + n - anchor) - scratch - LITERALS
  const sequences = (load<u32>(scratch + SEQUENCE_END) - scratch - SEQUENCES) >> 4
  const limit = to + 3 + n
  let end: u32 = 0
  if (sequences != 0 || n > 32) {
    end = encodeLiterals(scratch, literalBytes, to + 3)
    end = encodeSequences(scratch, sequences, end, limit)
  }
  if (end == 0 || end >= limit) {
    memory.copy(scratch + REPEAT, scratch + REPEAT_BEFORE, 12)
    writeBlockHeader(to, head | (n << 3))
    memory.copy(to + 3, at, n)
    return limit
  }
  writeBlockHeader(to, head | 4 | ((end - to - 3) << 3))
  return end
}

/** Whether all n > 0 bytes are equal. */
function isRun(at: u32, n: u32): bool {
  const first = load<u8>(at)
  if (load<u8>(at + n - 1) != first) return false
  const word = <u64>first * 0x0101010101010101
  let i: u32 = 0
  for (; i + 8 <= n; i += 8) if (load<u64>(at + i) != word) return false
  for (; i < n; i++) if (load<u8>(at + i) != first) return false
  return true
}

@inline
function findMatches(scratch: u32, lowest: u32, at: u32, end: u32, bits: u32, level: u32): u32 {
  if (level < 2) return findFast(scratch, lowest, at, end, bits, 6)
  if (level < 3) return findLazy(scratch, lowest, at, end, bits, 2, 0)
  const depth: u32 = level < 4 ? 4 : level < 7 ? 8 : level < 10 ? 24 : level < 16 ? 96 : 384
  return findLazy(scratch, lowest, at, end, bits, depth, level < 7 ? 1 : 2)
}

/** Header of raw or RLE literals. */
function writeLiteralHead(n: u32, type: u32, to: u32): u32 {
  if (n < 32) {
    store<u8>(to, <u8>(type | (n << 3)))
    return to + 1
  }
  if (n < 4096) {
    store<u16>(to, <u16>(type | 4 | (n << 4)))
    return to + 2
  }
  store<u32>(to, type | 12 | (n << 4))
  return to + 3
}

/** Counts n literals; returns how often the most frequent one occurs. */
function countLiterals(scratch: u32, n: u32): u32 {
  const counts = scratch + LITERAL_COUNTS
  // A second set of counters, where codes will be, lets runs count faster.
  const others = scratch + CODES
  memory.fill(counts, 0, 2048)
  const first = scratch + LITERALS
  let i: u32 = 0
  for (; i + 2 <= n; i += 2) {
    const a = counts + (<u32>load<u8>(first + i) << 2)
    store<u32>(a, load<u32>(a) + 1)
    const b = others + (<u32>load<u8>(first + i, 1) << 2)
    store<u32>(b, load<u32>(b) + 1)
  }
  if (i < n) {
    const a = counts + (<u32>load<u8>(first + i) << 2)
    store<u32>(a, load<u32>(a) + 1)
  }
  let largest: u32 = 0
  for (let symbol: u32 = 0; symbol < 1024; symbol += 4) {
    const count = load<u32>(counts + symbol) + load<u32>(others + symbol)
    store<u32>(counts + symbol, count)
    largest = max(largest, count)
  }
  return largest
}

/** The literals section: RLE, Huffman-coded if that is smaller, or raw. Returns its end. */
function encodeLiterals(scratch: u32, n: u32, to: u32): u32 {
  const from = scratch + LITERALS
  const largest: u32 = n < 8 ? 1 : countLiterals(scratch, n)
  if (n >= 8 && largest == n) {
    const end = writeLiteralHead(n, 1, to)
    store<u8>(end, load<u8>(from))
    return end + 1
  }
  // Bytes that all are about as frequent do not shrink; short ones do not pay for the codes.
  if (n >= 32 && largest > (n >> 7) + 4) {
    const end = encodeHuffman(scratch, n, to)
    if (end != 0) return end
  }
  const end = writeLiteralHead(n, 0, to)
  memory.copy(end, from, n)
  return end + n
}

function encodeHuffman(scratch: u32, n: u32, to: u32): u32 {
  const bits = makeCodes(scratch)
  const most = n - (n >> 6) - 4
  if ((bits >> 3) >= most) return 0
  const headBytes: u32 = n < 1024 ? 3 : n < 16384 ? 4 : 5
  const start = to + headBytes
  let end = writeCodes(scratch, start)
  if (end == 0) return 0
  // Room for the exact size, the sizes of streams and their end marks, before anything is written.
  if (end - start + (bits >> 3) + 10 >= most) return 0
  const isSingle = n < 256
  const codes = scratch + CODES
  const from = scratch + LITERALS
  end = isSingle ? encodeStream(codes, from, n, end) : encodeFourStreams(codes, from, n, end)
  const coded = end - start
  const width: u32 = n < 1024 ? 10 : n < 16384 ? 14 : 18
  const format: u32 = isSingle ? 0 : headBytes - 2
  const head = <u64>(2 | (format << 2) | (n << 4)) | (<u64>coded << <u64>(4 + width))
  store<u16>(to, <u16>head)
  store<u8>(to, <u8>(head >> 16), 2)
  if (headBytes > 3) store<u8>(to, <u8>(head >> 24), 3)
  if (headBytes > 4) store<u8>(to, <u8>(head >> 32), 4)
  return end
}
