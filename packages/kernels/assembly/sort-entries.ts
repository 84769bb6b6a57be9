// Sorting: entries of 16 bytes, the first 12 bytes of a row's key and the row's address, brought into order by radix
// sort on the bytes in which they differ. Entries that agree in all 12 bytes get the next 12 bytes of their keys, or
// the next 8 bytes of a string, and are sorted by those.
//
//   entry   u64 key bytes 0 … 7 | u32 row address, u32 key bytes 8 … 11      (both key parts as unsigned numbers)
//
// The last bytes of a key are the ordinal. Rows mostly arrive in the order of their ordinals: ranges that are in order
// cost one pass.
import { compareToBound, isLongString, ORDER_HEAD, SEGMENT, SEGMENT_FLIP, SEGMENT_VIEW } from './sort-order'

const ENTRY: u32 = 16
const TOP_HALF: u64 = 0xffffffff00000000
/** Fewer entries are sorted by insertion. */
const INSERTION_MAX: u32 = 24
/** A position in a string instead of in the key's words. */
const IN_STRING: u32 = 0x80000000
/** Bytes of a string that stand in the key's words. */
const STRING_IN_KEY: u32 = 12
/** More bytes of a string follow than an entry holds. */
const GOES_ON: u32 = 9

/**
 * Writes the entries of rowCount adjacent rows.
 * @param out 16 × rowCount
 */
export function fillSortEntries(rows: u32, rowCount: u32, rowBytes: u32, out: u32): void {
  for (let i: u32 = 0; i < rowCount; i++) {
    store<u64>(out, load<u64>(rows))
    store<u64>(out, (load<u64>(rows, 8) & TOP_HALF) | <u64>rows, 8)
    rows += rowBytes
    out += ENTRY
  }
}

/**
 * Sorts entries.
 * @param entries 16 × count, scratch as large, histograms 1,024 bytes; order: see sort-order.ts
 */
export function sortEntries(entries: u32, scratch: u32, count: u32, histograms: u32, order: u32): void {
  if (count > 1) sortRange(entries, scratch, count, histograms, order, order + ORDER_HEAD, 0)
}

/** Number of entries whose rows come before a bound; see compareToBound. */
export function entriesBelow(entries: u32, count: u32, bound: u32, order: u32): u32 {
  let low: u32 = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareToBound(load<u32>(entries + middle * ENTRY, 8), bound, order) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Sorts a range by its present prefix, which stands at `at` in the words or the string of `segment`. */
function sortRange(a: u32, b: u32, n: u32, histograms: u32, order: u32, segment: u32, at: u32): void {
  const end = a + n * ENTRY
  const high0 = load<u64>(a)
  const low0 = load<u64>(a, 8)
  let highDiff: u64 = 0
  let lowDiff: u64 = 0
  let isSorted = true
  let high = high0
  let low = low0 | 0xffffffff
  for (let entry = a + ENTRY; entry < end; entry += ENTRY) {
    const nextHigh = load<u64>(entry)
    const nextLow = load<u64>(entry, 8) | 0xffffffff
    highDiff |= nextHigh ^ high0
    lowDiff |= nextLow ^ low0
    isSorted = isSorted && (nextHigh > high || (nextHigh == high && nextLow >= low))
    high = nextHigh
    low = nextLow
  }
  lowDiff &= TOP_HALF
  if ((highDiff | lowDiff) == 0) refine(a, b, n, histograms, order, segment, at)
  else if (isSorted) refineTies(a, b, n, histograms, order, segment, at)
  else if (n <= INSERTION_MAX) {
    insertionSort(a, end)
    refineTies(a, b, n, histograms, order, segment, at)
  } else radixSort(a, b, n, highDiff, lowDiff, histograms, order, segment, at)
}

function insertionSort(a: u32, end: u32): void {
  for (let entry = a + ENTRY; entry < end; entry += ENTRY) {
    const moved = v128.load(entry)
    const high = <u64>i64x2.extract_lane(moved, 0)
    const low = <u64>i64x2.extract_lane(moved, 1) >> 32
    let place = entry
    while (place > a) {
      const beforeHigh = load<u64>(place - ENTRY)
      if (beforeHigh < high) break
      if (beforeHigh == high && load<u64>(place - ENTRY, 8) >> 32 <= low) break
      v128.store(place, v128.load(place - ENTRY))
      place -= ENTRY
    }
    v128.store(place, moved)
  }
}

/** Runs of entries that agree in the whole prefix, in a range that is sorted by it. */
function refineTies(a: u32, b: u32, n: u32, histograms: u32, order: u32, segment: u32, at: u32): void {
  const end = a + n * ENTRY
  let start = a
  while (start < end) {
    const high = load<u64>(start)
    const low = load<u64>(start, 8) >> 32
    let next = start + ENTRY
    while (next < end && load<u64>(next) == high && load<u64>(next, 8) >> 32 == low) next += ENTRY
    if (next - start > ENTRY) refine(start, b, (next - start) / ENTRY, histograms, order, segment, at)
    start = next
  }
}

/** Sorts by the up to three highest bytes that differ, then each group of entries that agree in them. */
function radixSort(
  a: u32,
  b: u32,
  n: u32,
  highDiff: u64,
  lowDiff: u64,
  histograms: u32,
  order: u32,
  segment: u32,
  at: u32,
): void {
  const digits: u32 = n > 16384 ? 3 : n > 256 ? 2 : 1
  // Shift of each digit, highest first, 64 and more for those of the low word; 8 bits each.
  let shifts: u32 = 0
  let found: u32 = 0
  let highMask: u64 = 0
  let lowMask: u64 = 0
  for (let byte: i32 = 7; byte >= 0 && found < digits; byte--) {
    const mask: u64 = <u64>0xff << (<u64>byte << 3)
    if ((highDiff & mask) == 0) continue
    shifts |= (<u32>byte << 3) << (found << 3)
    highMask |= mask
    found++
  }
  for (let byte: i32 = 7; byte >= 4 && found < digits; byte--) {
    const mask: u64 = <u64>0xff << (<u64>byte << 3)
    if ((lowDiff & mask) == 0) continue
    shifts |= (64 + (<u32>byte << 3)) << (found << 3)
    lowMask |= mask
    found++
  }
  let from = a
  let to = b
  for (let digit: i32 = <i32>found - 1; digit >= 0; digit--) {
    const shift = (shifts >> (<u32>digit << 3)) & 0xff
    const part: u32 = (shift >> 6) << 3
    scatter(from + part, from, to, n, <u64>(shift & 63), histograms)
    const swap = from
    from = to
    to = swap
  }
  if (from != a) memory.copy(a, from, n * ENTRY)
  sortGroups(a, b, n, highMask, lowMask, histograms, order, segment, at)
}

/** One pass: entries to their places by one byte of the words at `words`, which stand 16 bytes apart. */
function scatter(words: u32, from: u32, to: u32, n: u32, shift: u64, histogram: u32): void {
  memory.fill(histogram, 0, 1024)
  const end = words + n * ENTRY
  for (let word = words; word < end; word += ENTRY) {
    const slot = histogram + ((<u32>(load<u64>(word) >> shift) & 0xff) << 2)
    store<u32>(slot, load<u32>(slot) + ENTRY)
  }
  let place = to
  for (let slot = histogram; slot < histogram + 1024; slot += 4) {
    const bytes = load<u32>(slot)
    store<u32>(slot, place)
    place += bytes
  }
  for (let word = words; word < end; word += ENTRY) {
    const slot = histogram + ((<u32>(load<u64>(word) >> shift) & 0xff) << 2)
    const target = load<u32>(slot)
    v128.store(target, v128.load(from))
    store<u32>(slot, target + ENTRY)
    from += ENTRY
  }
}

/** Groups of entries that agree under the masks are in order; sorts each of them. */
function sortGroups(
  a: u32,
  b: u32,
  n: u32,
  highMask: u64,
  lowMask: u64,
  histograms: u32,
  order: u32,
  segment: u32,
  at: u32,
): void {
  const end = a + n * ENTRY
  let start = a
  while (start < end) {
    const high = load<u64>(start) & highMask
    const low = load<u64>(start, 8) & lowMask
    let next = start + ENTRY
    while (next < end && (load<u64>(next) & highMask) == high && (load<u64>(next, 8) & lowMask) == low) next += ENTRY
    if (next - start > ENTRY) sortRange(start, b, (next - start) / ENTRY, histograms, order, segment, at)
    start = next
  }
}

/**
 * Sorts entries that agree in the prefix at `at` by what follows in their keys, then gives them that prefix again. Goes
 * on to where they first differ in a loop: keys of thousands of columns, and long strings, may agree for very long.
 */
function refine(a: u32, b: u32, n: u32, histograms: u32, order: u32, segment: u32, at: u32): void {
  const segmentsEnd = order + ORDER_HEAD + load<u32>(order) * SEGMENT
  const high = load<u64>(a)
  const low = load<u64>(a, 8) & TOP_HALF
  const end = a + n * ENTRY
  let isChanged = false
  while (true) {
    const row = load<u32>(a, 8)
    const segmentBytes = load<u32>(segment) << 3
    if ((at & IN_STRING) != 0) {
      const rest = load<u32>(a, 12) ^ (load<u32>(segment, SEGMENT_FLIP) != 0 ? 0xffffffff : 0)
      if (rest == GOES_ON) at = at + 8
      else {
        at = segmentBytes
        segment += SEGMENT
      }
    } else if (at + 12 < segmentBytes) at = at + 12
    else if (isLongString(row, segment, segmentBytes >> 3)) at = IN_STRING | STRING_IN_KEY
    else {
      at = segmentBytes
      segment += SEGMENT
    }
    // Behind the ordinal nothing is left.
    if (segment == segmentsEnd) break
    if ((at & IN_STRING) != 0) loadString(a, end, segment, at & ~IN_STRING)
    else loadWords(a, end, segment, at)
    isChanged = true
    if (haveEqualPrefixes(a, end)) continue
    sortRange(a, b, n, histograms, order, segment, at)
    break
  }
  if (!isChanged) return
  for (let entry = a; entry < end; entry += ENTRY) {
    store<u64>(entry, high)
    store<u64>(entry, low | <u64>load<u32>(entry, 8), 8)
  }
}

function haveEqualPrefixes(a: u32, end: u32): bool {
  const high = load<u64>(a)
  const low = load<u32>(a, 12)
  for (let entry = a + ENTRY; entry < end; entry += ENTRY) {
    if (load<u64>(entry) != high || load<u32>(entry, 12) != low) return false
  }
  return true
}

/** Prefixes of up to 12 bytes from byte `at`, a multiple of 4, of the key's words; nothing behind the segment. */
function loadWords(a: u32, end: u32, segment: u32, at: u32): void {
  const left = (load<u32>(segment) << 3) - at
  const highMask: u64 = left < 8 ? TOP_HALF : ~(<u64>0)
  const lowMask: u64 = left < 12 ? 0 : TOP_HALF
  const isAligned = (at & 7) == 0
  for (let entry = a; entry < end; entry += ENTRY) {
    const row = load<u32>(entry, 8)
    const word = load<u64>(row + (at & ~7))
    // The word behind the last one of a key is its ordinal: there is always one to read.
    const next = left > 4 || isAligned ? load<u64>(row + (at & ~7) + 8) : 0
    const high = isAligned ? word : (word << 32) | (next >> 32)
    const low = isAligned ? next : next << 32
    store<u64>(entry, high & highMask)
    store<u64>(entry, (low & lowMask) | <u64>row, 8)
  }
}

/** Prefixes of 8 bytes from byte `at` of the segment's strings, which are longer than that or end there. */
function loadString(a: u32, end: u32, segment: u32, at: u32): void {
  const view = load<u32>(segment, SEGMENT_VIEW)
  const flip: u64 = load<u32>(segment, SEGMENT_FLIP) != 0 ? ~(<u64>0) : 0
  for (let entry = a; entry < end; entry += ENTRY) {
    const row = load<u32>(entry, 8)
    const left = load<u32>(row + view) - at
    let bytes: u64 = 0
    if (left != 0) {
      bytes = load<u64>(load<u32>(row + view, 8) + at)
      if (left < 8) bytes &= (<u64>1 << (<u64>left << 3)) - 1
    }
    store<u64>(entry, bswap<u64>(bytes) ^ flip)
    store<u64>(entry, (((<u64>min(left, GOES_ON) << 32) ^ flip) & TOP_HALF) | <u64>row, 8)
  }
}
