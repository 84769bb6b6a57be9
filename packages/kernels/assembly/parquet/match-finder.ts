// What greedy LZ77 compressors share: a table of the last place of each hash of four bytes, and how far a match goes.
// Table entries are addresses; an arena has none below 65536, so that 0 is always too far away to be a candidate.

/** log2 of the entries of the table of a source of this length: short pages should not pay for clearing a long one. */
export function tableBits(length: u32): u32 {
  return max<u32>(8, min<u32>(14, 32 - clz(length)))
}

/** Address of the table's entry for the four bytes at `address`. */
// @ts-ignore: decorator
@inline
export function entryOf(table: u32, address: u32, shift: u32): u32 {
  return table + (((load<u32>(address) * 0x9e3779b1) >> shift) << 2)
}

/** How many bytes from a and from b (> a) on are equal, before b reaches `end`. */
// @ts-ignore: decorator
@inline
export function matchLength(a: u32, b: u32, end: u32): u32 {
  const start = b
  while (b + 8 <= end) {
    const difference = load<u64>(a) ^ load<u64>(b)
    if (difference) return b - start + (<u32>ctz(difference) >> 3)
    a += 8
    b += 8
  }
  while (b < end && load<u8>(a) == load<u8>(b)) {
    a++
    b++
  }
  return b - start
}
