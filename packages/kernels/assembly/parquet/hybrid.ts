// Parquet's hybrid of run-length and bit-packed integers: indices into a dictionary, levels, booleans.
//
// A stream is decoded in pieces: its state says where the unread bytes are, so the bytes may move between calls and
// may end anywhere. State, u32 words:
//
//    0 cursor   4 end of the bytes there   8 isLast (1 = no bytes follow)   12 bitWidth, 0 … 32
//   16 runLeft  20 runIsPacked  24 runValue  28 taken (values of the group at cursor that were handed out, 0 … 7)
//   32 ones (counted by hybridBytes)   36 … 67 scratch for one group
//
// All but the first four words are zero at the begin. In a packed run, cursor stands at the begin of a group of eight.
import { bitUnpack32 } from './unpack'

const CURSOR: usize = 0
const END: usize = 4
const IS_LAST: usize = 8
const BIT_WIDTH: usize = 12
const RUN_LEFT: usize = 16
const RUN_IS_PACKED: usize = 20
const RUN_VALUE: usize = 24
const TAKEN: usize = 28
const ONES: usize = 32
const GROUP: usize = 36

/** Indices unpacked at a time before they are looked up: they stay in the first-level cache. */
const BLOCK: u32 = 1024

/** Reads the head of the next run: 1 = done, 0 = its bytes are not all there, -1 = damaged. */
function nextRun(state: usize): i32 {
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
function packedThere(state: usize, wanted: u32): i32 {
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
function takeValues(state: usize, count: u32): void {
  store<u32>(state, load<u32>(state, RUN_LEFT) - count, RUN_LEFT)
  if (load<u32>(state, RUN_IS_PACKED) == 0) return
  const taken = load<u32>(state, TAKEN) + count
  store<u32>(state, load<u32>(state, CURSOR) + (taken >> 3) * load<u32>(state, BIT_WIDTH), CURSOR)
  store<u32>(state, taken & 7, TAKEN)
}

/** Unpacks up to `count` values that are there, at least one; returns how many. */
function unpackRun(state: usize, count: u32, target: usize): u32 {
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

/** The value `count` times, u32; up to 12 bytes more are written. */
@inline
function fill32(target: usize, count: u32, value: u32): void {
  const lanes = i32x4.splat(value)
  const end = target + (<usize>count << 2)
  for (; target < end; target += 16) v128.store(target, lanes)
}

/**
 * Decodes `count` values to u32.
 * @param target u32 × count; 32 bytes past them are clobbered
 * @returns values written; fewer than count = the stream needs more bytes; -1 = damaged
 */
export function hybridIndices(state: usize, count: u32, target: usize): i32 {
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
    const to = target + (<usize>done << 2)
    if (load<u32>(state, RUN_IS_PACKED) == 0) {
      fill32(to, wanted, load<u32>(state, RUN_VALUE))
      takeValues(state, wanted)
      done += wanted
      continue
    }
    const there = packedThere(state, wanted)
    if (there < 0) return -1
    if (there == 0) break
    done += unpackRun(state, there, to)
  }
  return done
}

/** Moves behind `count` values; returns how many were passed, or -1, as hybridIndices. */
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

/** Whether all of `count` u32 indices are below `limit`. */
export function indicesBelow(indices: usize, count: u32, limit: u32): u32 {
  const end = indices + (<usize>count << 2)
  let highest = i32x4.splat(0)
  while (indices + 16 <= end) {
    highest = i32x4.max_u(highest, v128.load(indices))
    indices += 16
  }
  let most = max(
    max(<u32>i32x4.extract_lane(highest, 0), <u32>i32x4.extract_lane(highest, 1)),
    max(<u32>i32x4.extract_lane(highest, 2), <u32>i32x4.extract_lane(highest, 3)),
  )
  for (; indices < end; indices += 4) most = max(most, load<u32>(indices))
  return u32(count == 0 || most < limit)
}

/** target[k] = source[indices[k]]; values of 1 << widthLog2 bytes, up to 16; indices are u32. */
export function gatherIndices(source: usize, indices: usize, count: u32, widthLog2: u32, target: usize): void {
  const end = indices + (<usize>count << 2)
  if (widthLog2 == 4) {
    for (; indices < end; indices += 4) {
      v128.store(target, v128.load(source + (<usize>load<u32>(indices) << 4)))
      target += 16
    }
  } else if (widthLog2 == 3) {
    for (; indices + 16 <= end; indices += 16) {
      store<u64>(target, load<u64>(source + (<usize>load<u32>(indices) << 3)))
      store<u64>(target, load<u64>(source + (<usize>load<u32>(indices, 4) << 3)), 8)
      store<u64>(target, load<u64>(source + (<usize>load<u32>(indices, 8) << 3)), 16)
      store<u64>(target, load<u64>(source + (<usize>load<u32>(indices, 12) << 3)), 24)
      target += 32
    }
    for (; indices < end; indices += 4) {
      store<u64>(target, load<u64>(source + (<usize>load<u32>(indices) << 3)))
      target += 8
    }
  } else if (widthLog2 == 2) {
    for (; indices + 16 <= end; indices += 16) {
      store<u32>(target, load<u32>(source + (<usize>load<u32>(indices) << 2)))
      store<u32>(target, load<u32>(source + (<usize>load<u32>(indices, 4) << 2)), 4)
      store<u32>(target, load<u32>(source + (<usize>load<u32>(indices, 8) << 2)), 8)
      store<u32>(target, load<u32>(source + (<usize>load<u32>(indices, 12) << 2)), 12)
      target += 16
    }
    for (; indices < end; indices += 4) {
      store<u32>(target, load<u32>(source + (<usize>load<u32>(indices) << 2)))
      target += 4
    }
  } else if (widthLog2 == 1) {
    for (; indices < end; indices += 4) {
      store<u16>(target, load<u16>(source + (<usize>load<u32>(indices) << 1)))
      target += 2
    }
  } else {
    for (; indices < end; indices += 4) store<u8>(target++, load<u8>(source + load<u32>(indices)))
  }
}

/**
 * Looks values of 4, 8 or 16 bytes up for selected rows only: target[r] = source[indices[r]] for each r of the selection.
 * @param indices u32 per row; may be the last part of the target
 * @param selection u32 × count, ascending
 */
export function gatherSelected(
  source: usize,
  indices: usize,
  selection: usize,
  count: u32,
  widthLog2: u32,
  target: usize,
): void {
  const end = selection + (<usize>count << 2)
  if (widthLog2 == 4) {
    for (; selection < end; selection += 4) {
      const row = <usize>load<u32>(selection)
      v128.store(target + (row << 4), v128.load(source + (<usize>load<u32>(indices + (row << 2)) << 4)))
    }
  } else if (widthLog2 == 3) {
    for (; selection < end; selection += 4) {
      const row = <usize>load<u32>(selection)
      store<u64>(target + (row << 3), load<u64>(source + (<usize>load<u32>(indices + (row << 2)) << 3)))
    }
  } else {
    for (; selection < end; selection += 4) {
      const row = <usize>load<u32>(selection)
      store<u32>(target + (row << 2), load<u32>(source + (<usize>load<u32>(indices + (row << 2)) << 2)))
    }
  }
}

/** The value of 1 << widthLog2 bytes at `value`, `count` times; up to 15 bytes more are written. */
function fillWidth(target: usize, count: u32, value: usize, widthLog2: u32): void {
  let lanes: v128
  if (widthLog2 == 4) lanes = v128.load(value)
  else if (widthLog2 == 3) lanes = v128.load64_splat(value)
  else if (widthLog2 == 2) lanes = v128.load32_splat(value)
  else if (widthLog2 == 1) lanes = v128.load16_splat(value)
  else lanes = v128.load8_splat(value)
  const end = target + (<usize>count << widthLog2)
  for (; target < end; target += 16) v128.store(target, lanes)
}

/**
 * Decodes `count` indices and looks them up.
 * @param dictionary values of 1 << widthLog2 bytes × dictionaryCount
 * @param target values × count; 16 bytes past them are clobbered
 * @param scratch 4 KiB + 64 bytes
 * @returns values written; fewer than count = the stream needs more bytes; -1 = damaged, -2 = an index is too high
 */
export function hybridGather(
  state: usize,
  count: u32,
  dictionary: usize,
  dictionaryCount: u32,
  widthLog2: u32,
  target: usize,
  scratch: usize,
): i32 {
  const mayExceed = <u64>dictionaryCount < <u64>1 << load<u32>(state, BIT_WIDTH)
  let done: u32 = 0
  while (done < count) {
    const left = load<u32>(state, RUN_LEFT)
    if (left == 0) {
      const next = nextRun(state)
      if (next < 0) return -1
      if (next == 0) break
      continue
    }
    const to = target + (<usize>done << widthLog2)
    if (load<u32>(state, RUN_IS_PACKED) == 0) {
      const wanted = min(left, count - done)
      const index = load<u32>(state, RUN_VALUE)
      if (index >= dictionaryCount) return -2
      fillWidth(to, wanted, dictionary + (<usize>index << widthLog2), widthLog2)
      takeValues(state, wanted)
      done += wanted
      continue
    }
    const there = packedThere(state, min(min(left, count - done), BLOCK))
    if (there < 0) return -1
    if (there == 0) break
    const unpacked = unpackRun(state, there, scratch)
    if (mayExceed && indicesBelow(scratch, unpacked, dictionaryCount) == 0) return -2
    gatherIndices(dictionary, scratch, unpacked, widthLog2, to)
    done += unpacked
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
