/**
 * Signatures of the kernels in assembly/join.ts and join-filter.ts.
 *
 * Arrays of rows (addresses, 0 = none) and of row indices are u32, one element per selected row; a selection of 0 means
 * that row k has index k.
 */
export interface JoinKernels {
  /** Compacts `rows` to those that are not 0, and writes their indices. Returns how many. */
  keepMatched(rows: number, selection: number, n: number, target: number): number
  /** Writes the indices of the rows that are 0. Returns how many. */
  keepUnmatched(rows: number, selection: number, n: number, target: number): number
  /** Puts `filler` in the place of 0. Returns how often. */
  fillMissing(rows: number, n: number, filler: number): number
  /** Sets the byte at `offset` of each row to 1; rows may repeat, 0 is passed over. */
  markRows(rows: number, n: number, offset: number): void
  /** Addresses of the rows whose byte at `offset` is not 0, among rowCount adjacent ones. */
  collectMarked(first: number, rowCount: number, rowBytes: number, offset: number, out: number): number
  /** A field of `width` bytes of each row, to target[indices[k]], or target[k] with indices 0. */
  gatherField(rows: number, indices: number, n: number, offset: number, width: number, target: number): void
  /** Validity of a field; flagOffset -1: null in `nullRow` only. Returns how many are null. */
  gatherFlags(rows: number, indices: number, n: number, flagOffset: number, nullRow: number, target: number): number
  /** Indices of the rows whose partition is in memory (`here`) and of the others (`away`). Returns how many stay. */
  divideSpilled(
    hashes: number,
    selection: number,
    n: number,
    table: number,
    partitionBits: number,
    here: number,
    away: number,
  ): number
  /** Adds adjacent rows, by their hash, to a Bloom filter of u64 × words. Several threads may at a time. */
  addToFilter(first: number, rowCount: number, rowBytes: number, filter: number, words: number): void
  /**
   * As divideSpilled; but rows whose partition is on disk and that the filter rules out are in neither list, or, with
   * keepsMisses 1, among those that stay. counts: u32 × 3, how many stay, leave, and were ruled out.
   */
  divideFiltered(
    hashes: number,
    selection: number,
    n: number,
    table: number,
    partitionBits: number,
    filter: number,
    words: number,
    keepsMisses: number,
    here: number,
    away: number,
    counts: number,
  ): void
  /**
   * Notes in seen[k] (one byte per row) that row k has a match. With dropsSeen 1 matches of rows that had one before
   * become 0.
   */
  noteSeen(rows: number, n: number, seen: number, dropsSeen: number): void
  /** Puts `filler` where there is no match and none was seen before. */
  fillUnseen(rows: number, n: number, seen: number, filler: number): void
  /** Indices of the rows whose byte in `seen` is 0. Returns how many. */
  keepUnseen(seen: number, n: number, target: number): number
  /** Adds to 16 u32 how many rows have each value in the four hash bits behind the first `levelShift` ones. */
  countHashBits(first: number, rowCount: number, rowBytes: number, levelShift: number, counts: number): void
  /** target[k] = the u32 at `offset` of row k, or 0 without one. */
  loadLinks(rows: number, n: number, offset: number, target: number): void
}
