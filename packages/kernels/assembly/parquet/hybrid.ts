// Parquet's hybrid of run-length and bit-packed integers: indices into a dictionary, levels, booleans.
//
// A stream is decoded in pieces: its state says where the unread bytes are, so the bytes may move between calls and
// may end anywhere. State, u32 words:
//
//    0 cursor   4 end of the bytes there   8 isLast (1 = no bytes follow)   12 bitWidth, 0 … 32
//   16 runLeft  20 runIsPacked  24 runValue  28 taken (values of the group at cursor that were handed out, 0 … 7)
//   32 ones (counted by hybridBytes)   36 … 67 scratch for one or two groups
//
// All but the first four words are zero at the begin. In a packed run, cursor stands at the begin of a group of eight.
import { bitUnpack16, bitUnpack32 } from './unpack'

const CURSOR: usize = 0
const END: usize = 4
const IS_LAST: usize = 8
export const BIT_WIDTH: usize = 12
export const RUN_LEFT: usize = 16
export const RUN_IS_PACKED: usize = 20
export const RUN_VALUE: usize = 24
const TAKEN: usize = 28
const ONES: usize = 32
const GROUP: usize = 36

/** Reads the head of the next run: 1 = done, 0 = its bytes are not all there, -1 = damaged. */
export function nextRun(state: usize): i32 {
  const end = load<u32>(state, END)
  const more = load<u32>(state, IS_LAST) != 0 ? -1 : 0
  let cursor = load<u32>(state, CURSOR)
  let header: u32 = 0
  let shift: u32 = 0
  for (;;) {
    if (cursor >= end) return more
    const byte = <u32>load<u8>(cursor++)
    if (shift == 28 && byte > 15) return -1
    header |= (byte & 127) << shift
    if (byte < 128) break
    shift += 7
  }
  const bitWidth = load<u32>(state, BIT_WIDTH)
  const count = header >> 1
  if ((header & 1) != 0) {
    if (count >= 1 << 28) return -1
    store<u32>(state, count << 3, RUN_LEFT)
    store<u32>(state, 1, RUN_IS_PACKED)
  } else {
    const bytes = (bitWidth + 7) >> 3
    if (end - cursor < bytes) return more
    const value = load<u64>(cursor) & ((<u64>1 << (bytes << 3)) - 1)
    if (value >> bitWidth != 0) return -1
    cursor += bytes
    store<u32>(state, count, RUN_LEFT)
    store<u32>(state, 0, RUN_IS_PACKED)
    store<u32>(state, <u32>value, RUN_VALUE)
  }
  store<u32>(state, 0, TAKEN)
  store<u32>(state, cursor, CURSOR)
  return 1
}

/** How many of `wanted` values of the current packed run are there; -1 = none and no bytes follow. */
@inline
export function packedThere(state: usize, wanted: u32): i32 {
  const bitWidth = load<u32>(state, BIT_WIDTH)
  if (bitWidth == 0) return wanted
  const bits = <u64>(load<u32>(state, END) - load<u32>(state, CURSOR)) << 3
  const there = bits / bitWidth
  const taken = <u64>load<u32>(state, TAKEN)
  if (there > taken) return <i32>min<u64>(wanted, there - taken)
  return load<u32>(state, IS_LAST) != 0 ? -1 : 0
}

/** Moves the state behind `count` values of the current run. */
@inline
export function takeValues(state: usize, count: u32): void {
  store<u32>(state, load<u32>(state, RUN_LEFT) - count, RUN_LEFT)
  if (load<u32>(state, RUN_IS_PACKED) == 0) return
  const taken = load<u32>(state, TAKEN) + count
  store<u32>(state, load<u32>(state, CURSOR) + (taken >> 3) * load<u32>(state, BIT_WIDTH), CURSOR)
  store<u32>(state, taken & 7, TAKEN)
}

/** Unpacks up to `count` values that are there, at least one; returns how many. */
export function unpackRun(state: usize, count: u32, target: usize): u32 {
  const cursor = load<u32>(state, CURSOR)
  const bitWidth = load<u32>(state, BIT_WIDTH)
  const taken = load<u32>(state, TAKEN)
  if (taken == 0) {
    bitUnpack32(cursor, bitWidth, count, target)
    takeValues(state, count)
    return count
  }
  // The rest of a group that an earlier call began.
  bitUnpack32(cursor, bitWidth, 8, state + GROUP)
  const rest = min(count, 8 - taken)
  for (let i: u32 = 0; i < rest; i++) {
    store<u32>(target + (i << 2), load<u32>(state + GROUP + ((taken + i) << 2)))
  }
  takeValues(state, rest)
  return rest
}

/** The same to u16, for values of up to 16 bits. */
export function unpackRun16(state: usize, count: u32, target: usize): u32 {
  const cursor = load<u32>(state, CURSOR)
  const bitWidth = load<u32>(state, BIT_WIDTH)
  const taken = load<u32>(state, TAKEN)
  if (taken == 0) {
    bitUnpack16(cursor, bitWidth, count, target)
    takeValues(state, count)
    return count
  }
  bitUnpack16(cursor, bitWidth, 8, state + GROUP)
  const rest = min(count, 8 - taken)
  for (let i: u32 = 0; i < rest; i++) {
    store<u16>(target + (i << 1), load<u16>(state + GROUP + ((taken + i) << 1)))
  }
  takeValues(state, rest)
  return rest
}

/** Moves behind `count` values; returns how many: fewer than count = the stream needs more bytes; -1 = damaged. */
export function hybridSkip(state: usize, count: u32): i32 {
  let done: u32 = 0
  while (done < count) {
    const left = load<u32>(state, RUN_LEFT)
    if (left == 0) {
      const next = nextRun(state)
      if (next < 0) return -1
      if (next == 0) break
      continue
    }
    const wanted = min(left, count - done)
    const there: i32 = load<u32>(state, RUN_IS_PACKED) == 0 ? <i32>wanted : packedThere(state, wanted)
    if (there < 0) return -1
    if (there == 0) break
    takeValues(state, there)
    done += there
  }
  return done
}

/** Bytes 0 or 1 from the bits behind bit `taken` of the byte at `source`; returns the number of ones. */
function expandBits(source: usize, taken: u32, count: u32, target: usize): u32 {
  const first = i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
  const bits = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128)
  const one = i8x16.splat(1)
  let ones: u32 = 0
  let left = count
  while (left >= 16) {
    const word = (load<u32>(source) >> taken) & 0xffff
    const lanes = v128.swizzle(i32x4.splat(word), first)
    v128.store(target, v128.and(i8x16.eq(v128.and(lanes, bits), bits), one))
    ones += popcnt<u32>(word)
    source += 2
    target += 16
    left -= 16
  }
  if (left != 0) {
    const word = (load<u32>(source) >> taken) & ((<u32>1 << left) - 1)
    const lanes = v128.swizzle(i32x4.splat(word), first)
    v128.store(target, v128.and(i8x16.eq(v128.and(lanes, bits), bits), one))
    ones += popcnt<u32>(word)
  }
  return ones
}

/** Ones among `count` bits behind bit `taken` of the byte at `source`. */
function countBits(source: usize, taken: u32, count: u32): u32 {
  let ones: u32 = 0
  let left = count
  while (left >= 32) {
    ones += popcnt<u32>(<u32>(load<u64>(source) >> taken))
    source += 4
    left -= 32
  }
  if (left != 0) ones += popcnt<u32>(<u32>((load<u64>(source) >> taken) & ((<u64>1 << left) - 1)))
  return ones
}

/**
 * Decodes `count` values of one bit to bytes 0 or 1 and adds the ones among them to the state's count.
 * @param target bytes × count; 16 bytes past them are clobbered; 0 = only count
 * @returns values decoded; fewer than count = the stream needs more bytes; -1 = damaged
 */
export function hybridBytes(state: usize, count: u32, target: usize): i32 {
  let done: u32 = 0
  while (done < count) {
    const left = load<u32>(state, RUN_LEFT)
    if (left == 0) {
      const next = nextRun(state)
      if (next < 0) return -1
      if (next == 0) break
      continue
    }
    let wanted = min(left, count - done)
    let ones: u32
    if (load<u32>(state, RUN_IS_PACKED) == 0) {
      const value = load<u32>(state, RUN_VALUE)
      if (target != 0) memory.fill(target + done, <u8>value, wanted)
      ones = wanted * value
    } else {
      const there = packedThere(state, wanted)
      if (there < 0) return -1
      if (there == 0) break
      wanted = there
      const cursor = load<u32>(state, CURSOR)
      const taken = load<u32>(state, TAKEN)
      ones = target == 0 ? countBits(cursor, taken, wanted) : expandBits(cursor, taken, wanted, target + done)
    }
    store<u32>(state, load<u32>(state, ONES) + ones, ONES)
    takeValues(state, wanted)
    done += wanted
  }
  return done
}

/** Values of one bit until the ones among them would exceed `ones`; at most `count`. -1 = damaged. The state moves. */
export function hybridBytesUntil(state: usize, count: u32, ones: u32): i32 {
  let done: u32 = 0
  const limit = load<u32>(state, ONES) + ones
  let step: u32 = count
  while (done < count && step != 0) {
    // Steps that would pass the limit are taken back and halved, so the search ends at the exact row.
    const kept0 = load<u64>(state, CURSOR)
    const kept1 = load<u64>(state, RUN_LEFT)
    const kept2 = load<u64>(state, RUN_VALUE)
    const keptOnes = load<u32>(state, ONES)
    step = min(step, count - done)
    if (hybridBytes(state, step, 0) < <i32>step) return -1
    if (load<u32>(state, ONES) <= limit) {
      done += step
      continue
    }
    store<u64>(state, kept0, CURSOR)
    store<u64>(state, kept1, RUN_LEFT)
    store<u64>(state, kept2, RUN_VALUE)
    store<u32>(state, keptOnes, ONES)
    step >>= 1
  }
  return done
}

/** Turns bytes packed from the highest bit down (the old levels) into ones packed from the lowest bit up, in place. */
export function reverseBits(address: usize, bytes: u32): void {
  const end = address + bytes
  for (; address < end; address++) {
    let bits = <u32>load<u8>(address)
    bits = ((bits & 0x55) << 1) | ((bits >> 1) & 0x55)
    bits = ((bits & 0x33) << 2) | ((bits >> 2) & 0x33)
    store<u8>(address, <u8>((bits << 4) | (bits >> 4)))
  }
}
