// Sums of whole columns without nulls, four values at a time in sums of their own: a single one waits for itself.

/** The first two of four values of T, i32 or u32, in 64 bits. */
// @ts-ignore: decorator
@inline
function extendLow<T>(four: v128): v128 {
  return isSigned<T>() ? i64x2.extend_low_i32x4_s(four) : i64x2.extend_low_i32x4_u(four)
}

/** The other two. */
// @ts-ignore: decorator
@inline
function extendHigh<T>(four: v128): v128 {
  return isSigned<T>() ? i64x2.extend_high_i32x4_s(four) : i64x2.extend_high_i32x4_u(four)
}

/** Compiled once for each T, as it is inlined. */
// @ts-ignore: decorator
@inline
function sum32<T>(values: usize, selection: usize, rowCount: u32): i64 {
  let total: i64 = 0
  if (selection != 0) {
    const end = selection + (<usize>rowCount << 2)
    for (; selection < end; selection += 4) total += <i64>load<T>(values + (<usize>load<u32>(selection) << 2))
    return total
  }
  const end = values + (<usize>rowCount << 2)
  const lanesEnd = values + (<usize>(rowCount & ~3) << 2)
  let low = i64x2.splat(0)
  let high = i64x2.splat(0)
  for (; values < lanesEnd; values += 16) {
    const four = v128.load(values)
    low = i64x2.add(low, extendLow<T>(four))
    high = i64x2.add(high, extendHigh<T>(four))
  }
  const both = i64x2.add(low, high)
  total = i64x2.extract_lane(both, 0) + i64x2.extract_lane(both, 1)
  for (; values < end; values += 4) total += <i64>load<T>(values)
  return total
}

/**
 * Sum of 32-bit integers; exact, since a batch has far fewer than 2^31 rows.
 * @param values 4 × (rows they have); selection: u32 × rowCount or 0 = all rows
 */
export function sumI32(values: usize, selection: usize, rowCount: u32): i64 {
  return sum32<i32>(values, selection, rowCount)
}

/** The same for unsigned integers. */
export function sumU32(values: usize, selection: usize, rowCount: u32): i64 {
  return sum32<u32>(values, selection, rowCount)
}

/** Sum of float64 values, in eight sums that are added at the end; a selection in one. */
export function sumF64(values: usize, selection: usize, rowCount: u32): f64 {
  let total: f64 = 0
  if (selection != 0) {
    const end = selection + (<usize>rowCount << 2)
    for (; selection < end; selection += 4) total += load<f64>(values + (<usize>load<u32>(selection) << 3))
    return total
  }
  const end = values + (<usize>rowCount << 3)
  const lanesEnd = values + (<usize>(rowCount & ~7) << 3)
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  let c = f64x2.splat(0)
  let d = f64x2.splat(0)
  for (; values < lanesEnd; values += 64) {
    a = f64x2.add(a, v128.load(values))
    b = f64x2.add(b, v128.load(values, 16))
    c = f64x2.add(c, v128.load(values, 32))
    d = f64x2.add(d, v128.load(values, 48))
  }
  const all = f64x2.add(f64x2.add(a, b), f64x2.add(c, d))
  total = f64x2.extract_lane(all, 0) + f64x2.extract_lane(all, 1)
  for (; values < end; values += 8) total += load<f64>(values)
  return total
}
