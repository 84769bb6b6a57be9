// Copies of decompressors: of literals, and of earlier output as LZ77 formats order them. They take 16 bytes at a time,
// also where source and target overlap, so that up to 16 bytes behind the target's end are clobbered, and as many
// behind the source's read.

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

/** Copies `length` bytes (none is possible) of a range that does not overlap, or begins 16 bytes before it. */
// @ts-ignore: decorator
@inline
export function copyWords(target: u32, source: u32, length: u32): void {
  v128.store(target, v128.load(source))
  if (length > 16) {
    const end = target + length
    do {
      target += 16
      source += 16
      v128.store(target, v128.load(source))
    } while (target + 16 < end)
  }
}

/** The same for ranges that may be long, and do not overlap. */
// @ts-ignore: decorator
@inline
export function copyForward(target: u32, source: u32, length: u32): void {
  // memory.copy leaves the compiled code, which only pays for long ranges.
  if (length > 1024) memory.copy(target, source, length)
  else copyWords(target, source, length)
}

/** Writes `length` bytes (none is possible) at target, each equal to the byte `distance` (≥ 1) before it. */
// @ts-ignore: decorator
@inline
export function copyBack(target: u32, distance: u32, length: u32): void {
  if (distance >= 16) copyWords(target, target - distance, length)
  else copyNear(target, distance, length)
}

/** The same for distances to 15. */
function copyNear(target: u32, distance: u32, length: u32): void {
  const pattern = v128.swizzle(v128.load(target - distance), v128.load(repeats + (distance << 4)))
  const stride = <u32>load<u8>(strides + distance)
  const end = target + length
  do {
    v128.store(target, pattern)
    target += stride
  } while (target < end)
}
