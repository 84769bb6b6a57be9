// Conditions on dictionary codes: a verdict per value of the dictionary, looked up for each row.

import { KEPT_LANES } from './convert'

/** target[selection[k]] = 1, bytes. @param selection u32 × count */
export function markVerdicts(selection: usize, count: u32, target: usize): void {
  const end = selection + (<usize>count << 2)
  for (; selection < end; selection += 4) store<u8>(target + load<u32>(selection), 1)
}

/** Verdicts of 16 rows as bits, for at most 16 codes. */
@inline
function fewBits(codes: usize, table: v128): u32 {
  const both = i8x16.narrow_i16x8_u(v128.load(codes), v128.load(codes, 16))
  return i8x16.bitmask(i8x16.ne(v128.swizzle(table, both), i8x16.splat(0)))
}

/** The same for any codes, four at a time. */
@inline
function manyBits(codes: usize, verdicts: usize): u32 {
  let bits: u32 = 0
  for (let at: u32 = 0; at < 16; at += 4) {
    const four = load<u64>(codes + (<usize>at << 1))
    const first = <u32>load<u8>(verdicts + <usize>(four & 0xffff))
    const second = <u32>load<u8>(verdicts + <usize>((four >> 16) & 0xffff))
    const third = <u32>load<u8>(verdicts + <usize>((four >> 32) & 0xffff))
    const fourth = <u32>load<u8>(verdicts + <usize>(four >> 48))
    bits |= (first | (second << 1) | (third << 2) | (fourth << 3)) << at
  }
  return bits
}

/** Rows 0 … count - 1 whose code has verdict 1, 16 at a time, without nulls; writes up to 16 bytes more. */
function selectAll(codes: usize, verdicts: usize, codeCount: u32, count: u32, target: usize): usize {
  const table = v128.load(verdicts)
  const isFew = codeCount <= 16
  let rows = i32x4(0, 1, 2, 3)
  let row: u32 = 0
  for (; row + 16 <= count; row += 16) {
    let bits = isFew ? fewBits(codes, table) : manyBits(codes, verdicts)
    codes += 32
    for (let group: u32 = 0; group < 4; group++) {
      const mask = bits & 15
      v128.store(target, i8x16.swizzle(rows, v128.load(KEPT_LANES + (<usize>mask << 4))))
      target += <usize>popcnt<u32>(mask) << 2
      rows = i32x4.add(rows, i32x4.splat(4))
      bits >>= 4
    }
  }
  for (; row < count; row++) {
    store<u32>(target, row)
    target += <usize>load<u8>(verdicts + load<u16>(codes)) << 2
    codes += 2
  }
  return target
}

/**
 * Rows whose code has verdict 1.
 * @param codes u16 per row
 * @param validity byte per row, or 0: no nulls; null rows have verdict `nullVerdict`
 * @param verdicts bytes 0 or 1 by code; 16 bytes are read in any case
 * @param codeCount all codes are below it
 * @param selection u32 × count, the candidates, or 0: rows 0 … count - 1
 * @param target u32 × count, and 16 bytes that are clobbered; may be the selection
 * @returns how many rows were written
 */
export function selectByCodes(
  codes: usize,
  validity: usize,
  verdicts: usize,
  codeCount: u32,
  nullVerdict: u32,
  selection: usize,
  count: u32,
  target: usize,
): u32 {
  const start = target
  // Stored always, kept if the verdict says so: no branch to predict. Writing never overtakes reading.
  if (validity == 0 && selection == 0) {
    target = selectAll(codes, verdicts, codeCount, count, target)
  } else if (validity == 0) {
    for (let k: u32 = 0; k < count; k++) {
      const row = load<u32>(selection + (<usize>k << 2))
      store<u32>(target, row)
      target += <usize>load<u8>(verdicts + load<u16>(codes + (<usize>row << 1))) << 2
    }
  } else {
    for (let k: u32 = 0; k < count; k++) {
      const row = selection == 0 ? k : load<u32>(selection + (<usize>k << 2))
      store<u32>(target, row)
      const verdict = <u32>load<u8>(verdicts + load<u16>(codes + (<usize>row << 1)))
      target += <usize>select(verdict, nullVerdict, load<u8>(validity + row) != 0) << 2
    }
  }
  return <u32>((target - start) >>> 2)
}
