// Least and greatest of a page's values, which are what plainFixed wrote.
//
//   state   0 least (16 bytes)   16 greatest (16 bytes); narrower values stand at the beginning
//
// Before a page the caller stores an empty range (least = the type's maximum). NaN is passed over: a range that is
// still empty afterwards had no other value.

@inline
function scalarBounds<T>(values: usize, count: u32, state: usize): void {
  let least = load<T>(state)
  let greatest = load<T>(state, 16)
  for (let k: u32 = 0; k < count; k++) {
    const value = load<T>(values + <usize>k * sizeof<T>())
    // Comparisons with NaN are false.
    if (value < least) least = value
    if (value > greatest) greatest = value
  }
  store<T>(state, least)
  store<T>(state, greatest, 16)
}

/** 32-bit integers; `flip` is 0 for signed ones and the sign bit for unsigned ones. */
function bounds32(values: usize, count: u32, state: usize, flip: i32): void {
  const mask = i32x4.splat(flip)
  let least = i32x4.splat(load<i32>(state) ^ flip)
  let greatest = i32x4.splat(load<i32>(state, 16) ^ flip)
  const end = values + (<usize>count << 2)
  while (values + 16 <= end) {
    const four = v128.xor(v128.load(values), mask)
    least = i32x4.min_s(least, four)
    greatest = i32x4.max_s(greatest, four)
    values += 16
  }
  for (; values < end; values += 4) {
    const one = i32x4.splat(load<i32>(values) ^ flip)
    least = i32x4.min_s(least, one)
    greatest = i32x4.max_s(greatest, one)
  }
  const a = min(i32x4.extract_lane(least, 0), i32x4.extract_lane(least, 1))
  const b = min(i32x4.extract_lane(least, 2), i32x4.extract_lane(least, 3))
  const c = max(i32x4.extract_lane(greatest, 0), i32x4.extract_lane(greatest, 1))
  const d = max(i32x4.extract_lane(greatest, 2), i32x4.extract_lane(greatest, 3))
  store<i32>(state, min(a, b) ^ flip)
  store<i32>(state, max(c, d) ^ flip, 16)
}

function bounds64(values: usize, count: u32, state: usize, flip: i64): void {
  const mask = i64x2.splat(flip)
  let least = i64x2.splat(load<i64>(state) ^ flip)
  let greatest = i64x2.splat(load<i64>(state, 16) ^ flip)
  const end = values + (<usize>count << 3)
  while (values + 16 <= end) {
    const two = v128.xor(v128.load(values), mask)
    least = v128.bitselect(two, least, i64x2.lt_s(two, least))
    greatest = v128.bitselect(two, greatest, i64x2.gt_s(two, greatest))
    values += 16
  }
  let low = min(i64x2.extract_lane(least, 0), i64x2.extract_lane(least, 1))
  let high = max(i64x2.extract_lane(greatest, 0), i64x2.extract_lane(greatest, 1))
  if (values < end) {
    low = min(low, load<i64>(values) ^ flip)
    high = max(high, load<i64>(values) ^ flip)
  }
  store<i64>(state, low ^ flip)
  store<i64>(state, high ^ flip, 16)
}

function boundsDouble(values: usize, count: u32, state: usize): void {
  let least = f64x2.splat(load<f64>(state))
  let greatest = f64x2.splat(load<f64>(state, 16))
  const pairs = count >>> 1
  for (let k: u32 = 0; k < pairs; k++) {
    const two = v128.load(values)
    // pmin(a, b) is b < a ? b : a, so a NaN on the right is passed over.
    least = f64x2.pmin(least, two)
    greatest = f64x2.pmax(greatest, two)
    values += 16
  }
  const low = min(f64x2.extract_lane(least, 0), f64x2.extract_lane(least, 1))
  const high = max(f64x2.extract_lane(greatest, 0), f64x2.extract_lane(greatest, 1))
  store<f64>(state, low)
  store<f64>(state, high, 16)
  scalarBounds<f64>(values, count & 1, state)
}

/** Two's complement, most significant byte first, 9 … 16 bytes. */
function boundsWide(values: usize, count: u32, width: u32, state: usize): void {
  const rest = width - 8
  let least = state
  let greatest = state + 16
  for (let k: u32 = 0; k < count; k++) {
    const high = bswap<i64>(load<i64>(values))
    const low = bswap<u64>(load<u64>(values + rest))
    const leastHigh = bswap<i64>(load<i64>(least))
    const greatestHigh = bswap<i64>(load<i64>(greatest))
    // Where the first eight bytes are equal, so are those that both words hold.
    if (high < leastHigh || (high == leastHigh && low < bswap<u64>(load<u64>(least + rest)))) least = values
    if (high > greatestHigh || (high == greatestHigh && low > bswap<u64>(load<u64>(greatest + rest)))) greatest = values
    values += width
  }
  if (least != state) memory.copy(state, least, width)
  if (greatest != state + 16) memory.copy(state + 16, greatest, width)
}

/**
 * Widens a range by values.
 * @param kind see `boundKind` in packages/kernels/src/parquet-encode-kernels.ts
 * @param width bytes of a value; only looked at for wide decimals
 */
export function plainBounds(values: usize, count: u32, kind: u32, width: u32, state: usize): void {
  switch (kind) {
    case 0:
      return bounds32(values, count, state, 0)
    case 1:
      return bounds32(values, count, state, i32.MIN_VALUE)
    case 2:
      return bounds64(values, count, state, 0)
    case 3:
      return bounds64(values, count, state, i64.MIN_VALUE)
    case 4:
      return scalarBounds<f32>(values, count, state)
    case 5:
      return boundsDouble(values, count, state)
    case 6:
      return boundsWide(values, count, width, state)
    default:
      return scalarBounds<u8>(values, count, state)
  }
}
