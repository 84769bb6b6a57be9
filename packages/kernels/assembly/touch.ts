// Kernels that only touch memory. A loop of loads that do not depend on one another has many cache misses under way at
// a time, where the loop that does the work would wait for each; it then finds everything in the cache. They return a
// number made of all that was read, so that no compiler leaves the loads out.

const INLINE_MAX: u32 = 12
const LINE_BYTES: u32 = 64
/** Of a longer string only this much is touched: the rest follows one another, which the machine foresees. */
const TOUCHED_MAX: u32 = 256

/**
 * Touches the home slots of hashes in a directory of rows (u64 slots: low word row, high word low half of the hash).
 * @param hashes u64 each, `stride` bytes apart; those of [start, end)
 * @param rows u32 each: a row that may be the hash's own, or 0. It is right for touching only
 */
export function touchSlots(
  hashes: u32,
  stride: u32,
  start: u32,
  end: u32,
  directory: u32,
  directoryBits: u32,
  levelShift: u32,
  rows: u32,
): void {
  const shift: u64 = 64 - <u64>directoryBits
  const last: u32 = <u32>((<u64>1 << <u64>directoryBits) - 1)
  for (let i = start; i < end; i++) {
    const hash = load<u64>(hashes + i * stride)
    const slot = <u32>((hash << <u64>levelShift) >> shift)
    const entry = load<u64>(directory + (slot << 3))
    // A slot of another hash: most often the next one is meant, which lies in the same cache line.
    const next = load<u64>(directory + (min(slot + 1, last) << 3))
    const isOwn = <u32>(entry >>> 32) == <u32>hash
    store<u32>(rows + (i << 2), <u32>(isOwn ? entry : next))
  }
}

/** Touches rows [start, end) of a list of addresses, 0 = none: each from its first to its last byte. */
export function touchRows(rows: u32, start: u32, end: u32, rowBytes: u32): u32 {
  let seen: u32 = 0
  for (let i = start; i < end; i++) {
    const row = load<u32>(rows + (i << 2))
    if (row == 0) continue
    seen ^= load<u32>(row) ^ load<u32>(row + rowBytes - 4)
    for (let at = LINE_BYTES; at < rowBytes - 4; at += LINE_BYTES) seen ^= load<u32>(row + at)
  }
  return seen
}

@inline
function touchString(view: u32): u32 {
  const length = load<u32>(view)
  if (length <= INLINE_MAX) return 0
  const address = load<u32>(view, 8)
  const touched = min(length, TOUCHED_MAX)
  let seen: u32 = load<u8>(address + touched - 1)
  for (let at: u32 = 0; at < touched; at += LINE_BYTES) seen ^= load<u8>(address + at)
  return seen
}

/** Touches the long string that each of those rows keeps in the view at byte `offset`. */
export function touchRowStrings(rows: u32, start: u32, end: u32, offset: u32): u32 {
  let seen: u32 = 0
  for (let i = start; i < end; i++) {
    const row = load<u32>(rows + (i << 2))
    if (row != 0) seen ^= touchString(row + offset)
  }
  return seen
}

/**
 * Touches the long strings of a column.
 * @param validity one byte per row, or 0 = no nulls (a null row's view may be anything)
 * @param selection indices of the column's rows, of which [start, end) are touched; 0 = all rows
 */
export function touchViews(views: u32, validity: u32, selection: u32, start: u32, end: u32): u32 {
  let seen: u32 = 0
  for (let i = start; i < end; i++) {
    const row = selection == 0 ? i : load<u32>(selection + (i << 2))
    if (validity == 0 || load<u8>(validity + row) != 0) seen ^= touchString(views + (row << 4))
  }
  return seen
}
