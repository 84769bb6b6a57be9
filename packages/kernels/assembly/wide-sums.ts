// Sums of 64- and 128-bit integers into 128 bits, and counts of valid rows, of whole columns: aggregates without keys.
//
// Halves of 32 bits are summed in lanes of 64: a batch has far fewer than 2^31 rows, so that no lane overflows, and
// carries are settled once, at the end. Sums wrap around at 128 bits, as those of single rows do.
//
// Everywhere: validity = one byte per row, 0 or 1, or null pointer; selection = u32 × rowCount, or null pointer for the
// first rowCount rows; the sum is added to the 128 bits at `target`.

/** Adds low + high × 2^32 + top × 2^64 to the number at `target`; `high` is signed where the values were. */
@inline
function addParts(target: usize, low: u64, high: i64, top: u64): void {
  const shifted = <u64>high << 32
  const sum = low + shifted
  const upper = (<u64>(high >> 32)) + u64(sum < low) + top
  const before = load<u64>(target)
  const after = before + sum
  store<u64>(target, after)
  store<u64>(target, load<u64>(target, 8) + upper + u64(after < before), 8)
}

@inline
function rowAt(selection: usize, position: u32): usize {
  return selection == 0 ? <usize>position : <usize>load<u32>(selection + (<usize>position << 2))
}

/** All bits where the row is valid. */
@inline
function maskOf(validity: usize, row: usize): u64 {
  return validity == 0 ? u64.MAX_VALUE : <u64>-(<i64>load<u8>(validity + row))
}

/** Sums one by one: with a selection, with nulls, and what is left of whole lanes. */
@inline
function sumRows64(
  values: usize,
  validity: usize,
  selection: usize,
  from: u32,
  rowCount: u32,
  isSigned: bool,
  target: usize,
): void {
  let low: u64 = 0
  let high: i64 = 0
  for (let position = from; position < rowCount; position++) {
    const row = rowAt(selection, position)
    const value = load<u64>(values + (row << 3)) & maskOf(validity, row)
    low += value & 0xffffffff
    high += isSigned ? <i64>value >> 32 : <i64>(value >> 32)
  }
  addParts(target, low, high, 0)
}

/** Sum of signed 64-bit integers. */
export function sumI64(values: usize, validity: usize, selection: usize, rowCount: u32, target: usize): void {
  let from: u32 = 0
  if (selection == 0) {
    const lowMask = i64x2.splat(0xffffffff)
    let lows = i64x2.splat(0)
    let highs = i64x2.splat(0)
    from = rowCount & ~3
    const end = values + (<usize>from << 3)
    if (validity == 0) {
      for (let at = values; at < end; at += 32) {
        const a = v128.load(at)
        const b = v128.load(at, 16)
        lows = i64x2.add(lows, i64x2.add(v128.and(a, lowMask), v128.and(b, lowMask)))
        highs = i64x2.add(highs, i64x2.add(i64x2.shr_s(a, 32), i64x2.shr_s(b, 32)))
      }
    } else {
      let flags = validity
      for (let at = values; at < end; at += 32) {
        const four = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(flags)))
        const a = v128.and(v128.load(at), i64x2.neg(i64x2.extend_low_i32x4_u(four)))
        const b = v128.and(v128.load(at, 16), i64x2.neg(i64x2.extend_high_i32x4_u(four)))
        lows = i64x2.add(lows, i64x2.add(v128.and(a, lowMask), v128.and(b, lowMask)))
        highs = i64x2.add(highs, i64x2.add(i64x2.shr_s(a, 32), i64x2.shr_s(b, 32)))
        flags += 4
      }
    }
    const low = i64x2.extract_lane(lows, 0) + i64x2.extract_lane(lows, 1)
    addParts(target, low, i64x2.extract_lane(highs, 0) + i64x2.extract_lane(highs, 1), 0)
  }
  sumRows64(values, validity, selection, from, rowCount, true, target)
}

/** Sum of unsigned 64-bit integers. */
export function sumU64(values: usize, validity: usize, selection: usize, rowCount: u32, target: usize): void {
  sumRows64(values, validity, selection, 0, rowCount, false, target)
}

/** Sum of 128-bit integers. */
export function sumI128(values: usize, validity: usize, selection: usize, rowCount: u32, target: usize): void {
  const lowMask = i64x2.splat(0xffffffff)
  // Lane 0 sums parts of the low words, lane 1 of the high ones; what exceeds 128 bits is dropped.
  let lows = i64x2.splat(0)
  let highs = i64x2.splat(0)
  if (validity == 0 && selection == 0) {
    const end = values + (<usize>rowCount << 4)
    for (; values < end; values += 16) {
      const value = v128.load(values)
      lows = i64x2.add(lows, v128.and(value, lowMask))
      highs = i64x2.add(highs, i64x2.shr_u(value, 32))
    }
  } else {
    for (let position: u32 = 0; position < rowCount; position++) {
      const row = rowAt(selection, position)
      const value = v128.and(v128.load(values + (row << 4)), i64x2.splat(<i64>maskOf(validity, row)))
      lows = i64x2.add(lows, v128.and(value, lowMask))
      highs = i64x2.add(highs, i64x2.shr_u(value, 32))
    }
  }
  const top = i64x2.extract_lane(lows, 1) + (i64x2.extract_lane(highs, 1) << 32)
  addParts(target, i64x2.extract_lane(lows, 0), i64x2.extract_lane(highs, 0), top)
}

/** How many of the rows are valid. */
export function countValid(validity: usize, selection: usize, rowCount: u32): u32 {
  if (validity == 0) return rowCount
  let count: u32 = 0
  if (selection != 0) {
    const end = selection + (<usize>rowCount << 2)
    for (; selection < end; selection += 4) count += load<u8>(validity + <usize>load<u32>(selection))
    return count
  }
  const end = validity + <usize>rowCount
  for (; validity + 16 <= end; validity += 16) {
    count += popcnt<u32>(i8x16.bitmask(i8x16.neg(v128.load(validity))))
  }
  for (; validity < end; validity++) count += load<u8>(validity)
  return count
}
