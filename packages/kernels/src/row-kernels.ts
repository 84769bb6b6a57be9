/** Signatures of the kernels in assembly/rows.ts. */
export interface RowKernels {
  /**
   * Addresses of the live rows among rowCount adjacent rows from `first`; returns how many.
   * @param out u32 × rowCount (all of it may be written)
   */
  collectRows(first: number, rowCount: number, rowBytes: number, deadOffset: number, out: number): number
  /** Moves a directory (u64 slots) into a zeroed one of 2^toBits slots, finding places by the rows' stored hashes. */
  directoryRehash(
    from: number,
    fromSlots: number,
    to: number,
    toBits: number,
    partitionBits: number,
    levelShift: number,
  ): void
  /** 1 if two ranges of at least 8 bytes are equal. */
  longBytesEqual(a: number, b: number, length: number): number
}
