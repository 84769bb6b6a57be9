/**
 * The page index of a column chunk (Parquet format, PageIndex.md): where its pages begin, in bytes and in rows
 * (OffsetIndex), and bounds of each page (ColumnIndex). An index that contradicts itself or the chunk is not used:
 * the chunk is then read whole.
 */
import type { DataType } from '@spillway/columnar'
import { readFully } from '../file-access.ts'
import type { ByteRange, ParquetChunk, ParquetFileMeta, ParquetStorage, StatisticsBound } from '../file-meta.ts'
import { requireRowGroup } from '../file-meta.ts'
import { compareBounds, readBound } from '../statistics.ts'
import { itemsOf, requireNumber, structsOf, ThriftReader } from '../thrift.ts'
import type { ThriftStruct } from '../thrift.ts'

/** A data page: rows [firstRow, firstRow + rowCount) of the row group. */
export interface PageLocation {
  readonly offset: number
  /** Header included. */
  readonly compressedBytes: number
  readonly firstRow: number
  readonly rowCount: number
}

export interface PageBounds {
  readonly min: StatisticsBound | undefined
  readonly max: StatisticsBound | undefined
  /** 0, the page's rows, or undefined for anything between or unknown. */
  readonly nullCount: number | undefined
}

/** An index larger than this is not worth reading: a page of 20 thousand rows takes some 40 bytes. */
const INDEX_BYTES_MAX = 8 << 20

/** Where the data pages of a chunk are, or undefined without a usable index. */
export function readPageLocations(
  descriptor: number,
  meta: ParquetFileMeta,
  rowGroup: number,
  column: string,
): readonly PageLocation[] | undefined {
  const { rowCount, chunks } = requireRowGroup(meta, rowGroup)
  const chunk = chunks[column]
  const index = readIndex(descriptor, meta, chunk?.offsetIndex)
  if (index === undefined || chunk === undefined) return undefined
  try {
    const stored = structsOf(index, 1).map((location) => ({
      offset: requireNumber(location, 1),
      compressedBytes: requireNumber(location, 2),
      firstRow: requireNumber(location, 3),
    }))
    const pages = stored.map((page, i) => ({
      ...page,
      rowCount: (stored[i + 1]?.firstRow ?? rowCount) - page.firstRow,
    }))
    return arePlausible(pages, chunk) ? pages : undefined
  } catch {
    return undefined
  }
}

function arePlausible(pages: readonly PageLocation[], chunk: ParquetChunk): boolean {
  if (pages.length === 0 || pages[0]?.firstRow !== 0) return false
  let end = chunk.dataPageOffset
  for (const { offset, compressedBytes, rowCount } of pages) {
    if (rowCount < 1 || compressedBytes < 1 || offset < end) return false
    end = offset + compressedBytes
  }
  return end <= chunk.offset + chunk.compressedBytes
}

/** Bounds of each of `pages`, or undefined without a usable index. */
export function readPageBounds(
  descriptor: number,
  meta: ParquetFileMeta,
  rowGroup: number,
  column: string,
  pages: readonly PageLocation[],
): readonly PageBounds[] | undefined {
  const chunk = requireRowGroup(meta, rowGroup).chunks[column]
  const storage = meta.storage[column]
  const index = readIndex(descriptor, meta, chunk?.columnIndex)
  if (index === undefined || chunk === undefined || storage === undefined) return undefined
  try {
    return boundsOf(index, chunk.type, storage, pages)
  } catch {
    return undefined
  }
}

function boundsOf(
  index: ThriftStruct,
  type: DataType,
  storage: ParquetStorage,
  pages: readonly PageLocation[],
): readonly PageBounds[] | undefined {
  const nullPages = itemsOf(index, 1)
  const minima = itemsOf(index, 2)
  const maxima = itemsOf(index, 3)
  const nullCounts = itemsOf(index, 5)
  if ([nullPages, minima, maxima].some((list) => list.length !== pages.length)) return undefined
  return pages.map(({ rowCount }, page) => {
    if (nullPages[page] === true) return { min: undefined, max: undefined, nullCount: rowCount }
    const [min, max] = [minima[page], maxima[page]].map((bytes) =>
      bytes instanceof Uint8Array ? readBound(bytes, type, storage) : undefined,
    )
    const isOrdered = min === undefined || max === undefined || compareBounds(min, max) <= 0
    // A page that is not a null page holds a value, whatever its counts say.
    const nullCount = nullCounts[page] === 0n ? 0 : undefined
    return isOrdered ? { min, max, nullCount } : { min: undefined, max: undefined, nullCount }
  })
}

function readIndex(descriptor: number, meta: ParquetFileMeta, range: ByteRange | undefined): ThriftStruct | undefined {
  if (range === undefined || range.bytes < 1 || range.bytes > INDEX_BYTES_MAX) return undefined
  if (range.offset < 4 || range.offset + range.bytes > meta.fileBytes) return undefined
  const bytes = new Uint8Array(range.bytes)
  readFully(descriptor, bytes, range.offset, { file: meta.path })
  try {
    return new ThriftReader(bytes).readStruct()
  } catch {
    return undefined
  }
}
