// Bit-packed integers, least significant bit first, as Parquet packs indices, lengths and deltas.
//
// Eight values of w bits are w bytes, so a group of eight begins on a byte. Four values of up to 25 bits are taken at
// once: a byte shuffle brings the four bytes that hold each value into a lane of its own, a multiplication moves the
// value to the top of its lane (a shift by another amount in each lane), a shift brings it down.
//
// Values of up to 9 bits lie within two bytes: eight of them are taken at once in lanes of 16 bits.
//
// Sources are read up to 32 bytes past the last value's byte; targets are written up to the end of the last group.

/** Widths that the four-lane way can take: 7 bits of offset + 25 bits fit into a lane. */
const LANE_BITS_MAX: u32 = 25

/** Shuffle that brings values of `bitWidth` bits, the first one at bit `first` of a block, into lanes. */
@inline
function laneShuffle(first: u32, bitWidth: u32): v128 {
  const spread: u32 = 0x01010101
  const order: u32 = 0x03020100
  let shuffle = i32x4.splat((first >> 3) * spread + order)
  shuffle = i32x4.replace_lane(shuffle, 1, ((first + bitWidth) >> 3) * spread + order)
  shuffle = i32x4.replace_lane(shuffle, 2, ((first + 2 * bitWidth) >> 3) * spread + order)
  return i32x4.replace_lane(shuffle, 3, ((first + 3 * bitWidth) >> 3) * spread + order)
}

/** Multipliers that move the values in those lanes to the lanes' tops. */
@inline
function laneFactors(first: u32, bitWidth: u32): v128 {
  const top = 32 - bitWidth
  let factors = i32x4.splat(1 << (top - (first & 7)))
  factors = i32x4.replace_lane(factors, 1, 1 << (top - ((first + bitWidth) & 7)))
  factors = i32x4.replace_lane(factors, 2, 1 << (top - ((first + 2 * bitWidth) & 7)))
  return i32x4.replace_lane(factors, 3, 1 << (top - ((first + 3 * bitWidth) & 7)))
}

/** Widths that the eight-lane way can take: 7 bits of offset + 9 bits. */
const SHORT_BITS_MAX: u32 = 9

/** Bit offsets 0 … 7 (even bytes) → the factor that moves a value of 9 bits to the top of its lane. */
@inline
function shortFactors(offsets: v128, bitWidth: u32): v128 {
  const powers = i8x16(-128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0)
  // Odd bytes ask for a byte that there is not, and get zero.
  const whole = v128.swizzle(powers, v128.or(offsets, i16x8.splat(<i16>0xff00)))
  return i16x8.shl(whole, 9 - bitWidth)
}

/**
 * Unpacks values of 0 … 16 bits to u16, in whole groups of eight.
 * @param source begin of a group
 * @param target u16 × count, rounded up to a multiple of 16
 */
export function bitUnpack16(source: usize, bitWidth: u32, count: u32, target: usize): void {
  if (bitWidth == 0) {
    memory.fill(target, 0, <usize>count << 1)
    return
  }
  if (bitWidth > SHORT_BITS_MAX) {
    unpackLong16(source, bitWidth, target, target + (<usize>((count + 7) & ~7) << 1))
    return
  }
  const bits = i16x8.mul(i16x8(0, 1, 2, 3, 4, 5, 6, 7), i16x8.splat(<i16>bitWidth))
  const bytes = i16x8.mul(i16x8.shr_u(bits, 3), i16x8.splat(0x0101))
  const shuffle0 = i8x16.add(bytes, i16x8.splat(0x0100))
  const shuffle1 = i8x16.add(shuffle0, i8x16.splat(<i8>bitWidth))
  const factors = shortFactors(v128.and(bits, i16x8.splat(7)), bitWidth)
  const down: i32 = 16 - bitWidth
  const end = target + (<usize>count << 1)
  if (bitWidth == SHORT_BITS_MAX) {
    while (target < end) {
      v128.store(target, i16x8.shr_u(i16x8.mul(v128.swizzle(v128.load(source), shuffle0), factors), down))
      source += bitWidth
      target += 16
    }
    return
  }
  // Two groups of up to 8 bytes are in one load.
  while (target < end) {
    const packed = v128.load(source)
    v128.store(target, i16x8.shr_u(i16x8.mul(v128.swizzle(packed, shuffle0), factors), down))
    v128.store(target, i16x8.shr_u(i16x8.mul(v128.swizzle(packed, shuffle1), factors), down), 16)
    source += 2 * bitWidth
    target += 32
  }
}

/** Values of 10 … 16 bits, in lanes of 32 bits that are then narrowed. */
function unpackLong16(source: usize, bitWidth: u32, target: usize, end: usize): void {
  const half = (4 * bitWidth) & 7
  const halfByte: usize = (4 * bitWidth) >> 3
  const down: i32 = 32 - bitWidth
  const shuffle0 = laneShuffle(0, bitWidth)
  const factors0 = laneFactors(0, bitWidth)
  const shuffle1 = laneShuffle(half, bitWidth)
  const factors1 = laneFactors(half, bitWidth)
  while (target < end) {
    const low = i32x4.mul(v128.swizzle(v128.load(source), shuffle0), factors0)
    const high = i32x4.mul(v128.swizzle(v128.load(source + halfByte), shuffle1), factors1)
    v128.store(target, i16x8.narrow_i32x4_u(i32x4.shr_u(low, down), i32x4.shr_u(high, down)))
    source += bitWidth
    target += 16
  }
}

/**
 * Unpacks values of 0 … 32 bits to u32, in whole groups of eight.
 * @param source begin of a group
 * @param target u32 × count, rounded up to a multiple of 8
 */
export function bitUnpack32(source: usize, bitWidth: u32, count: u32, target: usize): void {
  if (bitWidth == 0) {
    memory.fill(target, 0, <usize>count << 2)
    return
  }
  const end = target + (<usize>((count + 7) & ~7) << 2)
  if (bitWidth > LANE_BITS_MAX) {
    unpackWide32(source, bitWidth, target, end)
    return
  }
  const half = (4 * bitWidth) & 7
  const halfByte: usize = (4 * bitWidth) >> 3
  const down: i32 = 32 - bitWidth
  const shuffle0 = laneShuffle(0, bitWidth)
  const factors0 = laneFactors(0, bitWidth)
  const shuffle1 = laneShuffle(half, bitWidth)
  const factors1 = laneFactors(half, bitWidth)
  while (target < end) {
    const low = v128.swizzle(v128.load(source), shuffle0)
    const high = v128.swizzle(v128.load(source + halfByte), shuffle1)
    v128.store(target, i32x4.shr_u(i32x4.mul(low, factors0), down))
    v128.store(target, i32x4.shr_u(i32x4.mul(high, factors1), down), 16)
    source += bitWidth
    target += 32
  }
}

/** Values of 26 … 32 bits: each lies within eight bytes. */
function unpackWide32(source: usize, bitWidth: u32, target: usize, end: usize): void {
  const mask: u64 = (<u64>1 << bitWidth) - 1
  while (target < end) {
    let bit: u32 = 0
    for (let i: usize = 0; i < 32; i += 4) {
      store<u32>(target + i, <u32>((load<u64>(source + (bit >> 3)) >> (bit & 7)) & mask))
      bit += bitWidth
    }
    source += bitWidth
    target += 32
  }
}

/**
 * Unpacks values of 0 … 64 bits to u64, in whole groups of eight.
 * @param target u64 × count, rounded up to a multiple of 8
 */
export function bitUnpack64(source: usize, bitWidth: u32, count: u32, target: usize): void {
  const end = target + (<usize>((count + 7) & ~7) << 3)
  if (bitWidth == 0) {
    memory.fill(target, 0, end - target)
    return
  }
  const mask: u64 = u64.MAX_VALUE >> (64 - bitWidth)
  while (target < end) {
    let bit: u32 = 0
    for (let i: usize = 0; i < 64; i += 8) {
      const from = source + (bit >> 3)
      const offset = bit & 7
      let value = load<u64>(from) >> offset
      // Beyond 57 bits a value may end in a ninth byte; an offset of zero never needs it.
      if (bitWidth > 57 && offset != 0) value |= <u64>load<u8>(from, 8) << (64 - offset)
      store<u64>(target + i, value & mask)
      bit += bitWidth
    }
    source += bitWidth
    target += 64
  }
}
