/**
 * Encodes row groups of a Parquet file, column by column, from batches in the arena.
 *
 * Memory follows the page and the compressed row group: each column has a page in the making, its dictionary, and a
 * chain of finished pages. When no page is granted for the chains, the row group ends early; with empty chains as many
 * rows are taken as the pages in the making have room for, so that progress needs no more than the fixed buffers.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { assert, makeError } from '@spillway/stdx'
import type { Schema } from '@spillway/columnar'
import { encodeRowGroupFooter, type RowGroupFooter } from '../row-group-footer.ts'
import { i64Field } from '../thrift.ts'
import { deltaBytes } from './chunk-delta.ts'
import { dictionaryBytesMax, type PackedPage } from './chunk-dictionary.ts'
import { columnForm, type ColumnForm } from './column-form.ts'
import { ColumnWriter } from './column-writer.ts'
import { type BufferCount, type BufferSource, type EncoderArena, PagePool, type PageSource } from './encoder-room.ts'
import { type ChunkFacts, chunkMetadata, columnChunk, columnIndex, offsetIndex, sum } from './page-meta.ts'
import {
  type EncoderShape,
  LEVEL_BYTES,
  pageBytesMax,
  SLICE_BYTES,
  sizeColumnWriter,
  usesDictionary,
} from './page-room.ts'

/** Pages that stay with the encoder between batches; the need of a batch is overestimated. */
const FREE_PAGES_KEPT = 16

/** Most bytes of a page or dictionary once it is compressed. */
function packedBytes(forms: readonly ColumnForm[], shape: EncoderShape): number {
  const pages = forms.map((form) =>
    Math.max(pageBytesMax(form, shape), usesDictionary(form, shape) ? dictionaryBytesMax(form, shape) : 0),
  )
  return shape.codec.compress === undefined ? 0 : shape.codec.bound(Math.max(0, ...pages))
}

/** Counts the buffers that a writer takes. */
export function sizeRowGroupWriter(schema: Schema, shape: EncoderShape, size: BufferCount): void {
  const forms = schema.fields.map(columnForm)
  size.add(packedBytes(forms, shape))
  size.add(shape.codec.scratchBytes)
  size.add(SLICE_BYTES)
  size.add(deltaBytes(forms, shape))
  for (const form of forms) sizeColumnWriter(form, shape, size)
}

export interface RowGroupWriterParts {
  readonly schema: Schema
  readonly shape: EncoderShape
  readonly arena: EncoderArena
  readonly buffers: BufferSource
  readonly pages: PageSource
  /** Makes others free about so many pages; returns how many they freed. */
  readonly makeRoom: (pages: number) => number
}

/** What rows may need beyond the buffers. */
interface RoomNeed {
  /** Pages for the chains. */
  readonly pages: number
  /** Adjacent pages for the longest string, if it is longer than a page of the file: as it is, and compressed. */
  readonly plainPages: number
  readonly packedPages: number
  readonly longest: number
  readonly columnName: string
}

function outOfPages({ longest, columnName, pages, plainPages, packedPages }: RoomNeed): Error {
  const needBytes = (pages + plainPages + packedPages) * PAGE_BYTES
  return makeError(
    'MEMORY_LIMIT',
    `Not enough memory in PARQUET SINK for a value of ${longest} bytes in column "${columnName}": ` +
      `${needBytes} bytes are needed. Raise memoryLimit or lower threads.`,
    { operator: 'PARQUET SINK', column: columnName, needBytes },
  )
}

/** A row group that is complete, before its place in the file is known. */
export interface FinishedRowGroup {
  readonly rowCount: number
  readonly bytes: number
  /** The bytes in the order of the file; valid until `clear`. */
  readonly pieces: readonly Uint8Array[]
  /** What the footer says when the row group is written from `offset` on. */
  readonly footerAt: (offset: number) => RowGroupFooter
}

export class RowGroupWriter {
  readonly #shape: EncoderShape
  readonly #pool: PagePool
  readonly #makeRoom: (pages: number) => number
  readonly #columns: readonly ColumnWriter[]
  #rows = 0

  constructor({ schema, shape, arena, buffers, pages, makeRoom }: RowGroupWriterParts) {
    this.#shape = shape
    this.#pool = new PagePool(pages)
    this.#makeRoom = makeRoom
    const forms = schema.fields.map(columnForm)
    const shared = {
      packed: buffers.take(packedBytes(forms, shape)),
      codecScratch: buffers.take(shape.codec.scratchBytes),
      slice: buffers.take(SLICE_BYTES),
      delta: buffers.take(deltaBytes(forms, shape)),
    }
    this.#columns = forms.map((form) => new ColumnWriter({ form, shape, arena, buffers, shared, pool: this.#pool }))
  }

  /** Rows of the row group in the making. */
  get rows(): number {
    return this.#rows
  }
  /** Compressed bytes of its finished pages. */
  get chainBytes(): number {
    return sum(this.#columns, ({ chainBytes }) => chainBytes)
  }
  get heldPages(): number {
    return this.#pool.heldPages
  }

  /**
   * Appends selected rows [start, start + rows) of a batch, or some of the first of them when memory is refused.
   * @returns rows taken; 0 = the row group must end first
   * @throws MEMORY_LIMIT when an empty row group has no room for one row, and nothing else makes any
   */
  append(batch: number, start: number, rows: number): number {
    let count = rows
    for (let need = this.#need(batch, start, count); !this.#isGranted(need); need = this.#need(batch, start, count)) {
      if (this.#rows > 0) return 0
      if (count > 1) count = Math.ceil(count / 2)
      else if (this.#makeRoom(need.pages + need.plainPages + need.packedPages) === 0) throw outOfPages(need)
    }
    for (const [index, column] of this.#columns.entries()) column.append(batch, index, start, count)
    this.#rows += count
    this.#pool.endLong()
    this.#pool.trim(FREE_PAGES_KEPT)
    return count
  }

  #isGranted({ pages, plainPages, packedPages }: RoomNeed): boolean {
    // The runs first: single pages would lie across them.
    if (!this.#pool.ensureLong(plainPages, packedPages)) return false
    if (this.#pool.ensure(pages)) return true
    this.#pool.endLong()
    return false
  }

  #need(batch: number, start: number, rows: number): RoomNeed {
    const { codec } = this.#shape
    let pages = 0
    let longest = 0
    let columnName = this.#columns[0]?.form.field.name ?? ''
    for (const [index, column] of this.#columns.entries()) {
      const own = column.pagesNeeded(batch, index, start, rows)
      pages += own
      // Asked even where the chain has room for all: a string that is longer than a page is laid out beside it.
      const long = column.longBytes(batch, index, start, rows)
      if (long > longest) columnName = column.form.field.name
      longest = Math.max(longest, long)
    }
    const room = LEVEL_BYTES + 4 + longest
    const plainPages = longest === 0 ? 0 : Math.ceil((room + 64) / PAGE_BYTES)
    const isPacked = longest > 0 && codec.compress !== undefined
    const packedPages = isPacked ? Math.ceil((codec.bound(room) + 64) / PAGE_BYTES) : 0
    return { pages, plainPages, packedPages, longest, columnName }
  }

  /** Ends the row group: finishes the last page of each column. */
  finish(): FinishedRowGroup {
    assert(this.#rows > 0, 'a row group has rows')
    const chunks = this.#columns.map((column) => {
      const dictionary = column.finish()
      const pieces = [...dictionaryPieces(dictionary, column), ...column.pieces()]
      return { facts: this.#factsOf(column, dictionary), pieces, filter: column.bloomFilter?.finish() ?? [] }
    })
    // Filters stand behind all chunks, which so lie side by side.
    const pieces = [...chunks.flatMap((chunk) => chunk.pieces), ...chunks.flatMap(({ filter }) => filter)]
    const rowCount = this.#rows
    return {
      rowCount,
      pieces,
      bytes: bytesOf(pieces),
      footerAt: (offset) => {
        let at = offset
        let filterAt = offset + sum(chunks, (chunk) => bytesOf(chunk.pieces))
        const facts = chunks.map(({ facts: known, pieces: own, filter }): ChunkFacts => {
          const bloomFilter = filter.length === 0 ? undefined : { offset: filterAt, bytes: bytesOf(filter) }
          const each = { ...known, offset: at, bloomFilter }
          at += bytesOf(own)
          filterAt += bytesOf(filter)
          return each
        })
        return this.#footer(facts, rowCount, offset, { chunks: at - offset, all: filterAt - offset })
      },
    }
  }

  #factsOf(column: ColumnWriter, dictionary: PackedPage | undefined): Omit<ChunkFacts, 'offset' | 'bloomFilter'> {
    const { form } = column
    return {
      name: form.field.name,
      physicalCode: form.physicalCode,
      codecCode: this.#shape.codec.code,
      boundKind: form.bound,
      hasStatistics: this.#shape.statistics,
      pages: [...column.pages],
      dictionary:
        dictionary === undefined
          ? undefined
          : {
              storedBytes: dictionary.header.length + dictionary.bytes,
              uncompressedBytes: dictionary.header.length + dictionary.uncompressedBytes,
            },
      textBytes: form.plainBytes === 0 ? column.textBytes : undefined,
    }
  }

  #footer(
    facts: readonly ChunkFacts[],
    rowCount: number,
    offset: number,
    bytes: { readonly chunks: number; readonly all: number },
  ): RowGroupFooter {
    const uncompressed = sum(
      facts,
      ({ pages, dictionary }) => sum(pages, (page) => page.uncompressedBytes) + (dictionary?.uncompressedBytes ?? 0),
    )
    const chunks = facts.map((fact) => ({
      chunk: columnChunk(chunkMetadata(fact)),
      columnIndex: columnIndex(fact),
      offsetIndex: offsetIndex(fact),
    }))
    return encodeRowGroupFooter({ rowCount, bodyBytes: bytes.all }, chunks, [
      i64Field(2, uncompressed),
      i64Field(3, rowCount),
      i64Field(5, offset),
      i64Field(6, bytes.chunks),
    ])
  }

  /** Begins the next row group, whether the last one was written or not. Gives its pages back. */
  clear(): void {
    for (const column of this.#columns) column.clear()
    this.#pool.trim(0)
    this.#rows = 0
  }
}

const bytesOf = (pieces: readonly Uint8Array[]): number => sum(pieces, ({ length }) => length)

function dictionaryPieces(dictionary: PackedPage | undefined, column: ColumnWriter): Uint8Array[] {
  return dictionary === undefined ? [] : [dictionary.header, column.bytesAt(dictionary)]
}
