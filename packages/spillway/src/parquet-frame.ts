/**
 * The frame that `scanParquet` gives: a lazy frame that also knows the row groups of its files, and gives each as a
 * lazy frame of its own. Frames that are made of it are ordinary ones.
 */
import { type ParquetFileMeta, readFileMeta } from '@spillway/formats'
import { type FileScan, makeSlice, type SchemaTypes } from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import { LazyFrame } from './lazy-frame/lazy-frame.ts'
import type { QuerySession } from './session.ts'

interface RowGroup {
  /** Rows of the scan before it. */
  readonly start: number
  readonly rows: number
}

export class ParquetFrame<S extends SchemaTypes = SchemaTypes> extends LazyFrame<S> {
  readonly #scan: FileScan
  readonly #rowCount: number
  #listed: { readonly metas: readonly ParquetFileMeta[]; readonly rowGroups: readonly RowGroup[] } | undefined

  /** @param rowCount rows of the scan: `nRows` may be fewer than the files have */
  constructor(scan: FileScan, rowCount: number | undefined, session: QuerySession) {
    super(rowCount === undefined ? scan : makeSlice(scan, 0, rowCount), session)
    this.#scan = scan
    this.#rowCount = rowCount ?? Number.POSITIVE_INFINITY
  }

  /**
   * Row groups of all files together, in order, as their footers say; with `nRows` those that have wanted rows.
   *
   * ```ts
   * scanParquet('orders.parquet').numRowGroups // 1
   * ```
   */
  get numRowGroups(): number {
    return this.#list().length
  }

  /**
   * The rows of one row group, counted from 0 over all files, as a lazy frame: `collect` reads nothing else.
   *
   * ```ts
   * scanParquet('orders.parquet').readRowGroup(0).select('city')
   * // PROJECT [col("city")]
   * //   SLICE 4 rows from 0
   * //     PARQUET SCAN [orders.parquet] columns 3/3
   * ```
   * @throws PlanError INVALID_OPTION when there is no such row group
   */
  readRowGroup(index: number): LazyFrame<S> {
    const rowGroups = this.#list()
    const found = Number.isInteger(index) ? rowGroups[index] : undefined
    if (found === undefined) {
      const text = `Row group not found: ${String(index)}. The scan has ${rowGroups.length}, counted from 0.`
      throw makeError('INVALID_OPTION', text, { rowGroup: index, rowGroups: rowGroups.length })
    }
    return new LazyFrame<S>(makeSlice(this.#scan, found.start, found.rows), this.session)
  }

  /** Anew when a file was written again: queries of this frame read what is there now. */
  #list(): readonly RowGroup[] {
    const metas = this.#scan.files.map((path) => readFileMeta(path))
    if (this.#listed !== undefined && metas.every((meta, file) => meta === this.#listed?.metas[file])) {
      return this.#listed.rowGroups
    }
    const rowGroups: RowGroup[] = []
    let start = 0
    for (const meta of metas) {
      for (const { rowCount } of meta.rowGroups) {
        const rows = Math.min(rowCount, this.#rowCount - start)
        if (rows > 0 || rowCount === 0) rowGroups.push({ start, rows: Math.max(0, rows) })
        start += rowCount
      }
    }
    this.#listed = { metas, rowGroups }
    return rowGroups
  }
}
