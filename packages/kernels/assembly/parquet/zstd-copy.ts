// Copies for decompressors: whole 16-byte words, so that up to 16 bytes behind the target's end are clobbered.

// prettier-ignore
const REPEATS: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
  0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0,
  0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0,
  0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3, 4,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 2,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0,
])
// The largest multiple of an offset that is at most 16.
const STRIDES: usize = memory.data<u8>([0, 16, 16, 15, 16, 15, 12, 14, 16, 9, 10, 11, 12, 13, 14, 15])

/** Copies n bytes that do not overlap the target (or lie at least 16 bytes before it). n may be 0. */
@inline
export function copyForward(from: u32, to: u32, n: u32): void {
  v128.store(to, v128.load(from))
  if (n > 16) {
    for (let i: u32 = 16; i < n; i += 16) v128.store(to + i, v128.load(from + i))
  }
}

/** Writes n bytes that repeat the `offset` bytes before the target. offset ≥ 1. */
@inline
export function copyMatch(to: u32, offset: u32, n: u32): void {
  const from = to - offset
  if (offset >= 16) copyForward(from, to, n)
  else if (offset >= 8) {
    store<u64>(to, load<u64>(from))
    for (let i: u32 = 8; i < n; i += 8) store<u64>(to + i, load<u64>(from + i))
  } else copyNear(to, offset, n)
}

function copyNear(to: u32, offset: u32, n: u32): void {
  const pattern = v128.swizzle(v128.load(to - offset), v128.load(<u32>REPEATS + (offset << 4)))
  const stride = <u32>load<u8>(<u32>STRIDES + offset)
  for (const end = to + n; to < end; to += stride) v128.store(to, pattern)
}
