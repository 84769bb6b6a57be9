// Decompresses raw Snappy through a window: a length, then elements: literals, or copies of earlier output.
//
//   state, u32 each, as all decompressors of this folder have it; the caller may rewrite the first six between calls
//     0 inCursor  4 inEnd  8 isLast  12 windowStart  16 outCursor  20 outEnd
//   and privately
//     24 total bytes of the result  28 bytes of it still to come  32 is the length read?
//     36 bytes left of an open literal  40 bytes left of an open copy  44 distance of that copy
//
// An element is read whole or not at all (a tag with its operand has at most 5 bytes), but its bytes may come in parts.
import { copyBack, copyForward } from './window-copy'

const NEED_INPUT: i32 = 0
const OUTPUT_FULL: i32 = 1
const DONE: i32 = 2
const CORRUPT: i32 = -1
const WINDOW_TOO_SMALL: i32 = -2
const CONTINUE: i32 = 3

// Per tag of a copy: its length, + bits 8 … 10 of the distance (in place), + bytes of the operand × 2048.
const copies: usize = memory.data<u16>([
  0, 2052, 4097, 8193, 0, 2053, 4098, 8194, 0, 2054, 4099, 8195, 0, 2055, 4100, 8196, 0, 2056, 4101, 8197, 0, 2057,
  4102, 8198, 0, 2058, 4103, 8199, 0, 2059, 4104, 8200, 0, 2308, 4105, 8201, 0, 2309, 4106, 8202, 0, 2310, 4107, 8203,
  0, 2311, 4108, 8204, 0, 2312, 4109, 8205, 0, 2313, 4110, 8206, 0, 2314, 4111, 8207, 0, 2315, 4112, 8208, 0, 2564,
  4113, 8209, 0, 2565, 4114, 8210, 0, 2566, 4115, 8211, 0, 2567, 4116, 8212, 0, 2568, 4117, 8213, 0, 2569, 4118, 8214,
  0, 2570, 4119, 8215, 0, 2571, 4120, 8216, 0, 2820, 4121, 8217, 0, 2821, 4122, 8218, 0, 2822, 4123, 8219, 0, 2823,
  4124, 8220, 0, 2824, 4125, 8221, 0, 2825, 4126, 8222, 0, 2826, 4127, 8223, 0, 2827, 4128, 8224, 0, 3076, 4129, 8225,
  0, 3077, 4130, 8226, 0, 3078, 4131, 8227, 0, 3079, 4132, 8228, 0, 3080, 4133, 8229, 0, 3081, 4134, 8230, 0, 3082,
  4135, 8231, 0, 3083, 4136, 8232, 0, 3332, 4137, 8233, 0, 3333, 4138, 8234, 0, 3334, 4139, 8235, 0, 3335, 4140, 8236,
  0, 3336, 4141, 8237, 0, 3337, 4142, 8238, 0, 3338, 4143, 8239, 0, 3339, 4144, 8240, 0, 3588, 4145, 8241, 0, 3589,
  4146, 8242, 0, 3590, 4147, 8243, 0, 3591, 4148, 8244, 0, 3592, 4149, 8245, 0, 3593, 4150, 8246, 0, 3594, 4151, 8247,
  0, 3595, 4152, 8248, 0, 3844, 4153, 8249, 0, 3845, 4154, 8250, 0, 3846, 4155, 8251, 0, 3847, 4156, 8252, 0, 3848,
  4157, 8253, 0, 3849, 4158, 8254, 0, 3850, 4159, 8255, 0, 3851, 4160, 8256,
])

export function snappyStateBytes(): u32 {
  return 64
}

/** Opens a stream. The first six words are the caller's and are left alone. */
export function snappyBegin(state: u32, uncompressedBytes: u32): void {
  memory.fill(state + 24, 0, 40)
  store<u32>(state, uncompressedBytes, 24)
  store<u32>(state, uncompressedBytes, 28)
}

/** Runs until input or room ends, or the stream does; see parquet-codec-kernels.ts for the results. */
export function snappyStep(state: u32): i32 {
  if (!load<u32>(state, 32)) {
    const result = readLength(state)
    if (result != CONTINUE) return result
  }
  let result = CONTINUE
  while (result == CONTINUE) {
    decodeFast(state)
    result = decodeElement(state)
  }
  return result
}

/** The varint at the start, which must agree with what the page header says. */
function readLength(state: u32): i32 {
  const start = load<u32>(state)
  const available = load<u32>(state, 4) - start
  let length: u64 = 0
  for (let i: u32 = 0; i < 5; i++) {
    if (i == available) return load<u32>(state, 8) ? CORRUPT : NEED_INPUT
    const byte = load<u8>(start + i)
    length |= <u64>(byte & 127) << (7 * i)
    if (byte < 128) {
      if (length != <u64>load<u32>(state, 24)) return CORRUPT
      store<u32>(state, start + i + 1)
      store<u32>(state, 1, 32)
      return CONTINUE
    }
  }
  return CORRUPT
}

/**
 * The elements that are far from every end: no check is needed but the one of the distance. Leaves at the first element
 * that it cannot do; decodeElement does that one, or says what is wrong with it.
 */
function decodeFast(state: u32): void {
  if (load<u32>(state, 36) | load<u32>(state, 40)) return
  let input = load<u32>(state)
  let output = load<u32>(state, 16)
  const inEnd = load<u32>(state, 4)
  const room = min(load<u32>(state, 20) - output, load<u32>(state, 28))
  // One round takes at most 61 + 5 bytes and gives at most 60 + 64.
  if (inEnd - input < 96 || room < 192) return
  const start = output
  const inSafe = inEnd - 96
  const outSafe = output + room - 192
  // Bytes before the stream's own may stand in the window; they are no history.
  const produced = load<u32>(state, 24) - load<u32>(state, 28)
  const windowStart = output - min(produced, output - load<u32>(state, 12))
  while (input <= inSafe && output <= outSafe) {
    let tag = <u32>load<u8>(input)
    if (!(tag & 3)) {
      let length = (tag >> 2) + 1
      if (length <= 16) {
        v128.store(output, v128.load(input + 1))
        input += length + 1
      } else if (length <= 60) {
        v128.store(output, v128.load(input + 1))
        v128.store(output, v128.load(input + 1, 16), 16)
        v128.store(output, v128.load(input + 1, 32), 32)
        v128.store(output, v128.load(input + 1, 48), 48)
        input += length + 1
      } else {
        const operandBytes = length - 60
        length = load<u32>(input + 1) & (<u32>-1 >> (32 - (operandBytes << 3)))
        if (length >= inSafe - input || length >= outSafe - output) break
        length += 1
        copyForward(output, input + 1 + operandBytes, length)
        input += operandBytes + 1 + length
      }
      output += length
      // After a literal mostly comes a copy, which a branch of its own is better at foretelling.
      tag = load<u8>(input)
      if (!(tag & 3)) continue
    }
    const entry = <u32>load<u16>(copies + (tag << 1))
    const operandBytes = entry >> 11
    const distance = (entry & 0x700) + (load<u32>(input + 1) & (<u32>-1 >> (32 - (operandBytes << 3))))
    if (distance - 1 >= output - windowStart) break
    const length = entry & 255
    copyBack(output, distance, length)
    input += operandBytes + 1
    output += length
  }
  store<u32>(state, input)
  store<u32>(state, output, 16)
  store<u32>(state, load<u32>(state, 28) - (output - start), 28)
}

/** One element or the rest of one, anywhere. CONTINUE if it was done wholly. */
function decodeElement(state: u32): i32 {
  if (load<u32>(state, 36)) return goOnLiteral(state)
  if (load<u32>(state, 40)) return goOnCopy(state)
  const input = load<u32>(state)
  const available = load<u32>(state, 4) - input
  const left = load<u32>(state, 28)
  const isLast = load<u32>(state, 8)
  if (available == 0 && left == 0 && isLast) return DONE
  if (left == 0 && available != 0) return CORRUPT
  if (available == 0) return isLast ? CORRUPT : NEED_INPUT
  const tag = <u32>load<u8>(input)
  if (!(tag & 3)) {
    let length = tag >> 2
    let operandBytes: u32 = 0
    if (length >= 60) {
      operandBytes = length - 59
      if (available <= operandBytes) return isLast ? CORRUPT : NEED_INPUT
      length = load<u32>(input + 1) & (<u32>-1 >> (32 - (operandBytes << 3)))
    }
    if (length >= left) return CORRUPT
    store<u32>(state, input + 1 + operandBytes)
    store<u32>(state, length + 1, 36)
    return goOnLiteral(state)
  }
  const entry = <u32>load<u16>(copies + (tag << 1))
  const operandBytes = entry >> 11
  if (available <= operandBytes) return isLast ? CORRUPT : NEED_INPUT
  const distance = (entry & 0x700) + (load<u32>(input + 1) & (<u32>-1 >> (32 - (operandBytes << 3))))
  const length = entry & 255
  const produced = load<u32>(state, 24) - left
  if (length > left || distance - 1 >= produced) return CORRUPT
  if (distance > load<u32>(state, 16) - load<u32>(state, 12)) return WINDOW_TOO_SMALL
  store<u32>(state, input + 1 + operandBytes)
  store<u32>(state, length, 40)
  store<u32>(state, distance, 44)
  return goOnCopy(state)
}

function goOnLiteral(state: u32): i32 {
  const input = load<u32>(state)
  const open = load<u32>(state, 36)
  const available = load<u32>(state, 4) - input
  const room = load<u32>(state, 20) - load<u32>(state, 16)
  const length = min(open, min(available, room))
  if (length) copyForward(load<u32>(state, 16), input, length)
  store<u32>(state, input + length)
  store<u32>(state, open - length, 36)
  advance(state, length)
  if (length == open) return CONTINUE
  if (length == room) return OUTPUT_FULL
  return load<u32>(state, 8) ? CORRUPT : NEED_INPUT
}

function goOnCopy(state: u32): i32 {
  const output = load<u32>(state, 16)
  const open = load<u32>(state, 40)
  const distance = load<u32>(state, 44)
  const length = min(open, load<u32>(state, 20) - output)
  // The window may have been slid since the element was read.
  if (distance > output - load<u32>(state, 12)) return WINDOW_TOO_SMALL
  if (length) copyBack(output, distance, length)
  store<u32>(state, open - length, 40)
  advance(state, length)
  return length == open ? CONTINUE : OUTPUT_FULL
}

function advance(state: u32, length: u32): void {
  store<u32>(state, load<u32>(state, 16) + length, 16)
  store<u32>(state, load<u32>(state, 28) - length, 28)
}
