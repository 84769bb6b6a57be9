// Values whose first bytes stand together, then all second bytes, and so on: put back together.

/** Four streams from `source` on, 16 bytes of each, interleaved to 64 bytes. */
@inline
function join4(source: usize, stride: u32, target: usize): void {
  const a = v128.load(source)
  const b = v128.load(source + stride)
  const c = v128.load(source + 2 * stride)
  const d = v128.load(source + 3 * stride)
  const ab = v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
  const cd = v128.shuffle<u8>(c, d, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
  const ab2 = v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
  const cd2 = v128.shuffle<u8>(c, d, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
  v128.store(target, v128.shuffle<u16>(ab, cd, 0, 8, 1, 9, 2, 10, 3, 11))
  v128.store(target, v128.shuffle<u16>(ab, cd, 4, 12, 5, 13, 6, 14, 7, 15), 16)
  v128.store(target, v128.shuffle<u16>(ab2, cd2, 0, 8, 1, 9, 2, 10, 3, 11), 32)
  v128.store(target, v128.shuffle<u16>(ab2, cd2, 4, 12, 5, 13, 6, 14, 7, 15), 48)
}

/** Eight streams, 16 bytes of each: two halves of four, then words of four bytes in turn. */
@inline
function join8(source: usize, stride: u32, target: usize, scratch: usize): void {
  join4(source, stride, scratch)
  join4(source + 4 * stride, stride, scratch + 64)
  for (let i: usize = 0; i < 64; i += 16) {
    const low = v128.load(scratch + i)
    const high = v128.load(scratch + i, 64)
    v128.store(target + 2 * i, v128.shuffle<u32>(low, high, 0, 4, 1, 5))
    v128.store(target + 2 * i, v128.shuffle<u32>(low, high, 2, 6, 3, 7), 16)
  }
}

/**
 * Joins `count` values of `width` bytes.
 * @param source first byte of the first value; its other bytes follow at distances of `stride`
 * @param target width × count bytes
 * @param scratch 128 bytes
 */
export function joinStreams(
  source: usize,
  stride: u32,
  width: u32,
  count: u32,
  target: usize,
  scratch: usize,
): void {
  let left = count
  if (width == 4) {
    for (; left >= 16; left -= 16) {
      join4(source, stride, target)
      source += 16
      target += 64
    }
  } else if (width == 8) {
    for (; left >= 16; left -= 16) {
      join8(source, stride, target, scratch)
      source += 16
      target += 128
    }
  }
  for (; left > 0; left--) {
    let from = source++
    const end = target + width
    for (; target < end; target++) {
      store<u8>(target, load<u8>(from))
      from += stride
    }
  }
}
