/** How large pages and their buffers are: what an encoder's columns share, and the buffers that a column takes. */
import { hasBloomFilter, sizeChunkBloomFilter } from './chunk-bloom-filter.ts'
import { sizeChunkDictionary } from './chunk-dictionary.ts'
import type { ColumnForm } from './column-form.ts'
import type { BufferCount } from './encoder-room.ts'
import { RANGE_BYTES } from './page-bounds.ts'
import type { PageCodec } from './page-codec.ts'

/** What all columns of an encoder share. */
export interface EncoderShape {
  readonly codec: PageCodec
  readonly statistics: boolean
  /** A page ends at so many bytes before compression. */
  readonly pageBytes: number
  /** Entries of a dictionary, at most; 0 = no dictionaries. */
  readonly dictionaryEntries: number
  /** Bytes of a dictionary of strings, at most. */
  readonly dictionaryBytes: number
  /** Columns that get a Bloom filter. */
  readonly bloomFilters: readonly string[]
  /** Most rows of a row group. */
  readonly rowGroupRows: number
}

/** Buffers that the columns use one after the other. */
export interface SharedBuffers {
  /** Compressed bytes of a page. */
  readonly packed: number
  readonly codecScratch: number
  /** Values or levels on their way, SLICE_BYTES. */
  readonly slice: number
  /** A page of packed differences, with room for levels in front; 0 when no column has integers. */
  readonly delta: number
}

/** A page ends at so many rows at most, as with other writers: readers skip pages, not rows. */
const PAGE_ROWS = 20_000
/** Rows that pass from kernel to kernel while they are in the cache. */
export const SLICE_ROWS = 2048
export const SLICE_BYTES = SLICE_ROWS * 16
/** Levels of a page: length, runs and packed groups in the worst mixture. */
export const LEVEL_BYTES = 4 + Math.ceil(PAGE_ROWS / 8) + Math.ceil(PAGE_ROWS / 504) + 64
/** Most bytes of a page's header. */
export const HEADER_BYTES = 64

export function pageRoom(
  form: ColumnForm,
  shape: EncoderShape,
): { readonly rows: number; readonly valueBytes: number } {
  const isText = form.plainBytes === 0
  const isBits = form.field.type.kind === 'boolean'
  const fitting = Math.max(1, Math.floor(shape.pageBytes / Math.max(1, form.plainBytes)))
  const rows = isText || isBits ? PAGE_ROWS : Math.min(PAGE_ROWS, fitting)
  const plain = isText ? shape.pageBytes : isBits ? Math.ceil(rows / 64) * 8 : rows * form.plainBytes
  const indexed = usesDictionary(form, shape) ? rows * 2 + Math.ceil(rows / 504) + 64 : 0
  return { rows, valueBytes: Math.max(plain, indexed) }
}

export const usesDictionary = (form: ColumnForm, shape: EncoderShape): boolean =>
  form.hasDictionary && shape.dictionaryEntries > 0

/** Most bytes of a page before compression. */
export function pageBytesMax(form: ColumnForm, shape: EncoderShape): number {
  return LEVEL_BYTES + pageRoom(form, shape).valueBytes
}

/** Counts the buffers that a column's writer takes. */
export function sizeColumnWriter(form: ColumnForm, shape: EncoderShape, size: BufferCount): void {
  const { rows } = pageRoom(form, shape)
  size.add(shape.codec.bound(pageBytesMax(form, shape)))
  size.add(rows)
  size.add(RANGE_BYTES)
  if (form.field.type.kind === 'boolean') size.add(rows)
  if (usesDictionary(form, shape)) sizeChunkDictionary(form, shape, rows, size)
  if (hasBloomFilter(form, shape)) sizeChunkBloomFilter(shape, size)
}
