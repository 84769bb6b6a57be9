// Parquet's DELTA_BINARY_PACKED: differences of integers, bit-packed in blocks of 128 above each block's smallest one.
//
//   header: 128, 4 miniblocks, number of values, first value (zigzag); all varints
//   block:  smallest difference (zigzag varint), four bit widths (u8), miniblocks of 32 values
//
// Differences wrap around in the width of the type, as the format asks: those of 32-bit values take at most 32 bits.
// The last miniblock is filled up; the ones behind it have width 0 and no bytes.

import { writeVarint } from './varint'

const BLOCK: u32 = 128
const MINIBLOCK: u32 = 32
const MINIBLOCKS: u32 = 4

@inline
function zigzag(value: i64): u64 {
  return <u64>((value << 1) ^ (value >> 63))
}

/** Differences from `values` on to their predecessors, less the smallest one, which is returned; u32 × count. */
function differences32(values: usize, count: u32, target: usize): i64 {
  let smallest = i32x4.splat(i32.MAX_VALUE)
  let k: u32 = 0
  for (; k + 4 <= count; k += 4) {
    const at = values + (<usize>k << 2)
    const four = i32x4.sub(v128.load(at), v128.load(at - 4))
    v128.store(target + (<usize>k << 2), four)
    smallest = i32x4.min_s(smallest, four)
  }
  for (; k < count; k++) {
    const at = values + (<usize>k << 2)
    const one = load<i32>(at) - load<i32>(at - 4)
    store<i32>(target + (<usize>k << 2), one)
    smallest = i32x4.min_s(smallest, i32x4.splat(one))
  }
  const low = min(i32x4.extract_lane(smallest, 0), i32x4.extract_lane(smallest, 1))
  const least = min(low, min(i32x4.extract_lane(smallest, 2), i32x4.extract_lane(smallest, 3)))
  const lowest = i32x4.splat(least)
  // What is past the last difference is overwritten by the caller.
  for (k = 0; k < count; k += 4) {
    const at = target + (<usize>k << 2)
    v128.store(at, i32x4.sub(v128.load(at), lowest))
  }
  return <i64>least
}

/** The same for 64-bit values; u64 × count. */
function differences64(values: usize, count: u32, target: usize): i64 {
  let smallest = i64x2.splat(i64.MAX_VALUE)
  let k: u32 = 0
  for (; k + 2 <= count; k += 2) {
    const at = values + (<usize>k << 3)
    const two = i64x2.sub(v128.load(at), v128.load(at - 8))
    v128.store(target + (<usize>k << 3), two)
    smallest = v128.bitselect(two, smallest, i64x2.lt_s(two, smallest))
  }
  let least = min(i64x2.extract_lane(smallest, 0), i64x2.extract_lane(smallest, 1))
  if (k < count) {
    const at = values + (<usize>k << 3)
    const one = load<i64>(at) - load<i64>(at - 8)
    store<i64>(target + (<usize>k << 3), one)
    least = min(least, one)
  }
  const lowest = i64x2.splat(least)
  for (k = 0; k < count; k += 2) {
    const at = target + (<usize>k << 3)
    v128.store(at, i64x2.sub(v128.load(at), lowest))
  }
  return least
}

/** Bits that the largest of 32 values needs. */
@inline
function bitsOf<T>(values: usize): u32 {
  let all = v128.load(values)
  for (let at: usize = 16; at < 32 * sizeof<T>(); at += 16) all = v128.or(all, v128.load(values + at))
  const low = <u64>i64x2.extract_lane(all, 0) | <u64>i64x2.extract_lane(all, 1)
  return 64 - <u32>clz<u64>(sizeof<T>() == 4 ? (low | (low >>> 32)) & 0xffffffff : low)
}

/** Packs 32 values of `bits` 1 … 64 bits, `joined` of them (1, 2, 4; together at most 64 bits) at a time. */
@inline
function packJoined<T>(values: usize, bits: u64, joined: u64, target: usize): void {
  const width = bits * joined
  let word: u64 = 0
  let used: u64 = 0
  const end = values + 32 * sizeof<T>()
  while (values < end) {
    let next = <u64>load<T>(values)
    if (joined > 1) next |= <u64>load<T>(values, sizeof<T>()) << bits
    if (joined > 2) {
      next |= <u64>load<T>(values, 2 * sizeof<T>()) << (2 * bits)
      next |= <u64>load<T>(values, 3 * sizeof<T>()) << (3 * bits)
    }
    word |= next << used
    used += width
    if (used >= 64) {
      store<u64>(target, word)
      target += 8
      used -= 64
      word = used == 0 ? 0 : next >>> (width - used)
    }
    values += sizeof<T>() * <usize>joined
  }
  // 32 values are a multiple of four bytes.
  if (used != 0) store<u32>(target, <u32>word)
}

@inline
function packMiniblock<T>(values: usize, bits: u32, target: usize): void {
  if (bits == 0) return
  if (bits <= 16) packJoined<T>(values, bits, 4, target)
  else if (bits <= 32) packJoined<T>(values, bits, 2, target)
  else packJoined<T>(values, bits, 1, target)
}

@inline
function encodeBlocks<T>(values: usize, count: u32, target: usize, end: usize, scratch: usize): usize {
  for (let done: u32 = 1; done < count; done += BLOCK) {
    const rows = min(BLOCK, count - done)
    const from = values + <usize>done * sizeof<T>()
    const smallest = sizeof<T>() == 4 ? differences32(from, rows, scratch) : differences64(from, rows, scratch)
    memory.fill(scratch + <usize>rows * sizeof<T>(), 0, <usize>(BLOCK - rows) * sizeof<T>())
    target = writeVarint<u64>(target, zigzag(smallest))
    const widths = target
    store<u32>(widths, 0)
    target += MINIBLOCKS
    for (let index: u32 = 0; index * MINIBLOCK < rows; index++) {
      const at = scratch + <usize>(index * MINIBLOCK) * sizeof<T>()
      const bits = bitsOf<T>(at)
      store<u8>(widths + index, <u8>bits)
      packMiniblock<T>(at, bits, target)
      target += bits << 2
    }
    if (target > end) return 0
  }
  return target
}

/**
 * @param widthLog2 2 = 32-bit, 3 = 64-bit integers
 * @param target room for limit + 1,152 bytes; no overlap
 * @param limit bytes
 * @param scratch 1,088 bytes
 * @returns bytes written, or 0 when they would be more than `limit`
 */
export function deltaEncode(
  values: usize,
  count: u32,
  widthLog2: u32,
  target: usize,
  limit: u32,
  scratch: usize,
): u32 {
  let cursor = writeVarint<u64>(target, BLOCK)
  cursor = writeVarint<u64>(cursor, MINIBLOCKS)
  cursor = writeVarint<u64>(cursor, count)
  const first = count == 0 ? 0 : widthLog2 == 2 ? <i64>load<i32>(values) : load<i64>(values)
  cursor = writeVarint<u64>(cursor, zigzag(first))
  const end = target + limit
  if (widthLog2 == 2) cursor = encodeBlocks<u32>(values, count, cursor, end, scratch)
  else cursor = encodeBlocks<u64>(values, count, cursor, end, scratch)
  return cursor == 0 || cursor > end ? 0 : <u32>(cursor - target)
}
