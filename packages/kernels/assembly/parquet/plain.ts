// Values as Parquet stores them (plain) to values as the arena holds them, without gaps.
//
// Sources are read up to 16 bytes past their end, targets written up to 16 bytes past theirs; they do not overlap.

/** The bytes as they are; the ranges may overlap. */
export function copyBytes(source: usize, bytes: u32, target: usize): void {
  memory.copy(target, source, bytes)
}

/** int32 → its low byte. */
export function plainNarrow8(source: usize, count: u32, target: usize): void {
  const end = target + count
  for (; target < end; target += 4) {
    const lanes = v128.load(source)
    const bytes = v128.shuffle<u8>(lanes, lanes, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12)
    store<u32>(target, i32x4.extract_lane(bytes, 0))
    source += 16
  }
}

/** int32 → its low two bytes. */
export function plainNarrow16(source: usize, count: u32, target: usize): void {
  const end = target + (<usize>count << 1)
  for (; target < end; target += 8) {
    const lanes = v128.load(source)
    const halves = v128.shuffle<u16>(lanes, lanes, 0, 2, 4, 6, 0, 2, 4, 6)
    store<i64>(target, i64x2.extract_lane(halves, 0))
    source += 16
  }
}

/** int32 → 128 bits, sign kept. */
export function plainWiden32(source: usize, count: u32, target: usize): void {
  const end = target + (<usize>count << 4)
  for (; target < end; target += 16) {
    const value = <i64>load<i32>(source)
    store<i64>(target, value)
    store<i64>(target, value >> 63, 8)
    source += 4
  }
}

/** int64 → 128 bits, sign kept. */
export function plainWiden64(source: usize, count: u32, target: usize): void {
  const end = target + (<usize>count << 4)
  for (; target < end; target += 16) {
    const value = load<i64>(source)
    store<i64>(target, value)
    store<i64>(target, value >> 63, 8)
    source += 8
  }
}

/** 64 bits hold the microseconds of so many days after 1970, whatever nanoseconds come beside them. */
const INT96_DAYS_MAX: i64 = 106645000
/**
 * So many days before 1970 they do not. Spark gets to such days when it writes the last years of its calendar, beyond
 * 285,000: the sum that it counts Julian days from exceeds 64 bits. Here it wraps around back to the right year.
 */
const INT96_DAYS_MIN: i64 = -109192579

/**
 * INT96 (nanoseconds of the day i64, Julian day i32) → microseconds since 1970, int64, floored.
 * Returns 0 when a value lies more than some 290,000 years from 1970, else 1.
 */
export function plainInt96(source: usize, count: u32, target: usize): u32 {
  const end = target + (<usize>count << 3)
  let isInside: bool = true
  for (; target < end; target += 8) {
    const day = <i64>load<i32>(source, 8) - 2440588
    isInside = isInside && day <= INT96_DAYS_MAX && day >= INT96_DAYS_MIN
    const nanoseconds = load<i64>(source)
    const quotient = nanoseconds / 1000
    const floored = quotient - <i64>(nanoseconds < quotient * 1000)
    store<i64>(target, day * 86400000000 + floored)
    source += 12
  }
  return isInside ? 1 : 0
}

/** One big-endian two's complement number of `length` bytes; 0 = it exceeds 128 bits. */
@inline
function bigEndian(source: usize, length: u32, target: usize): u32 {
  if (length == 0) {
    v128.store(target, i64x2.splat(0))
    return 1
  }
  const sign: i64 = <i64>load<i8>(source) >> 7
  let from = source
  const last = source + length
  while (last - from > 16) {
    if (load<u8>(from++) != <u8>sign) return 0
  }
  if (length > 16 && <i64>load<i8>(from) >> 7 != sign) return 0
  const bytes = <u32>(last - from)
  let low: u64
  let high: u64
  if (bytes > 8) {
    low = bswap<u64>(load<u64>(last - 8))
    high = bswap<u64>(load<u64>(from)) >> ((16 - bytes) << 3)
    if (bytes < 16) high |= <u64>sign << ((bytes - 8) << 3)
  } else {
    low = bswap<u64>(load<u64>(from)) >> ((8 - bytes) << 3)
    if (bytes < 8) low |= <u64>sign << (bytes << 3)
    high = <u64>sign
  }
  store<u64>(target, low)
  store<u64>(target, high, 8)
  return 1
}

/** Big-endian numbers of `length` bytes each → 128 bits. Returns 0 when one exceeds 128 bits, else 1. */
export function plainFixedDecimals(source: usize, length: u32, count: u32, target: usize): u32 {
  const end = target + (<usize>count << 4)
  for (; target < end; target += 16) {
    if (bigEndian(source, length, target) == 0) return 0
    source += length
  }
  return 1
}

/** Big-endian numbers that are the bytes of views → 128 bits, in place. Returns 0 when one exceeds 128 bits, else 1. */
export function viewsToDecimals(views: usize, count: u32): u32 {
  const end = views + (<usize>count << 4)
  for (; views < end; views += 16) {
    const length = load<u32>(views)
    const bytes = length <= 12 ? views + 4 : <usize>load<u32>(views, 8)
    if (bigEndian(bytes, length, views) == 0) return 0
  }
  return 1
}
