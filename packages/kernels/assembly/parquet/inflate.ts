// The inflater as a resumable step: gzip members (RFC 1952) or one zlib stream (RFC 1950), blocks (RFC 1951), trailers.
// Checksums are skipped; a gzip member's size is compared.

import { decodeBlock, moveOutput, outputLimit } from './inflate-decode'
import { BIT_OFFSET, DISTANCE_TABLE, EXTRA_LEFT, FIELDS, IS_FINAL_BLOCK, IS_FIXED, IS_GZIP } from './inflate-state'
import { LENGTH_TABLE, LENGTHS, PHASE, PHASE_BLOCK_HEADER, PHASE_CODED, PHASE_CORRUPT } from './inflate-state'
import { PHASE_END, PHASE_FIELDS, PHASE_HEADER, PHASE_STORED, PHASE_TRAILER, PRODUCED } from './inflate-state'
import { REMAINING, STATE_BYTES, STORED_LEFT, SYMBOL_TABLE } from './inflate-state'
import { buildTable, DISTANCE_BITS, KIND_DISTANCE, KIND_LENGTH, KIND_SYMBOL, LENGTH_BITS } from './inflate-tables'
import { SYMBOL_BITS } from './inflate-tables'
import { CORRUPT, DONE, IN_CURSOR, IN_END, IS_LAST, NEED_INPUT, OUT_CURSOR, OUTPUT_FULL } from './zstd-state'

const FIELD_CHECKSUM: u32 = 2
const FIELD_EXTRA: u32 = 4
const FIELD_NAME: u32 = 8
const FIELD_COMMENT: u32 = 16

// prettier-ignore
const LENGTH_ORDER: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])

/** Size of the state struct. */
export function inflateStateBytes(): u32 {
  return STATE_BYTES
}

/** Starts a result of exactly `bytes` bytes. The first six words are the caller's. */
export function inflateBegin(state: u32, bytes: u32): void {
  memory.fill(state + REMAINING, 0, LENGTHS - REMAINING)
  store<u32>(state + REMAINING, bytes)
}

/** Goes on until input or room ends. @returns a status of zstd-state.ts; after a negative one only begin helps. */
export function inflateStep(state: u32): i32 {
  while (true) {
    const phase = load<u32>(state + PHASE)
    const at = load<u32>(state + IN_CURSOR)
    const available = load<u32>(state + IN_END) - at
    let status = CORRUPT
    if (phase == PHASE_CODED) {
      status = decodeBlock(state)
      if (status == DONE) endBlock(state)
    } else if (phase == PHASE_BLOCK_HEADER) status = readBlockHeader(state, at, available)
    else if (phase == PHASE_STORED) status = copyStored(state, at, available)
    else if (phase == PHASE_TRAILER) status = readTrailer(state, at, available)
    else if (phase == PHASE_FIELDS) status = skipFields(state, at, available)
    else if (phase != PHASE_CORRUPT) {
      if (available == 0 && load<u32>(state + IS_LAST) != 0 && load<u32>(state + REMAINING) == 0) return DONE
      if (available == 0) status = NEED_INPUT
      else if (phase == PHASE_HEADER) status = readHeader(state, at, available)
    }
    if (status == DONE) continue
    if (status == NEED_INPUT && load<u32>(state + IS_LAST) != 0) status = CORRUPT
    if (status < 0) store<u32>(state + PHASE, PHASE_CORRUPT)
    return status
  }
}

@inline
function enter(state: u32, phase: u32, at: u32): i32 {
  store<u32>(state + PHASE, phase)
  store<u32>(state + IN_CURSOR, at)
  return DONE
}

function readHeader(state: u32, at: u32, available: u32): i32 {
  if (available < 2) return NEED_INPUT
  const isLater = load<u32>(state + IS_GZIP)
  store<u32>(state + PRODUCED, 0)
  const first = <u32>load<u8>(at)
  const second = <u32>load<u8>(at, 1)
  if (first == 0x1f && second == 0x8b) {
    if (available < 10) return NEED_INPUT
    const flags = <u32>load<u8>(at, 3)
    if (load<u8>(at, 2) != 8 || (flags & 0xe0) != 0) return CORRUPT
    store<u32>(state + IS_GZIP, 1)
    store<u32>(state + FIELDS, flags & (FIELD_CHECKSUM | FIELD_EXTRA | FIELD_NAME | FIELD_COMMENT))
    return enter(state, PHASE_FIELDS, at + 10)
  }
  // zlib: method 8, a window of at most 32 KiB, no dictionary, a check of both bytes; only as the first and last one.
  const isRight = (first & 15) == 8 && first < 0x80 && (second & 32) == 0 && ((first << 8) | second) % 31 == 0
  if (isLater != 0 || !isRight) return CORRUPT
  return enter(state, PHASE_BLOCK_HEADER, at + 2)
}

/** Skips one field of a gzip header, or what of it is there. */
function skipFields(state: u32, at: u32, available: u32): i32 {
  const fields = load<u32>(state + FIELDS)
  const left = min(load<u32>(state + EXTRA_LEFT), available)
  if (load<u32>(state + EXTRA_LEFT) != 0) {
    if (left == 0) return NEED_INPUT
    store<u32>(state + EXTRA_LEFT, load<u32>(state + EXTRA_LEFT) - left)
    return enter(state, PHASE_FIELDS, at + left)
  }
  if ((fields & FIELD_EXTRA) != 0) {
    if (available < 2) return NEED_INPUT
    store<u32>(state + FIELDS, fields & ~FIELD_EXTRA)
    store<u32>(state + EXTRA_LEFT, load<u16>(at))
    return enter(state, PHASE_FIELDS, at + 2)
  }
  if ((fields & (FIELD_NAME | FIELD_COMMENT)) != 0) {
    const end = at + available
    while (at < end && load<u8>(at) != 0) at++
    store<u32>(state + IN_CURSOR, at)
    if (at == end) return NEED_INPUT
    store<u32>(state + FIELDS, fields & ~((fields & FIELD_NAME) != 0 ? FIELD_NAME : FIELD_COMMENT))
    return enter(state, PHASE_FIELDS, at + 1)
  }
  if (fields == 0) return enter(state, PHASE_BLOCK_HEADER, at)
  if (available < 2) return NEED_INPUT
  store<u32>(state + FIELDS, 0)
  return enter(state, PHASE_BLOCK_HEADER, at + 2)
}

/** After a block: the next one, or the trailer at the next whole byte. */
function endBlock(state: u32): void {
  if (load<u32>(state + IS_FINAL_BLOCK) == 0) {
    store<u32>(state + PHASE, PHASE_BLOCK_HEADER)
    return
  }
  store<u32>(state + IN_CURSOR, load<u32>(state + IN_CURSOR) + u32(load<u32>(state + BIT_OFFSET) != 0))
  store<u32>(state + BIT_OFFSET, 0)
  store<u32>(state + PHASE, PHASE_TRAILER)
}

function readTrailer(state: u32, at: u32, available: u32): i32 {
  const isGzip = load<u32>(state + IS_GZIP) != 0
  const bytes: u32 = isGzip ? 8 : 4
  if (available < bytes) return NEED_INPUT
  if (!isGzip) return enter(state, PHASE_END, at + 4)
  return load<u32>(at, 4) == load<u32>(state + PRODUCED) ? enter(state, PHASE_HEADER, at + 8) : CORRUPT
}

function copyStored(state: u32, at: u32, available: u32): i32 {
  const left = load<u32>(state + STORED_LEFT)
  if (left > load<u32>(state + REMAINING)) return CORRUPT
  const out = load<u32>(state + OUT_CURSOR)
  const n = min(left, min(available, outputLimit(state) - out))
  memory.copy(out, at, n)
  moveOutput(state, out + n)
  store<u32>(state + IN_CURSOR, at + n)
  store<u32>(state + STORED_LEFT, left - n)
  if (n < left) return n == available ? NEED_INPUT : OUTPUT_FULL
  endBlock(state)
  return DONE
}

function readBlockHeader(state: u32, at: u32, available: u32): i32 {
  if (available == 0) return NEED_INPUT
  const offset = load<u32>(state + BIT_OFFSET)
  const bits = load<u32>(at) >> offset
  if ((available << 3) - offset < 3) return NEED_INPUT
  const type = (bits >> 1) & 3
  if (type == 3) return CORRUPT
  if (type == 0) {
    at += (offset + 10) >> 3
    if (available < 4 + ((offset + 10) >> 3)) return NEED_INPUT
    const length = <u32>load<u16>(at)
    if ((length ^ <u32>load<u16>(at, 2)) != 0xffff) return CORRUPT
    store<u32>(state + STORED_LEFT, length)
    store<u32>(state + BIT_OFFSET, 0)
    store<u32>(state + IS_FINAL_BLOCK, bits & 1)
    return enter(state, PHASE_STORED, at + 4)
  }
  let used = offset + 3
  if (type == 1) readFixedCodes(state)
  else {
    const end = readCodes(state, at, offset + 3, available << 3)
    if (end <= 0) return end == 0 ? NEED_INPUT : CORRUPT
    used = end
  }
  store<u32>(state + IS_FINAL_BLOCK, bits & 1)
  store<u32>(state + BIT_OFFSET, used & 7)
  return enter(state, PHASE_CODED, at + (used >> 3))
}

function readFixedCodes(state: u32): void {
  if (load<u32>(state + IS_FIXED) != 0) return
  const lengths = state + LENGTHS
  memory.fill(lengths, 8, 144)
  memory.fill(lengths + 144, 9, 112)
  memory.fill(lengths + 256, 7, 24)
  memory.fill(lengths + 280, 8, 8)
  memory.fill(lengths + 288, 5, 32)
  buildTable(state, lengths, 288, KIND_SYMBOL, SYMBOL_BITS, state + SYMBOL_TABLE)
  buildTable(state, lengths + 288, 32, KIND_DISTANCE, DISTANCE_BITS, state + DISTANCE_TABLE)
  store<u32>(state + IS_FIXED, 1)
}

/** Reads the codes of a dynamic block. @returns its end in bits from `at`, 0 when input is missing, -1 when corrupt */
function readCodes(state: u32, at: u32, bit: u32, bitEnd: u32): i32 {
  if (bit + 14 > bitEnd) return 0
  const head = load<u32>(at + (bit >> 3)) >> (bit & 7)
  const symbols = (head & 31) + 257
  const total = symbols + ((head >> 5) & 31) + 1
  const orders = ((head >> 10) & 15) + 4
  bit += 14
  if (bit + orders * 3 > bitEnd) return 0
  if (symbols > 286 || total - symbols > 30) return -1
  const lengths = state + LENGTHS
  store<u32>(state + IS_FIXED, 0)
  memory.fill(lengths, 0, 19)
  for (let i: u32 = 0; i < orders; i++) {
    const length = (<u32>load<u16>(at + (bit >> 3)) >> (bit & 7)) & 7
    store<u8>(lengths + <u32>load<u8>(<u32>LENGTH_ORDER + i), <u8>length)
    bit += 3
  }
  if (!buildTable(state, lengths, 19, KIND_LENGTH, LENGTH_BITS, state + LENGTH_TABLE)) return -1
  let n: u32 = 0
  while (n < total) {
    if (bit >= bitEnd) return 0
    const bits = load<u32>(at + (bit >> 3)) >> (bit & 7)
    const entry = load<u32>(state + LENGTH_TABLE + ((bits & 127) << 2))
    const symbol = entry >> 16
    const width = entry & 31
    const extra: u32 = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7
    bit += width + extra
    if (bit > bitEnd) return 0
    if (symbol < 16) {
      store<u8>(lengths + n++, <u8>symbol)
      continue
    }
    if (symbol == 16 && n == 0) return -1
    const repeats = ((bits >> width) & ((1 << extra) - 1)) + (symbol == 18 ? 11 : 3)
    const value: u8 = symbol == 16 ? load<u8>(lengths + n - 1) : 0
    if (n + repeats > total) return -1
    memory.fill(lengths + n, value, repeats)
    n += repeats
  }
  if (load<u8>(lengths + 256) == 0) return -1
  if (!buildTable(state, lengths, symbols, KIND_SYMBOL, SYMBOL_BITS, state + SYMBOL_TABLE)) return -1
  const distances = lengths + symbols
  const isRight = buildTable(state, distances, total - symbols, KIND_DISTANCE, DISTANCE_BITS, state + DISTANCE_TABLE)
  return isRight ? <i32>bit : -1
}
