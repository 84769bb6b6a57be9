/** Signatures of the kernels in assembly/ipc.ts: columns of Arrow IPC files, whose bytes are not trusted. */

/** Byte offsets in an entry of the table of a column's string buffers; all u32. */
export const viewBuffer = {
  /** Bytes of the buffer. */
  size: 0,
  /** First byte that a view refers to, and the byte after the last; 0xffffffff and 0 = none does. */
  least: 4,
  end: 8,
  /** Where byte 0 of the buffer stands in the arena, modulo 2^32. */
  address: 12,
} as const
export const VIEW_BUFFER_BYTES = 16

export interface IpcKernels {
  /** 1 if rowCount + 1 offsets of 4 or 8 bytes ascend and none passes `limit`. */
  offsetsAscend(offsets: number, offsetBytes: number, rowCount: number, limit: number): number
  /** In place: views of null rows become empty. */
  clearNullViews(views: number, validity: number, rowCount: number): void
  /**
   * Finds the ranges of a column's string buffers that Arrow's views of valid rows refer to. validity 0 = no nulls.
   * @param table bufferCount × VIEW_BUFFER_BYTES, see `viewBuffer`: sizes are read, ranges are written
   * @returns 1, or 0 when a view refers to what is not there
   */
  viewRanges(views: number, validity: number, rowCount: number, table: number, bufferCount: number): number
  /** Arrow's views → the arena's. The ranges stand at the table's addresses, readable 16 bytes past their end. */
  viewsFromArrow(views: number, validity: number, rowCount: number, table: number, target: number): void
  /** Decodes a whole frame of LZ4; 1 when exactly `targetBytes` resulted, else 0. Writes nothing past them. */
  lz4FrameDecode(source: number, sourceBytes: number, target: number, targetBytes: number): number
}
