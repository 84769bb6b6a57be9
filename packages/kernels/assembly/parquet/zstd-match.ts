// Match finders of the zstd compressor: a fast one that looks at one candidate, and lazy hash chains.
//
// Tables hold addresses; 0 is none. Positions of earlier blocks of the call stay in the tables.

import { appendSequence, CHAIN, CHAIN_LENGTH, equalBytes, HEADS, REPEAT } from './zstd-compress-scratch'

/** Hash of the lowest `bytes` bytes of eight. */
@inline
function hashOf(word: u64, bytes: u32, bits: u32): u32 {
  return <u32>(((word << <u64>(64 - (bytes << 3))) * 0x9e3779b185ebca87) >> <u64>(64 - bits))
}

/** Start of a match grown backward: how many bytes before both are equal, at most `limit`. */
@inline
function growBack(at: u32, from: u32, limit: u32, lowest: u32): u32 {
  let n: u32 = 0
  while (n < limit && from - n > lowest && load<u8>(at - n - 1) == load<u8>(from - n - 1)) n++
  return n
}

/**
 * One candidate per position by a hash of `hashBytes` bytes, and the last offset one byte ahead.
 * @param lowest start of the frame's content
 * @returns where the block's last literals start
 */
export function findFast(scratch: u32, lowest: u32, start: u32, end: u32, bits: u32, hashBytes: u32): u32 {
  let anchor = start
  let at = start == lowest ? start + 1 : start
  const heads = scratch + HEADS
  const limit = end - start < 16 ? start : end - 12
  while (at < limit) {
    const word = load<u64>(at)
    const slot = heads + (hashOf(word, hashBytes, bits) << 2)
    let from = load<u32>(slot)
    store<u32>(slot, at)
    const repeat = load<u32>(scratch + REPEAT)
    let n: u32 = 0
    if (repeat <= at + 1 - lowest && <u32>(word >> 8) == load<u32>(at + 1 - repeat)) {
      at++
      from = at - repeat
      n = 4 + equalBytes(from + 4, at + 4, end)
    } else if (from >= lowest && from != 0 && load<u32>(from) == <u32>word) {
      n = 4 + equalBytes(from + 4, at + 4, end)
      const back = growBack(at, from, at - anchor, lowest)
      at -= back
      from -= back
      n += back
    } else {
      at += ((at - anchor) >> 7) + 1
      continue
    }
    appendSequence(scratch, anchor, at - anchor, at - from, n)
    const first = at + 2
    at += n
    anchor = at
    if (at >= limit) break
    store<u32>(heads + (hashOf(load<u64>(first), hashBytes, bits) << 2), first)
    store<u32>(heads + (hashOf(load<u64>(at - 2), hashBytes, bits) << 2), at - 2)
    // The second last offset right behind a match is the cheapest sequence there is.
    while (at < limit) {
      const second = load<u32>(scratch + REPEAT, 4)
      if (second > at - lowest || load<u32>(at) != load<u32>(at - second)) break
      const more = 4 + equalBytes(at + 4 - second, at + 4, end)
      store<u32>(heads + (hashOf(load<u64>(at), hashBytes, bits) << 2), at)
      appendSequence(scratch, anchor, 0, second, more)
      at += more
      anchor = at
    }
  }
  return anchor
}

/** Enters all positions [from, to) into the chains. */
@inline
function enterChain(scratch: u32, from: u32, to: u32, bits: u32): void {
  for (let at = from; at < to; at++) {
    const slot = scratch + HEADS + (hashOf(load<u64>(at), 5, bits) << 2)
    store<u32>(scratch + CHAIN + ((at & (CHAIN_LENGTH - 1)) << 2), load<u32>(slot))
    store<u32>(slot, at)
  }
}

/** What a match is worth, in quarters of bytes. */
@inline
function worth(n: u32, offset: u32): i32 {
  return <i32>(n << 2) - <i32>(32 - clz(offset))
}

/**
 * Longest match along a chain; the best by worth is what counts.
 * @returns bytes << 32 | offset, or 0
 */
function searchChain(scratch: u32, at: u32, lowest: u32, end: u32, bits: u32, depth: u32): u64 {
  let from = load<u32>(scratch + HEADS + (hashOf(load<u64>(at), 5, bits) << 2))
  const oldest = at - lowest < CHAIN_LENGTH ? lowest : at - CHAIN_LENGTH + 1
  let best: u32 = 3
  let bestOffset: u32 = 0
  for (; depth > 0 && from >= oldest && from != 0; depth--) {
    if (load<u32>(from + best - 3) == load<u32>(at + best - 3)) {
      const n = equalBytes(from, at, end)
      if (n > best && (bestOffset == 0 || worth(n, at - from) > worth(best, bestOffset))) {
        best = n
        bestOffset = at - from
        if (at + n == end) break
      }
    }
    const next = load<u32>(scratch + CHAIN + ((from & (CHAIN_LENGTH - 1)) << 2))
    // A slot that was taken over by a later position ends the chain.
    if (next >= from) break
    from = next
  }
  return bestOffset == 0 ? 0 : (<u64>best << 32) | <u64>bestOffset
}

/** Bytes equal to those at the last offset, 0 if fewer than 4. */
@inline
function repeatBytes(at: u32, repeat: u32, lowest: u32, end: u32): u32 {
  if (repeat > at - lowest || load<u32>(at) != load<u32>(at - repeat)) return 0
  return 4 + equalBytes(at + 4 - repeat, at + 4, end)
}

/** Hash chains of `depth` candidates; a match is put off while one of the next `patience` positions is worth more. */
export function findLazy(
  scratch: u32,
  lowest: u32,
  start: u32,
  end: u32,
  bits: u32,
  depth: u32,
  patience: u32,
): u32 {
  let anchor = start
  let at = start == lowest ? start + 1 : start
  let entered = at
  const limit = end - start < 16 ? start : end - 12
  while (at < limit) {
    const repeat = load<u32>(scratch + REPEAT)
    enterChain(scratch, entered, at, bits)
    entered = max(entered, at)
    const found = searchChain(scratch, at, lowest, end, bits, depth)
    let n = <u32>(found >> 32)
    let offset = <u32>found
    let matchAt = at
    const ahead = repeatBytes(at + 1, repeat, lowest, end)
    if (ahead != 0 && (n == 0 || <i32>(ahead << 2) + 1 > worth(n, offset))) {
      n = ahead
      offset = repeat
      matchAt = at + 1
    }
    if (n < 4) {
      at += ((at - anchor) >> 8) + 1
      continue
    }
    for (let wait: u32 = 0; wait < patience && at + 1 < limit; wait++) {
      at++
      enterChain(scratch, entered, at, bits)
      entered = max(entered, at)
      const now = worth(n, offset == repeat ? 1 : offset) + 4
      const again = at == matchAt ? 0 : repeatBytes(at, repeat, lowest, end)
      const other = searchChain(scratch, at, lowest, end, bits, depth)
      const otherWorth = worth(<u32>(other >> 32), <u32>other)
      const againWorth = again == 0 ? 0 : <i32>(again << 2) - 1
      if (max(otherWorth, againWorth) <= now) continue
      wait = -1
      matchAt = at
      n = againWorth >= otherWorth ? again : <u32>(other >> 32)
      offset = againWorth >= otherWorth ? repeat : <u32>other
    }
    const back = growBack(matchAt, matchAt - offset, matchAt - anchor, lowest)
    appendSequence(scratch, anchor, matchAt - back - anchor, offset, n + back)
    anchor = at = matchAt + n
    while (at < limit) {
      const second = load<u32>(scratch + REPEAT, 4)
      const more = repeatBytes(at, second, lowest, end)
      if (more == 0) break
      appendSequence(scratch, anchor, 0, second, more)
      anchor = at = at + more
    }
    const stop = min(at, limit)
    if (entered < stop) enterChain(scratch, entered, stop, bits)
    entered = max(entered, stop)
  }
  return anchor
}
