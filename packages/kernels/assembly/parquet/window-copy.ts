// Copies of earlier output, as LZ77 formats order them: 16 bytes at a time, also where source and target overlap.

// Row d: the indices that repeat the first d bytes of a vector (row 0 is not used).
const repeats: usize = memory.data<u8>([
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

// The largest multiple of the distance d that is at most 16: after so many bytes the repeated vector is in phase again.
const strides: usize = memory.data<u8>([0, 16, 16, 15, 16, 15, 12, 14, 16, 9, 10, 11, 12, 13, 14, 15])

/**
 * Writes `length` (≥ 1) bytes at target, each equal to the byte `distance` (≥ 1) before it. Up to 15 bytes past them
 * are clobbered; up to 15 bytes past the source are read.
 */
// @ts-ignore: decorator
@inline
export function copyBack(target: u32, distance: u32, length: u32): void {
  const end = target + length
  let source = target - distance
  if (distance >= 16) {
    do {
      v128.store(target, v128.load(source))
      target += 16
      source += 16
    } while (target < end)
  } else {
    const pattern = v128.swizzle(v128.load(source), v128.load(repeats + (distance << 4)))
    const stride = <u32>load<u8>(strides + distance)
    do {
      v128.store(target, pattern)
      target += stride
    } while (target < end)
  }
}

/** Copies `length` bytes in strides of 16: up to 15 bytes past both ranges are read and clobbered. No overlap. */
// @ts-ignore: decorator
@inline
export function copyForward(target: u32, source: u32, length: u32): void {
  // memory.copy leaves the compiled code, which only pays for long ranges.
  if (length > 1024) {
    memory.copy(target, source, length)
    return
  }
  const end = target + length
  do {
    v128.store(target, v128.load(source))
    target += 16
    source += 16
  } while (target < end)
}
