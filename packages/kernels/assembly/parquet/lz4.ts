// Decompresses a raw LZ4 block through a window. A block is sequences without a header: a token (two lengths of 4
// bits, which 15 continues in further bytes), literals, a distance of two bytes, and a copy. The last one ends after its
// literals.
//
//   state, u32 each, as all decompressors of this folder have it; the caller may rewrite the first six between calls
//     0 inCursor  4 inEnd  8 isLast  12 windowStart  16 outCursor  20 outEnd
//   and privately
//     24 total bytes of the result  28 bytes of it still to come  32 phase
//     36 bytes of literal left (or its length so far)  40 the same of the copy  44 distance
import { copyBack, copyForward } from './window-copy'

const NEED_INPUT: i32 = 0
const OUTPUT_FULL: i32 = 1
const DONE: i32 = 2
const CORRUPT: i32 = -1
const WINDOW_TOO_SMALL: i32 = -2
const CONTINUE: i32 = 3

/** Where in a sequence the stream stands. */
const TOKEN: u32 = 0
const LITERAL_LENGTH: u32 = 1
const LITERAL: u32 = 2
const DISTANCE: u32 = 3
const COPY_LENGTH: u32 = 4
const COPY: u32 = 5

export function lz4RawStateBytes(): u32 {
  return 64
}

/** Opens a stream. The first six words are the caller's and are left alone. */
export function lz4RawBegin(state: u32, uncompressedBytes: u32): void {
  memory.fill(state + 24, 0, 40)
  store<u32>(state, uncompressedBytes, 24)
  store<u32>(state, uncompressedBytes, 28)
}

/** Runs until input or room ends, or the stream does; see parquet-codec-kernels.ts for the results. */
export function lz4RawStep(state: u32): i32 {
  let result = CONTINUE
  while (result == CONTINUE) {
    if (load<u32>(state, 32) == TOKEN) decodeFast(state)
    result = decodePhase(state)
  }
  return result
}

/**
 * The sequences that are far from every end and not very long. Leaves before the first that it cannot do wholly;
 * decodePhase does that one, or says what is wrong with it.
 */
function decodeFast(state: u32): void {
  let input = load<u32>(state)
  let output = load<u32>(state, 16)
  const room = min(load<u32>(state, 20) - output, load<u32>(state, 28))
  if (load<u32>(state, 4) - input < 96 || room < 64) return
  const start = output
  const inSafe = load<u32>(state, 4) - 96
  // From here a distance and the first byte of a length can still be read.
  const inLast = inSafe + 56
  const outLast = output + room
  const outSafe = outLast - 64
  // Bytes before the stream's own may stand in the window; they are no history.
  const produced = load<u32>(state, 24) - load<u32>(state, 28)
  const windowStart = output - min(produced, output - load<u32>(state, 12))
  while (input <= inSafe && output <= outSafe) {
    const token = <u32>load<u8>(input)
    let from = input + 1
    let to = output
    let length = token >> 4
    if (length < 15) v128.store(to, v128.load(from))
    else {
      let byte: u32 = 0
      do {
        byte = load<u8>(from++)
        length += byte
      } while (byte == 255 && from < inLast && length < 0x1000000)
      if (byte == 255 || length > inLast - from || length > outLast - to) break
      copyForward(to, from, length)
    }
    from += length
    to += length
    const distance = <u32>load<u16>(from)
    from += 2
    if (distance - 1 >= to - windowStart) break
    length = (token & 15) + 4
    if (length < 19 && distance >= 16) {
      // Both lengths are short: at most 32 bytes from where at least 50 are left.
      v128.store(to, v128.load(to - distance))
      v128.store(to, v128.load(to - distance, 16), 16)
      if (length > outLast - to) break
    } else {
      if (length == 19) {
        let byte: u32 = 0
        do {
          byte = load<u8>(from++)
          length += byte
        } while (byte == 255 && from < inLast && length < 0x1000000)
        if (byte == 255) break
      }
      if (length > outLast - to) break
      copyBack(to, distance, length)
    }
    input = from
    output = to + length
  }
  store<u32>(state, input)
  store<u32>(state, output, 16)
  store<u32>(state, load<u32>(state, 28) - (output - start), 28)
}

/** One part of a sequence, anywhere. CONTINUE if it was done wholly. */
function decodePhase(state: u32): i32 {
  const phase = load<u32>(state, 32)
  if (phase == LITERAL) return goOnLiteral(state)
  if (phase == COPY) return goOnCopy(state)
  const input = load<u32>(state)
  const available = load<u32>(state, 4) - input
  // Only literals end a block.
  if (available < <u32>(phase == DISTANCE ? 2 : 1)) return load<u32>(state, 8) ? CORRUPT : NEED_INPUT
  const byte = <u32>load<u8>(input)
  if (phase == TOKEN) {
    store<u32>(state, input + 1)
    store<u32>(state, byte >> 4, 36)
    store<u32>(state, (byte & 15) + 4, 40)
    store<u32>(state, byte >> 4 == 15 ? LITERAL_LENGTH : LITERAL, 32)
    return CONTINUE
  }
  if (phase == DISTANCE) {
    const distance = <u32>load<u16>(input)
    const produced = load<u32>(state, 24) - load<u32>(state, 28)
    if (distance - 1 >= produced) return CORRUPT
    store<u32>(state, input + 2)
    store<u32>(state, distance, 44)
    store<u32>(state, load<u32>(state, 40) == 19 ? COPY_LENGTH : COPY, 32)
    return CONTINUE
  }
  store<u32>(state, input + 1)
  const field = phase == LITERAL_LENGTH ? state + 36 : state + 40
  const length = load<u32>(field)
  const left = load<u32>(state, 28)
  if (length > left || byte > left - length) return CORRUPT
  store<u32>(field, length + byte)
  if (byte != 255) store<u32>(state, phase + 1, 32)
  return CONTINUE
}

function goOnLiteral(state: u32): i32 {
  const input = load<u32>(state)
  const open = load<u32>(state, 36)
  if (open > load<u32>(state, 28)) return CORRUPT
  const available = load<u32>(state, 4) - input
  const room = load<u32>(state, 20) - load<u32>(state, 16)
  const length = min(open, min(available, room))
  if (length) copyForward(load<u32>(state, 16), input, length)
  store<u32>(state, input + length)
  store<u32>(state, open - length, 36)
  advance(state, length)
  const isLast = load<u32>(state, 8)
  if (length < open) return length == room ? OUTPUT_FULL : isLast ? CORRUPT : NEED_INPUT
  if (length < available) {
    if (load<u32>(state, 28) == 0) return CORRUPT
    store<u32>(state, DISTANCE, 32)
    return CONTINUE
  }
  if (!isLast) return NEED_INPUT
  return load<u32>(state, 28) == 0 ? DONE : CORRUPT
}

function goOnCopy(state: u32): i32 {
  const output = load<u32>(state, 16)
  const open = load<u32>(state, 40)
  const distance = load<u32>(state, 44)
  if (open > load<u32>(state, 28)) return CORRUPT
  if (distance > output - load<u32>(state, 12)) return WINDOW_TOO_SMALL
  const length = min(open, load<u32>(state, 20) - output)
  if (length) copyBack(output, distance, length)
  store<u32>(state, open - length, 40)
  advance(state, length)
  if (length < open) return OUTPUT_FULL
  store<u32>(state, TOKEN, 32)
  return CONTINUE
}

function advance(state: u32, length: u32): void {
  store<u32>(state, load<u32>(state, 16) + length, 16)
  store<u32>(state, load<u32>(state, 28) - length, 28)
}
