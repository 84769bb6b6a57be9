// The order of sort rows. A row starts with its normalised key: words (u64, little-endian in memory) that compare as
// unsigned numbers, the first one deciding; the last word is the row's ordinal, so no two rows are equal.
//
// A string key stands in the key with its first 12 bytes and a marker, which end on a word's boundary; strings that are
// longer and agree so far are compared as a whole, through their views in the row. The order is described by a table:
//
//   u32 segments | 12 bytes zero | segment 0 | segment 1 | …
//   segment (16 bytes)  { u32 end: word after its last | u32 view: offset in the row, 0 = none
//                         u32 marker of a long string, the low byte of the last word | u32 1 = descending }
//
// The last segment ends behind the ordinal and has no view. Layout: packages/codegen/src/sort/sort-layout.ts.
import { viewCompare } from './strings'

export const ORDER_HEAD: u32 = 16
export const SEGMENT: u32 = 16
export const SEGMENT_VIEW: usize = 4
export const SEGMENT_MARKER: usize = 8
export const SEGMENT_FLIP: usize = 12

/** Whether the string of a segment goes on behind the key; `end` is the segment's end in words. */
@inline
export function isLongString(row: u32, segment: u32, end: u32): bool {
  if (load<u32>(segment, SEGMENT_VIEW) == 0) return false
  return <u32>load<u8>(row + ((end - 1) << 3)) == load<u32>(segment, SEGMENT_MARKER)
}

/** -1, 0, 1 */
export function compareSortRows(a: u32, b: u32, order: u32): i32 {
  const count = load<u32>(order)
  let segment = order + ORDER_HEAD
  let word: u32 = 0
  for (let index: u32 = 0; index < count; index++) {
    const end = load<u32>(segment)
    for (; word < end; word++) {
      const left = load<u64>(a + (word << 3))
      const right = load<u64>(b + (word << 3))
      if (left != right) return left < right ? -1 : 1
    }
    if (isLongString(a, segment, end)) {
      const view = load<u32>(segment, SEGMENT_VIEW)
      const result = viewCompare(a + view, b + view)
      if (result != 0) return load<u32>(segment, SEGMENT_FLIP) != 0 ? -result : result
    }
    segment += SEGMENT
  }
  return 0
}

/**
 * Order of a row and a bound, which is the words of some key and no strings: behind a long string all rows that agree
 * so far count as equal to the bound.
 */
export function compareToBound(row: u32, bound: u32, order: u32): i32 {
  const count = load<u32>(order)
  let segment = order + ORDER_HEAD
  let word: u32 = 0
  for (let index: u32 = 0; index < count; index++) {
    const end = load<u32>(segment)
    for (; word < end; word++) {
      const left = load<u64>(row + (word << 3))
      const right = load<u64>(bound + (word << 3))
      if (left != right) return left < right ? -1 : 1
    }
    if (isLongString(row, segment, end)) return 0
    segment += SEGMENT
  }
  return 0
}
