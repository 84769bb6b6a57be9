// Compresses pages to raw Snappy and to raw LZ4 blocks: greedy matches of at least 4 bytes, at most 65535 bytes back.
// One loop finds them for both formats. It is compiled once for each, as the format is a constant where it is inlined.
import { putSequence, putToken } from './lz4-elements'
import { entryOf, matchLength, tableBits } from './match-finder'
import { putCopy, putLiteral, putVarint } from './snappy-elements'

const SNAPPY: u32 = 0
const LZ4: u32 = 1
/** So much patience each byte that a match stands for gives back. */
const PATIENCE_PER_BYTE: i32 = 3

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
  return compress(SNAPPY, source, length, putVarint(target, length), scratch) - target
}

/** A copy is never longer than what it stands for; literals add a byte per 255. */
export function lz4RawCompressBound(length: u32): u32 {
  return length + length / 255 + 16
}

export function lz4RawScratchBytes(): u32 {
  return 65536
}

/**
 * As the format wants, the last 5 bytes are literals and no copy begins within the last 12.
 * @param source readable 16 bytes past its end
 * @param target lz4RawCompressBound(length) + 64 bytes; no overlap
 * @param scratch lz4RawScratchBytes(); need not be zeroed
 * @returns bytes written
 */
export function lz4RawCompress(source: u32, length: u32, target: u32, scratch: u32): u32 {
  return compress(LZ4, source, length, target, scratch) - target
}

/**
 * Whether a match begins here. In Snappy one that is far away takes 3 bytes, and the literals that it parts one more:
 * random text of few characters is full of matches of 4 or 5 bytes that cost time and save nothing.
 */
// @ts-ignore: decorator
@inline
function isWorthIt(format: u32, input: u32, candidate: u32): bool {
  const distance = input - candidate
  if (distance > 65535 || load<u32>(candidate) != load<u32>(input)) return false
  return format == LZ4 || distance < 2048 || load<u16>(candidate, 4) == load<u16>(input, 4)
}

/** Writes the literals from `from` to `to` and the copy behind them. */
// @ts-ignore: decorator
@inline
function put(format: u32, output: u32, from: u32, to: u32, distance: u32, length: u32): u32 {
  if (format == LZ4) return putSequence(output, from, to - from, distance, length - 4)
  if (to > from) output = putLiteral(output, from, to - from)
  return putCopy(output, distance, length)
}

/** Writes the literals behind the last copy. */
// @ts-ignore: decorator
@inline
function putRest(format: u32, output: u32, from: u32, end: u32): u32 {
  if (format == LZ4) return putToken(output, from, end - from, 0)
  return from < end ? putLiteral(output, from, end - from) : output
}

/** Returns where the output ends. */
// @ts-ignore: decorator
@inline
function compress(format: u32, source: u32, length: u32, output: u32, scratch: u32): u32 {
  const end = source + length
  let anchor = source
  if (length >= <u32>(format == LZ4 ? 13 : 16)) {
    const bits = tableBits(length)
    const shift = 32 - bits
    memory.fill(scratch, 0, 4 << bits)
    // Loads of 8 bytes from up to here stay within the source.
    const limit = end - 12
    const matchEnd = format == LZ4 ? end - 5 : end
    let input = source + 1
    let patience: i32 = 32
    while (input <= limit) {
      const entry = entryOf(scratch, input, shift)
      let candidate = load<u32>(entry)
      store<u32>(entry, input)
      if (!isWorthIt(format, input, candidate)) {
        // The longer nothing is found, the larger the steps.
        input += patience++ >> 5
        continue
      }
      while (input > anchor && candidate > source && load<u8>(input - 1) == load<u8>(candidate - 1)) {
        input--
        candidate--
      }
      let found: u32 = 0
      for (;;) {
        const matched = matchLength(candidate + 4, input + 4, matchEnd) + 4
        output = put(format, output, anchor, input, input - candidate, matched)
        input += matched
        found += matched
        anchor = input
        if (input > limit) break
        store<u32>(entryOf(scratch, input - 2, shift), input - 2)
        const next = entryOf(scratch, input, shift)
        candidate = load<u32>(next)
        store<u32>(next, input)
        if (!isWorthIt(format, input, candidate)) break
      }
      input++
      // A short match in much that has none (the length in front of a random text) is no reason to look closely again.
      patience = max(32, patience - <i32>found * PATIENCE_PER_BYTE)
    }
  }
  return putRest(format, output, anchor, end)
}
