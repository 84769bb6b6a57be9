/**
 * The files that a query is planned from: each footer is read once, however often the plan is lowered and whatever is
 * asked of it. So the row groups that are listed, their sizes, and the versions that workers compare with belong to one
 * state of each file, also while a query waits for admission and others write. The next query reads them anew.
 */
import {
  type IpcFileMeta,
  type ParquetFileMeta,
  pruneScan,
  readFileMeta,
  readIpcMeta,
  type RowRange,
} from '@spillway/formats'
import type { ScanIpc, ScanParquet } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import type { ParquetMorsel } from '../operators/scan-parquet/scan-parquet.ts'

export interface ListedMorsels {
  readonly morsels: readonly ParquetMorsel[]
  /** Row groups of all files. */
  readonly total: number
}

export class PlannedFiles {
  readonly #parquet = new Map<string, ParquetFileMeta>()
  readonly #ipc = new Map<string, IpcFileMeta>()
  readonly #listed = new Map<ScanParquet, ListedMorsels>()
  readonly #demands = new Map<ScanIpc, number>()

  /** @throws DataError, as reading the footer does */
  parquet(path: string): ParquetFileMeta {
    return remembered(this.#parquet, path, () => readFileMeta(path))
  }

  /** Of a scan's file by its index. @throws DataError */
  parquetOf({ files }: Pick<ScanParquet, 'files'>, file: number): ParquetFileMeta {
    const path = files[file]
    assert(path !== undefined, 'a morsel belongs to a file')
    return this.parquet(path)
  }

  /** @throws DataError, as reading the footer does */
  ipc(path: string): IpcFileMeta {
    return remembered(this.#ipc, path, () => readIpcMeta(path))
  }

  /**
   * Row groups that may hold a wanted row, cut to the slice and, by page indexes, to ranges of rows.
   * @throws DataError
   */
  morselsOf(node: ScanParquet): ListedMorsels {
    return remembered(this.#listed, node, () => this.#list(node))
  }

  /** Pages that an IPC scan's buffers demand, counted once. */
  demandOf(node: ScanIpc, count: () => number): number {
    return remembered(this.#demands, node, count)
  }

  #list(node: ScanParquet): ListedMorsels {
    const morsels: ParquetMorsel[] = []
    let total = 0
    let skip = node.slice?.offset ?? 0
    let left = node.slice?.length ?? Number.POSITIVE_INFINITY
    node.files.forEach((path, file) => {
      const meta = this.parquet(path)
      const kept = node.predicate === undefined ? undefined : pruneScan(meta, node.predicate)
      meta.rowGroups.forEach((group, rowGroup) => {
        total += 1
        const start = Math.min(skip, group.rowCount)
        skip -= start
        const rows = Math.min(group.rowCount - start, left)
        left -= rows
        const ranges = intersect(kept?.[rowGroup] ?? [{ start: 0, rows: group.rowCount }], start, start + rows)
        if (ranges.length > 0) morsels.push({ file, rowGroup, ranges })
      })
    })
    return { morsels, total }
  }
}

/** The parts of `ranges` within [start, end). */
export function intersect(ranges: readonly RowRange[], start: number, end: number): RowRange[] {
  return ranges.flatMap((range) => {
    const from = Math.max(range.start, start)
    const to = Math.min(range.start + range.rows, end)
    return to > from ? [{ start: from, rows: to - from }] : []
  })
}

function remembered<K, V>(known: Map<K, V>, key: K, find: () => V): V {
  let value = known.get(key)
  if (value === undefined) {
    value = find()
    known.set(key, value)
  }
  return value
}
