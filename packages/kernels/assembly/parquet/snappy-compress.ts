// Compresses pages to raw Snappy: greedy matches of at least 4 bytes, at most 65535 bytes back.
import { entryOf, matchLength, tableBits } from './match-finder'
import { copyForward } from './window-copy'

/** Copies are never longer than what they stand for; literals add a byte per 60 at worst, and a length of 5. */
export function snappyCompressBound(length: u32): u32 {
  return length + length / 6 + 32
}

export function snappyScratchBytes(): u32 {
  return 65536
}

/**
 * @param source readable 16 bytes past its end
 * @param target snappyCompressBound(length) + 64 bytes; no overlap
 * @param scratch snappyScratchBytes(); need not be zeroed
 * @returns bytes written
 */
export function snappyCompress(source: u32, length: u32, target: u32, scratch: u32): u32 {
  let output = putVarint(target, length)
  const end = source + length
  let anchor = source
  if (length >= 16) {
    const bits = tableBits(length)
    const shift = 32 - bits
    memory.fill(scratch, 0, 4 << bits)
    // Loads of 8 bytes from up to here stay within the source.
    const limit = end - 12
    let input = source + 1
    let patience: u32 = 32
    while (input <= limit) {
      const entry = entryOf(scratch, input, shift)
      let candidate = load<u32>(entry)
      store<u32>(entry, input)
      if (input - candidate > 65535 || load<u32>(candidate) != load<u32>(input)) {
        // The longer nothing is found, the larger the steps.
        input += patience++ >> 5
        continue
      }
      while (input > anchor && candidate > source && load<u8>(input - 1) == load<u8>(candidate - 1)) {
        input--
        candidate--
      }
      if (input > anchor) output = putLiteral(output, anchor, input - anchor)
      for (;;) {
        const matched = matchLength(candidate + 4, input + 4, end) + 4
        output = putCopy(output, input - candidate, matched)
        input += matched
        anchor = input
        if (input > limit) break
        store<u32>(entryOf(scratch, input - 2, shift), input - 2)
        const next = entryOf(scratch, input, shift)
        candidate = load<u32>(next)
        store<u32>(next, input)
        if (input - candidate > 65535 || load<u32>(candidate) != load<u32>(input)) break
      }
      input++
      patience = 32
    }
  }
  if (anchor < end) output = putLiteral(output, anchor, end - anchor)
  return output - target
}

function putVarint(output: u32, value: u32): u32 {
  while (value > 127) {
    store<u8>(output++, value | 128)
    value >>= 7
  }
  store<u8>(output, value)
  return output + 1
}

// @ts-ignore: decorator
@inline
function putLiteral(output: u32, from: u32, length: u32): u32 {
  const less = length - 1
  if (less < 60) {
    store<u8>(output, less << 2)
    output += 1
  } else {
    const operandBytes = (39 - clz(less)) >> 3
    store<u8>(output, (59 + operandBytes) << 2)
    store<u32>(output + 1, less)
    output += 1 + operandBytes
  }
  copyForward(output, from, length)
  return output + length
}

// @ts-ignore: decorator
@inline
function putCopy(output: u32, distance: u32, length: u32): u32 {
  if (length < 12 && distance < 2048) {
    store<u16>(output, 1 | ((length - 4) << 2) | ((distance >> 8) << 5) | ((distance & 255) << 8))
    return output + 2
  }
  while (length > 64) {
    // The last part must keep the 4 bytes that the short form needs.
    const part: u32 = length < 68 ? 60 : 64
    store<u32>(output, 2 | ((part - 1) << 2) | (distance << 8))
    output += 3
    length -= part
  }
  if (length < 12 && distance < 2048) {
    store<u16>(output, 1 | ((length - 4) << 2) | ((distance >> 8) << 5) | ((distance & 255) << 8))
    return output + 2
  }
  store<u32>(output, 2 | ((length - 1) << 2) | (distance << 8))
  return output + 3
}
