// Sequences of a zstd block (RFC 8878, section 3.1.1.3.2): which tables they use, and carrying them out.

import { copyBack, copyWords } from './window-copy'
import { buildCells, buildSingle, predefinedCounts, predefinedLog, predefinedSymbols } from './zstd-fse'
import { readCounts, symbolLimit } from './zstd-fse'
import { beginSequences, cellsOf, decodeSequences, endsSequences, LIST_BYTES, MATCH_MIN } from './zstd-sequence-bits'
import { CORRUPT, COUNTS, DONE, FRAME_PRODUCED, KINDS, LOGS, OUT_CURSOR, REPEAT, SEQUENCES } from './zstd-state'
import { SEQUENCES_MAX, WINDOW_START, WINDOW_TOO_SMALL } from './zstd-state'

const TABLE_PREDEFINED: u32 = 1
const TABLE_SENT: u32 = 2

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
  if (!beginSequences(state, at, end)) return CORRUPT
  return execute(state, n, literals, literalsEnd, limit)
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

/** Copies the literals behind the last sequence, and moves outCursor. */
export function takeRest(state: u32, literals: u32, literalsEnd: u32, out: u32, limit: u32): i32 {
  const rest = literalsEnd - literals
  if (rest > limit - out) return CORRUPT
  memory.copy(out, literals, rest)
  store<u32>(state + OUT_CURSOR, out + rest)
  return DONE
}

/** The sum of n words, 16 bytes read at a time; those behind them are zeroed. */
@inline
function sumWords(list: u32, n: u32): u32 {
  for (let i = n; (i & 3) != 0; i++) store<u32>(list + (i << 2), 0)
  let sums = i32x4.splat(0)
  for (let at = list, end = list + (n << 2); at < end; at += 16) sums = i32x4.add(sums, v128.load(at))
  return (
    i32x4.extract_lane(sums, 0) +
    i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) +
    i32x4.extract_lane(sums, 3)
  )
}

/** Decodes and carries out n sequences, some hundreds at a time. */
function execute(state: u32, n: u32, literals: u32, literalsEnd: u32, limit: u32): i32 {
  const sequences = state + SEQUENCES
  let out = load<u32>(state + OUT_CURSOR)
  const history = historyStart(state, out)
  for (let done: u32 = 0; done < n; ) {
    const some = min(n - done, SEQUENCES_MAX)
    if (!decodeSequences(state, some, done == 0)) return CORRUPT
    done += some
    // A length has less than 2^18, so that no sum overflows.
    const literalBytes = sumWords(sequences, some)
    const matchBytes = sumWords(sequences + LIST_BYTES, some) + some * MATCH_MIN
    if (literalBytes > literalsEnd - literals || literalBytes + matchBytes > limit - out) return CORRUPT
    const status = carryOut(state, sequences, sequences + (some << 2), literals, out, history)
    if (status != DONE) return status
    literals += literalBytes
    out += literalBytes + matchBytes
  }
  return endsSequences(state) ? takeRest(state, literals, literalsEnd, out, limit) : CORRUPT
}

/**
 * Copies what the sequences [at, end) order.
 * @param history nothing before it may be referred to
 */
function carryOut(state: u32, at: u32, end: u32, literals: u32, out: u32, history: u32): i32 {
  let first = load<u32>(state + REPEAT)
  let second = load<u32>(state + REPEAT, 4)
  let third = load<u32>(state + REPEAT, 8)
  do {
    const literalBytes = load<u32>(at)
    const matchBytes = load<u32>(at, LIST_BYTES) + MATCH_MIN
    const value = load<u32>(at, LIST_BYTES * 2)
    at += 4
    copyWords(out, literals, literalBytes)
    literals += literalBytes
    out += literalBytes
    // Values to 3 mean one of the last offsets, and each the next one where no literals come before. These are chosen
    // without branches, which would be taken at random.
    const isNew = value > 3
    const which = value + u32(literalBytes == 0)
    let offset = select<u32>(first - 1, third, which == 4)
    offset = select<u32>(second, offset, which == 2)
    offset = select<u32>(first, offset, which == 1)
    offset = select<u32>(value - 3, offset, isNew)
    third = select<u32>(second, third, which > 2)
    second = select<u32>(first, second, which > 1)
    first = offset
    if (offset - 1 >= out - history) return refuseOffset(state, offset, out)
    copyBack(out, offset, matchBytes)
    out += matchBytes
  } while (at < end)
  store<u32>(state + REPEAT, first)
  store<u32>(state + REPEAT, second, 4)
  store<u32>(state + REPEAT, third, 8)
  return DONE
}
