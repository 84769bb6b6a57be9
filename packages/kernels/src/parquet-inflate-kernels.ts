/**
 * assembly/parquet/inflate*.ts: gzip members (RFC 1952, one or more) and zlib streams (RFC 1950), decompressed in steps
 * through a window. The state's first six words and the statuses are those of parquet-zstd-kernels.ts.
 */
export interface InflateKernels {
  /** Bytes of an inflater's state. */
  inflateStateBytes(): number
  /** Starts a result of exactly `uncompressedBytes`. */
  inflateBegin(state: number, uncompressedBytes: number): void
  /**
   * Decompresses until input or room ends; returns a decompressStatus. `needInput` leaves at most 300 bytes unread (the
   * description of a block's codes is read at once), `outputFull` comes when no room is left. Matches reach back 32 KiB
   * at most. Checksums are skipped; a gzip member's size is compared. After a negative status only inflateBegin helps.
   */
  inflateStep(state: number): number
}
