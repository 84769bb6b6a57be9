// Strings that share their beginning with the string before: the length of what is shared, and the rest.
//
// They are put together in a heap. State, u32 words:
//
//    0 cursor (next byte of the rests)   4 end of the bytes there   8 hasHighBytes (set when a byte is not ASCII)
//   12 address of the string before   16 its length   20 heap cursor   24 heap end
//
// The heap is clobbered up to 16 bytes past its end; shared parts and rests are copied in words of 16 bytes.
import { viewOf } from './view'

const CURSOR: usize = 0
const END: usize = 4
const HAS_HIGH_BYTES: usize = 8
const BEFORE: usize = 12
const BEFORE_LENGTH: usize = 16
const HEAP: usize = 20
const HEAP_END: usize = 24

/** Copies forward in words of 16 bytes; the target lies behind the source or elsewhere. Returns the bytes or-ed. */
@inline
function copyWords(source: usize, length: u32, target: usize): v128 {
  let seen = i64x2.splat(0)
  const end = target + length
  while (target < end) {
    const word = v128.load(source)
    v128.store(target, word)
    seen = v128.or(seen, word)
    source += 16
    target += 16
  }
  return seen
}

/** How many of `count` strings fit into `room` bytes of heap and need at most `there` bytes of rests. */
export function sharedStringsFit(shared: usize, rests: usize, count: u32, room: u32, there: u32): u32 {
  let built: u64 = 0
  let read: u64 = 0
  for (let i: u32 = 0; i < count; i++) {
    const rest = <u64>load<u32>(rests + (<usize>i << 2))
    read += rest
    built += rest + load<u32>(shared + (<usize>i << 2))
    if (read > there || built > room) return i
  }
  return count
}

/**
 * Builds `count` strings, which sharedStringsFit said to fit.
 * @param shared, rests lengths, u32 × count
 * @param target views × count; 0 = the strings are only passed
 * @returns 1, 0 = damaged
 */
export function sharedStrings(state: usize, shared: usize, rests: usize, count: u32, target: usize): u32 {
  const end = load<u32>(state, END)
  const heapEnd = load<u32>(state, HEAP_END)
  let cursor = load<u32>(state, CURSOR)
  let before = load<u32>(state, BEFORE)
  let beforeLength = load<u32>(state, BEFORE_LENGTH)
  let heap = load<u32>(state, HEAP)
  let seen = i64x2.splat(0)
  for (let i: u32 = 0; i < count; i++) {
    const same = load<u32>(shared + (<usize>i << 2))
    const rest = load<u32>(rests + (<usize>i << 2))
    if (same > beforeLength || rest > end - cursor || same + rest > heapEnd - heap) return 0
    seen = v128.or(seen, copyWords(before, same, heap))
    seen = v128.or(seen, copyWords(cursor, rest, heap + same))
    before = heap
    beforeLength = same + rest
    if (target != 0) {
      v128.store(target, viewOf(before, beforeLength))
      target += 16
    }
    cursor += rest
    heap += beforeLength
  }
  store<u32>(state, cursor, CURSOR)
  store<u32>(state, before, BEFORE)
  store<u32>(state, beforeLength, BEFORE_LENGTH)
  store<u32>(state, heap, HEAP)
  // Words reach past the strings, so this may be a false alarm, which costs only a closer look.
  if (i8x16.bitmask(seen) != 0) store<u32>(state, 1, HAS_HIGH_BYTES)
  return 1
}
