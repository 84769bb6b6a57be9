// The zstd decompressor as a resumable step (RFC 8878, section 3.1): frames, skippable frames, blocks, literals.
//
// Work is taken up again between blocks only: a block needs all of its bytes in the input, and room for its result.

import { decodeFourStreams, decodeStream, readHuffman } from './zstd-huffman'
import { runSequences, takeRest } from './zstd-sequences'
import { BLOCK_LIMIT, BLOCK_MAX, CORRUPT, DONE, FRAME_LEFT, FRAME_PRODUCED, FRAME_SIZED } from './zstd-state'
import { HAS_CHECKSUM, HUFFMAN, HUFFMAN_READY, IN_CURSOR, IN_END, IS_LAST, KINDS, LITERALS } from './zstd-state'
import { NEED_INPUT, OUT_CURSOR, OUT_END, OUTPUT_FULL, PHASE, PHASE_BLOCK, PHASE_CHECKSUM } from './zstd-state'
import { PHASE_CORRUPT, PHASE_FRAME, PHASE_SKIP, REMAINING, REPEAT, SKIP_LEFT, STAGE, STATE_BYTES } from './zstd-state'

/** Size of the state struct. */
export function zstdStateBytes(): u32 {
  return STATE_BYTES
}

/** Starts a result of exactly `bytes` bytes. The first six words are the caller's. */
export function zstdBegin(state: u32, bytes: u32): void {
  memory.fill(state + REMAINING, 0, STAGE + 48 - REMAINING)
  store<u32>(state + REMAINING, bytes)
}

/** Goes on until input or room ends. @returns a status of zstd-state.ts; after a negative one only begin helps. */
export function zstdStep(state: u32): i32 {
  while (true) {
    const phase = load<u32>(state + PHASE)
    const at = load<u32>(state + IN_CURSOR)
    const available = load<u32>(state + IN_END) - at
    let status = CORRUPT
    if (phase == PHASE_BLOCK) status = readBlock(state, at, available)
    else if (phase == PHASE_FRAME) {
      if (available == 0 && load<u32>(state + IS_LAST) != 0 && load<u32>(state + REMAINING) == 0) return DONE
      status = readFrameHeader(state, at, available)
    } else if (phase == PHASE_CHECKSUM) status = skipChecksum(state, at, available)
    else if (phase == PHASE_SKIP) status = skipFrame(state, at, available)
    if (status == DONE) continue
    if (status == NEED_INPUT && load<u32>(state + IS_LAST) != 0) status = CORRUPT
    if (status < 0) store<u32>(state + PHASE, PHASE_CORRUPT)
    return status
  }
}

function skipChecksum(state: u32, at: u32, available: u32): i32 {
  if (available < 4) return NEED_INPUT
  store<u32>(state + IN_CURSOR, at + 4)
  store<u32>(state + PHASE, PHASE_FRAME)
  return DONE
}

function skipFrame(state: u32, at: u32, available: u32): i32 {
  const left = load<u32>(state + SKIP_LEFT)
  const n = min(left, available)
  store<u32>(state + IN_CURSOR, at + n)
  store<u32>(state + SKIP_LEFT, left - n)
  if (n < left) return NEED_INPUT
  store<u32>(state + PHASE, PHASE_FRAME)
  return DONE
}

function readFrameHeader(state: u32, at: u32, available: u32): i32 {
  if (available < 5) return NEED_INPUT
  const magic = load<u32>(at)
  if ((magic & 0xfffffff0) == 0x184d2a50) {
    if (available < 8) return NEED_INPUT
    store<u32>(state + SKIP_LEFT, load<u32>(at, 4))
    store<u32>(state + IN_CURSOR, at + 8)
    store<u32>(state + PHASE, PHASE_SKIP)
    return DONE
  }
  const flags = <u32>load<u8>(at, 4)
  if (magic != 0xfd2fb528 || (flags & 8) != 0) return CORRUPT
  const isSingle = (flags >> 5) & 1
  const idBytes: u32 = (1 << (flags & 3)) >> 1
  const sizeBytes: u32 = flags >> 6 == 0 ? isSingle : <u32>1 << (flags >> 6)
  const headBytes: u32 = 5 + (1 - isSingle) + idBytes + sizeBytes
  if (available < headBytes) return NEED_INPUT
  at += 5
  let window: u64 = 0
  if (isSingle == 0) {
    const descriptor = <u64>load<u8>(at++)
    window = <u64>1 << (10 + (descriptor >> 3))
    window += (window >> 3) * (descriptor & 7)
  }
  // A dictionary that is not 0 cannot be had.
  const idMask: u32 = idBytes == 4 ? 0xffffffff : (<u32>1 << (idBytes << 3)) - 1
  if ((load<u32>(at) & idMask) != 0) return CORRUPT
  at += idBytes
  let size = load<u64>(at)
  if (sizeBytes < 8) size &= (<u64>1 << <u64>(sizeBytes << 3)) - 1
  if (sizeBytes == 2) size += 256
  if (isSingle != 0) window = size
  if (sizeBytes != 0 && size > <u64>load<u32>(state + REMAINING)) return CORRUPT
  store<u32>(state + IN_CURSOR, at + sizeBytes)
  beginFrame(state, sizeBytes != 0, <u32>size, <u32>min(window, <u64>BLOCK_LIMIT), (flags >> 2) & 1)
  return DONE
}

function beginFrame(state: u32, isSized: bool, size: u32, blockMax: u32, hasChecksum: u32): void {
  store<u32>(state + FRAME_SIZED, u32(isSized))
  store<u32>(state + FRAME_LEFT, isSized ? size : load<u32>(state + REMAINING))
  store<u32>(state + FRAME_PRODUCED, 0)
  store<u32>(state + BLOCK_MAX, blockMax)
  store<u32>(state + HAS_CHECKSUM, hasChecksum)
  store<u32>(state + REPEAT, 1)
  store<u32>(state + REPEAT, 4, 4)
  store<u32>(state + REPEAT, 8, 8)
  store<u32>(state + HUFFMAN_READY, 0)
  // Tables of another frame must not be repeated.
  memory.fill(state + KINDS, 0, 12)
  store<u32>(state + PHASE, PHASE_BLOCK)
}

/** One block: DONE, or NEED_INPUT, OUTPUT_FULL with nothing changed. */
function readBlock(state: u32, at: u32, available: u32): i32 {
  if (available < 3) return NEED_INPUT
  const head = <u32>load<u16>(at) | (<u32>load<u8>(at, 2) << 16)
  const type = (head >> 1) & 3
  const size = head >> 3
  const blockMax = load<u32>(state + BLOCK_MAX)
  if (type == 3 || size > blockMax) return CORRUPT
  const bytes: u32 = type == 1 ? 1 : size
  if (available < bytes + 3) return NEED_INPUT
  const left = load<u32>(state + FRAME_LEFT)
  const out = load<u32>(state + OUT_CURSOR)
  const room = type == 2 ? min(blockMax, left) : size
  if (room > left) return CORRUPT
  if (load<u32>(state + OUT_END) - out < room) return OUTPUT_FULL
  at += 3
  let status = DONE
  if (type == 2) status = readCompressed(state, at, at + bytes, out + room)
  else {
    if (type == 0) memory.copy(out, at, size)
    else memory.fill(out, load<u8>(at), size)
    store<u32>(state + OUT_CURSOR, out + size)
  }
  if (status < 0) return status
  const produced = load<u32>(state + OUT_CURSOR) - out
  store<u32>(state + IN_CURSOR, at + bytes)
  store<u32>(state + FRAME_PRODUCED, load<u32>(state + FRAME_PRODUCED) + produced)
  store<u32>(state + FRAME_LEFT, left - produced)
  store<u32>(state + REMAINING, load<u32>(state + REMAINING) - produced)
  if ((head & 1) != 0) {
    if (load<u32>(state + FRAME_SIZED) != 0 && left != produced) return CORRUPT
    store<u32>(state + PHASE, load<u32>(state + HAS_CHECKSUM) != 0 ? PHASE_CHECKSUM : PHASE_FRAME)
  }
  return DONE
}

/** A compressed block [at, end): literals, then sequences. */
function readCompressed(state: u32, at: u32, end: u32, limit: u32): i32 {
  if (end - at < 2) return CORRUPT
  const head = load<u32>(at)
  const type = head & 3
  const format = (head >> 2) & 3
  let literals = state + LITERALS
  let size: u32 = 0
  if (type < 2) {
    const headBytes: u32 = (format & 1) == 0 ? 1 : format == 1 ? 2 : 3
    size = (head & ((1 << (headBytes << 3)) - 1)) >> ((format & 1) == 0 ? 3 : 4)
    at += headBytes
    if (size > load<u32>(state + BLOCK_MAX) || at >= end) return CORRUPT
    if (type == 0) {
      if (size > end - at) return CORRUPT
      literals = at
      at += size
    } else memory.fill(literals, load<u8>(at++), size + 16)
  } else {
    const width: u32 = format < 2 ? 10 : format == 2 ? 14 : 18
    const headBytes: u32 = format < 2 ? 3 : format + 2
    const head = load<u64>(at)
    const mask: u64 = ((<u64>1) << width) - 1
    size = <u32>((head >> 4) & mask)
    const coded = <u32>((head >> (4 + width)) & mask)
    at += headBytes
    if (at > end || coded > end - at || size > load<u32>(state + BLOCK_MAX)) return CORRUPT
    if (!readLiterals(state, at, at + coded, size, type == 3, format == 0)) return CORRUPT
    at += coded
  }
  return readSequences(state, at, end, literals, literals + size, limit)
}

/** Huffman-coded literals to LITERALS. */
function readLiterals(state: u32, at: u32, end: u32, size: u32, isRepeated: bool, isSingle: bool): bool {
  if (isRepeated) {
    if (load<u32>(state + HUFFMAN_READY) == 0) return false
  } else {
    const bytes = readHuffman(state, at, end)
    if (bytes == 0) return false
    at += bytes
    store<u32>(state + HUFFMAN_READY, 1)
  }
  const to = state + LITERALS
  if (isSingle) return decodeStream(state + HUFFMAN, at, end, to, to + size)
  return decodeFourStreams(state, at, end, to, size)
}

/** The count of sequences, then they; without any, the literals are the block. */
function readSequences(state: u32, at: u32, end: u32, literals: u32, literalsEnd: u32, limit: u32): i32 {
  if (at >= end) return CORRUPT
  let n = <u32>load<u8>(at++)
  if (n == 255) {
    n = <u32>load<u16>(at) + 0x7f00
    at += 2
  } else if (n >= 128) n = ((n - 128) << 8) + <u32>load<u8>(at++)
  if (n != 0) return runSequences(state, n, at, end, literals, literalsEnd, limit)
  return at == end ? takeRest(state, literals, literalsEnd, load<u32>(state + OUT_CURSOR), limit) : CORRUPT
}
