/** Signatures of the kernels in assembly/sort-order.ts, sort-entries.ts and merge-entries.ts. */

/** Byte offsets in the table that describes the order of rows: a header, then segments of the key. */
export const sortOrder = { segmentCount: 0, headBytes: 16, segmentBytes: 16 } as const
/** Byte offsets in a segment. */
export const sortSegment = {
  /** Word after the segment's last one. */
  end: 0,
  /** Offset in the row of the string that decides ties; 0 = none. */
  view: 4,
  /** Low byte of the segment's last word where that string is longer than the key shows. */
  marker: 8,
  descending: 12,
} as const

/** Bytes of an entry: 12 of the key, 4 of the row's address. */
export const SORT_ENTRY_BYTES = 16
/** Bytes of histograms that sorting works with. */
export const SORT_HISTOGRAM_BYTES = 1024

/** Byte offsets in the head of a merge's state. */
export const mergeState = { bound: 12, winner: 16, stopped: 20 } as const
/** Why mergeRows stopped. */
export const mergeStopped = { isFull: 0, pieceEnded: 1, atBound: 2, allEnded: 3 } as const

export interface SortKernels {
  /** Order of two rows: -1, 0, 1. */
  compareSortRows(a: number, b: number, order: number): number
  /** Order of a row and a bound (the words of a key); rows whose long strings would decide count as equal to it. */
  compareToBound(row: number, bound: number, order: number): number
  /** Entries of rowCount adjacent rows, to `out`. */
  fillSortEntries(rows: number, rowCount: number, rowBytes: number, out: number): void
  /** Sorts entries. scratch: as large; histograms: SORT_HISTOGRAM_BYTES. */
  sortEntries(entries: number, scratch: number, count: number, histograms: number, order: number): void
  /** How many of the sorted entries come before the bound. */
  entriesBelow(entries: number, count: number, bound: number, order: number): number
  mergeStateBytes(leaves: number): number
  /** A state without pieces; leaves: a power of two, at least `runs`. */
  mergeInit(state: number, runs: number, leaves: number, order: number): void
  /** Entries [cursor, end) of a run; none = it has ended. */
  mergeSetPiece(state: number, run: number, cursor: number, end: number): void
  /** After all first pieces were set. */
  mergeOpen(state: number): void
  /** After the winner was given its next piece. */
  mergeReplay(state: number): void
  /** Addresses (u32) of the next rows, up to `count`; returns how many. The state says why it stopped. */
  mergeRows(state: number, out: number, count: number): number
}
