// Parquet's hybrid of runs and bit-packed groups, for dictionary indices and definition levels.
//
//   run             varint(length << 1)       the value in ceil(bits / 8) bytes
//   packed groups   varint(groups << 1 | 1)   groups × 8 values, `bits` bits each, least significant first
//
// Groups of one header are kept below 64, so that the header is one byte whose place is known before the groups are.

import { writeVarint } from './varint'

const GROUPS_MAX: u32 = 63

/** Packs eight u16 of `bits` 1 … 16 bits to `bits` bytes; writes 16. */
@inline
function packEight(values: v128, bits: i32, target: usize): void {
  // Neighbours are joined three times: 8 × bits, 4 × 2 bits, 2 × 4 bits, 1 × 8 bits.
  const even = v128.and(values, i32x4.splat(0xffff))
  const pairs = v128.or(even, i32x4.shl(i32x4.shr_u(values, 16), bits))
  const fours = v128.or(
    v128.and(pairs, i64x2.splat(0xffffffff)),
    i64x2.shl(i64x2.shr_u(pairs, 32), bits << 1),
  )
  const low = <u64>i64x2.extract_lane(fours, 0)
  const high = <u64>i64x2.extract_lane(fours, 1)
  if (bits == 16) {
    v128.store(target, fours)
    return
  }
  const shift = <u64>bits << 2
  store<u64>(target, low | (high << shift))
  // Shifting by 64 would shift by 0, hence in two steps.
  store<u64>(target, (high >>> 1) >>> (63 - shift), 8)
}

/**
 * Dictionary indices.
 * @param indices u16 × count; the 8 values behind them are overwritten with zeroes
 * @param bits 1 … 16
 * @param target room for count × bits / 8 + count / 504 + 32 bytes; 16 bytes past the result are clobbered
 * @returns bytes written
 */
export function encodeIndices(indices: usize, count: u32, bits: u32, target: usize): u32 {
  v128.store(indices + (<usize>count << 1), i64x2.splat(0))
  const valueBytes: u32 = (bits + 7) >>> 3
  // A run pays when it is shorter than the groups it replaces and the header that follows it.
  const runMin: u32 = max<u32>(8, ((valueBytes + 2) << 3) / bits + 1)
  const end = indices + (<usize>count << 1)
  let cursor = target
  let header: usize = 0
  let groups: u32 = 0
  while (indices < end) {
    const values = v128.load(indices)
    const first = load<u16>(indices)
    const splat = i16x8.splat(<i16>first)
    if (i8x16.all_true(i16x8.eq(values, splat)) && indices + 16 <= end) {
      let next = indices + 16
      while (next + 16 <= end && i8x16.all_true(i16x8.eq(v128.load(next), splat))) next += 16
      while (next < end && load<u16>(next) == first) next += 2
      const run = <u32>((next - indices) >>> 1)
      if (run >= runMin) {
        if (header != 0) store<u8>(header, <u8>((groups << 1) | 1))
        header = 0
        cursor = writeVarint<u32>(cursor, run << 1)
        store<u16>(cursor, first)
        cursor += valueBytes
        indices = next
        continue
      }
    }
    if (header == 0 || groups == GROUPS_MAX) {
      if (header != 0) store<u8>(header, <u8>((groups << 1) | 1))
      header = cursor
      cursor += 1
      groups = 0
    }
    packEight(values, <i32>bits, cursor)
    cursor += bits
    groups += 1
    indices += 16
  }
  if (header != 0) store<u8>(header, <u8>((groups << 1) | 1))
  return <u32>(cursor - target)
}

/** Rows of a run of levels that is worth its own header: three bytes of groups. */
const LEVEL_RUN_MIN: u32 = 32

/**
 * Definition levels of an optional column (one bit each).
 * @param levels one byte per row, 0 or 1; the 8 bytes behind them are overwritten with zeroes
 * @param target room for count / 8 + count / 504 + 32 bytes
 * @returns bytes written
 */
export function encodeLevels(levels: usize, count: u32, target: usize): u32 {
  const end = levels + count
  store<u64>(end, 0)
  let cursor = target
  let header: usize = 0
  let groups: u32 = 0
  while (levels < end) {
    const eight = load<u64>(levels)
    if ((eight == 0x0101010101010101 || eight == 0) && levels + 8 <= end) {
      let next = levels + 8
      while (next + 8 <= end && load<u64>(next) == eight) next += 8
      while (next < end && load<u8>(next) == <u8>eight) next += 1
      const run = <u32>(next - levels)
      if (run >= LEVEL_RUN_MIN || next == end) {
        if (header != 0) store<u8>(header, <u8>((groups << 1) | 1))
        header = 0
        cursor = writeVarint<u32>(cursor, run << 1)
        store<u8>(cursor, <u8>eight)
        cursor += 1
        levels = next
        continue
      }
    }
    if (header == 0 || groups == GROUPS_MAX) {
      if (header != 0) store<u8>(header, <u8>((groups << 1) | 1))
      header = cursor
      cursor += 1
      groups = 0
    }
    // Byte i's low bit moves to bit 56 + i of the product.
    store<u8>(cursor, <u8>((eight * 0x0102040810204080) >>> 56))
    cursor += 1
    groups += 1
    levels += 8
  }
  if (header != 0) store<u8>(header, <u8>((groups << 1) | 1))
  return <u32>(cursor - target)
}
