/**
 * Whether a group table looks rows up or only appends them. When nearly every row is a new group, look-ups cost time
 * and find nothing; duplicates that are appended meet when partitions are merged. Decided once per window of rows, and
 * tried again after many windows, because data change along a file.
 */

/** Share of new rows above which look-ups do not pay. */
const APPEND_SHARE = 0.95
const DEFAULT_LOOKUP_WINDOW = 1 << 20
/** After so many windows of appending, look-ups are tried again for one window. */
const APPEND_WINDOWS = 16

export class LookupPolicy {
  /** Rows that were appended without look-up (a metric). */
  appendedRows = 0
  isAppending = false
  readonly #window: number
  #windowRows = 0

  /** @param windowRows rows looked up before it is decided whether look-ups pay; undefined = 2^20 */
  constructor(windowRows: number | undefined) {
    this.#window = windowRows ?? DEFAULT_LOOKUP_WINDOW
  }

  /** Other data follow: look-ups are tried again. */
  restart(): void {
    this.isAppending = false
    this.#windowRows = 0
  }

  /**
   * Counts rows that were dealt with, and switches between the two ways once per window.
   * @param newRows groups that were new since the window began
   * @returns true when a new window begins
   */
  note(rows: number, newRows: number): boolean {
    this.#windowRows += rows
    if (this.isAppending) {
      this.appendedRows += rows
      if (this.#windowRows < this.#window * APPEND_WINDOWS) return false
      this.isAppending = false
    } else {
      if (this.#windowRows < this.#window) return false
      this.isAppending = newRows > APPEND_SHARE * this.#windowRows
    }
    this.#windowRows = 0
    return true
  }
}
