// A Bloom filter over hashes of rows, blocked by registers (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient
// Bloom Filters, 2007): each hash has one 64-bit word and sets up to four of its bits, so that a look-up is one load.
// Several workers add to one filter at a time.

/** Spreads what the hash has: its upper bits choose the word, others the bits. */
// @ts-ignore: decorator
@inline
function spread(hash: u64): u64 {
  return (hash ^ (hash >> 32)) * 0x9fb21c651e98df25
}

// @ts-ignore: decorator
@inline
function wordAt(filter: u32, words: u32, spreadHash: u64): u32 {
  return filter + (<u32>(((spreadHash >> 32) * <u64>words) >> 32) << 3)
}

// @ts-ignore: decorator
@inline
function bitsOf(x: u64): u64 {
  const one: u64 = 1
  return (one << ((x >> 8) & 63)) | (one << ((x >> 14) & 63)) | (one << ((x >> 20) & 63)) | (one << ((x >> 26) & 63))
}

/**
 * Adds adjacent rows, whose hash (u64) comes first.
 * @param filter u64 × words, 8-byte aligned; other threads may add to it, none may test yet
 */
export function addToFilter(first: u32, rowCount: u32, rowBytes: u32, filter: u32, words: u32): void {
  let row = first
  for (let i: u32 = 0; i < rowCount; i++) {
    const x = spread(load<u64>(row))
    const at = wordAt(filter, words, x)
    const bits = bitsOf(x)
    if ((load<u64>(at) & bits) != bits) atomic.or<u64>(at, bits)
    row += rowBytes
  }
}

/**
 * Divides selected rows as divideSpilled does (see join.ts), and tells of those whose partition is on disk which ones
 * have no match there: they are not in the filter.
 * @param hashes u64 × n
 * @param table entries of joinTable (see codegen), one per partition
 * @param keepsMisses 1: rows without a match count as rows whose partition is in memory; 0: they are in neither list
 * @param here, away u32 × n each: indices of rows, in order
 * @param counts u32 × 3: rows in `here`, rows in `away`, rows that the filter ruled out
 */
export function divideFiltered(
  hashes: u32,
  selection: u32,
  n: u32,
  table: u32,
  partitionBits: u32,
  filter: u32,
  words: u32,
  keepsMisses: u32,
  here: u32,
  away: u32,
  counts: u32,
): void {
  let stays: u32 = 0
  let leaves: u32 = 0
  let misses: u32 = 0
  const shift = 63 - <u64>partitionBits
  for (let k: u32 = 0; k < n; k++) {
    const hash = load<u64>(hashes + (k << 3))
    const isSpilled = load<u32>(table + (<u32>((hash >> 1) >> shift) << 4), 8) & 1
    const x = spread(hash)
    const bits = bitsOf(x)
    const isMissing = <u32>((load<u64>(wordAt(filter, words, x)) & bits) != bits)
    const index = selection == 0 ? k : load<u32>(selection + (k << 2))
    store<u32>(here + (stays << 2), index)
    store<u32>(away + (leaves << 2), index)
    stays += (isSpilled ^ 1) | (isMissing & keepsMisses)
    leaves += isSpilled & (isMissing ^ 1)
    misses += isSpilled & isMissing
  }
  store<u32>(counts, stays)
  store<u32>(counts, leaves, 4)
  store<u32>(counts, misses, 8)
}
