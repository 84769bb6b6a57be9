// Kernels over row stores: rows of fixed width in pages, a hash directory of u64 slots.
// The layouts stand in packages/codegen/src/rows/{row-layout,row-store-layout}.ts.

/**
 * Writes the addresses of live rows.
 * @param first address of the first of rowCount adjacent rows of rowBytes bytes
 * @param deadOffset byte offset of a row's dead flag; 1 = dead
 * @param out u32 × rowCount
 * @returns how many addresses were written
 */
export function collectRows(first: u32, rowCount: u32, rowBytes: u32, deadOffset: u32, out: u32): u32 {
  let n: u32 = 0
  let row = first
  for (let i: u32 = 0; i < rowCount; i++) {
    // Stored always, kept if alive: no branch to predict.
    store<u32>(out + (n << 2), row)
    n += <u32>(load<u8>(row + deadOffset) == 0)
    row += rowBytes
  }
  return n
}

/**
 * Moves a directory of distinct keys into a larger, zeroed one. Rows start with their u64 hash.
 * @param from u64 × fromSlots, low word row address (0 = empty), high word salt
 * @param to u64 × 2^toBits; no overlap
 */
export function directoryRehash(
  from: u32,
  fromSlots: u32,
  to: u32,
  toBits: u32,
  partitionBits: u32,
  levelShift: u32,
): void {
  const rangeMask: u32 = (1 << (toBits - partitionBits)) - 1
  const shift: u64 = 64 - <u64>toBits
  for (let i: u32 = 0; i < fromSlots; i++) {
    const entry = load<u64>(from + (i << 3))
    if (entry == 0) continue
    const hash = load<u64>(<u32>entry)
    let slot = <u32>((hash << <u64>levelShift) >> shift)
    while (load<u64>(to + (slot << 3)) != 0) slot = (slot & ~rangeMask) | ((slot + 1) & rangeMask)
    store<u64>(to + (slot << 3), entry)
  }
}

/**
 * Equality of byte ranges longer than 12 bytes.
 * @param length ≥ 8
 */
export function longBytesEqual(a: u32, b: u32, length: u32): u32 {
  const last = length - 8
  for (let i: u32 = 0; i < last; i += 8) {
    if (load<u64>(a + i) != load<u64>(b + i)) return 0
  }
  return <u32>(load<u64>(a + last) == load<u64>(b + last))
}
