// Sequences of a zstd block (RFC 8878, section 3.1.1.3.2): which tables they use, and carrying them out.
//
// The bit stream is read backward through a word whose top is the next unread bit. Within 16 bytes of its start,
// reading goes on in a copy with zeros before it: no byte before the stream is touched, and no read needs a check.

import { copyForward, copyMatch } from './zstd-copy'
import { buildCells, buildSingle, KIND_LITERAL_LENGTH, KIND_MATCH_LENGTH, KIND_OFFSET } from './zstd-fse'
import { predefinedCounts, predefinedLog, predefinedSymbols, readCounts, symbolLimit } from './zstd-fse'
import { backwardBits, peekBackward } from './zstd-huffman'
import { CORRUPT, COUNTS, DONE, FRAME_PRODUCED, KINDS, LITERAL_LENGTH_CELLS, LOGS } from './zstd-state'
import { MATCH_LENGTH_CELLS, OFFSET_CELLS, OUT_CURSOR, REPEAT, STAGE, STAGE_BYTES, STAGE_ZEROS } from './zstd-state'
import { WINDOW_START, WINDOW_TOO_SMALL } from './zstd-state'

// prettier-ignore
const MASKS: usize = memory.data<u32>([
  0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 0x3ff, 0x7ff, 0xfff, 0x1fff, 0x3fff, 0x7fff, 0xffff, 0x1ffff, 0x3ffff,
  0x7ffff, 0xfffff, 0x1fffff, 0x3fffff, 0x7fffff, 0xffffff, 0x1ffffff, 0x3ffffff, 0x7ffffff, 0xfffffff, 0x1fffffff,
  0x3fffffff, 0x7fffffff,
])

const TABLE_PREDEFINED: u32 = 1
const TABLE_SENT: u32 = 2

@inline
function cellsOf(state: u32, kind: u32): u32 {
  if (kind == KIND_LITERAL_LENGTH) return state + LITERAL_LENGTH_CELLS
  return state + (kind == KIND_OFFSET ? OFFSET_CELLS : MATCH_LENGTH_CELLS)
}

/** Sets up one table by its mode. Returns bytes read, or -1 when corrupt. */
function readTable(state: u32, kind: u32, mode: u32, at: u32, end: u32): i32 {
  const cells = cellsOf(state, kind)
  const kindAt = state + KINDS + (kind << 2)
  const logAt = state + LOGS + (kind << 2)
  const before = load<u32>(kindAt)
  if (mode == 3) return before == 0 ? -1 : 0
  if (mode == 0) {
    if (before == TABLE_PREDEFINED) return 0
    buildCells(state, predefinedCounts(kind), predefinedSymbols(kind), predefinedLog(kind), cells, kind)
    store<u32>(kindAt, TABLE_PREDEFINED)
    store<u32>(logAt, predefinedLog(kind))
    return 0
  }
  store<u32>(kindAt, TABLE_SENT)
  if (mode == 1) {
    if (at >= end || <u32>load<u8>(at) >= symbolLimit(kind)) return -1
    buildSingle(cells, kind, load<u8>(at))
    store<u32>(logAt, 0)
    return 1
  }
  const bytes = readCounts(state, at, end, kind)
  if (bytes == 0) return -1
  const log = <u32>(load<u8>(at) & 15) + 5
  buildCells(state, state + COUNTS, symbolLimit(kind), log, cells, kind)
  store<u32>(logAt, log)
  return bytes
}

/**
 * Reads the tables and carries the sequences out.
 * @param at the byte of modes
 * @param literals readable to literalsEnd + 16
 * @param limit end of what may be written (and 64 clobbered bytes behind it)
 * @returns DONE (outCursor is moved), CORRUPT or WINDOW_TOO_SMALL
 */
export function runSequences(
  state: u32,
  n: u32,
  at: u32,
  end: u32,
  literals: u32,
  literalsEnd: u32,
  limit: u32,
): i32 {
  if (at >= end) return CORRUPT
  const modes = <u32>load<u8>(at++)
  if ((modes & 3) != 0) return CORRUPT
  for (let kind: u32 = 0; kind < 3; kind++) {
    const bytes = readTable(state, kind, (modes >> (6 - (kind << 1))) & 3, at, end)
    if (bytes < 0) return CORRUPT
    at += bytes
  }
  if (backwardBits(at, end) < 0) return CORRUPT
  memory.copy(state + STAGE + STAGE_ZEROS, at, min(end - at, STAGE_BYTES))
  return execute(state, n, at, end, literals, literalsEnd, limit)
}

/** Oldest byte of the frame that is still in the window. */
@inline
function historyStart(state: u32, out: u32): u32 {
  const produced = load<u32>(state + FRAME_PRODUCED)
  const windowStart = load<u32>(state + WINDOW_START)
  return out - windowStart < produced ? windowStart : out - produced
}

/** Why a match reaches before the history: the window is too small, or the data are wrong. */
function refuseOffset(state: u32, offset: u32, to: u32): i32 {
  const inFrame = <u64>load<u32>(state + FRAME_PRODUCED) + <u64>(to - load<u32>(state + OUT_CURSOR))
  return offset == 0 || <u64>offset > inFrame ? CORRUPT : WINDOW_TOO_SMALL
}

@inline
function firstCell(state: u32, kind: u32, first: u32, left: i32): u32 {
  return cellsOf(state, kind) + (peekBackward(first, left, load<u32>(state + LOGS + (kind << 2))) << 3)
}

/** The lowest n bits: what was the top (or a later part) of a word before it was rotated. */
@inline
function lowBits(bits: u64, n: u32): u32 {
  return <u32>bits & load<u32>(<u32>MASKS + (n << 2))
}

/** The offset that an offset code means; codes 0 and 1 mean one of the last three, which are kept in the state. */
@inline
function resolveOffset(state: u32, extra: u32, value: u32, literalBase: u32): u32 {
  const first = load<u32>(state + REPEAT)
  let offset = value
  if (extra <= 1) {
    const which = value + u32(literalBase == 0)
    if (which == 0) return first
    const second = load<u32>(state + REPEAT, 4)
    if (which == 1) {
      store<u32>(state + REPEAT, second)
      store<u32>(state + REPEAT, first, 4)
      return second
    }
    offset = which == 2 ? load<u32>(state + REPEAT, 8) : first - 1
  }
  store<u32>(state + REPEAT, load<u32>(state + REPEAT, 4), 8)
  store<u32>(state + REPEAT, first, 4)
  store<u32>(state + REPEAT, offset)
  return offset
}

/** The cell after one with this metadata. */
@inline
function nextCell(cells: u32, meta: u32, bits: u64): u32 {
  return cells + (((meta & 0xffff) + lowBits(bits, (meta >> 16) & 255)) << 3)
}

/** Copies the literals behind the last sequence, and moves outCursor. */
export function takeRest(state: u32, literals: u32, literalsEnd: u32, out: u32, limit: u32): i32 {
  const rest = literalsEnd - literals
  if (rest > limit - out) return CORRUPT
  memory.copy(out, literals, rest)
  store<u32>(state + OUT_CURSOR, out + rest)
  return DONE
}

/** The sequences' loop. 57 bits of the word are valid after each refill. */
function execute(state: u32, n: u32, first: u32, end: u32, literals: u32, literalsEnd: u32, limit: u32): i32 {
  let out = load<u32>(state + OUT_CURSOR)
  const history = historyStart(state, out)
  const stage = state + STAGE + STAGE_ZEROS
  let left = backwardBits(first, end)
  let literalCell = firstCell(state, KIND_LITERAL_LENGTH, first, left)
  left -= load<u32>(state + LOGS)
  let offsetCell = firstCell(state, KIND_OFFSET, first, left)
  left -= load<u32>(state + LOGS, 4)
  let matchCell = firstCell(state, KIND_MATCH_LENGTH, first, left)
  left -= load<u32>(state + LOGS, 8)
  if (left < 0) return CORRUPT
  // `at` is the word's distance from the stream's start, `used` the number of its bits that were read.
  let at = ((left + 7) >> 3) - 8
  let used = <u32>(((at + 8) << 3) - left)
  let base = first
  while (true) {
    at -= used >> 3
    used &= 7
    if (at < 16) {
      if (at < -16) return CORRUPT
      base = stage
    }
    let bits = load<u64>(base + at) << <u64>used
    const literalMeta = load<u32>(literalCell)
    const matchMeta = load<u32>(matchCell)
    const offsetMeta = load<u32>(offsetCell)
    const literalBase = load<u32>(literalCell, 4)
    const isLong = (literalMeta >> 24) + (matchMeta >> 24) + (offsetMeta >> 24) > 31
    // Fields are cut out by their distance from the word's top, not one after the other: they do not wait then.
    let skip = offsetMeta >> 24
    const value = load<u32>(offsetCell, 4) + lowBits(rotl<u64>(bits, <u64>skip), skip)
    const offset = resolveOffset(state, skip, value, literalBase)
    if (isLong) {
      at -= (used + skip) >> 3
      used = (used + skip) & 7
      bits = load<u64>(base + at) << <u64>used
      skip = 0
    }
    skip += matchMeta >> 24
    const matchBytes = load<u32>(matchCell, 4) + lowBits(rotl<u64>(bits, <u64>skip), matchMeta >> 24)
    skip += literalMeta >> 24
    const literalBytes = literalBase + lowBits(rotl<u64>(bits, <u64>skip), literalMeta >> 24)
    if (literalBytes > literalsEnd - literals || literalBytes + matchBytes > limit - out) return CORRUPT
    copyForward(literals, out, literalBytes)
    literals += literalBytes
    out += literalBytes
    if (offset - 1 >= out - history) return refuseOffset(state, offset, out)
    copyMatch(out, offset, matchBytes)
    out += matchBytes
    if (--n == 0) {
      used += skip
      break
    }
    if (isLong) {
      at -= (used + skip) >> 3
      used = (used + skip) & 7
      bits = load<u64>(base + at) << <u64>used
      skip = 0
    }
    skip += (literalMeta >> 16) & 255
    literalCell = nextCell(state + LITERAL_LENGTH_CELLS, literalMeta, rotl<u64>(bits, <u64>skip))
    skip += (matchMeta >> 16) & 255
    matchCell = nextCell(state + MATCH_LENGTH_CELLS, matchMeta, rotl<u64>(bits, <u64>skip))
    skip += (offsetMeta >> 16) & 255
    offsetCell = nextCell(state + OFFSET_CELLS, offsetMeta, rotl<u64>(bits, <u64>skip))
    used += skip
  }
  return (at << 3) + 64 == <i32>used ? takeRest(state, literals, literalsEnd, out, limit) : CORRUPT
}
