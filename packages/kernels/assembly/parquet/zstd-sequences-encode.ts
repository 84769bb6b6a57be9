// Encoding of a zstd block's sequences: for each of the three codes the cheapest table, then one bit stream.

import { CODE_COUNTS, ENCODER_SYMBOLS, SEQUENCES } from './zstd-compress-scratch'
import { buildEncoder, buildSingleEncoder, chooseLog, codedBits, countsOf, encoderOf } from './zstd-fse-encode'
import { firstState, normalize, normsOf, writeNorms } from './zstd-fse-encode'
import { KIND_LITERAL_LENGTH, KIND_MATCH_LENGTH, KIND_OFFSET, LITERAL_LENGTH_BASES } from './zstd-fse'
import { LITERAL_LENGTH_EXTRAS, logLimit, MATCH_LENGTH_BASES, MATCH_LENGTH_EXTRAS, predefinedCounts } from './zstd-fse'
import { predefinedLog, predefinedSymbols, symbolLimit } from './zstd-fse'

/** Counts the codes of all sequences, by kind. */
function countCodes(scratch: u32, n: u32): void {
  memory.fill(scratch + CODE_COUNTS, 0, 768)
  const end = scratch + SEQUENCES + (n << 4)
  for (let at = scratch + SEQUENCES; at < end; at += 16) {
    for (let kind: u32 = 0; kind < 3; kind++) {
      const count = countsOf(scratch, kind) + (<u32>load<u8>(at + kind, 12) << 2)
      store<u32>(count, load<u32>(count) + 1)
    }
  }
}

/**
 * Chooses the table of one kind, describes it and builds its encoder.
 * @returns end of what was written << 16 | accuracy log << 2 | mode
 */
function writeTable(scratch: u32, kind: u32, n: u32, to: u32): u64 {
  const counts = countsOf(scratch, kind)
  const norms = normsOf(scratch, kind)
  const encoder = encoderOf(scratch, kind)
  let symbols = symbolLimit(kind)
  while (load<u32>(counts + ((symbols - 1) << 2)) == 0) symbols--
  if (load<u32>(counts + ((symbols - 1) << 2)) == n) {
    buildSingleEncoder(encoder, symbols - 1)
    store<u8>(to, <u8>(symbols - 1))
    return (<u64>(to + 1) << 16) | 1
  }
  const log = chooseLog(n, symbols - 1, logLimit(kind))
  normalize(counts, symbols, n, log, norms)
  const end = writeNorms(norms, log, to)
  const known = predefinedCounts(kind)
  const knownBits =
    symbols > predefinedSymbols(kind) ? 0xffffffff : codedBits(counts, symbols, known, predefinedLog(kind))
  if (knownBits <= codedBits(counts, symbols, norms, log) + ((end - to) << 3)) {
    buildEncoder(scratch, known, predefinedSymbols(kind), predefinedLog(kind), encoder)
    return (<u64>to << 16) | <u64>(predefinedLog(kind) << 2)
  }
  buildEncoder(scratch, norms, symbols, log, encoder)
  return (<u64>end << 16) | <u64>((log << 2) | 2)
}

/** Encodes the sequences section. @returns its end, or 0 when it would end behind `limit` */
export function encodeSequences(scratch: u32, n: u32, to: u32, limit: u32): u32 {
  if (n < 128) store<u8>(to++, <u8>n)
  else if (n < 0x7f00) {
    store<u8>(to, <u8>((n >> 8) + 128))
    store<u8>(to, <u8>n, 1)
    to += 2
  } else {
    store<u8>(to, 255)
    store<u16>(to, <u16>(n - 0x7f00), 1)
    to += 3
  }
  if (n == 0) return to
  countCodes(scratch, n)
  const modesAt = to++
  let modes: u32 = 0
  let logs: u32 = 0
  for (let kind: u32 = 0; kind < 3; kind++) {
    const result = writeTable(scratch, kind, n, to)
    to = <u32>(result >> 16)
    modes |= (<u32>result & 3) << (6 - (kind << 1))
    logs |= ((<u32>result >> 2) & 15) << (kind << 2)
  }
  store<u8>(modesAt, <u8>modes)
  return writeStream(scratch, n, logs, to, limit)
}

/** Bits that a state gives up for a symbol. */
@inline
function bitsOf(entry: u32, state: u32): u32 {
  return (state + load<u32>(entry)) >> 16
}

@inline
function lowBits(value: u32, n: u32): u64 {
  return <u64>(value & ((1 << n) - 1))
}

/** The stream, last sequence first. Up to 57 bits fit into the word behind what is left of the byte before. */
function writeStream(scratch: u32, n: u32, logs: u32, to: u32, limit: u32): u32 {
  const literalEncoder = encoderOf(scratch, KIND_LITERAL_LENGTH)
  const offsetEncoder = encoderOf(scratch, KIND_OFFSET)
  const matchEncoder = encoderOf(scratch, KIND_MATCH_LENGTH)
  const first = scratch + SEQUENCES
  let at = first + ((n - 1) << 4)
  let literalState = firstState(literalEncoder, load<u8>(at, 12))
  let offsetState = firstState(offsetEncoder, load<u8>(at, 13))
  let matchState = firstState(matchEncoder, load<u8>(at, 14))
  let word: u64 = 0
  let used: u32 = 0
  while (true) {
    const literalCode = <u32>load<u8>(at, 12)
    const offsetCode = <u32>load<u8>(at, 13)
    const matchCode = <u32>load<u8>(at, 14)
    const literalExtra = <u32>load<u8>(<u32>LITERAL_LENGTH_EXTRAS + literalCode)
    const matchExtra = <u32>load<u8>(<u32>MATCH_LENGTH_EXTRAS + matchCode)
    word |= <u64>(load<u32>(at) - load<u32>(<u32>LITERAL_LENGTH_BASES + (literalCode << 2))) << <u64>used
    used += literalExtra
    word |= <u64>(load<u32>(at, 4) - load<u32>(<u32>MATCH_LENGTH_BASES + (matchCode << 2))) << <u64>used
    used += matchExtra
    store<u64>(to, word)
    to += used >> 3
    word >>= <u64>(used & 0x78)
    used &= 7
    word |= lowBits(load<u32>(at, 8), offsetCode) << <u64>used
    used += offsetCode
    store<u64>(to, word)
    to += used >> 3
    word >>= <u64>(used & 0x78)
    used &= 7
    if (to > limit) return 0
    if (at == first) break
    at -= 16
    let entry = offsetEncoder + ENCODER_SYMBOLS + (<u32>load<u8>(at, 13) << 3)
    let bits = bitsOf(entry, offsetState)
    word |= lowBits(offsetState, bits) << <u64>used
    used += bits
    offsetState = load<u16>(offsetEncoder + (((offsetState >> bits) + load<u32>(entry, 4)) << 1))
    entry = matchEncoder + ENCODER_SYMBOLS + (<u32>load<u8>(at, 14) << 3)
    bits = bitsOf(entry, matchState)
    word |= lowBits(matchState, bits) << <u64>used
    used += bits
    matchState = load<u16>(matchEncoder + (((matchState >> bits) + load<u32>(entry, 4)) << 1))
    entry = literalEncoder + ENCODER_SYMBOLS + (<u32>load<u8>(at, 12) << 3)
    bits = bitsOf(entry, literalState)
    word |= lowBits(literalState, bits) << <u64>used
    used += bits
    literalState = load<u16>(literalEncoder + (((literalState >> bits) + load<u32>(entry, 4)) << 1))
    // At most 33 bits are in the word now, and lengths take at most 31 of a block's 17.
  }
  const literalLog = logs & 15
  const offsetLog = (logs >> 4) & 15
  const matchLog = logs >> 8
  word |= lowBits(matchState, matchLog) << <u64>used
  used += matchLog
  word |= lowBits(offsetState, offsetLog) << <u64>used
  used += offsetLog
  word |= lowBits(literalState, literalLog) << <u64>used
  used += literalLog
  word |= <u64>1 << <u64>used
  store<u64>(to, word)
  return to + (used >> 3) + 1
}
