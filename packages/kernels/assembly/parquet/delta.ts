// Differences of integers, bit-packed in small blocks, each block above a smallest difference of its own.
//
//   header: block size, miniblocks per block, number of values, first value (zigzag); all varints
//   block:  smallest difference (zigzag varint), a byte per miniblock (its bit width), miniblocks
//
// Decoded in pieces, as hybrid.ts does it. State, u32 words:
//
//    0 cursor   4 end of the bytes there   8 isLast   12 values still to come   16 values per miniblock
//   20 miniblocks per block   24 next miniblock of the block   28 values of the open miniblock still packed
//   32 its bit width   36 taken (values of the group at cursor that were handed out)   40 isFirst (the first value is
//   still to be handed out)
//   48 smallest difference (u64)   56 last value (u64)   64 … bit widths of the block's miniblocks
//
// Sums wrap around, as the format wants it; for 32-bit integers the low half of them is right.
import { bitUnpack32, bitUnpack64 } from './unpack'

const CURSOR: usize = 0
const END: usize = 4
const IS_LAST: usize = 8
const VALUES_LEFT: usize = 12
const PER_MINIBLOCK: usize = 16
const MINIBLOCKS: usize = 20
const MINIBLOCK: usize = 24
const PACKED_LEFT: usize = 28
const BIT_WIDTH: usize = 32
const TAKEN: usize = 36
const IS_FIRST: usize = 40
const SMALLEST: usize = 48
const LAST: usize = 56
const WIDTHS: usize = 64

const MINIBLOCKS_MAX: u32 = 512
/** Differences unpacked at a time. */
const BLOCK: u32 = 256

/** Reads a varint of up to 64 bits into the word at `out`; returns the address behind it, 0 = it does not end. */
function readVarint(cursor: u32, end: u32, out: usize): u32 {
  let value: u64 = 0
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (cursor >= end) return 0
    const byte = <u64>load<u8>(cursor++)
    value |= (byte & 127) << shift
    if (byte < 128) {
      store<u64>(out, value)
      return cursor
    }
  }
  return 0
}

@inline
function zigzag(value: u64): u64 {
  return (value >> 1) ^ (0 - (value & 1))
}

/**
 * Reads the header, all of whose bytes (at most 40) are there. @returns 0, or -1 = damaged
 * @param state zero but for cursor and end
 */
export function deltaBegin(state: usize): i32 {
  const end = load<u32>(state, END)
  const out = state + SMALLEST
  let cursor = readVarint(load<u32>(state, CURSOR), end, out)
  if (cursor == 0) return -1
  const blockSize = load<u64>(out)
  cursor = readVarint(cursor, end, out)
  if (cursor == 0) return -1
  const miniblocks = load<u64>(out)
  cursor = readVarint(cursor, end, out)
  if (cursor == 0) return -1
  const values = load<u64>(out)
  cursor = readVarint(cursor, end, out)
  if (cursor == 0 || values > 0x7fffffff || blockSize > 1 << 24) return -1
  if (miniblocks == 0 || miniblocks > MINIBLOCKS_MAX || blockSize % miniblocks != 0) return -1
  const perMiniblock = <u32>(blockSize / miniblocks)
  if (perMiniblock == 0 || (perMiniblock & 7) != 0) return -1
  store<u64>(state, zigzag(load<u64>(out)), LAST)
  store<u32>(state, cursor, CURSOR)
  store<u32>(state, <u32>values, VALUES_LEFT)
  store<u32>(state, perMiniblock, PER_MINIBLOCK)
  store<u32>(state, <u32>miniblocks, MINIBLOCKS)
  // As after the last miniblock of a block: the next thing is a block.
  store<u32>(state, <u32>miniblocks, MINIBLOCK)
  store<u32>(state, 1, IS_FIRST)
  return 0
}

/** Goes to the next miniblock: 1 = done, 0 = bytes are missing, -1 = damaged. */
function nextMiniblock(state: usize): i32 {
  let index = load<u32>(state, MINIBLOCK)
  const miniblocks = load<u32>(state, MINIBLOCKS)
  if (index == miniblocks) {
    const end = load<u32>(state, END)
    let cursor = load<u32>(state, CURSOR)
    const isLast = load<u32>(state, IS_LAST) != 0
    if (!isLast && end - cursor < 10 + miniblocks) return 0
    cursor = readVarint(cursor, end, state + SMALLEST)
    if (cursor == 0 || end - cursor < miniblocks) return -1
    store<u64>(state, zigzag(load<u64>(state, SMALLEST)), SMALLEST)
    memory.copy(state + WIDTHS, cursor, miniblocks)
    store<u32>(state, cursor + miniblocks, CURSOR)
    index = 0
  }
  const bitWidth = <u32>load<u8>(state + index, WIDTHS)
  if (bitWidth > 64) return -1
  store<u32>(state, bitWidth, BIT_WIDTH)
  store<u32>(state, load<u32>(state, PER_MINIBLOCK), PACKED_LEFT)
  store<u32>(state, 0, TAKEN)
  store<u32>(state, index + 1, MINIBLOCK)
  return 1
}

/** Adds `count` differences up to u32. Four at a time: sums of neighbours, of pairs, and the last value. */
function addUp32(from: usize, count: u32, target: usize, smallest: u32, last: u32): u32 {
  const end = target + (<usize>count << 2)
  const lowest = i32x4.splat(smallest)
  const zero = i32x4.splat(0)
  while (target + 16 <= end) {
    let sums = i32x4.add(v128.load(from), lowest)
    sums = i32x4.add(sums, v128.shuffle<u32>(zero, sums, 0, 4, 5, 6))
    sums = i32x4.add(sums, v128.shuffle<u32>(zero, sums, 0, 1, 4, 5))
    sums = i32x4.add(sums, i32x4.splat(last))
    v128.store(target, sums)
    last = i32x4.extract_lane(sums, 3)
    from += 16
    target += 16
  }
  while (target < end) {
    last += load<u32>(from) + smallest
    store<u32>(target, last)
    from += 4
    target += 4
  }
  return last
}

@inline
function addUp64<T>(from: usize, count: u32, target: usize, smallest: u64, start: u64): u64 {
  let last = start
  const end = target + (<usize>count << 3)
  while (target < end) {
    last += <u64>load<T>(from) + smallest
    store<u64>(target, last)
    from += sizeof<T>()
    target += 8
  }
  return last
}

/** Decodes `count` values of the open miniblock that are there, at most BLOCK less taken ones. */
function decodePacked(state: usize, count: u32, widthLog2: u32, target: usize, scratch: usize): void {
  const bitWidth = load<u32>(state, BIT_WIDTH)
  const taken = load<u32>(state, TAKEN)
  const cursor = load<u32>(state, CURSOR)
  const smallest = load<u64>(state, SMALLEST)
  const last = load<u64>(state, LAST)
  if (widthLog2 == 2) {
    if (bitWidth <= 32) {
      bitUnpack32(cursor, bitWidth, taken + count, scratch)
    } else {
      bitUnpack64(cursor, bitWidth, taken + count, scratch)
      for (let i: usize = 0; i < taken + count; i++) store<u32>(scratch + (i << 2), load<u32>(scratch + (i << 3)))
    }
    store<u64>(state, addUp32(scratch + (taken << 2), count, target, <u32>smallest, <u32>last), LAST)
  } else if (bitWidth <= 32) {
    bitUnpack32(cursor, bitWidth, taken + count, scratch)
    store<u64>(state, addUp64<u32>(scratch + (taken << 2), count, target, smallest, last), LAST)
  } else {
    bitUnpack64(cursor, bitWidth, taken + count, scratch)
    store<u64>(state, addUp64<u64>(scratch + (taken << 3), count, target, smallest, last), LAST)
  }
  const passed = taken + count
  store<u32>(state, cursor + (passed >> 3) * bitWidth, CURSOR)
  store<u32>(state, passed & 7, TAKEN)
  store<u32>(state, load<u32>(state, PACKED_LEFT) - count, PACKED_LEFT)
}

/**
 * Decodes `count` values to u32 (widthLog2 2) or u64 (widthLog2 3).
 * @param scratch 2112 bytes
 * @returns values written; fewer than count = the stream needs more bytes; -1 = damaged, or it has no more values
 */
export function deltaValues(state: usize, count: u32, widthLog2: u32, target: usize, scratch: usize): i32 {
  if (count > load<u32>(state, VALUES_LEFT)) return -1
  let done: u32 = 0
  if (count != 0 && load<u32>(state, IS_FIRST) != 0) {
    if (widthLog2 == 2) store<u32>(target, <u32>load<u64>(state, LAST))
    else store<u64>(target, load<u64>(state, LAST))
    store<u32>(state, 0, IS_FIRST)
    done = 1
  }
  while (done < count) {
    let packed = load<u32>(state, PACKED_LEFT)
    if (packed == 0) {
      const next = nextMiniblock(state)
      if (next < 0) return -1
      if (next == 0) break
      packed = load<u32>(state, PACKED_LEFT)
    }
    const taken = load<u32>(state, TAKEN)
    let wanted = min(min(packed, count - done), BLOCK - taken)
    const bitWidth = load<u32>(state, BIT_WIDTH)
    if (bitWidth != 0) {
      const bits = <u64>(load<u32>(state, END) - load<u32>(state, CURSOR)) << 3
      const there = bits / bitWidth
      if (there <= taken) {
        if (load<u32>(state, IS_LAST) != 0) return -1
        break
      }
      wanted = <u32>min<u64>(wanted, there - taken)
    }
    decodePacked(state, wanted, widthLog2, target + (<usize>done << widthLog2), scratch)
    done += wanted
  }
  store<u32>(state, load<u32>(state, VALUES_LEFT) - done, VALUES_LEFT)
  return done
}

/** Bytes from the cursor to the end of the open miniblock: behind the last value, they are padding. */
export function deltaPadding(state: usize): u32 {
  return ((load<u32>(state, PACKED_LEFT) + load<u32>(state, TAKEN)) >> 3) * load<u32>(state, BIT_WIDTH)
}
