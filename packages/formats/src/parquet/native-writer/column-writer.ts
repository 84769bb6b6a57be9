/**
 * Builds the pages of one column: values and levels of the page in the making, then the page compressed, then a chain
 * of finished pages until the row group ends. Rows are only touched by kernels.
 *
 *   page buffer   [ … levels (length, runs) │ values … ]     levels are put in front of the values when the page ends
 *
 * Values are looked up in a dictionary first. When it is full, or when a chunk of one page is shorter without it, the
 * page's values are put back from it, or later pages are PLAIN; pages of integers then are delta encoded if that is
 * shorter.
 */
import { crc32 } from 'node:zlib'
import { COLUMN_BYTES, column, DESCRIPTOR_HEADER_BYTES, descriptor, stringView } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { ChunkBloomFilter, hasBloomFilter } from './chunk-bloom-filter.ts'
import { ChunkDelta, usesDelta } from './chunk-delta.ts'
import { ChunkDictionary, type PackedPage } from './chunk-dictionary.ts'
import type { ColumnForm } from './column-form.ts'
import { type BufferSource, type EncoderArena, PageChain, type PagePool } from './encoder-room.ts'
import { type Bounds, emptyRange, RANGE_BYTES, rangeBounds, TEXT_BOUND_BYTES, TextRange } from './page-bounds.ts'
import { dataPageHeader, Encoding, type PageRecord } from './page-meta.ts'
import {
  type EncoderShape,
  HEADER_BYTES,
  LEVEL_BYTES,
  pageBytesMax,
  pageRoom,
  type SharedBuffers,
  SLICE_ROWS,
  usesDictionary,
} from './page-room.ts'

/** Rows of a column in a batch, from one on. */
interface Rows {
  readonly values: number
  readonly validity: number
  readonly selection: number
}

/** A page in the making: levels end where values start. */
interface PageBytes {
  readonly valueStart: number
  readonly end: number
  readonly rows: number
  readonly values: number
  readonly encoding: number
}

export interface ColumnWriterParts {
  readonly form: ColumnForm
  readonly shape: EncoderShape
  readonly arena: EncoderArena
  readonly buffers: BufferSource
  readonly shared: SharedBuffers
  readonly pool: PagePool
}

export class ColumnWriter {
  readonly form: ColumnForm
  readonly #parts: ColumnWriterParts
  readonly #arena: EncoderArena
  readonly #chain: PageChain
  readonly #dictionary: ChunkDictionary | undefined
  readonly #delta: ChunkDelta | undefined
  readonly bloomFilter: ChunkBloomFilter | undefined
  readonly #pageBuffer: number
  readonly #valueStart: number
  readonly #valueBytesMax: number
  readonly #rowsMax: number
  readonly #levels: number
  readonly #range: number
  readonly #emptyRange: Uint8Array
  readonly #text = new TextRange()
  /** Booleans before they are packed. */
  readonly #bytes: number
  readonly #pages: PageRecord[] = []
  /** The last page, still in the column's own buffer. */
  #tail: PackedPage | undefined
  #cursor: number
  #pageRows = 0
  #pageValues = 0
  #hasLevels = false
  #textBytes = 0

  constructor(parts: ColumnWriterParts) {
    const { form, shape, arena, buffers } = parts
    this.form = form
    this.#parts = parts
    this.#arena = arena
    this.#chain = new PageChain(arena, parts.pool)
    const { rows, valueBytes } = pageRoom(form, shape)
    this.#rowsMax = rows
    this.#valueBytesMax = valueBytes
    this.#pageBuffer = buffers.take(shape.codec.bound(pageBytesMax(form, shape)))
    this.#valueStart = this.#pageBuffer + LEVEL_BYTES
    this.#levels = buffers.take(rows)
    this.#range = buffers.take(RANGE_BYTES)
    this.#emptyRange = form.bound === undefined ? new Uint8Array(RANGE_BYTES) : emptyRange(form.bound, form.plainBytes)
    this.#bytes = form.field.type.kind === 'boolean' ? buffers.take(rows) : 0
    this.#dictionary = usesDictionary(form, shape) ? new ChunkDictionary(form, shape, rows, arena, buffers) : undefined
    this.#delta = usesDelta(form) ? new ChunkDelta(form, shape, arena, parts.shared) : undefined
    this.bloomFilter = hasBloomFilter(form, shape) ? new ChunkBloomFilter(shape, arena, buffers) : undefined
    this.#cursor = this.#valueStart
    arena.u8.set(this.#emptyRange, this.#range)
  }

  /** Finished pages of the row group. */
  get pages(): readonly PageRecord[] {
    return this.#pages
  }
  /** Bytes of the row group's strings, without their lengths. */
  get textBytes(): number {
    return this.#textBytes
  }
  get chainBytes(): number {
    return this.#chain.bytes
  }

  // --- rows -------------------------------------------------------------------------------------------------------

  /** Pages that the chain may grow by when these rows are appended; none when they fit into the page in the making. */
  pagesNeeded(batch: number, index: number, start: number, rows: number): number {
    const { plainBytes } = this.form
    const dictionary = this.#dictionary?.isActive === true ? this.#dictionary : undefined
    let used = this.#cursor - this.#valueStart
    let added = rows * plainBytes
    if (plainBytes === 0) {
      const { values, validity, selection } = this.#rowsOf(batch, index, start)
      added = (this.#arena.kernels.viewsByteLength(values, validity, selection, rows) >>> 0) + 4 * rows
      if (dictionary !== undefined) used = dictionary.pagePlainBytes
    } else if (dictionary !== undefined) {
      used = this.#pageValues * plainBytes
    }
    const endsByRows = this.#pageRows + rows > this.#rowsMax
    const endsByBytes = plainBytes === 0 && used + added > this.#valueBytesMax
    const endsByDictionary = dictionary !== undefined && dictionary.pages > 0 && dictionary.mightFill(rows, added)
    if (!endsByRows && !endsByBytes && !endsByDictionary) return 0
    const whole = used + added
    const pages = 3 + Math.ceil(rows / this.#rowsMax) + Math.ceil((2 * whole) / this.#valueBytesMax)
    return this.#chain.pagesFor(this.#parts.shape.codec.bound(whole) + pages * (LEVEL_BYTES + HEADER_BYTES))
  }

  /** Bytes of the longest string among the rows when it is longer than a page, else 0. */
  longBytes(batch: number, index: number, start: number, rows: number): number {
    if (this.form.plainBytes !== 0) return 0
    const { values, validity, selection } = this.#rowsOf(batch, index, start)
    const most = this.#arena.kernels.viewsLengthMax(values, validity, selection, rows) >>> 0
    return most + 4 > this.#valueBytesMax ? most : 0
  }

  /** Appends selected rows of a batch. What `pagesNeeded` and `longBytes` said is ensured. */
  append(batch: number, index: number, start: number, rowCount: number): void {
    let { values, validity, selection } = this.#rowsOf(batch, index, start)
    for (let left = rowCount; left > 0; ) {
      const rows = Math.min(left, SLICE_ROWS, this.#rowsMax - this.#pageRows)
      const from = { values, validity, selection }
      let taken = rows === 0 ? 0 : this.#appendSlice(from, rows)
      if (taken === 0 && this.#pageRows === 0 && this.#dictionary?.isActive !== true) taken = this.#appendLong(from)
      else if (taken < rows || rows === 0) this.#makeRoom()
      left -= taken
      if (selection !== 0) {
        selection += taken * 4
      } else {
        values += taken * this.form.sourceBytes
        if (validity !== 0) validity += taken
      }
    }
  }

  #rowsOf(batch: number, index: number, start: number): Rows {
    const { u32 } = this.#arena
    const entry = batch + DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES
    const selection = u32[(batch + descriptor.selection) >>> 2] as number
    const values = u32[(entry + column.values) >>> 2] as number
    const validity = u32[(entry + column.validity) >>> 2] as number
    if (selection !== 0) return { values, validity, selection: selection + start * 4 }
    return {
      values: values + start * this.form.sourceBytes,
      validity: validity === 0 ? 0 : validity + start,
      selection,
    }
  }

  /** Returns the rows taken: fewer when the dictionary is full, or the page's room for strings. */
  #appendSlice(from: Rows, rows: number): number {
    const isText = this.form.plainBytes === 0
    const { taken, values } = isText ? this.#appendText(from, rows) : this.#appendFixed(from, rows)
    if (taken === 0) return 0
    this.#appendLevels(from, taken, values)
    this.#pageRows += taken
    this.#pageValues += values
    return taken
  }

  #appendFixed({ values, validity, selection }: Rows, rows: number): { taken: number; values: number } {
    const { form } = this
    const { kernels } = this.#arena
    if (form.field.type.kind === 'null') return { taken: rows, values: 0 }
    const dictionary = this.#dictionary?.isActive === true ? this.#dictionary : undefined
    const slice = this.#parts.shared.slice
    const target = dictionary !== undefined ? slice : this.#bytes !== 0 ? this.#bytes + this.#pageValues : this.#cursor
    const count = kernels.plainFixed(values, validity, selection, rows, form.form, form.plainBytes, target) >>> 0
    if (dictionary !== undefined) {
      // What was looked up before the dictionary was full is looked up again, or is PLAIN then.
      if (dictionary.indexFixed(slice, count, this.#pageValues) < count) return { taken: 0, values: 0 }
    } else if (this.#bytes === 0) {
      this.#cursor += count * form.plainBytes
    }
    this.bloomFilter?.addFixed(target, count, form.plainBytes)
    if (form.bound !== undefined && this.#parts.shape.statistics) {
      kernels.plainBounds(target, count, form.bound, form.plainBytes, this.#range)
    }
    return { taken: rows, values: count }
  }

  #appendText({ values, validity, selection }: Rows, rows: number): { taken: number; values: number } {
    const { kernels, u32 } = this.#arena
    let taken: number
    let count: number
    if (this.#dictionary?.isActive === true) {
      const before = this.#dictionary.pagePlainBytes
      taken = this.#dictionary.indexText(values, validity, selection, rows, this.#pageValues)
      count = this.#dictionary.written
      this.#textBytes += this.#dictionary.pagePlainBytes - before - 4 * count
    } else {
      // The range is free for the kernel's state: text has bounds of its own.
      const state = this.#range >>> 2
      u32[state] = this.#cursor
      u32[state + 1] = this.#valueStart + this.#valueBytesMax
      taken = kernels.plainViews(values, validity, selection, rows, this.#range) >>> 0
      count = u32[state + 2] as number
      const cursor = u32[state] as number
      this.#textBytes += cursor - this.#cursor - 4 * count
      this.#cursor = cursor
    }
    this.bloomFilter?.addText(values, validity, selection, taken)
    if (count > 0 && this.#parts.shape.statistics) this.#addTextBounds({ values, validity, selection }, taken)
    return { taken, values: count }
  }

  #addTextBounds({ values, validity, selection }: Rows, rows: number): void {
    const { kernels } = this.#arena
    const least = kernels.viewExtreme(values, validity, selection, rows, -1n) >>> 0
    const greatest = kernels.viewExtreme(values, validity, selection, rows, 0n) >>> 0
    if (least !== 0) this.#text.addLeast(...this.#cutText(least))
    if (greatest !== 0) this.#text.addGreatest(...this.#cutText(greatest))
  }

  #cutText(view: number): [Uint8Array, boolean] {
    const { u8, u32 } = this.#arena
    const length = u32[view >>> 2] as number
    const address = length <= 12 ? view + stringView.prefix : (u32[(view + stringView.address) >>> 2] as number)
    return [u8.slice(address, address + Math.min(length, TEXT_BOUND_BYTES)), length > TEXT_BOUND_BYTES]
  }

  #appendLevels({ validity, selection }: Rows, rows: number, values: number): void {
    if (!this.form.isOptional) {
      assert(values === rows, 'a column that is not nullable has no nulls')
      return
    }
    const { kernels, u8 } = this.#arena
    const target = this.#levels + this.#pageRows
    if (this.form.field.type.kind === 'null') return
    if (validity !== 0 && !this.#hasLevels) {
      u8.fill(1, this.#levels, target)
      this.#hasLevels = true
    }
    if (!this.#hasLevels) return
    if (validity === 0) u8.fill(1, target, target + rows)
    else if (selection === 0) kernels.copyBytes(validity, rows, target)
    else kernels.gather(validity, selection, 4, 1, rows, target)
  }

  // --- pages ------------------------------------------------------------------------------------------------------

  /** The page has its rows, the dictionary is full, or the next string does not fit. */
  #makeRoom(): void {
    const dictionary = this.#dictionary
    if (this.#pageRows === this.#rowsMax || dictionary?.isActive !== true) {
      this.#finishPage(false)
    } else if (dictionary.pages === 0 && this.#plainBytesOfPage() <= this.#valueBytesMax) {
      this.#expand(dictionary)
    } else {
      if (this.#pageRows > 0) this.#finishPage(false)
      dictionary.isActive = false
    }
  }

  #plainBytesOfPage(): number {
    const { plainBytes } = this.form
    return plainBytes === 0 ? (this.#dictionary?.pagePlainBytes ?? 0) : this.#pageValues * plainBytes
  }

  #expand(dictionary: ChunkDictionary): void {
    this.#cursor = dictionary.expandPage(this.#pageValues, this.#valueStart)
  }

  #finishPage(isTail: boolean): void {
    const dictionary = this.#dictionary?.isActive === true ? this.#dictionary : undefined
    let end = this.#cursor
    let valueStart = this.#valueStart
    let encoding: number = Encoding.plain
    if (dictionary !== undefined) {
      encoding = Encoding.rleDictionary
      end = dictionary.encodePage(this.#pageValues, this.#valueStart)
      dictionary.endPage()
    } else if (this.#bytes !== 0) {
      this.#arena.kernels.bytesToBitmap(this.#bytes, 0, this.#pageValues, this.#valueStart)
      end = this.#valueStart + Math.ceil(this.#pageValues / 8)
    } else {
      const delta = this.#delta?.encodePage(valueStart, this.#pageValues)
      if (delta !== undefined) {
        valueStart = delta.valueStart
        end = delta.end
        encoding = Encoding.deltaBinaryPacked
      }
    }
    const page = { valueStart, end, rows: this.#pageRows, values: this.#pageValues, encoding }
    const packed = this.#packPage(page, this.#parts.shared.packed)
    if (isTail) this.#keepTail(packed)
    else this.#chainPage(packed)
    this.#cursor = this.#valueStart
    this.#pageRows = 0
    this.#pageValues = 0
    this.#hasLevels = false
  }

  #chainPage({ header, address, bytes }: PackedPage): void {
    this.#chain.appendBytes(header)
    this.#chain.append(address, bytes)
  }

  /** The last page needs no page of the arena: its stored bytes fit where its values were. */
  #keepTail(packed: PackedPage): void {
    const { address, bytes } = packed
    if (address >= this.#pageBuffer && address <= this.#valueStart) {
      this.#tail = packed
      return
    }
    this.#arena.kernels.copyBytes(address, bytes, this.#pageBuffer)
    this.#tail = { ...packed, address: this.#pageBuffer }
  }

  /** Puts levels in front, compresses to `target`, and records the page. */
  #packPage(page: PageBytes, target: number): PackedPage {
    const { codec, statistics } = this.#parts.shape
    const start = this.form.isOptional ? this.#writeLevels(page) : page.valueStart
    const uncompressedBytes = page.end - start
    let address = start
    let bytes = uncompressedBytes
    if (codec.compress !== undefined) {
      address = target
      bytes = codec.compress(this.#arena, start, uncompressedBytes, target, this.#parts.shared.codecScratch)
    }
    const checksum = crc32(this.#arena.u8.subarray(address, address + bytes))
    const sizes = { uncompressedBytes, compressedBytes: bytes, checksum }
    const header = dataPageHeader(sizes, page.rows, page.encoding)
    assert(header.length <= HEADER_BYTES, 'the header of a page is short')
    this.#pages.push({
      rows: page.rows,
      nulls: page.rows - page.values,
      encoding: page.encoding,
      storedBytes: header.length + bytes,
      uncompressedBytes: header.length + uncompressedBytes,
      bounds: statistics && page.values > 0 ? this.#takeBounds() : undefined,
    })
    return { header, address, bytes, uncompressedBytes }
  }

  #takeBounds(): Bounds | undefined {
    const { bound, plainBytes } = this.form
    if (bound === undefined) {
      const bounds = this.#text.bounds()
      this.#text.clear()
      return bounds
    }
    const { u8 } = this.#arena
    const bounds = rangeBounds(bound, plainBytes, u8.slice(this.#range, this.#range + RANGE_BYTES))
    u8.set(this.#emptyRange, this.#range)
    return bounds
  }

  /** Returns where the page begins now. */
  #writeLevels({ valueStart, rows, values }: PageBytes): number {
    const { kernels, u8 } = this.#arena
    const { slice } = this.#parts.shared
    let bytes: number
    if (values === rows || values === 0) {
      bytes = 0
      for (let rest = rows * 2; ; rest = Math.floor(rest / 128)) {
        u8[slice + bytes++] = rest >= 128 ? (rest & 127) | 128 : rest
        if (rest < 128) break
      }
      u8[slice + bytes++] = values === 0 ? 0 : 1
    } else {
      bytes = kernels.encodeLevels(this.#levels, rows, slice) >>> 0
    }
    const start = valueStart - bytes
    kernels.copyBytes(slice, bytes, start)
    u8.set([bytes & 255, bytes >>> 8, 0, 0], start - 4)
    assert(bytes < 65_536, 'levels of a page are short')
    return start - 4
  }

  /** A string that is longer than a page becomes a page of its own, in runs of pages that are ensured. */
  #appendLong({ values, validity, selection }: Rows): number {
    const { u32, kernels } = this.#arena
    const { pool, shape } = this.#parts
    assert(this.form.plainBytes === 0, 'only strings are longer than a page')
    const row = selection === 0 ? 0 : (u32[selection >>> 2] as number)
    const length = u32[(values + row * 16) >>> 2] as number
    const { plain, packed } = pool.long
    assert(plain !== 0, 'room for long strings is ensured before rows are taken')
    const valueStart = plain + LEVEL_BYTES
    const state = this.#range >>> 2
    u32[state] = valueStart
    u32[state + 1] = valueStart + 4 + length
    const taken = kernels.plainViews(values, validity, selection, 1, this.#range) >>> 0
    assert(taken === 1, 'a page of its own has room for its string')
    this.bloomFilter?.addText(values, validity, selection, 1)
    if (shape.statistics) this.#addTextBounds({ values, validity, selection }, 1)
    const end = u32[state] as number
    this.#chainPage(this.#packPage({ valueStart, end, rows: 1, values: 1, encoding: Encoding.plain }, packed))
    this.#textBytes += length
    return 1
  }

  // --- the row group ----------------------------------------------------------------------------------------------

  /** Ends the chunk. Returns its dictionary page, if a page refers to one. */
  finish(): PackedPage | undefined {
    const dictionary = this.#dictionary
    if (dictionary?.isActive === true && dictionary.pages === 0) {
      const plainBytes = this.#plainBytesOfPage()
      const indexBytes = Math.ceil((this.#pageValues * Math.log2(dictionary.entries + 1)) / 8)
      const isShorter = dictionary.storedBytes + indexBytes >= plainBytes
      if (isShorter && plainBytes <= this.#valueBytesMax) this.#expand(dictionary)
    }
    if (this.#pageRows > 0) this.#finishPage(true)
    return dictionary !== undefined && dictionary.pages > 0 ? dictionary.pack(this.#parts.shared) : undefined
  }

  bytesAt({ address, bytes }: PackedPage): Uint8Array {
    return this.#arena.u8.subarray(address, address + bytes)
  }

  /** The chunk's data pages, piece by piece; valid until `clear`. */
  pieces(): Uint8Array[] {
    const tail = this.#tail
    if (tail === undefined) return this.#chain.pieces()
    return [...this.#chain.pieces(), tail.header, this.bytesAt(tail)]
  }

  /** Begins the next row group. */
  clear(): void {
    this.#chain.clear()
    this.#dictionary?.open()
    this.#delta?.open()
    this.bloomFilter?.clear()
    this.#pages.length = 0
    this.#tail = undefined
    this.#textBytes = 0
    this.#cursor = this.#valueStart
    this.#pageRows = 0
    this.#pageValues = 0
    this.#hasLevels = false
    this.#text.clear()
    this.#arena.u8.set(this.#emptyRange, this.#range)
  }
}
