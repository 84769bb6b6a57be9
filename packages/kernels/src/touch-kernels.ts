/** Signatures of the kernels in assembly/touch.ts. What they return means nothing. */
export interface TouchKernels {
  /** Touches the directory's home slots of hashes [start, end); `rows` gets a row that each may be of, or 0. */
  touchSlots(
    hashes: number,
    stride: number,
    start: number,
    end: number,
    directory: number,
    directoryBits: number,
    levelShift: number,
    rows: number,
  ): void
  /** Touches rows [start, end) of a list of addresses (u32 each, 0 = none). */
  touchRows(rows: number, start: number, end: number, rowBytes: number): number
  /** Touches the strings that those rows keep in the view at byte `offset`. */
  touchRowStrings(rows: number, start: number, end: number, offset: number): number
  /** Touches the strings of a column; validity, selection: 0 = none. */
  touchViews(views: number, validity: number, selection: number, start: number, end: number): number
}
