// The symbols of a deflate block: a fast loop while far from the ends of input and room, one at a time near them.

import { BIT_OFFSET, DISTANCE_TABLE, PENDING_DISTANCE, PENDING_LENGTH, PRODUCED, REMAINING } from './inflate-state'
import { SYMBOL_TABLE } from './inflate-state'
import { DISTANCE_BITS, END_OF_BLOCK, LITERAL, LONGER, SYMBOL_BITS, VALUE } from './inflate-tables'
import { copyBack } from './window-copy'
import { CORRUPT, DONE, IN_CURSOR, IN_END, NEED_INPUT, OUT_CURSOR, OUT_END, OUTPUT_FULL } from './zstd-state'
import { WINDOW_START, WINDOW_TOO_SMALL } from './zstd-state'

/** What a loop returns to go on the other way. */
const CONTINUE: i32 = 3
const LONGEST_MATCH: u32 = 258

/** Moves outCursor and both counters. */
export function moveOutput(state: u32, out: u32): void {
  const n = out - load<u32>(state + OUT_CURSOR)
  store<u32>(state + OUT_CURSOR, out)
  store<u32>(state + PRODUCED, load<u32>(state + PRODUCED) + n)
  store<u32>(state + REMAINING, load<u32>(state + REMAINING) - n)
}

/** End of what may be written now: the room, or the end of the result. */
@inline
export function outputLimit(state: u32): u32 {
  const out = load<u32>(state + OUT_CURSOR)
  return out + min(load<u32>(state + OUT_END) - out, load<u32>(state + REMAINING))
}

/** Oldest byte that may be referred to. */
@inline
function historyStart(state: u32): u32 {
  const out = load<u32>(state + OUT_CURSOR)
  return out - min(load<u32>(state + PRODUCED), out - load<u32>(state + WINDOW_START))
}

@inline
function entryAt(table: u32, bits: u64, width: u32): u32 {
  return load<u32>(table + ((<u32>bits & ((1 << width) - 1)) << 2))
}

/** Value of an entry whose code starts at the lowest bit. */
@inline
function valueOf(entry: u32, bits: u64): u32 {
  return (entry >> 16) + ((<u32>bits & ((1 << (entry & 31)) - 1)) >> ((entry >> 8) & 15))
}

/** Decodes the block's symbols until it ends (DONE), or input or room does. */
export function decodeBlock(state: u32): i32 {
  const pending = load<u32>(state + PENDING_LENGTH)
  if (pending != 0) {
    const status = takeMatch(state, pending, load<u32>(state + PENDING_DISTANCE))
    if (status != CONTINUE) return status
  }
  while (true) {
    let status = decodeFast(state)
    if (status != CONTINUE) return status
    // Near an end one symbol, then the fast loop is tried again: after it there may be more room for it.
    status = decodeOne(state)
    if (status != CONTINUE) return status
  }
}

/** While 16 bytes of input and room for a longest match are left. */
function decodeFast(state: u32): i32 {
  let at = load<u32>(state + IN_CURSOR)
  let out = load<u32>(state + OUT_CURSOR)
  const limit = outputLimit(state)
  const inEnd = load<u32>(state + IN_END)
  if (inEnd - at < 16 || limit - out < LONGEST_MATCH + 4) return CONTINUE
  const lastAt = inEnd - 16
  const lastOut = limit - LONGEST_MATCH - 4
  const history = historyStart(state)
  const symbols = state + SYMBOL_TABLE
  const distances = state + DISTANCE_TABLE
  let n = 8 - load<u32>(state + BIT_OFFSET)
  let bits = <u64>load<u8>(at++) >> <u64>(8 - n)
  while (at <= lastAt && out <= lastOut) {
    bits |= load<u64>(at) << <u64>n
    at += (63 - n) >> 3
    n |= 56
    let entry = entryAt(symbols, bits, SYMBOL_BITS)
    if ((entry & LITERAL) != 0) {
      bits >>= <u64>entry
      n -= entry & 31
      store<u8>(out++, <u8>(entry >> 16))
      entry = entryAt(symbols, bits, SYMBOL_BITS)
      if ((entry & LITERAL) != 0) {
        bits >>= <u64>entry
        n -= entry & 31
        store<u8>(out++, <u8>(entry >> 16))
        entry = entryAt(symbols, bits, SYMBOL_BITS)
      }
      bits |= load<u64>(at) << <u64>n
      at += (63 - n) >> 3
      n |= 56
    }
    if ((entry & LONGER) != 0) {
      bits >>= <u64>SYMBOL_BITS
      n -= SYMBOL_BITS
      entry = entryAt(symbols + ((entry >> 16) << 2), bits, (entry >> 8) & 15)
    }
    if ((entry & LITERAL) != 0) {
      bits >>= <u64>entry
      n -= entry & 31
      store<u8>(out++, <u8>(entry >> 16))
      continue
    }
    if ((entry & VALUE) == 0) {
      return leave(state, at, n - (entry & 31), out, (entry & END_OF_BLOCK) != 0 ? DONE : CORRUPT)
    }
    const length = valueOf(entry, bits)
    bits >>= <u64>(entry & 31)
    n -= entry & 31
    entry = entryAt(distances, bits, DISTANCE_BITS)
    if ((entry & LONGER) != 0) {
      bits >>= <u64>DISTANCE_BITS
      n -= DISTANCE_BITS
      entry = entryAt(distances + ((entry >> 16) << 2), bits, (entry >> 8) & 15)
    }
    const distance = valueOf(entry, bits)
    bits >>= <u64>(entry & 31)
    n -= entry & 31
    // What is no code has distance 0.
    if (distance - 1 >= out - history) return leave(state, at, n, out, refuseDistance(state, distance, out))
    copyBack(out, distance, length)
    out += length
  }
  return leave(state, at, n, out, CONTINUE)
}

/** Ends the fast loop: whole bytes among the n bits that were not read go back. */
function leave(state: u32, at: u32, n: u32, out: u32, status: i32): i32 {
  store<u32>(state + IN_CURSOR, at - ((n + 7) >> 3))
  store<u32>(state + BIT_OFFSET, (0 - n) & 7)
  moveOutput(state, out)
  return status
}

/** Why a match reaches before the history: the window is too small, or the data are wrong. */
function refuseDistance(state: u32, distance: u32, out: u32): i32 {
  const inStream = load<u32>(state + PRODUCED) + (out - load<u32>(state + OUT_CURSOR))
  return distance == 0 || distance > inStream ? CORRUPT : WINDOW_TOO_SMALL
}

/** Copies as much of a match as there is room for; the rest waits. CONTINUE when all was copied. */
function takeMatch(state: u32, length: u32, distance: u32): i32 {
  const out = load<u32>(state + OUT_CURSOR)
  if (distance > out - historyStart(state)) return refuseDistance(state, distance, out)
  if (length > load<u32>(state + REMAINING)) return CORRUPT
  const n = min(length, load<u32>(state + OUT_END) - out)
  if (n != 0) copyBack(out, distance, n)
  moveOutput(state, out + n)
  store<u32>(state + PENDING_LENGTH, length - n)
  store<u32>(state + PENDING_DISTANCE, distance)
  return n == length ? CONTINUE : OUTPUT_FULL
}

/** One symbol, near the end of input or room. Nothing is read when the input ends within it. */
function decodeOne(state: u32): i32 {
  const at = load<u32>(state + IN_CURSOR)
  const offset = load<u32>(state + BIT_OFFSET)
  const available = ((<u64>(load<u32>(state + IN_END) - at)) << 3) - <u64>offset
  // 57 valid bits: no symbol with distance takes more than 48. Bits behind the input's end may be anything.
  let bits = load<u64>(at) >> <u64>offset
  if (at == load<u32>(state + IN_END)) return NEED_INPUT
  let n: u32 = 0
  let entry = entryAt(state + SYMBOL_TABLE, bits, SYMBOL_BITS)
  if ((entry & LONGER) != 0) {
    bits >>= <u64>SYMBOL_BITS
    n = SYMBOL_BITS
    entry = entryAt(state + SYMBOL_TABLE + ((entry >> 16) << 2), bits, (entry >> 8) & 15)
  }
  const symbol = entry
  const length = valueOf(entry, bits)
  let distance: u32 = 0
  n += entry & 31
  if ((entry & VALUE) != 0) {
    bits >>= <u64>(entry & 31)
    entry = entryAt(state + DISTANCE_TABLE, bits, DISTANCE_BITS)
    if ((entry & LONGER) != 0) {
      bits >>= <u64>DISTANCE_BITS
      n += DISTANCE_BITS
      entry = entryAt(state + DISTANCE_TABLE + ((entry >> 16) << 2), bits, (entry >> 8) & 15)
    }
    distance = valueOf(entry, bits)
    n += entry & 31
  }
  // What is no code may be one when more input is there: no code has more than 15 bits.
  if (entry == 0) return available < <u64>(n + 15) ? NEED_INPUT : CORRUPT
  if (<u64>n > available) return NEED_INPUT
  const out = load<u32>(state + OUT_CURSOR)
  if ((symbol & END_OF_BLOCK) == 0) {
    if (load<u32>(state + REMAINING) == 0) return CORRUPT
    if (out == load<u32>(state + OUT_END)) return OUTPUT_FULL
  }
  store<u32>(state + IN_CURSOR, at + ((offset + n) >> 3))
  store<u32>(state + BIT_OFFSET, (offset + n) & 7)
  if ((symbol & END_OF_BLOCK) != 0) return DONE
  if ((symbol & VALUE) != 0) return takeMatch(state, length, distance)
  store<u8>(out, <u8>(symbol >> 16))
  moveOutput(state, out + 1)
  return CONTINUE
}
