// Strings: hashing, equality and order of byte strings and of 16-byte string views.
//
//   view   { length u32, prefix 4 bytes, tail 8 bytes }      length ≤ 12: bytes at 4 …, padded with zeroes
//          { length u32, prefix 4 bytes, address u32, 0 }    length > 12
//
// Bytes are read in words of up to 16 bytes, so a string must be readable 16 bytes past its end (the arena's last page
// is a guard for that reason). All arguments are only read; they may alias.

const INLINE_MAX: u32 = 12

const PRIME_1: u64 = 0x9e3779b185ebca87
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f
const PRIME_3: u64 = 0x165667b19e3779f9
const PRIME_4: u64 = 0x85ebca77c2b2ae63

@inline
function round(accumulator: u64, word: u64): u64 {
  return rotl<u64>(accumulator + word * PRIME_2, 31) * PRIME_1
}

@inline
function merge(hash: u64, word: u64): u64 {
  return rotl<u64>(hash ^ round(0, word), 27) * PRIME_1 + PRIME_4
}

/** Keeps the low `count` bytes, 1 … 7, of a little-endian word. */
@inline
function lowBytes(word: u64, count: u32): u64 {
  return word & ((<u64>1 << (count << 3)) - 1)
}

/**
 * 64-bit hash of `length` bytes at `address`; every bit depends on every byte and on the length. Meant for strings of
 * more than 12 bytes (shorter ones are hashed from their view by generated code), right for any length.
 * From 64 bytes on four independent lanes of 8 bytes, then words of 8; the last word overlaps instead of being cut.
 */
export function hashBytes(address: usize, length: u32): u64 {
  const end = address + length
  let hash: u64 = PRIME_3 + <u64>length * PRIME_1
  if (length >= 64) {
    let lane1: u64 = hash + PRIME_1
    let lane2: u64 = hash ^ PRIME_2
    let lane3: u64 = hash
    let lane4: u64 = hash - PRIME_1
    const last = end - 32
    do {
      lane1 = round(lane1, load<u64>(address))
      lane2 = round(lane2, load<u64>(address, 8))
      lane3 = round(lane3, load<u64>(address, 16))
      lane4 = round(lane4, load<u64>(address, 24))
      address += 32
    } while (address <= last)
    hash = rotl<u64>(lane1, 1) + rotl<u64>(lane2, 7) + rotl<u64>(lane3, 12) + rotl<u64>(lane4, 18)
    hash = merge(merge(hash, lane1), lane2)
    hash = merge(merge(hash, lane3), lane4)
  }
  while (address + 8 <= end) {
    hash = merge(hash, load<u64>(address))
    address += 8
  }
  if (address < end) {
    const word = length >= 8 ? load<u64>(end - 8) : lowBytes(load<u64>(address), length)
    hash = merge(hash, word)
  }
  hash = (hash ^ (hash >>> 33)) * PRIME_2
  hash = (hash ^ (hash >>> 29)) * PRIME_3
  return hash ^ (hash >>> 32)
}

/** Whether `length` bytes at `a` and `b` are equal; length ≥ 8. The last word overlaps the one before it. */
function bytesEqual(a: usize, b: usize, length: u32): bool {
  const end = a + length
  while (a + 16 <= end) {
    if (v128.any_true(v128.xor(v128.load(a), v128.load(b)))) return false
    a += 16
    b += 16
  }
  if (a + 8 <= end) {
    if (load<u64>(a) != load<u64>(b)) return false
    a += 8
    b += 8
  }
  const rest = <u32>(end - a)
  return rest == 0 || load<u64>(end - 8) == load<u64>(b + rest - 8)
}

/** 1 if two views (addresses of views) are equal. */
export function viewEqual(a: usize, b: usize): u32 {
  const head = load<u64>(a)
  // Length and prefix in one comparison; most unequal strings end here.
  if (head != load<u64>(b)) return 0
  if (load<u64>(a, 8) == load<u64>(b, 8)) return 1
  const length = <u32>head
  if (length <= INLINE_MAX) return 0
  return u32(bytesEqual(load<u32>(a, 8), load<u32>(b, 8), length))
}

/** Order of bytes as unsigned numbers, a proper prefix first: -1, 0, 1. */
export function compareBytes(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const end = a + min(aLength, bLength)
  // Equal beginnings are passed over 16 bytes at a time.
  while (a + 16 <= end && !v128.any_true(v128.xor(v128.load(a), v128.load(b)))) {
    a += 16
    b += 16
  }
  while (a + 8 <= end) {
    const aWord = load<u64>(a)
    const bWord = load<u64>(b)
    if (aWord != bWord) return bswap<u64>(aWord) < bswap<u64>(bWord) ? -1 : 1
    a += 8
    b += 8
  }
  const rest = <u32>(end - a)
  if (rest != 0) {
    const aWord = bswap<u64>(lowBytes(load<u64>(a), rest))
    const bWord = bswap<u64>(lowBytes(load<u64>(b), rest))
    if (aWord != bWord) return aWord < bWord ? -1 : 1
  }
  return i32(aLength > bLength) - i32(aLength < bLength)
}

/** Order by unsigned UTF-8 bytes: -1, 0, 1. Arguments are addresses of views. */
export function viewCompare(a: usize, b: usize): i32 {
  // Padding is zero, so where a shorter string ends it is not greater than a longer one with the same beginning.
  const aPrefix = bswap<u32>(load<u32>(a, 4))
  const bPrefix = bswap<u32>(load<u32>(b, 4))
  if (aPrefix != bPrefix) return aPrefix < bPrefix ? -1 : 1
  const aLength = load<u32>(a)
  const bLength = load<u32>(b)
  if (max(aLength, bLength) <= INLINE_MAX) {
    const aTail = bswap<u64>(load<u64>(a, 8))
    const bTail = bswap<u64>(load<u64>(b, 8))
    if (aTail != bTail) return aTail < bTail ? -1 : 1
    return i32(aLength > bLength) - i32(aLength < bLength)
  }
  const aBytes = aLength <= INLINE_MAX ? a + 4 : <usize>load<u32>(a, 8)
  const bBytes = bLength <= INLINE_MAX ? b + 4 : <usize>load<u32>(b, 8)
  return compareBytes(aBytes, aLength, bBytes, bLength)
}

/** The bytes of an inline view as a number, most significant first: bytes 0 … 7 of the string, then 8 … 11. */
@inline
function orderLanes(view: v128): v128 {
  return v128.shuffle<u8>(view, view, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12)
}

/**
 * The greatest (flip 0) or least (flip -1) of the selected, valid strings.
 * Inline strings are compared as two numbers; in the second one the length stands below the bytes, since of two strings
 * that differ only in zeroes at the end the shorter one is less. Most rows are passed over by their first number.
 * @param validity one byte per row, or 0; selection u32 × rowCount, or 0 for rows 0 … rowCount
 * @returns address of its view (the first one among equals), or 0 when there is none
 */
export function viewExtreme(views: usize, validity: usize, selection: usize, rowCount: u32, flip: u64): usize {
  let best: usize = 0
  // Of a long string only the prefix counts here: the rest of the first number is an address.
  let bestHigh: u64 = 0
  let bestLow: u64 = 0
  let bestIsLong = false
  const isPlain = validity == 0 && selection == 0
  for (let position: u32 = 0; position < rowCount; position++) {
    let view: usize
    if (isPlain) {
      view = views + (<usize>position << 4)
      const end = views + (<usize>rowCount << 4)
      while (view < end) {
        const high = <u64>i64x2.extract_lane(orderLanes(v128.load(view)), 0) ^ flip
        if (high >= bestHigh || (load<u32>(view) > INLINE_MAX && high >> 32 == bestHigh >> 32)) break
        view += 16
      }
      if (view == end) break
      position = <u32>((view - views) >>> 4)
    } else {
      const row = selection == 0 ? position : load<u32>(selection + (<usize>position << 2))
      if (validity != 0 && load<u8>(validity + row) == 0) continue
      view = views + (<usize>row << 4)
      // The first four bytes alone rule most rows out, long ones too.
      if (best != 0 && (bswap<u32>(load<u32>(view, 4)) ^ <u32>flip) < <u32>(bestHigh >> 32)) continue
    }
    const lanes = orderLanes(v128.load(view))
    const high = <u64>i64x2.extract_lane(lanes, 0) ^ flip
    const length = load<u32>(view)
    const low = ((<u64>(<u32>i32x4.extract_lane(lanes, 3)) << 32) | <u64>length) ^ flip
    const isLong = length > INLINE_MAX
    if (best != 0) {
      if (isLong || bestIsLong) {
        const order = viewCompare(view, best)
        if (flip == 0 ? order <= 0 : order >= 0) continue
      } else if (high < bestHigh || (high == bestHigh && low <= bestLow)) continue
    }
    best = view
    bestIsLong = isLong
    bestHigh = isLong ? high & 0xffffffff00000000 : high
    bestLow = low
  }
  return best
}

/**
 * Copies views and the bytes of long strings, so that they outlive their batch.
 * @param views 16 × (rows they have); validity: one byte per row or 0 = no nulls; selection: u32 × rowCount or 0 = all
 * @param target 16 × rowCount bytes, must not overlap views; a null row gets the empty view
 * @param heap where long strings go, heapEnd its end
 * @returns heap bytes used, or -1 when they do not fit (target is then undefined)
 */
export function copyViews(
  views: usize,
  validity: usize,
  selection: usize,
  rowCount: u32,
  target: usize,
  heap: usize,
  heapEnd: usize,
): i32 {
  let cursor = heap
  for (let k: u32 = 0; k < rowCount; k++) {
    const row = selection == 0 ? k : load<u32>(selection + (<usize>k << 2))
    const into = target + (<usize>k << 4)
    if (validity != 0 && load<u8>(validity + row) == 0) {
      v128.store(into, i64x2.splat(0))
      continue
    }
    const view = views + (<usize>row << 4)
    v128.store(into, v128.load(view))
    const length = load<u32>(view)
    if (length <= INLINE_MAX) continue
    if (heapEnd - cursor < length) return -1
    memory.copy(cursor, load<u32>(view, 8), length)
    store<u32>(into, <u32>cursor, 8)
    cursor += length
  }
  return <i32>(cursor - heap)
}
