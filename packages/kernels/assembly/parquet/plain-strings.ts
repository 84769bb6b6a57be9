// Byte strings as Parquet stores them (plain: length u32, bytes) to views into those bytes.
//
// A short string with its length is, but for the padding, the view itself. State, u32 words:
//
//    0 cursor   4 end of the bytes there   8 hasHighBytes (set when a byte is not ASCII)
//
// Sources are read up to 16 bytes past their end.

import { viewOf } from './view'

const CURSOR: usize = 0
const END: usize = 4
const HAS_HIGH_BYTES: usize = 8

/** The bytes of a string of more than 12 bytes, or-ed together (up to three bytes before it take part). */
@inline
function orBytes(bytes: usize, length: u32): v128 {
  const last = bytes + length - 16
  let seen = v128.load(last)
  for (; bytes < last; bytes += 16) seen = v128.or(seen, v128.load(bytes))
  return seen
}

/**
 * Views of up to `count` strings, as far as they are there.
 * @param target views × count
 * @returns how many; fewer than count = the next one is not there completely
 */
export function plainStrings(state: usize, count: u32, target: usize): u32 {
  const end = load<u32>(state, END)
  let cursor = load<u32>(state, CURSOR)
  let seen = i64x2.splat(0)
  let done: u32 = 0
  for (; done < count; done++) {
    if (end - cursor < 4) break
    const length = load<u32>(cursor)
    if (end - cursor - 4 < length) break
    const bytes = cursor + 4
    const view = viewOf(bytes, length)
    v128.store(target, view)
    seen = v128.or(seen, length <= 12 ? view : orBytes(bytes, length))
    target += 16
    cursor = bytes + length
  }
  store<u32>(state, cursor, CURSOR)
  if (i8x16.bitmask(seen) != 0) store<u32>(state, 1, HAS_HIGH_BYTES)
  return done
}

/** Moves behind up to `count` strings, as far as they are there; returns how many. */
export function plainStringsSkip(state: usize, count: u32): u32 {
  const end = load<u32>(state, END)
  let cursor = load<u32>(state, CURSOR)
  let done: u32 = 0
  for (; done < count; done++) {
    if (end - cursor < 4) break
    const length = load<u32>(cursor)
    if (end - cursor - 4 < length) break
    cursor += length + 4
  }
  store<u32>(state, cursor, CURSOR)
  return done
}

/**
 * Views of strings whose lengths stand elsewhere and whose bytes follow one another.
 * @param lengths u32 × count
 * @param target views × count
 * @returns how many are there completely
 */
export function adjacentStrings(state: usize, lengths: usize, count: u32, target: usize): u32 {
  const end = load<u32>(state, END)
  let cursor = load<u32>(state, CURSOR)
  let seen = i64x2.splat(0)
  let done: u32 = 0
  for (; done < count; done++) {
    const length = load<u32>(lengths)
    if (end - cursor < length) break
    const view = viewOf(cursor, length)
    v128.store(target, view)
    // The three bytes before a string may be those of another one: a false alarm costs only a closer look.
    seen = v128.or(seen, length <= 12 ? view : orBytes(cursor, length))
    lengths += 4
    target += 16
    cursor += length
  }
  store<u32>(state, cursor, CURSOR)
  if (i8x16.bitmask(seen) != 0) store<u32>(state, 1, HAS_HIGH_BYTES)
  return done
}

/** As adjacentStrings, without writing views. */
export function adjacentStringsSkip(state: usize, lengths: usize, count: u32): u32 {
  const end = load<u32>(state, END)
  let cursor = load<u32>(state, CURSOR)
  let done: u32 = 0
  for (; done < count; done++) {
    const length = load<u32>(lengths)
    if (end - cursor < length) break
    lengths += 4
    cursor += length
  }
  store<u32>(state, cursor, CURSOR)
  return done
}

/**
 * Views of strings of one length whose bytes follow one another.
 * @param target views × count
 * @returns how many are there completely
 */
export function fixedStrings(state: usize, length: u32, count: u32, target: usize): u32 {
  const end = load<u32>(state, END)
  let cursor = load<u32>(state, CURSOR)
  let seen = i64x2.splat(0)
  let done: u32 = 0
  for (; done < count; done++) {
    if (end - cursor < length) break
    const view = viewOf(cursor, length)
    v128.store(target, view)
    seen = v128.or(seen, length <= 12 ? view : orBytes(cursor, length))
    target += 16
    cursor += length
  }
  store<u32>(state, cursor, CURSOR)
  if (i8x16.bitmask(seen) != 0) store<u32>(state, 1, HAS_HIGH_BYTES)
  return done
}

/** As fixedStrings, without writing views. */
export function fixedStringsSkip(state: usize, length: u32, count: u32): u32 {
  const cursor = load<u32>(state, CURSOR)
  const there = length == 0 ? count : (load<u32>(state, END) - cursor) / length
  const done = there < count ? there : count
  store<u32>(state, cursor + done * length, CURSOR)
  return done
}

/** Whether a byte continues a character. */
@inline
function isTail(byte: u32): bool {
  return (byte & 0xc0) == 0x80
}

/** Whether `length` bytes are UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
export function isUtf8(bytes: usize, length: u32): u32 {
  const end = bytes + length
  while (bytes < end) {
    const lead = <u32>load<u8>(bytes)
    if (lead < 0x80) {
      // Runs of ASCII, eight bytes at a time.
      while (bytes + 8 <= end && (load<u64>(bytes) & 0x8080808080808080) == 0) bytes += 8
      while (bytes < end && load<u8>(bytes) < 0x80) bytes++
      continue
    }
    const left = <u32>(end - bytes)
    const next = <u32>load<u8>(bytes, 1)
    if (lead < 0xe0) {
      if (lead < 0xc2 || left < 2 || !isTail(next)) return 0
      bytes += 2
    } else if (lead < 0xf0) {
      if (left < 3 || !isTail(next) || !isTail(load<u8>(bytes, 2))) return 0
      if (lead == 0xe0 && next < 0xa0) return 0
      if (lead == 0xed && next > 0x9f) return 0
      bytes += 3
    } else {
      if (lead > 0xf4 || left < 4 || !isTail(next)) return 0
      if (!isTail(load<u8>(bytes, 2)) || !isTail(load<u8>(bytes, 3))) return 0
      if (lead == 0xf0 && next < 0x90) return 0
      if (lead == 0xf4 && next > 0x8f) return 0
      bytes += 4
    }
  }
  return 1
}

/** Whether all views hold UTF-8. */
export function viewsAreUtf8(views: usize, count: u32): u32 {
  const end = views + (<usize>count << 4)
  for (; views < end; views += 16) {
    const length = load<u32>(views)
    if (isUtf8(length <= 12 ? views + 4 : <usize>load<u32>(views, 8), length) == 0) return 0
  }
  return 1
}
