// Decoding the sequences of a zstd block (RFC 8878, section 3.1.1.3.2.1): bits → lengths and offset values.
//
// They are decoded some hundreds at a time, apart from the copies that they order: each of the two loops then has its
// values in registers, and the copies, which wait for memory, do not wait for each other.
//
// The bit stream is read backward through a word whose top is the next unread bit. Within 16 bytes of its start,
// reading goes on in a copy with zeros before it: no byte before the stream is touched, and no read needs a check.

import { KIND_LITERAL_LENGTH, KIND_MATCH_LENGTH, KIND_OFFSET } from './zstd-fse'
import { backwardBits, peekBackward } from './zstd-huffman'
import { BIT_FLOOR, BIT_POINTER, BITS_USED, CELLS, LITERAL_LENGTH_CELLS, LOGS, MATCH_LENGTH_CELLS } from './zstd-state'
import { OFFSET_CELLS, SEQUENCES, SEQUENCES_MAX, STAGE, STAGE_BYTES, STAGE_ZEROS } from './zstd-state'

/** Bytes from one list of SEQUENCES to the next. */
export const LIST_BYTES: u32 = SEQUENCES_MAX << 2
/** What the match lengths of SEQUENCES lack. */
export const MATCH_MIN: u32 = 3

/** The table of a kind. */
@inline
export function cellsOf(state: u32, kind: u32): u32 {
  if (kind == KIND_LITERAL_LENGTH) return state + LITERAL_LENGTH_CELLS
  return state + (kind == KIND_OFFSET ? OFFSET_CELLS : MATCH_LENGTH_CELLS)
}

/** Where the word stands, bits of it that were used, and where reading has to change over to the copy. */
@inline
function keepBits(state: u32, pointer: u32, used: u32, floor: u32): void {
  store<u32>(state + BIT_POINTER, pointer)
  store<u32>(state + BITS_USED, used)
  store<u32>(state + BIT_FLOOR, floor)
}

/** Reads the first states of a stream [first, end). False when it has no end mark, or is too short for them. */
export function beginSequences(state: u32, first: u32, end: u32): bool {
  let left = backwardBits(first, end)
  if (left < 0) return false
  memory.copy(state + STAGE + STAGE_ZEROS, first, min(end - first, STAGE_BYTES))
  for (let kind: u32 = 0; kind < 3; kind++) {
    const log = load<u32>(state + LOGS + (kind << 2))
    store<u32>(state + CELLS + (kind << 2), cellsOf(state, kind) + (peekBackward(first, left, log) << 3))
    left -= log
  }
  if (left < 0) return false
  const bytes = ((left + 7) >> 3) - 8
  keepBits(state, first + bytes, ((bytes + 8) << 3) - left, first + 16)
  return true
}

/** Whether a stream was read to its last bit. */
export function endsSequences(state: u32): bool {
  const stage = state + STAGE + STAGE_ZEROS
  const floor = load<u32>(state + BIT_FLOOR)
  const first = floor == stage - 16 ? stage : floor - 16
  return (<i32>(load<u32>(state + BIT_POINTER) - first) << 3) + 64 == <i32>load<u32>(state + BITS_USED)
}

/** The cell of a table that the one at `cell` leads to; `bits` end with what is added. */
@inline
function nextCell(cells: u32, cell: u32, bits: u64): u32 {
  return cells + ((<u32>load<u16>(cell) + (<u32>bits & <u32>load<u16>(cell, 2))) << 3)
}

/** Bits that the next states take. */
@inline
function widthOf(cell: u32): u32 {
  return load<u8>(cell, 4)
}

/**
 * Moves the three states on, behind sequences that others follow. Once in some hundreds of sequences: the others are
 * moved on while they are decoded.
 */
function moveOn(state: u32): bool {
  let pointer = load<u32>(state + BIT_POINTER) - (load<u32>(state + BITS_USED) >> 3)
  let used = load<u32>(state + BITS_USED) & 7
  let floor = load<u32>(state + BIT_FLOOR)
  if (pointer < floor) {
    const stage = state + STAGE + STAGE_ZEROS
    if (floor == stage - 16) return false
    pointer += stage + 16 - floor
    floor = stage - 16
    if (pointer < floor) return false
  }
  let bits = load<u64>(pointer) << <u64>used
  for (let at: u32 = 0; at < 12; at += 4) {
    // Literal lengths, match lengths, offsets.
    const kind = at == 0 ? KIND_LITERAL_LENGTH : at == 4 ? KIND_MATCH_LENGTH : KIND_OFFSET
    const cell = load<u32>(state + CELLS + (kind << 2))
    const width = widthOf(cell)
    bits = rotl<u64>(bits, <u64>width)
    used += width
    store<u32>(state + CELLS + (kind << 2), nextCell(cellsOf(state, kind), cell, bits))
  }
  keepBits(state, pointer, used, floor)
  return true
}

/** Adds extra bits, which are the lowest ones of `bits`, to a length. */
@inline
function addExtra(length: u32, bits: u64, extra: u32): void {
  // Of base values, bit 16 is missing.
  store<u32>(length, load<u32>(length) + ((extra >> 4) << 16) + (<u32>bits & ~(<u32>-1 << extra)))
}

/**
 * Decodes n ≥ 1 sequences (at most SEQUENCES_MAX) to SEQUENCES.
 * @param isFirst they are the first of the stream
 * @returns whether the stream has them
 */
export function decodeSequences(state: u32, n: u32, isFirst: bool): bool {
  if (!isFirst && !moveOn(state)) return false
  let pointer = load<u32>(state + BIT_POINTER)
  let used = load<u32>(state + BITS_USED)
  let floor = load<u32>(state + BIT_FLOOR)
  let literalCell = load<u32>(state + CELLS)
  let offsetCell = load<u32>(state + CELLS, 4)
  let matchCell = load<u32>(state + CELLS, 8)
  let sequence = state + SEQUENCES
  const end = sequence + (n << 2)
  while (true) {
    pointer -= used >> 3
    used &= 7
    if (pointer < floor) {
      const stage = state + STAGE + STAGE_ZEROS
      if (floor == stage - 16) return false
      pointer += stage + 16 - floor
      floor = stage - 16
      if (pointer < floor) return false
    }
    // At least 57 bits: enough for all of a sequence whose extra bits are at most 31.
    let bits = load<u64>(pointer) << <u64>used
    const offsetExtra = <u32>load<u8>(offsetCell, 5)
    bits = rotl<u64>(bits, <u64>offsetExtra)
    used += offsetExtra
    const offsetBase: u32 = 1 << offsetExtra
    store<u32>(sequence, offsetBase + (<u32>bits & (offsetBase - 1)), LIST_BYTES * 2)
    const matchExtra = <u32>load<u8>(matchCell, 5)
    const literalExtra = <u32>load<u8>(literalCell, 5)
    store<u32>(sequence, load<u16>(matchCell, 6), LIST_BYTES)
    store<u32>(sequence, load<u16>(literalCell, 6))
    const extra = matchExtra + literalExtra
    if (extra != 0) {
      const isLong = offsetExtra + extra > 31
      if (isLong) {
        pointer -= used >> 3
        used &= 7
        bits = load<u64>(pointer) << <u64>used
      }
      bits = rotl<u64>(bits, <u64>matchExtra)
      addExtra(sequence + LIST_BYTES, bits, matchExtra)
      bits = rotl<u64>(bits, <u64>literalExtra)
      addExtra(sequence, bits, literalExtra)
      used += extra
      if (isLong) {
        pointer -= used >> 3
        used &= 7
        bits = load<u64>(pointer) << <u64>used
      }
    }
    sequence += 4
    if (sequence == end) break
    const literalWidth = widthOf(literalCell)
    bits = rotl<u64>(bits, <u64>literalWidth)
    literalCell = nextCell(state + LITERAL_LENGTH_CELLS, literalCell, bits)
    const matchWidth = widthOf(matchCell)
    bits = rotl<u64>(bits, <u64>matchWidth)
    matchCell = nextCell(state + MATCH_LENGTH_CELLS, matchCell, bits)
    const offsetWidth = widthOf(offsetCell)
    bits = rotl<u64>(bits, <u64>offsetWidth)
    offsetCell = nextCell(state + OFFSET_CELLS, offsetCell, bits)
    used += literalWidth + matchWidth + offsetWidth
  }
  keepBits(state, pointer, used, floor)
  store<u32>(state + CELLS, literalCell)
  store<u32>(state + CELLS, offsetCell, 4)
  store<u32>(state + CELLS, matchCell, 8)
  return true
}
