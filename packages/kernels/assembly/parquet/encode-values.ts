// Parquet's PLAIN values out of a batch's columns: rows that are selected and not null, one behind the other.
//
// A column's rows are given by `selection` (u32 × rowCount row numbers, or 0 for rows 0 … rowCount) and `validity`
// (one byte per row, or 0 for no nulls). Sources are readable 16 bytes past their end, targets writable 64 bytes past
// it, and they do not overlap.

const INLINE_MAX: u32 = 12

/** Loads an S every `stride` bytes, stores it as T; nulls leave no value. Returns how many values were stored. */
@inline
function compact<S, T>(
  values: usize,
  stride: usize,
  validity: usize,
  selection: usize,
  rowCount: u32,
  target: usize,
): u32 {
  if (selection == 0) {
    if (validity == 0) {
      for (let row: u32 = 0; row < rowCount; row++) {
        store<T>(target, <T>load<S>(values))
        values += stride
        target += sizeof<T>()
      }
      return rowCount
    }
    const start = target
    for (let row: u32 = 0; row < rowCount; row++) {
      // Stored always, kept if valid: no branch to predict.
      store<T>(target, <T>load<S>(values))
      values += stride
      target += <usize>load<u8>(validity + row) * sizeof<T>()
    }
    return <u32>((target - start) / sizeof<T>())
  }
  const start = target
  for (let k: u32 = 0; k < rowCount; k++) {
    const row = load<u32>(selection + (<usize>k << 2))
    store<T>(target, <T>load<S>(values + <usize>row * stride))
    target += validity == 0 ? sizeof<T>() : <usize>load<u8>(validity + row) * sizeof<T>()
  }
  return <u32>((target - start) / sizeof<T>())
}

/** Two's complement, most significant byte first, `width` 9 … 16 bytes. */
function compactDecimals(
  values: usize,
  width: u32,
  validity: usize,
  selection: usize,
  rowCount: u32,
  target: usize,
): u32 {
  let count: u32 = 0
  for (let k: u32 = 0; k < rowCount; k++) {
    const row = selection == 0 ? k : load<u32>(selection + (<usize>k << 2))
    if (validity != 0 && load<u8>(validity + row) == 0) continue
    const from = values + (<usize>row << 4)
    // All sixteen bytes in their order; the last `width` of them are the value.
    const low = bswap<u64>(load<u64>(from))
    const high = bswap<u64>(load<u64>(from, 8))
    const drop = <u64>(16 - width) << 3
    store<u64>(target, drop == 0 ? high : (high >>> drop) | (low << (64 - drop)))
    store<u64>(target + width - 8, low)
    target += width
    count += 1
  }
  return count
}

/**
 * Values of fixed width as Parquet stores them.
 * @param form what is read and what is written, see `plainForm` in packages/kernels/src/parquet-encode-kernels.ts
 * @param width bytes of a stored value; only looked at for decimals of more than 18 digits (9 … 16)
 * @returns how many values were stored: the rows that are not null
 */
export function plainFixed(
  values: usize,
  validity: usize,
  selection: usize,
  rowCount: u32,
  form: u32,
  width: u32,
  target: usize,
): u32 {
  const isWhole = validity == 0 && selection == 0
  switch (form) {
    case 0:
      return compact<i8, i32>(values, 1, validity, selection, rowCount, target)
    case 1:
      return compact<u8, u32>(values, 1, validity, selection, rowCount, target)
    case 2:
      return compact<i16, i32>(values, 2, validity, selection, rowCount, target)
    case 3:
      return compact<u16, u32>(values, 2, validity, selection, rowCount, target)
    case 4:
      if (isWhole) {
        memory.copy(target, values, <usize>rowCount << 2)
        return rowCount
      }
      return compact<u32, u32>(values, 4, validity, selection, rowCount, target)
    case 5:
      if (isWhole) {
        memory.copy(target, values, <usize>rowCount << 3)
        return rowCount
      }
      return compact<u64, u64>(values, 8, validity, selection, rowCount, target)
    case 6:
      return compact<u32, u32>(values, 16, validity, selection, rowCount, target)
    case 7:
      return compact<u64, u64>(values, 16, validity, selection, rowCount, target)
    case 8:
      return compactDecimals(values, width, validity, selection, rowCount, target)
    default:
      return compact<u8, u8>(values, 1, validity, selection, rowCount, target)
  }
}

/** Copies `length` bytes; reads and writes up to 15 bytes past them. */
@inline
export function copyWild(from: usize, to: usize, length: u32): void {
  if (length > 256) {
    memory.copy(to, from, length)
    return
  }
  const end = to + length
  do {
    v128.store(to, v128.load(from))
    from += 16
    to += 16
  } while (to < end)
}

/**
 * Strings, each as its length (u32) and its bytes.
 * @param state words: 0 in and out, where to write next; 4 in, end of the room (the writes of a value end at most 16
 *   bytes past it); 8 out, how many values were written
 * @returns rows taken: fewer than rowCount when the next value does not fit
 */
export function plainViews(views: usize, validity: usize, selection: usize, rowCount: u32, state: usize): u32 {
  let cursor: usize = load<u32>(state)
  const end: usize = load<u32>(state, 4)
  let count: u32 = 0
  let k: u32 = 0
  for (; k < rowCount; k++) {
    const row = selection == 0 ? k : load<u32>(selection + (<usize>k << 2))
    if (validity != 0 && load<u8>(validity + row) == 0) continue
    const view = views + (<usize>row << 4)
    const length = load<u32>(view)
    if (<u64>cursor + 4 + <u64>length > <u64>end) break
    store<u32>(cursor, length)
    cursor += 4
    if (length <= INLINE_MAX) v128.store(cursor, v128.load(view, 4))
    else copyWild(load<u32>(view, 8), cursor, length)
    cursor += length
    count += 1
  }
  store<u32>(state, <u32>cursor)
  store<u32>(state, count, 8)
  return k
}
