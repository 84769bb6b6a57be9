// Codes: indices into a dictionary of at most 65,536 values, as u16, and what they stand for.
import {
  BIT_WIDTH,
  nextRun,
  packedThere,
  RUN_IS_PACKED,
  RUN_LEFT,
  RUN_VALUE,
  takeValues,
  unpackRun,
  unpackRun16,
} from './hybrid'

/** Indices unpacked at a time before they are looked up: they stay in the first-level cache. */
const BLOCK: u32 = 1024
const CODE_BITS_MAX: u32 = 16

/** Whether all of `count` codes are below `limit`. */
function codesBelow(codes: usize, count: u32, limit: u32): bool {
  const end = codes + (<usize>count << 1)
  let highest = i32x4.splat(0)
  for (; codes + 16 <= end; codes += 16) highest = i16x8.max_u(highest, v128.load(codes))
  highest = i16x8.max_u(highest, i32x4.shr_u(highest, 16))
  let most = max(
    max(<u32>i16x8.extract_lane_u(highest, 0), <u32>i16x8.extract_lane_u(highest, 2)),
    max(<u32>i16x8.extract_lane_u(highest, 4), <u32>i16x8.extract_lane_u(highest, 6)),
  )
  for (; codes < end; codes += 2) most = max(most, <u32>load<u16>(codes))
  return count == 0 || most < limit
}

/** Whether all of `count` u32 indices are below `limit`. */
function indicesBelow(indices: usize, count: u32, limit: u32): bool {
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
  return count == 0 || most < limit
}

/** target[k] = source[codes[k]]; values of 1 << widthLog2 bytes, up to 16; codes are u16. */
export function gatherCodes(source: usize, codes: usize, count: u32, widthLog2: u32, target: usize): void {
  const end = codes + (<usize>count << 1)
  if (widthLog2 == 4) {
    for (; codes < end; codes += 2) {
      v128.store(target, v128.load(source + (<usize>load<u16>(codes) << 4)))
      target += 16
    }
  } else if (widthLog2 == 3) {
    for (; codes + 8 <= end; codes += 8) {
      store<u64>(target, load<u64>(source + (<usize>load<u16>(codes) << 3)))
      store<u64>(target, load<u64>(source + (<usize>load<u16>(codes, 2) << 3)), 8)
      store<u64>(target, load<u64>(source + (<usize>load<u16>(codes, 4) << 3)), 16)
      store<u64>(target, load<u64>(source + (<usize>load<u16>(codes, 6) << 3)), 24)
      target += 32
    }
    for (; codes < end; codes += 2) {
      store<u64>(target, load<u64>(source + (<usize>load<u16>(codes) << 3)))
      target += 8
    }
  } else if (widthLog2 == 2) {
    for (; codes + 8 <= end; codes += 8) {
      store<u32>(target, load<u32>(source + (<usize>load<u16>(codes) << 2)))
      store<u32>(target, load<u32>(source + (<usize>load<u16>(codes, 2) << 2)), 4)
      store<u32>(target, load<u32>(source + (<usize>load<u16>(codes, 4) << 2)), 8)
      store<u32>(target, load<u32>(source + (<usize>load<u16>(codes, 6) << 2)), 12)
      target += 16
    }
    for (; codes < end; codes += 2) {
      store<u32>(target, load<u32>(source + (<usize>load<u16>(codes) << 2)))
      target += 4
    }
  } else if (widthLog2 == 1) {
    for (; codes < end; codes += 2) {
      store<u16>(target, load<u16>(source + (<usize>load<u16>(codes) << 1)))
      target += 2
    }
  } else {
    for (; codes < end; codes += 2) store<u8>(target++, load<u8>(source + load<u16>(codes)))
  }
}

/** Most values of a dictionary whose bytes are looked up in a vector. */
const FEW_VALUES: u32 = 16

/** Four values of 4 bytes → their first bytes, their second ones, … */
@inline
function splitBytes(values: v128): v128 {
  return i8x16.shuffle(values, values, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
}

/**
 * Looks values of 4 bytes up in a dictionary of at most 16, sixteen codes at a time: one vector holds the first bytes
 * of all values, one the second bytes, and so on.
 * @param source 64 bytes are read
 */
function gatherFewCodes(source: usize, codes: usize, count: u32, target: usize): void {
  const a = splitBytes(v128.load(source))
  const b = splitBytes(v128.load(source, 16))
  const c = splitBytes(v128.load(source, 32))
  const d = splitBytes(v128.load(source, 48))
  const ab = i32x4.shuffle(a, b, 0, 4, 1, 5)
  const cd = i32x4.shuffle(c, d, 0, 4, 1, 5)
  const first = i32x4.shuffle(ab, cd, 0, 1, 4, 5)
  const second = i32x4.shuffle(ab, cd, 2, 3, 6, 7)
  const abHigh = i32x4.shuffle(a, b, 2, 6, 3, 7)
  const cdHigh = i32x4.shuffle(c, d, 2, 6, 3, 7)
  const third = i32x4.shuffle(abHigh, cdHigh, 0, 1, 4, 5)
  const fourth = i32x4.shuffle(abHigh, cdHigh, 2, 3, 6, 7)
  let left = count
  for (; left >= 16; left -= 16) {
    const lanes = i8x16.narrow_i16x8_u(v128.load(codes), v128.load(codes, 16))
    const byte0 = v128.swizzle(first, lanes)
    const byte1 = v128.swizzle(second, lanes)
    const byte2 = v128.swizzle(third, lanes)
    const byte3 = v128.swizzle(fourth, lanes)
    const low = i8x16.shuffle(byte0, byte1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
    const lowTop = i8x16.shuffle(byte2, byte3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
    const high = i8x16.shuffle(byte0, byte1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
    const highTop = i8x16.shuffle(byte2, byte3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
    v128.store(target, i16x8.shuffle(low, lowTop, 0, 8, 1, 9, 2, 10, 3, 11))
    v128.store(target, i16x8.shuffle(low, lowTop, 4, 12, 5, 13, 6, 14, 7, 15), 16)
    v128.store(target, i16x8.shuffle(high, highTop, 0, 8, 1, 9, 2, 10, 3, 11), 32)
    v128.store(target, i16x8.shuffle(high, highTop, 4, 12, 5, 13, 6, 14, 7, 15), 48)
    codes += 32
    target += 64
  }
  gatherCodes(source, codes, left, 2, target)
}

/** As gatherCodes, with indices of 32 bits. */
function gatherIndices(source: usize, indices: usize, count: u32, widthLog2: u32, target: usize): void {
  const end = indices + (<usize>count << 2)
  for (; indices < end; indices += 4) {
    const value = source + (<usize>load<u32>(indices) << widthLog2)
    if (widthLog2 == 4) v128.store(target, v128.load(value))
    else if (widthLog2 == 3) store<u64>(target, load<u64>(value))
    else if (widthLog2 == 2) store<u32>(target, load<u32>(value))
    else if (widthLog2 == 1) store<u16>(target, load<u16>(value))
    else store<u8>(target, load<u8>(value))
    target += <usize>1 << widthLog2
  }
}

/**
 * Looks values of 2, 4, 8 or 16 bytes up for selected rows only: target[r] = source[codes[r]] for each r of the
 * selection.
 * @param codes u16 per row; may be the last part of the target
 * @param selection u32 × count, ascending
 */
export function gatherSelectedCodes(
  source: usize,
  codes: usize,
  selection: usize,
  count: u32,
  widthLog2: u32,
  target: usize,
): void {
  const end = selection + (<usize>count << 2)
  for (; selection < end; selection += 4) {
    const row = <usize>load<u32>(selection)
    const value = source + (<usize>load<u16>(codes + (row << 1)) << widthLog2)
    if (widthLog2 == 4) v128.store(target + (row << 4), v128.load(value))
    else if (widthLog2 == 3) store<u64>(target + (row << 3), load<u64>(value))
    else if (widthLog2 == 2) store<u32>(target + (row << 2), load<u32>(value))
    else store<u16>(target + (row << 1), load<u16>(value))
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

/** The code `count` times; up to 14 bytes more are written. */
@inline
function fillCodes(target: usize, count: u32, code: u32): void {
  const lanes = i16x8.splat(<i16>code)
  const end = target + (<usize>count << 1)
  for (; target < end; target += 16) v128.store(target, lanes)
}

/** Up to `count` indices of a packed run, at most BLOCK, that are of more than 16 bits; u32::MAX = one is too high. */
function unpackWideCodes(state: usize, count: u32, limit: u32, target: usize, scratch: usize): u32 {
  const unpacked = unpackRun(state, count, scratch)
  if (!indicesBelow(scratch, unpacked, limit)) return u32.MAX_VALUE
  for (let i: u32 = 0; i < unpacked; i++) store<u16>(target + (i << 1), load<u32>(scratch + (i << 2)))
  return unpacked
}

/**
 * Decodes `count` indices to codes.
 * @param dictionaryCount at most 65,536
 * @param target u16 × count; 32 bytes past them are clobbered
 * @param scratch 4 KiB + 64 bytes
 * @returns values written; fewer than count = the stream needs more bytes; -1 = damaged, -2 = an index is too high
 */
export function hybridCodes(state: usize, count: u32, dictionaryCount: u32, target: usize, scratch: usize): i32 {
  const bitWidth = load<u32>(state, BIT_WIDTH)
  const mayExceed = <u64>dictionaryCount < <u64>1 << bitWidth
  let done: u32 = 0
  while (done < count) {
    const left = load<u32>(state, RUN_LEFT)
    if (left == 0) {
      const next = nextRun(state)
      if (next < 0) return -1
      if (next == 0) break
      continue
    }
    const to = target + (<usize>done << 1)
    const wanted = min(left, count - done)
    if (load<u32>(state, RUN_IS_PACKED) == 0) {
      const index = load<u32>(state, RUN_VALUE)
      if (index >= dictionaryCount) return -2
      fillCodes(to, wanted, index)
      takeValues(state, wanted)
      done += wanted
      continue
    }
    const there = packedThere(state, min(wanted, BLOCK))
    if (there < 0) return -1
    if (there == 0) break
    let unpacked: u32
    if (bitWidth <= CODE_BITS_MAX) {
      unpacked = unpackRun16(state, there, to)
      if (mayExceed && !codesBelow(to, unpacked, dictionaryCount)) return -2
    } else {
      unpacked = unpackWideCodes(state, there, dictionaryCount, to, scratch)
      if (unpacked == u32.MAX_VALUE) return -2
    }
    done += unpacked
  }
  return done
}

/**
 * Decodes `count` indices and looks them up.
 * @param dictionary values of 1 << widthLog2 bytes × dictionaryCount, readable 64 bytes past their begin
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
  const bitWidth = load<u32>(state, BIT_WIDTH)
  const mayExceed = <u64>dictionaryCount < <u64>1 << bitWidth
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
    let unpacked: u32
    if (bitWidth <= CODE_BITS_MAX) {
      unpacked = unpackRun16(state, there, scratch)
      if (mayExceed && !codesBelow(scratch, unpacked, dictionaryCount)) return -2
      if (widthLog2 == 2 && dictionaryCount <= FEW_VALUES) gatherFewCodes(dictionary, scratch, unpacked, to)
      else gatherCodes(dictionary, scratch, unpacked, widthLog2, to)
    } else {
      unpacked = unpackRun(state, there, scratch)
      if (mayExceed && !indicesBelow(scratch, unpacked, dictionaryCount)) return -2
      gatherIndices(dictionary, scratch, unpacked, widthLog2, to)
    }
    done += unpacked
  }
  return done
}
