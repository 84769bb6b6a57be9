/**
 * Which rows of a file may satisfy a predicate: row groups by their statistics and Bloom filters, then row ranges
 * within a row group by its page index. Main thread, when a scan is lowered.
 */
import { columnsUsed } from '@spillway/plan'
import type { TypedExpr } from '@spillway/plan'
import { withFile } from '../file-access.ts'
import type { ParquetFileMeta, ParquetRowGroup } from '../file-meta.ts'
import { requireRowGroup } from '../file-meta.ts'
import { BloomFilters } from './bloom-filter.ts'
import { judge } from './judge-predicate.ts'
import { readPageBounds, readPageLocations } from './page-index.ts'
import type { PageBounds, PageLocation } from './page-index.ts'

/** Rows [start, start + rows) of a row group. */
export interface RowRange {
  readonly start: number
  readonly rows: number
}

/** Row ranges that are closer than this are read as one: a seek costs more than decoding a few values. */
const GAP_ROWS_MIN = 256

/** Row groups whose indexes are read: all that may have a wanted row, or those that also have a row that fails. */
export type AskedIndexes = 'all' | 'mixed'

/** For each row group of the file: the rows for which `predicate` may be true, ascending; none = skipped. */
export function pruneScan(
  meta: ParquetFileMeta,
  predicate: TypedExpr,
  asked: AskedIndexes = 'all',
): readonly (readonly RowRange[])[] {
  const columns = [...columnsUsed(predicate)]
  const judged = meta.rowGroups.map((rowGroup) => judge(predicate, rowGroup))
  const may = meta.rowGroups.map(({ rowCount }, index) => rowCount > 0 && judged[index]?.canBeTrue === true)
  const asks = judged.map(({ canBeFalse }) => asked === 'all' || canBeFalse)
  const isIndexed = meta.rowGroups.some((rowGroup, index) => may[index] && asks[index] && hasIndex(rowGroup, columns))
  const whole = (index: number): RowRange => ({ start: 0, rows: requireRowGroup(meta, index).rowCount })
  if (!isIndexed) return may.map((wanted, index) => (wanted ? [whole(index)] : []))
  return withFile(meta.path, (descriptor) =>
    may.map((wanted, index) => {
      if (!wanted) return []
      if (!asks[index]) return [whole(index)]
      const rowGroup = requireRowGroup(meta, index)
      const filters = new BloomFilters(descriptor, meta, index)
      const mayContain = filters.mayContain.bind(filters)
      if (!judge(predicate, { ...rowGroup, mayContain }).canBeTrue) return []
      return prunePages(descriptor, meta, index, predicate, columns) ?? [whole(index)]
    }),
  )
}

function hasIndex(rowGroup: ParquetRowGroup, columns: readonly string[]): boolean {
  return columns.some((column) => {
    const chunk = rowGroup.chunks[column]
    return chunk?.bloomFilter !== undefined || (chunk?.columnIndex !== undefined && chunk.offsetIndex !== undefined)
  })
}

interface IndexedColumn {
  readonly name: string
  readonly pages: readonly PageLocation[]
  readonly bounds: readonly PageBounds[]
}

/** Judges the row group between every two page borders of the predicate's columns; undefined without an index. */
function prunePages(
  descriptor: number,
  meta: ParquetFileMeta,
  rowGroup: number,
  predicate: TypedExpr,
  columns: readonly string[],
): readonly RowRange[] | undefined {
  const indexed = columns.flatMap((name): IndexedColumn[] => {
    const pages = readPageLocations(descriptor, meta, rowGroup, name)
    if (pages === undefined || pages.length < 2) return []
    const bounds = readPageBounds(descriptor, meta, rowGroup, name, pages)
    return bounds === undefined ? [] : [{ name, pages, bounds }]
  })
  if (indexed.length === 0) return undefined
  const { rowCount, chunks } = requireRowGroup(meta, rowGroup)
  const borders = [...new Set(indexed.flatMap(({ pages }) => pages.map((page) => page.firstRow)))].sort((a, b) => a - b)
  const cursors = indexed.map(() => 0)
  const ranges: RowRange[] = []
  borders.forEach((start, index) => {
    const end = borders[index + 1] ?? rowCount
    const known = indexed.map(({ name, pages, bounds }, column) => {
      while ((pages[(cursors[column] as number) + 1]?.firstRow ?? rowCount) <= start) cursors[column]! += 1
      return [name, pageStatistics(chunks[name], bounds[cursors[column] as number], end - start)] as const
    })
    const rows = { rowCount: end - start, chunks: { ...chunks, ...Object.fromEntries(known) } }
    if (judge(predicate, rows).canBeTrue) addRange(ranges, start, end)
  })
  return ranges
}

function pageStatistics(
  chunk: ParquetRowGroup['chunks'][string] | undefined,
  page: PageBounds | undefined,
  rows: number,
) {
  if (chunk === undefined || page === undefined) return { type: { kind: 'null' } as const, ...unknown }
  // A null page's count is of the whole page: here it says that all of these rows are null.
  const nullCount = page.nullCount === 0 ? 0 : page.nullCount === undefined ? undefined : rows
  return { type: chunk.type, min: page.min, max: page.max, nullCount }
}

const unknown = { min: undefined, max: undefined, nullCount: undefined }

function addRange(ranges: RowRange[], start: number, end: number): void {
  const last = ranges.at(-1)
  if (last !== undefined && start - (last.start + last.rows) < GAP_ROWS_MIN) {
    ranges[ranges.length - 1] = { start: last.start, rows: end - last.start }
  } else {
    ranges.push({ start, rows: end - start })
  }
}
