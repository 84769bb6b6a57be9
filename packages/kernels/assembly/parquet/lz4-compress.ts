// Compresses pages to raw LZ4 blocks: greedy matches of at least 4 bytes, at most 65535 bytes back. As the format
// wants, the last 5 bytes are literals and no copy begins within the last 12.
import { entryOf, matchLength, tableBits } from './match-finder'
import { copyForward } from './window-copy'

/** A copy is never longer than what it stands for; literals add a byte per 255. */
export function lz4RawCompressBound(length: u32): u32 {
  return length + length / 255 + 16
}

export function lz4RawScratchBytes(): u32 {
  return 65536
}

/**
 * @param source readable 16 bytes past its end
 * @param target lz4RawCompressBound(length) + 64 bytes; no overlap
 * @param scratch lz4RawScratchBytes(); need not be zeroed
 * @returns bytes written
 */
export function lz4RawCompress(source: u32, length: u32, target: u32, scratch: u32): u32 {
  let output = target
  const end = source + length
  let anchor = source
  if (length > 12) {
    const bits = tableBits(length)
    const shift = 32 - bits
    memory.fill(scratch, 0, 4 << bits)
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
      for (;;) {
        const matched = matchLength(candidate + 4, input + 4, end - 5)
        output = putSequence(output, anchor, input - anchor, input - candidate, matched)
        input += matched + 4
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
  return putLiteral(output, anchor, end - anchor, 0) - target
}

/** @param less length of the copy less 4 */
// @ts-ignore: decorator
@inline
function putSequence(output: u32, from: u32, length: u32, distance: u32, less: u32): u32 {
  output = putLiteral(output, from, length, min<u32>(less, 15))
  store<u16>(output, distance)
  return less < 15 ? output + 2 : putLength(output + 2, less - 15)
}

/** The token and the literals. */
// @ts-ignore: decorator
@inline
function putLiteral(output: u32, from: u32, length: u32, copyNibble: u32): u32 {
  store<u8>(output, (min<u32>(length, 15) << 4) | copyNibble)
  output++
  if (length >= 15) output = putLength(output, length - 15)
  if (length) copyForward(output, from, length)
  return output + length
}

function putLength(output: u32, rest: u32): u32 {
  while (rest >= 255) {
    store<u8>(output++, 255)
    rest -= 255
  }
  store<u8>(output, rest)
  return output + 1
}
