// Conversions between Arrow's layout (bitmaps, offsets) and the arena's (one byte per row, 16-byte string views), and
// the moves of values that have no type: gather, fill.
//
// Unless said otherwise targets must not overlap sources, and all buffers are readable 16 bytes past their end.

import { storeView } from './store-view'

const INLINE_MAX: u32 = 12

/** Bits bitOffset + 64 × word …, any alignment. Reads 16 bytes. */
@inline
function bitWord(bitmap: usize, shift: u64): u64 {
  const low = load<u64>(bitmap) >>> shift
  // Shifting by 64 would shift by 0, hence in two steps.
  return low | ((load<u64>(bitmap, 8) << 1) << (63 - shift))
}

/** 16 bits → 16 bytes of 0 or 1. */
@inline
function spread(bits: u32): v128 {
  const both = i16x8.splat(<i16>bits)
  const bytes = i8x16.swizzle(both, i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1))
  const mask = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128)
  return v128.and(i8x16.eq(v128.and(bytes, mask), mask), i8x16.splat(1))
}

/**
 * Bitmap → one byte per row, 0 or 1.
 * @param bitmap bit bitOffset + i (least significant first) = row i; readable 16 bytes past its end
 * @param target rowCount bytes; not written past them
 * @returns number of zeroes among the rows
 */
export function bitmapToBytes(bitmap: usize, bitOffset: u32, rowCount: u32, target: usize): u32 {
  bitmap += bitOffset >>> 3
  const shift = <u64>(bitOffset & 7)
  let ones: u32 = 0
  const end = target + rowCount
  while (target + 64 <= end) {
    const bits = bitWord(bitmap, shift)
    ones += <u32>popcnt<u64>(bits)
    v128.store(target, spread(<u32>bits & 0xffff))
    v128.store(target, spread(<u32>(bits >>> 16) & 0xffff), 16)
    v128.store(target, spread(<u32>(bits >>> 32) & 0xffff), 32)
    v128.store(target, spread(<u32>(bits >>> 48)), 48)
    bitmap += 8
    target += 64
  }
  if (target < end) {
    let bits = bitWord(bitmap, shift)
    while (target < end) {
      store<u8>(target, <u8>(bits & 1))
      ones += <u32>(bits & 1)
      bits >>>= 1
      target++
    }
  }
  return rowCount - ones
}

/** 16 bytes → 16 bits, 1 where the byte is not 0. */
@inline
function collect(source: usize): u64 {
  return <u64>(<u32>i8x16.bitmask(i8x16.ne(v128.load(source), i8x16.splat(0))) & 0xffff)
}

/**
 * One byte per row → bitmap; any byte but 0 is a 1.
 * @param selection u32 × rowCount indices into source, or 0 for rows 0 … rowCount
 * @param target ceil(rowCount / 64) × 8 bytes; unused bits become 0
 * @returns number of zeroes among the rows
 */
export function bytesToBitmap(source: usize, selection: usize, rowCount: u32, target: usize): u32 {
  let ones: u32 = 0
  let row: u32 = 0
  if (selection == 0) {
    for (; row + 64 <= rowCount; row += 64) {
      const at = source + row
      const bits = collect(at) | (collect(at + 16) << 16) | (collect(at + 32) << 32) | (collect(at + 48) << 48)
      ones += <u32>popcnt<u64>(bits)
      store<u64>(target, bits)
      target += 8
    }
  }
  while (row < rowCount) {
    const count = min<u32>(64, rowCount - row)
    let bits: u64 = 0
    for (let bit: u32 = 0; bit < count; bit++) {
      const index = selection == 0 ? row + bit : load<u32>(selection + (<usize>(row + bit) << 2))
      bits |= u64(load<u8>(source + index) != 0) << bit
    }
    ones += <u32>popcnt<u64>(bits)
    store<u64>(target, bits)
    target += 8
    row += count
  }
  return rowCount - ones
}

@inline
function offsetsToViews<Offset>(offsets: usize, rowCount: u32, dataAddress: u32, target: usize): void {
  const width: usize = sizeof<Offset>()
  const end = target + (<usize>rowCount << 4)
  // Only differences count and addresses are u32, so 64-bit offsets may be cut to 32 bits.
  let start = <u32>load<Offset>(offsets)
  while (target < end) {
    offsets += width
    const next = <u32>load<Offset>(offsets)
    storeView(target, dataAddress + start, next - start)
    start = next
    target += 16
  }
}

/**
 * Arrow offsets → string views.
 * @param offsets rowCount + 1 little-endian integers of `offsetBytes` (4 or 8) bytes, ascending
 * @param dataAddress string byte k stands at dataAddress + k modulo 2^32 (so it may lie "before" the heap); the bytes
 *   must be readable 16 bytes past the last string, and live as long as the views
 * @param target 16 × rowCount bytes
 */
export function utf8ToViews(offsets: usize, offsetBytes: u32, rowCount: u32, dataAddress: u32, target: usize): void {
  if (offsetBytes == 8) offsetsToViews<u64>(offsets, rowCount, dataAddress, target)
  else offsetsToViews<u32>(offsets, rowCount, dataAddress, target)
}

/** Total string bytes of the selected, valid rows. validity 0 = no nulls, selection 0 = all rows. */
export function viewsByteLength(views: usize, validity: usize, selection: usize, rowCount: u32): u32 {
  let total: u32 = 0
  if (selection == 0 && validity == 0) {
    const end = views + (<usize>rowCount << 4)
    for (; views < end; views += 16) total += load<u32>(views)
  } else if (selection == 0) {
    for (let row: u32 = 0; row < rowCount; row++) {
      total += select<u32>(load<u32>(views + (<usize>row << 4)), 0, load<u8>(validity + row) != 0)
    }
  } else {
    const end = selection + (<usize>rowCount << 2)
    for (; selection < end; selection += 4) {
      const row = load<u32>(selection)
      const isValid = validity == 0 || load<u8>(validity + row) != 0
      total += select<u32>(load<u32>(views + (<usize>row << 4)), 0, isValid)
    }
  }
  return total
}

/** Most bytes of one of the selected, valid strings; 0 without any. */
export function viewsLengthMax(views: usize, validity: usize, selection: usize, rowCount: u32): u32 {
  let most: u32 = 0
  for (let k: u32 = 0; k < rowCount; k++) {
    const row = selection == 0 ? k : load<u32>(selection + (<usize>k << 2))
    const isValid = validity == 0 || load<u8>(validity + row) != 0
    most = max(most, select<u32>(load<u32>(views + (<usize>row << 4)), 0, isValid))
  }
  return most
}

/** Copies a long string in words of 16 bytes, writing up to 15 bytes past its end. */
@inline
function copyLong(target: usize, source: usize, length: u32): void {
  // Above a few hundred bytes the engine's own copy wins over its call.
  if (length > 256) {
    memory.copy(target, source, length)
    return
  }
  const end = target + length
  while (target < end) {
    v128.store(target, v128.load(source))
    target += 16
    source += 16
  }
}

/**
 * Views → Arrow offsets and bytes. A null row gets length 0.
 * @param offsets int32 × (rowCount + 1); the first is 0
 * @param data `viewsByteLength` bytes, writable 16 bytes past its end (those bytes are clobbered)
 * @returns bytes written
 */
export function viewsToUtf8(
  views: usize,
  validity: usize,
  selection: usize,
  rowCount: u32,
  offsets: usize,
  data: usize,
): u32 {
  const start = data
  store<u32>(offsets, 0)
  for (let row: u32 = 0; row < rowCount; row++) {
    const index = selection == 0 ? row : load<u32>(selection + (<usize>row << 2))
    const view = views + (<usize>index << 4)
    let length = load<u32>(view)
    if (validity != 0) length = select<u32>(length, 0, load<u8>(validity + index) != 0)
    if (length <= INLINE_MAX) v128.store(data, v128.load(view, 4))
    else copyLong(data, load<u32>(view, 8), length)
    data += length
    offsets += 4
    store<u32>(offsets, <u32>(data - start))
  }
  return <u32>(data - start)
}

@inline
function gatherValues<Value, Index>(source: usize, indices: usize, rowCount: u32, target: usize): void {
  const width: usize = sizeof<Value>()
  const indexWidth: usize = sizeof<Index>()
  let end = target + (<usize>(rowCount & ~3)) * width
  // Four at a time: the loads do not depend on each other and the loop's own work is shared.
  while (target < end) {
    const a = load<Value>(source + <usize>load<Index>(indices) * width)
    const b = load<Value>(source + <usize>load<Index>(indices + indexWidth) * width)
    const c = load<Value>(source + <usize>load<Index>(indices + indexWidth * 2) * width)
    const d = load<Value>(source + <usize>load<Index>(indices + indexWidth * 3) * width)
    store<Value>(target, a)
    store<Value>(target + width, b)
    store<Value>(target + width * 2, c)
    store<Value>(target + width * 3, d)
    target += width * 4
    indices += indexWidth * 4
  }
  end += <usize>(rowCount & 3) * width
  while (target < end) {
    store<Value>(target, load<Value>(source + <usize>load<Index>(indices) * width))
    target += width
    indices += indexWidth
  }
}

@inline
function gatherBy<Index>(source: usize, indices: usize, width: u32, rowCount: u32, target: usize): void {
  switch (width) {
    case 1:
      gatherValues<u8, Index>(source, indices, rowCount, target)
      break
    case 2:
      gatherValues<u16, Index>(source, indices, rowCount, target)
      break
    case 4:
      gatherValues<u32, Index>(source, indices, rowCount, target)
      break
    case 8:
      gatherValues<u64, Index>(source, indices, rowCount, target)
      break
    case 16:
      gatherValues<v128, Index>(source, indices, rowCount, target)
      break
    default:
      unreachable()
  }
}

/**
 * target[k] = source[indices[k]], k = 0 … rowCount. Indices are not checked.
 * @param indices unsigned, of `indexBytes` 1, 2 or 4 bytes
 * @param width bytes of a value: 1, 2, 4, 8 or 16
 */
export function gather(
  source: usize,
  indices: usize,
  indexBytes: u32,
  width: u32,
  rowCount: u32,
  target: usize,
): void {
  if (indexBytes == 4) gatherBy<u32>(source, indices, width, rowCount, target)
  else if (indexBytes == 2) gatherBy<u16>(source, indices, width, rowCount, target)
  else gatherBy<u8>(source, indices, width, rowCount, target)
}

/** Repeats the value of `width` (1, 2, 4, 8 or 16) bytes at `value`, rowCount times. `value` may lie in the target. */
export function fillValue(value: usize, width: u32, rowCount: u32, target: usize): void {
  let pattern: v128
  if (width == 1) pattern = i8x16.splat(load<i8>(value))
  else if (width == 2) pattern = i16x8.splat(load<i16>(value))
  else if (width == 4) pattern = i32x4.splat(load<i32>(value))
  else if (width == 8) pattern = i64x2.splat(load<i64>(value))
  else pattern = v128.load(value)
  const end = target + <usize>rowCount * width
  while (target + 16 <= end) {
    v128.store(target, pattern)
    target += 16
  }
  // What is left is less than 16 bytes, a whole number of values, and the pattern repeats every `width` bytes.
  const rest = <u32>(end - target)
  if (rest & 8) {
    v128.store64_lane(target, pattern, 0)
    target += 8
  }
  if (rest & 4) {
    v128.store32_lane(target, pattern, 0)
    target += 4
  }
  if (rest & 2) {
    v128.store16_lane(target, pattern, 0)
    target += 2
  }
  if (rest & 1) v128.store8_lane(target, pattern, 0)
}

/** target[i] = start + i × step, int64, wrapping around at 2^64. */
export function iota64(start: i64, step: i64, rowCount: u32, target: usize): void {
  const end = target + (<usize>rowCount << 3)
  while (target < end) {
    store<i64>(target, start)
    start += step
    target += 8
  }
}

/** target[selection[i]] = start + i, int64, for count rows; other rows stay as they are. target overlaps nothing. */
export function iotaSelected64(start: i64, selection: usize, count: u32, target: usize): void {
  const end = selection + (<usize>count << 2)
  while (selection < end) {
    store<i64>(target + (<usize>load<u32>(selection) << 3), start)
    start += 1
    selection += 4
  }
}

@inline
function clampIndices<Index>(indices: usize, validity: usize, rowCount: u32, limit: u32): u32 {
  const width: usize = sizeof<Index>()
  let bad: u32 = 0
  for (let row: u32 = 0; row < rowCount; row++) {
    let index = <u32>load<Index>(indices)
    if (validity != 0) index = select<u32>(index, 0, load<u8>(validity + row) != 0)
    const inside = index < limit
    index = select<u32>(index, 0, inside)
    bad += u32(!inside)
    store<Index>(indices, <Index>index)
    indices += width
  }
  return bad
}

/**
 * Makes dictionary indices safe for `gather`, in place: the index of a null row, and one not below `limit`, becomes 0.
 * @param indices unsigned, of `indexBytes` 1, 2 or 4 bytes
 * @param validity one byte per row, or 0
 * @returns number of valid rows whose index was not below `limit`; with limit 0 also null rows count
 */
export function sanitizeIndices(
  indices: usize,
  indexBytes: u32,
  validity: usize,
  rowCount: u32,
  limit: u32,
): u32 {
  if (indexBytes == 4) return clampIndices<u32>(indices, validity, rowCount, limit)
  if (indexBytes == 2) return clampIndices<u16>(indices, validity, rowCount, limit)
  return clampIndices<u8>(indices, validity, rowCount, limit)
}

/** target[i] = a[i] & b[i] for validity bytes (0 or 1). The target may be a or b. Returns the number of zeroes. */
export function andValidity(a: usize, b: usize, rowCount: u32, target: usize): u32 {
  let ones: u32 = 0
  const end = target + rowCount
  while (target + 16 <= end) {
    const both = v128.and(v128.load(a), v128.load(b))
    v128.store(target, both)
    ones += <u32>popcnt<i32>(i8x16.bitmask(i8x16.ne(both, i8x16.splat(0))))
    a += 16
    b += 16
    target += 16
  }
  while (target < end) {
    const both = load<u8>(a++) & load<u8>(b++)
    store<u8>(target++, both)
    ones += both
  }
  return rowCount - ones
}

/** Swizzle indices, 16 bytes for each mask of four lanes: the lanes whose bit is set move to the front. */
// prettier-ignore
export const KEPT_LANES = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 1, 2, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  4, 5, 6, 7, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 1, 2, 3, 4, 5, 6, 7, 255, 255, 255, 255, 255, 255, 255, 255,
  8, 9, 10, 11, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 1, 2, 3, 8, 9, 10, 11, 255, 255, 255, 255, 255, 255, 255, 255,
  4, 5, 6, 7, 8, 9, 10, 11, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255, 255, 255, 255,
  12, 13, 14, 15, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 1, 2, 3, 12, 13, 14, 15, 255, 255, 255, 255, 255, 255, 255, 255,
  4, 5, 6, 7, 12, 13, 14, 15, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 255, 255, 255, 255,
  8, 9, 10, 11, 12, 13, 14, 15, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 255, 255, 255, 255,
  4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255, 255, 255, 255,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
])

/**
 * The low four bits of byte g tell which of rows 4g … 4g + 3 to keep.
 * @param masks one byte per group; may lie in the last sixteenth of the target
 * @param target u32 × 4 × groups, all of which may be written
 * @returns how many row indices were written
 */
export function masksToSelection(masks: usize, groups: u32, target: usize): u32 {
  const start = target
  const end = masks + groups
  let rows = i32x4(0, 1, 2, 3)
  while (masks < end) {
    const mask = <u32>load<u8>(masks) & 15
    v128.store(target, i8x16.swizzle(rows, v128.load(KEPT_LANES + (<usize>mask << 4))))
    target += <usize>popcnt<u32>(mask) << 2
    rows = i32x4.add(rows, i32x4.splat(4))
    masks++
  }
  return <u32>((target - start) >>> 2)
}
