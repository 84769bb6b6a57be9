// Kernels of the hash join: what is done with the matches that generated code found. Arrays of rows and of row indices
// are u32; a row is its address, 0 = none.

/**
 * Keeps the rows that have a match.
 * @param rows u32 × n, one per selected row; compacted in place
 * @param selection indices of the selected rows, or 0: row k has index k
 * @param target u32 × n: their indices; may be the selection
 * @returns how many there are
 */
export function keepMatched(rows: u32, selection: u32, n: u32, target: u32): u32 {
  let kept: u32 = 0
  for (let k: u32 = 0; k < n; k++) {
    const row = load<u32>(rows + (k << 2))
    const index = selection == 0 ? k : load<u32>(selection + (k << 2))
    store<u32>(rows + (kept << 2), row)
    store<u32>(target + (kept << 2), index)
    kept += <u32>(row != 0)
  }
  return kept
}

/** Indices of the rows without a match; parameters as of keepMatched, `rows` is only read. */
export function keepUnmatched(rows: u32, selection: u32, n: u32, target: u32): u32 {
  let kept: u32 = 0
  for (let k: u32 = 0; k < n; k++) {
    const index = selection == 0 ? k : load<u32>(selection + (k << 2))
    store<u32>(target + (kept << 2), index)
    kept += <u32>(load<u32>(rows + (k << 2)) == 0)
  }
  return kept
}

/** Puts `filler` in the place of 0. Returns how often. */
export function fillMissing(rows: u32, n: u32, filler: u32): u32 {
  let filled: u32 = 0
  for (let k: u32 = 0; k < n; k++) {
    const row = load<u32>(rows + (k << 2))
    store<u32>(rows + (k << 2), row == 0 ? filler : row)
    filled += <u32>(row == 0)
  }
  return filled
}

/** Sets the byte at `offset` of each row to 1. Rows may repeat; 0 is passed over. */
export function markRows(rows: u32, n: u32, offset: u32): void {
  for (let k: u32 = 0; k < n; k++) {
    const row = load<u32>(rows + (k << 2))
    if (row != 0) store<u8>(row + offset, 1)
  }
}

/** Addresses of the rows whose byte at `offset` is 1, among rowCount adjacent ones. @param out u32 × rowCount */
export function collectMarked(first: u32, rowCount: u32, rowBytes: u32, offset: u32, out: u32): u32 {
  let n: u32 = 0
  let row = first
  for (let i: u32 = 0; i < rowCount; i++) {
    store<u32>(out + (n << 2), row)
    n += <u32>(load<u8>(row + offset) != 0)
    row += rowBytes
  }
  return n
}

/**
 * A field of rows as a column.
 * @param indices where to put each row's value, u32 × n; 0 = the k-th at k
 * @param width 1, 2, 4, 8 or 16 bytes
 */
export function gatherField(rows: u32, indices: u32, n: u32, offset: u32, width: u32, target: u32): void {
  if (width == 8) gather<u64>(rows, indices, n, offset, target)
  else if (width == 16) gatherPairs(rows, indices, n, offset, target)
  else if (width == 4) gather<u32>(rows, indices, n, offset, target)
  else if (width == 2) gather<u16>(rows, indices, n, offset, target)
  else gather<u8>(rows, indices, n, offset, target)
}

function gather<T>(rows: u32, indices: u32, n: u32, offset: u32, target: u32): void {
  if (indices == 0) {
    for (let k: u32 = 0; k < n; k++) {
      store<T>(target + k * sizeof<T>(), load<T>(load<u32>(rows + (k << 2)) + offset))
    }
    return
  }
  for (let k: u32 = 0; k < n; k++) {
    const index = load<u32>(indices + (k << 2))
    store<T>(target + index * sizeof<T>(), load<T>(load<u32>(rows + (k << 2)) + offset))
  }
}

function gatherPairs(rows: u32, indices: u32, n: u32, offset: u32, target: u32): void {
  for (let k: u32 = 0; k < n; k++) {
    const source = load<u32>(rows + (k << 2)) + offset
    const at = target + ((indices == 0 ? k : load<u32>(indices + (k << 2))) << 4)
    store<u64>(at, load<u64>(source))
    store<u64>(at, load<u64>(source, 8), 8)
  }
}

/**
 * Validity of a field: a byte per row, at its index.
 * @param flagOffset where the rows hold it; 0xffffffff: never null but in `nullRow`
 * @param nullRow stands for a missing row; all its flags are 0
 * @returns how many are null
 */
export function gatherFlags(rows: u32, indices: u32, n: u32, flagOffset: u32, nullRow: u32, target: u32): u32 {
  let valid: u32 = 0
  const isStored = flagOffset != 0xffffffff
  for (let k: u32 = 0; k < n; k++) {
    const row = load<u32>(rows + (k << 2))
    const flag: u32 = isStored ? <u32>load<u8>(row + flagOffset) : <u32>(row != nullRow)
    const index = indices == 0 ? k : load<u32>(indices + (k << 2))
    store<u8>(target + index, <u8>flag)
    valid += flag
  }
  return n - valid
}

/**
 * Divides selected rows by whether their partition is spilled; see joinTable of codegen for the table.
 * @param hashes u64 × n
 * @param here, away u32 × n each: indices of the rows whose partition is in memory, and of the others
 * @returns how many are in memory
 */
export function divideSpilled(
  hashes: u32,
  selection: u32,
  n: u32,
  table: u32,
  partitionBits: u32,
  here: u32,
  away: u32,
): u32 {
  let stays: u32 = 0
  let leaves: u32 = 0
  const shift = 63 - <u64>partitionBits
  for (let k: u32 = 0; k < n; k++) {
    const partition = <u32>((load<u64>(hashes + (k << 3)) >> 1) >> shift)
    const isSpilled = load<u32>(table + (partition << 4), 8) & 1
    const index = selection == 0 ? k : load<u32>(selection + (k << 2))
    store<u32>(here + (stays << 2), index)
    store<u32>(away + (leaves << 2), index)
    stays += 1 - isSpilled
    leaves += isSpilled
  }
  return stays
}

/**
 * For a replayed batch: what is known of its rows from earlier replays, and what they learn now.
 * @param rows u32 × n, the match of row k or 0
 * @param seen u8 × n: 1 = it had a match before; becomes 1 where there is one now
 * @param dropsSeen 1: matches of rows that had one before become 0
 */
export function noteSeen(rows: u32, n: u32, seen: u32, dropsSeen: u32): void {
  for (let k: u32 = 0; k < n; k++) {
    const row = load<u32>(rows + (k << 2))
    const before = <u32>load<u8>(seen + k)
    store<u8>(seen + k, <u8>(before | <u32>(row != 0)))
    store<u32>(rows + (k << 2), (before & dropsSeen) != 0 ? 0 : row)
  }
}

/** rows[k] becomes `filler` where it is 0 and seen[k] is 0. */
export function fillUnseen(rows: u32, n: u32, seen: u32, filler: u32): void {
  for (let k: u32 = 0; k < n; k++) {
    const row = load<u32>(rows + (k << 2))
    store<u32>(rows + (k << 2), (row | <u32>load<u8>(seen + k)) == 0 ? filler : row)
  }
}

/** Indices of the bytes that are 0. @param target u32 × n. Returns how many there are. */
export function keepUnseen(seen: u32, n: u32, target: u32): u32 {
  let kept: u32 = 0
  for (let k: u32 = 0; k < n; k++) {
    store<u32>(target + (kept << 2), k)
    kept += <u32>(load<u8>(seen + k) == 0)
  }
  return kept
}

/** Adds to counts[b] (u32 × 16) the rows whose hash has b in the four bits behind the first `levelShift` ones. */
export function countHashBits(first: u32, rowCount: u32, rowBytes: u32, levelShift: u32, counts: u32): void {
  let row = first
  for (let i: u32 = 0; i < rowCount; i++) {
    const at = counts + (<u32>((load<u64>(row) << <u64>levelShift) >> 60) << 2)
    store<u32>(at, load<u32>(at) + 1)
    row += rowBytes
  }
}

/** The next row of each row's chain, u32 × n; 0 where there is no row. */
export function loadLinks(rows: u32, n: u32, offset: u32, target: u32): void {
  for (let k: u32 = 0; k < n; k++) {
    const row = load<u32>(rows + (k << 2))
    store<u32>(target + (k << 2), row == 0 ? 0 : load<u32>(row + offset))
  }
}
