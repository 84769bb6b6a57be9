// Columns of Arrow IPC files, whose bytes are not trusted: nothing here reads or writes outside the ranges it is given,
// whatever the bytes are.

import { storeView } from './store-view'

const INLINE_MAX: u32 = 12

@inline
function isAscending<Offset>(offsets: usize, rowCount: u32, limit: u64): u32 {
  const end = offsets + <usize>rowCount * sizeof<Offset>()
  let previous = <u64>load<Offset>(offsets)
  while (offsets < end) {
    offsets += sizeof<Offset>()
    const next = <u64>load<Offset>(offsets)
    if (next < previous) return 0
    previous = next
  }
  return u32(previous <= limit)
}

/**
 * Whether rowCount + 1 offsets of `offsetBytes` (4 or 8) bytes ascend and none passes `limit`.
 * @param limit bytes of string data, a whole number below 2^53
 */
export function offsetsAscend(offsets: usize, offsetBytes: u32, rowCount: u32, limit: f64): u32 {
  if (offsetBytes == 8) return isAscending<u64>(offsets, rowCount, <u64>limit)
  return isAscending<u32>(offsets, rowCount, <u64>limit)
}

/** In place: views of null rows become empty, since what stands there need not be text. */
export function clearNullViews(views: usize, validity: usize, rowCount: u32): void {
  for (let row: u32 = 0; row < rowCount; row++) {
    if (load<u8>(validity + row) == 0) v128.store(views + (<usize>row << 4), i64x2.splat(0))
  }
}

// Arrow's string views: { length i32, prefix 4 bytes, buffer i32, offset i32 } above 12 bytes. A table says of each
// buffer what is known of it:
//
//   { size u32, least u32, end u32, address u32 }   the range of its bytes that views refer to, and where byte 0 of the
//                                                   buffer stands, modulo 2^32

/**
 * Finds which ranges of the buffers the views of valid rows refer to.
 * @param validity one byte per row, or 0 = no nulls
 * @param table bufferCount entries; least and end are written: 0xffffffff and 0 when no view refers to the buffer
 * @returns 1, or 0 when a view refers to what is not there
 */
export function viewRanges(views: usize, validity: usize, rowCount: u32, table: usize, bufferCount: u32): u32 {
  for (let index: u32 = 0; index < bufferCount; index++) {
    store<u32>(table + (<usize>index << 4), 0xffffffff, 4)
    store<u32>(table + (<usize>index << 4), 0, 8)
  }
  for (let row: u32 = 0; row < rowCount; row++) {
    const view = views + (<usize>row << 4)
    const length = load<u32>(view)
    if (length <= INLINE_MAX) continue
    if (validity != 0 && load<u8>(validity + row) == 0) continue
    const index = load<u32>(view, 8)
    const offset = load<u32>(view, 12)
    if (index >= bufferCount) return 0
    const entry = table + (<usize>index << 4)
    const end = <u64>offset + <u64>length
    if (end > <u64>load<u32>(entry)) return 0
    store<u32>(entry, min<u32>(load<u32>(entry, 4), offset), 4)
    store<u32>(entry, max<u32>(load<u32>(entry, 8), <u32>end), 8)
  }
  return 1
}

/**
 * Arrow's views → views of the arena. The ranges that `viewRanges` found stand at the tables' addresses, readable 16
 * bytes past their end. Null rows get the empty view.
 */
export function viewsFromArrow(views: usize, validity: usize, rowCount: u32, table: usize, target: usize): void {
  for (let row: u32 = 0; row < rowCount; row++) {
    const into = target + (<usize>row << 4)
    if (validity != 0 && load<u8>(validity + row) == 0) {
      v128.store(into, i64x2.splat(0))
      continue
    }
    const view = views + (<usize>row << 4)
    const length = load<u32>(view)
    if (length <= INLINE_MAX) {
      storeView(into, <u32>view + 4, length)
    } else {
      const entry = table + (<usize>load<u32>(view, 8) << 4)
      storeView(into, load<u32>(entry, 12) + load<u32>(view, 12), length)
    }
  }
}

const LZ4_MAGIC: u32 = 0x184d2204
const MIN_MATCH: u32 = 4

/**
 * Decodes one block of LZ4 behind what is decoded already, which it may refer to.
 * @param start the oldest byte that may be referred to
 * @returns where the output ends, or 0 when the block is damaged or passes `targetEnd`
 */
function lz4Block(source: usize, sourceEnd: usize, start: usize, target: usize, targetEnd: usize): usize {
  while (source < sourceEnd) {
    const token = <u32>load<u8>(source++)
    let literals = token >>> 4
    if (literals == 15) {
      let more: u32
      do {
        if (source >= sourceEnd) return 0
        more = <u32>load<u8>(source++)
        literals += more
      } while (more == 255 && literals < 0x7fffffff)
    }
    if (<usize>literals > sourceEnd - source || <usize>literals > targetEnd - target) return 0
    memory.copy(target, source, literals)
    source += literals
    target += literals
    // The last sequence has literals only.
    if (source == sourceEnd) return target
    if (sourceEnd - source < 2) return 0
    const distance = <usize>load<u16>(source)
    source += 2
    let length = token & 15
    if (length == 15) {
      let more: u32
      do {
        if (source >= sourceEnd) return 0
        more = <u32>load<u8>(source++)
        length += more
      } while (more == 255 && length < 0x7fffffff)
    }
    length += MIN_MATCH
    if (distance == 0 || distance > target - start || <usize>length > targetEnd - target) return 0
    const end = target + length
    // Words that are no longer than the distance never overlap their source; the last bytes go one by one, since
    // nothing may be written past the end.
    if (distance >= 16) {
      while (target + 16 <= end) {
        v128.store(target, v128.load(target - distance))
        target += 16
      }
    } else if (distance >= 8) {
      while (target + 8 <= end) {
        store<u64>(target, load<u64>(target - distance))
        target += 8
      }
    }
    while (target < end) {
      store<u8>(target, load<u8>(target - distance))
      target++
    }
  }
  return target
}

/**
 * Decodes a frame of LZ4 as a whole. Checksums are skipped; blocks may refer to earlier ones; dictionaries are refused.
 * @returns 1 when exactly `targetBytes` bytes resulted, else 0 (the target is then undefined)
 */
export function lz4FrameDecode(source: usize, sourceBytes: u32, target: usize, targetBytes: u32): u32 {
  if (sourceBytes < 11 || load<u32>(source) != LZ4_MAGIC) return 0
  const sourceEnd = source + sourceBytes
  const targetEnd = target + targetBytes
  const flags = <u32>load<u8>(source, 4)
  // Version 1; bit 0 = needs a dictionary.
  if (flags >>> 6 != 1 || (flags & 1) != 0) return 0
  const blockChecksum: usize = (flags & 16) != 0 ? 4 : 0
  source += (flags & 8) != 0 ? 15 : 7
  const start = target
  while (source <= sourceEnd && sourceEnd - source >= 4) {
    const word = load<u32>(source)
    source += 4
    if (word == 0) return u32(target == targetEnd)
    const size = <usize>(word & 0x7fffffff)
    if (size > sourceEnd - source) return 0
    if (word >>> 31 != 0) {
      if (size > targetEnd - target) return 0
      memory.copy(target, source, size)
      target += size
    } else {
      target = lz4Block(source, source + size, start, target, targetEnd)
      if (target == 0) return 0
    }
    source += size + blockChecksum
  }
  return 0
}
