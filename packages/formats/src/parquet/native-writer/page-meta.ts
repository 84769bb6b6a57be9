/** Headers of pages, metadata of chunks, and the two page indexes, as the format's structs. */
import {
  booleanField,
  encodeThriftStruct,
  i32Field,
  i64Field,
  listField,
  structField,
  type ThriftField,
  type ThriftStruct,
  ThriftType,
} from '../thrift.ts'
import { type Bounds, compareBytes, mergeBounds } from './page-bounds.ts'

export const Encoding = { plain: 0, rle: 3, deltaBinaryPacked: 5, rleDictionary: 8 } as const
const DATA_PAGE = 0
const DICTIONARY_PAGE = 2

/** A data page that is finished. */
export interface PageRecord {
  readonly rows: number
  readonly nulls: number
  readonly encoding: number
  /** Header included. */
  readonly storedBytes: number
  readonly uncompressedBytes: number
  /** Undefined: no bounds are kept, or none of its values has an order. */
  readonly bounds: Bounds | undefined
}

export interface PageSizes {
  readonly uncompressedBytes: number
  readonly compressedBytes: number
  readonly checksum: number
}

const bytesField = (id: number, value: Uint8Array): ThriftField => ({ id, type: ThriftType.BINARY, value })

function pageHeader(type: number, sizes: PageSizes, body: ThriftField): Uint8Array {
  return encodeThriftStruct([
    i32Field(1, type),
    i32Field(2, sizes.uncompressedBytes),
    i32Field(3, sizes.compressedBytes),
    i32Field(4, sizes.checksum | 0),
    body,
  ])
}

/** @param values rows of the page, nulls included */
export function dataPageHeader(sizes: PageSizes, values: number, encoding: number): Uint8Array {
  const body = [i32Field(1, values), i32Field(2, encoding), i32Field(3, Encoding.rle), i32Field(4, Encoding.rle)]
  return pageHeader(DATA_PAGE, sizes, structField(5, body))
}

export function dictionaryPageHeader(sizes: PageSizes, entries: number): Uint8Array {
  const body = [i32Field(1, entries), i32Field(2, Encoding.plain)]
  return pageHeader(DICTIONARY_PAGE, sizes, structField(7, body))
}

/** In front of the bits of a split-block filter over XXH64, not compressed. */
export function bloomFilterHeader(bytes: number): Uint8Array {
  const only = (id: number): ThriftField => structField(id, [structField(1, [])])
  return encodeThriftStruct([i32Field(1, bytes), only(2), only(3), only(4)])
}

/** What a chunk's metadata and indexes are made from. */
export interface ChunkFacts {
  readonly name: string
  readonly physicalCode: number
  readonly codecCode: number
  /** See `boundKind`; undefined for text. */
  readonly boundKind: number | undefined
  readonly hasStatistics: boolean
  readonly pages: readonly PageRecord[]
  /** With its header; undefined when no page refers to a dictionary. */
  readonly dictionary: { readonly storedBytes: number; readonly uncompressedBytes: number } | undefined
  /** Where the chunk begins in the file. */
  readonly offset: number
  /** Bytes of the strings, without their lengths; undefined for other types. */
  readonly textBytes: number | undefined
  readonly bloomFilter: { readonly offset: number; readonly bytes: number } | undefined
}

export const sum = <T>(items: readonly T[], count: (item: T) => number): number =>
  items.reduce((total, item) => total + count(item), 0)

/** The format's ColumnMetaData; offsets are places in the file. */
export function chunkMetadata(facts: ChunkFacts): ThriftStruct {
  const { pages, dictionary, offset, bloomFilter } = facts
  const dictionaryBytes = dictionary?.storedBytes ?? 0
  const encodings = new Set<number>([...(dictionary === undefined ? [] : [Encoding.plain]), Encoding.rle])
  for (const { encoding } of pages) encodings.add(encoding)
  const fields: ThriftField[] = [
    i32Field(1, facts.physicalCode),
    listField(
      2,
      ThriftType.I32,
      [...encodings].sort((a, b) => a - b),
    ),
    listField(3, ThriftType.BINARY, [new TextEncoder().encode(facts.name)]),
    i32Field(4, facts.codecCode),
    i64Field(
      5,
      sum(pages, ({ rows }) => rows),
    ),
    i64Field(6, sum(pages, ({ uncompressedBytes }) => uncompressedBytes) + (dictionary?.uncompressedBytes ?? 0)),
    i64Field(7, sum(pages, ({ storedBytes }) => storedBytes) + dictionaryBytes),
    i64Field(9, offset + dictionaryBytes),
    listField(13, ThriftType.STRUCT, encodingStatistics(facts)),
  ]
  if (dictionary !== undefined) fields.push(i64Field(11, offset))
  if (facts.hasStatistics) fields.push(structField(12, chunkStatistics(facts)))
  if (bloomFilter !== undefined) fields.push(i64Field(14, bloomFilter.offset), i32Field(15, bloomFilter.bytes))
  if (facts.textBytes !== undefined) fields.push(structField(16, [i64Field(1, facts.textBytes)]))
  return fields
}

/** How many pages have which encoding: tells readers whether every value is in the dictionary. */
function encodingStatistics({ pages, dictionary }: ChunkFacts): ThriftStruct[] {
  const entry = (type: number, encoding: number, count: number): ThriftStruct => [
    i32Field(1, type),
    i32Field(2, encoding),
    i32Field(3, count),
  ]
  const counts = new Map<number, number>()
  for (const { encoding } of pages) counts.set(encoding, (counts.get(encoding) ?? 0) + 1)
  return [
    ...(dictionary === undefined ? [] : [entry(DICTIONARY_PAGE, Encoding.plain, 1)]),
    ...[...counts].map(([encoding, count]) => entry(DATA_PAGE, encoding, count)),
  ]
}

function chunkStatistics({ pages, boundKind }: ChunkFacts): ThriftStruct {
  const nulls = i64Field(
    3,
    sum(pages, (page) => page.nulls),
  )
  const bounded = pages.flatMap(({ bounds }) => (bounds === undefined ? [] : [bounds]))
  const merged = hasAllBounds(pages, boundKind) ? mergeBounds(boundKind, bounded) : undefined
  if (merged === undefined) return [nulls]
  return [
    nulls,
    bytesField(5, merged.max),
    bytesField(6, merged.min),
    booleanField(7, merged.isMaxExact),
    booleanField(8, merged.isMinExact),
  ]
}

/** A page of text without bounds had a text that no bound covers; a page of numbers without them holds only NaN. */
function hasAllBounds(pages: readonly PageRecord[], boundKind: number | undefined): boolean {
  return boundKind !== undefined || pages.every(({ bounds, rows, nulls }) => bounds !== undefined || rows === nulls)
}

/** Bytes of the format's ColumnIndex; undefined when a page with values has no bounds. */
export function columnIndex({ pages, boundKind, hasStatistics }: ChunkFacts): Uint8Array | undefined {
  if (!hasStatistics) return undefined
  if (pages.some(({ bounds, rows, nulls }) => bounds === undefined && rows > nulls)) return undefined
  const nothing = new Uint8Array(0)
  return encodeThriftStruct([
    listField(
      1,
      ThriftType.TRUE,
      pages.map(({ rows, nulls }) => rows === nulls),
    ),
    listField(
      2,
      ThriftType.BINARY,
      pages.map(({ bounds }) => bounds?.min ?? nothing),
    ),
    listField(
      3,
      ThriftType.BINARY,
      pages.map(({ bounds }) => bounds?.max ?? nothing),
    ),
    i32Field(4, boundaryOrder(pages, boundKind)),
    listField(
      5,
      ThriftType.I64,
      pages.map(({ nulls }) => BigInt(nulls)),
    ),
  ])
}

/** 0 unordered, 1 ascending, 2 descending: of both bounds, pages of nulls left out. */
function boundaryOrder(pages: readonly PageRecord[], boundKind: number | undefined): number {
  const bounded = pages.flatMap(({ bounds }) => (bounds === undefined ? [] : [bounds]))
  let isAscending = true
  let isDescending = true
  for (let index = 1; index < bounded.length; index++) {
    const [before, after] = [bounded[index - 1], bounded[index]]
    if (before === undefined || after === undefined) continue
    for (const order of [
      compareBytes(boundKind, before.min, after.min),
      compareBytes(boundKind, before.max, after.max),
    ]) {
      if (order > 0) isAscending = false
      if (order < 0) isDescending = false
    }
  }
  return isAscending ? 1 : isDescending ? 2 : 0
}

/** Bytes of the format's OffsetIndex. */
export function offsetIndex({ pages, dictionary, offset }: ChunkFacts): Uint8Array {
  let at = offset + (dictionary?.storedBytes ?? 0)
  let firstRow = 0
  const locations = pages.map(({ storedBytes, rows }): ThriftStruct => {
    const location = [i64Field(1, at), i32Field(2, storedBytes), i64Field(3, firstRow)]
    at += storedBytes
    firstRow += rows
    return location
  })
  return encodeThriftStruct([listField(1, ThriftType.STRUCT, locations)])
}

/** What the footer says about a chunk, but for the page indexes, which have their place later. */
export const columnChunk = (metadata: ThriftStruct): ThriftStruct => [i64Field(2, 0), structField(3, metadata)]
