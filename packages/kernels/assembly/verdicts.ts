// Conditions on dictionary codes: a verdict per value of the dictionary, looked up for each row.

/** target[selection[k]] = 1, bytes. @param selection u32 × count */
export function markRows(selection: usize, count: u32, target: usize): void {
  const end = selection + (<usize>count << 2)
  for (; selection < end; selection += 4) store<u8>(target + load<u32>(selection), 1)
}

/**
 * Rows whose code has verdict 1.
 * @param codes u16 per row
 * @param validity byte per row, or 0: no nulls; null rows have verdict `nullVerdict`
 * @param verdicts bytes 0 or 1 by code
 * @param selection u32 × count, the candidates, or 0: rows 0 … count - 1
 * @param target u32 × count; may be the selection
 * @returns how many rows were written
 */
export function selectByCodes(
  codes: usize,
  validity: usize,
  verdicts: usize,
  nullVerdict: u32,
  selection: usize,
  count: u32,
  target: usize,
): u32 {
  const start = target
  // Stored always, kept if the verdict says so: no branch to predict. Writing never overtakes reading.
  if (validity == 0 && selection == 0) {
    for (let row: u32 = 0; row < count; row++) {
      store<u32>(target, row)
      target += <usize>load<u8>(verdicts + load<u16>(codes + (<usize>row << 1))) << 2
    }
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
