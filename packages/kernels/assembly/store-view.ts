// Writing one string view: what kernels that make views of text share. Not an export of the module.

const INLINE_MAX: u32 = 12

/**
 * Swizzle indices, 16 bytes for each length 0 … 12 and one row for longer: bytes 0 … move up by 4, and what the view
 * must not hold becomes zero (an index of 255 gives zero). A constant, so that all threads may share it.
 */
// prettier-ignore
const VIEW_LANES = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 2, 3, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 2, 3, 4, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 255,
  255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255,
  255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
  255, 255, 255, 255, 0, 1, 2, 3, 255, 255, 255, 255, 255, 255, 255, 255,
])

/** Writes the view of the `length` bytes at `address`; its only branch is on long strings. */
@inline
export function storeView(target: usize, address: u32, length: u32): void {
  const lanes = v128.load(VIEW_LANES + (<usize>min<u32>(length, INLINE_MAX + 1) << 4))
  const bytes = i8x16.swizzle(v128.load(address), lanes)
  v128.store(target, i32x4.replace_lane(bytes, 0, length))
  if (length > INLINE_MAX) store<u32>(target, address, 8)
}
