// Dictionaries of a column chunk: value → index, in a hash table with open addressing that never grows.
//
//   state (u32 words)    0 slots        4 slots - 1 (a power of two less one)
//                        8 entries     12 most entries, at most 65,535 and at most half of the slots
//                       16 first byte of the dictionary as Parquet stores it (PLAIN)
//                       20 its next free byte        24 its end
//                       28 strings: views of the entries, 16 bytes each    32 out: indices written
//                       36 strings: bytes that PLAIN would have taken, added up
//   slots                fixed width: u16 entry + 1, 0 = empty; strings: u32, tag << 16 | entry + 1
//
// Slots are zero before the first call. Indices are u16. The table is full when a new value would exceed the entries or
// the bytes; then the rows before it are taken and no more.
import { copyWild } from './encode-values'
import { longBytesEqual } from '../rows'
import { hashBytes } from '../strings'

const INLINE_MAX: u32 = 12
const FACTOR: u64 = 0x9e3779b97f4a7c15
const FACTOR_2: u64 = 0xc2b2ae3d27d4eb4f

/** What leaves the highest bits of a product, which depend on all bits of its factors, as the number of a slot. */
@inline
function slotShift(mask: u32): u64 {
  return <u64>(32 + clz<u32>(mask))
}

/** Values of T, which are equal when their bits are. */
@inline
function indexValues<T>(values: usize, count: u32, state: usize, indices: usize): u32 {
  const slots: usize = load<u32>(state)
  const mask: u32 = load<u32>(state, 4)
  const shift = slotShift(mask)
  let entries: u32 = load<u32>(state, 8)
  const limit: u32 = load<u32>(state, 12)
  const bytes: usize = load<u32>(state, 16)
  let k: u32 = 0
  for (; k < count; k++) {
    const value = load<T>(values + <usize>k * sizeof<T>())
    let slot: u32 = <u32>((<u64>value * FACTOR) >>> shift)
    let entry: u32
    for (;;) {
      entry = load<u16>(slots + (<usize>slot << 1))
      if (entry == 0 || load<T>(bytes + <usize>(entry - 1) * sizeof<T>()) == value) break
      slot = (slot + 1) & mask
    }
    if (entry == 0) {
      if (entries == limit) break
      store<T>(bytes + <usize>entries * sizeof<T>(), value)
      entries += 1
      entry = entries
      store<u16>(slots + (<usize>slot << 1), <u16>entry)
    }
    store<u16>(indices + (<usize>k << 1), <u16>(entry - 1))
  }
  store<u32>(state, entries, 8)
  store<u32>(state, <u32>(bytes + <usize>entries * sizeof<T>()), 20)
  return k
}

/** Values of `width` 9 … 16 bytes: two words that overlap. */
function indexWide(values: usize, count: u32, width: u32, state: usize, indices: usize): u32 {
  const slots: usize = load<u32>(state)
  const mask: u32 = load<u32>(state, 4)
  const shift = slotShift(mask)
  let entries: u32 = load<u32>(state, 8)
  const limit: u32 = load<u32>(state, 12)
  const bytes: usize = load<u32>(state, 16)
  const second = width - 8
  let k: u32 = 0
  for (; k < count; k++) {
    const value = values + <usize>k * width
    const first = load<u64>(value)
    const rest = load<u64>(value + second)
    let slot: u32 = <u32>((((first * FACTOR_2) ^ rest) * FACTOR) >>> shift)
    let entry: u32
    for (;;) {
      entry = load<u16>(slots + (<usize>slot << 1))
      if (entry == 0) break
      const known = bytes + <usize>(entry - 1) * width
      if (load<u64>(known) == first && load<u64>(known + second) == rest) break
      slot = (slot + 1) & mask
    }
    if (entry == 0) {
      if (entries == limit) break
      const known = bytes + <usize>entries * width
      store<u64>(known, first)
      store<u64>(known + second, rest)
      entries += 1
      entry = entries
      store<u16>(slots + (<usize>slot << 1), <u16>entry)
    }
    store<u16>(indices + (<usize>k << 1), <u16>(entry - 1))
  }
  store<u32>(state, entries, 8)
  store<u32>(state, <u32>(bytes + <usize>entries * width), 20)
  return k
}

/**
 * Indices of values as Parquet stores them (what plainFixed wrote). The room must hold as many values as entries.
 * @param width 4, 8, or 9 … 16 bytes
 * @param indices u16 × count
 * @returns values taken
 */
export function dictionaryFixed(values: usize, count: u32, width: u32, state: usize, indices: usize): u32 {
  if (width == 4) return indexValues<u32>(values, count, state, indices)
  if (width == 8) return indexValues<u64>(values, count, state, indices)
  return indexWide(values, count, width, state, indices)
}

@inline
function hashInline(head: u64, tail: u64): u64 {
  // The product's low half knows only the low half of the view's words: folded in, then spread again.
  const hash = (head ^ rotl<u64>(tail * FACTOR_2, 29)) * FACTOR
  return (hash ^ (hash >>> 32)) * FACTOR_2
}

/** Whether the view of an entry is that of the string { head, tail }. */
@inline
function isEntry(view: usize, head: u64, tail: u64): bool {
  if (load<u64>(view) != head) return false
  if (<u32>head <= INLINE_MAX) return load<u64>(view, 8) == tail
  return longBytesEqual(load<u32>(view, 8), <u32>tail, <u32>head) != 0
}

/**
 * Indices of the selected, valid strings.
 * @param indices u16 × rowCount; state word 32 says how many were written
 * @returns rows taken
 */
export function dictionaryViews(
  views: usize,
  validity: usize,
  selection: usize,
  rowCount: u32,
  state: usize,
  indices: usize,
): u32 {
  const slots: usize = load<u32>(state)
  const mask: u32 = load<u32>(state, 4)
  const shift = slotShift(mask)
  let entries: u32 = load<u32>(state, 8)
  const limit: u32 = load<u32>(state, 12)
  let cursor: usize = load<u32>(state, 20)
  const end: usize = load<u32>(state, 24)
  const known: usize = load<u32>(state, 28)
  let plainBytes: u32 = load<u32>(state, 36)
  const start = indices
  let k: u32 = 0
  for (; k < rowCount; k++) {
    const row = selection == 0 ? k : load<u32>(selection + (<usize>k << 2))
    if (validity != 0 && load<u8>(validity + row) == 0) continue
    const view = views + (<usize>row << 4)
    const head = load<u64>(view)
    const tail = load<u64>(view, 8)
    const length = <u32>head
    const isLong = length > INLINE_MAX
    const hash = isLong ? hashBytes(<usize>tail, length) : hashInline(head, tail)
    const tag: u32 = <u32>(hash >>> 24) & 0xffff
    let slot: u32 = <u32>(hash >>> shift)
    let entry: u32
    for (;;) {
      const found = load<u32>(slots + (<usize>slot << 2))
      entry = found & 0xffff
      if (entry == 0) break
      if (found >>> 16 == tag && isEntry(known + (<usize>(entry - 1) << 4), head, tail)) break
      slot = (slot + 1) & mask
    }
    if (entry == 0) {
      if (entries == limit || <u64>cursor + 4 + <u64>length > <u64>end) break
      store<u32>(cursor, length)
      cursor += 4
      const other = known + (<usize>entries << 4)
      store<u64>(other, head)
      if (isLong) {
        copyWild(<usize>tail, cursor, length)
        store<u64>(other, <u64>cursor, 8)
      } else {
        v128.store(cursor, v128.load(view, 4))
        store<u64>(other, tail, 8)
      }
      cursor += length
      entries += 1
      entry = entries
      store<u32>(slots + (<usize>slot << 2), (tag << 16) | entry)
    }
    plainBytes += 4 + length
    store<u16>(indices, <u16>(entry - 1))
    indices += 2
  }
  store<u32>(state, entries, 8)
  store<u32>(state, <u32>cursor, 20)
  store<u32>(state, <u32>((indices - start) >>> 1), 32)
  store<u32>(state, plainBytes, 36)
  return k
}

/**
 * The values behind indices, as PLAIN stores them: for a dictionary that turned out not to be worth its bytes.
 * @param width bytes of a value, or 0 for strings
 * @returns where the values end; what lies up to 16 bytes past it is clobbered
 */
export function dictionaryExpand(state: usize, indices: usize, count: u32, width: u32, target: usize): usize {
  if (width == 0) {
    const known: usize = load<u32>(state, 28)
    for (let k: u32 = 0; k < count; k++) {
      const view = known + (<usize>load<u16>(indices + (<usize>k << 1)) << 4)
      const length = load<u32>(view)
      store<u32>(target, length)
      target += 4
      if (length <= INLINE_MAX) v128.store(target, v128.load(view, 4))
      else copyWild(load<u32>(view, 8), target, length)
      target += length
    }
    return target
  }
  const bytes: usize = load<u32>(state, 16)
  for (let k: u32 = 0; k < count; k++) {
    const value = bytes + <usize>load<u16>(indices + (<usize>k << 1)) * width
    v128.store(target, v128.load(value))
    target += width
  }
  return target
}
