// How kernels of Parquet make string views; the layout stands in strings.ts.

/** The view of `length` bytes at `bytes`, which begin four bytes behind a readable address. */
@inline
export function viewOf(bytes: usize, length: u32): v128 {
  const head = v128.load(bytes - 4)
  if (length <= 12) {
    const positions = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    const kept = v128.and(head, i8x16.lt_u(positions, i8x16.splat(<i8>(length + 4))))
    return i32x4.replace_lane(kept, 0, length)
  }
  const named = i32x4.replace_lane(i32x4.replace_lane(head, 0, length), 2, <u32>bytes)
  return i32x4.replace_lane(named, 3, 0)
}
