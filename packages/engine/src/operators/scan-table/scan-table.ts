/**
 * SCAN of a table in memory (a DataFrame or an Arrow table). Order kept; nulls as stored; bounded memory: one batch,
 * copied into the arena as it is read. The table's buffers are shared with the workers once and named by an id.
 */
import type { Schema, SharedTable } from '@spillway/columnar'
import type { OperatorBase } from '../../physical/physical-plan.ts'

/** Consecutive rows of one chunk. */
export interface TableMorsel {
  readonly chunk: number
  readonly start: number
  readonly rows: number
}

export interface ScanTableSpec extends OperatorBase {
  readonly kind: 'scanTable'
  readonly tableId: number
  /** Output columns and their positions in the table. */
  readonly schema: Schema
  readonly positions: readonly number[]
  /** Each morsel is a run of pieces, about `morselRows` rows together. */
  readonly morsels: readonly (readonly TableMorsel[])[]
  readonly batchRows: number
}

/** Cuts rows [offset, offset + length) of a table into morsels; small chunks share one. */
export function cutTable(
  table: SharedTable,
  slice: { readonly offset: number; readonly length: number } | undefined,
  morselRows: number,
): TableMorsel[][] {
  const morsels: TableMorsel[][] = []
  let current: TableMorsel[] = []
  let currentRows = 0
  let skip = slice?.offset ?? 0
  let left = slice?.length ?? Number.POSITIVE_INFINITY
  for (let chunk = 0; chunk < table.chunks.length && left > 0; chunk++) {
    const { rowCount } = table.chunks[chunk] as { rowCount: number }
    let start = Math.min(skip, rowCount)
    skip -= start
    while (start < rowCount && left > 0) {
      const rows = Math.min(rowCount - start, morselRows - currentRows, left)
      current.push({ chunk, start, rows })
      start += rows
      left -= rows
      currentRows += rows
      if (currentRows >= morselRows) {
        morsels.push(current)
        current = []
        currentRows = 0
      }
    }
  }
  if (current.length > 0) morsels.push(current)
  return morsels
}
