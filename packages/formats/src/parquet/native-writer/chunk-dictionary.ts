/**
 * The dictionary of a column chunk: a hash table of fixed size, the values in the order of their first occurrence as
 * the dictionary page will hold them, and the indices of the page in the making.
 */
import { crc32 } from 'node:zlib'
import type { ColumnForm } from './column-form.ts'
import type { BufferCount, BufferSource, EncoderArena } from './encoder-room.ts'
import { dictionaryPageHeader } from './page-meta.ts'
import type { EncoderShape, SharedBuffers } from './page-room.ts'

/** Byte offsets in the kernels' state, see assembly/parquet/encode-dictionary.ts. */
const state = {
  slots: 0,
  mask: 4,
  entries: 8,
  limit: 12,
  bytes: 16,
  cursor: 20,
  end: 24,
  views: 28,
  written: 32,
  plainBytes: 36,
} as const
const STATE_BYTES = 40
/** Indices are u16, and a slot holds the index plus one. */
const ENTRIES_MAX = 65_535
const VIEW_BYTES = 16
/** Row groups that go without a dictionary after one that was not worth it. */
const ROW_GROUPS_WITHOUT = 7

interface DictionaryRoom {
  readonly entries: number
  readonly slots: number
  readonly slotBytes: number
  readonly valueBytes: number
  readonly viewBytes: number
}

function dictionaryRoom(form: ColumnForm, shape: EncoderShape): DictionaryRoom {
  const entries = Math.min(shape.dictionaryEntries, ENTRIES_MAX)
  const slots = 2 ** Math.ceil(Math.log2(entries * 2))
  const isText = form.plainBytes === 0
  return {
    entries,
    slots,
    slotBytes: slots * (isText ? 4 : 2),
    valueBytes: isText ? shape.dictionaryBytes : entries * form.plainBytes,
    viewBytes: isText ? entries * VIEW_BYTES : 0,
  }
}

/** Most bytes of the dictionary page before compression. */
export function dictionaryBytesMax(form: ColumnForm, shape: EncoderShape): number {
  return dictionaryRoom(form, shape).valueBytes
}

/** @param rows most rows of a page */
export function sizeChunkDictionary(form: ColumnForm, shape: EncoderShape, rows: number, size: BufferCount): void {
  const room = dictionaryRoom(form, shape)
  size.add(STATE_BYTES)
  size.add(room.slotBytes)
  size.add(shape.codec.bound(room.valueBytes))
  if (room.viewBytes > 0) size.add(room.viewBytes)
  size.add(rows * 2)
}

export interface PackedPage {
  readonly header: Uint8Array
  readonly address: number
  readonly bytes: number
  readonly uncompressedBytes: number
}

export class ChunkDictionary {
  readonly #arena: EncoderArena
  readonly #shape: EncoderShape
  readonly #width: number
  readonly #room: DictionaryRoom
  readonly #state: number
  readonly #slots: number
  readonly #bytes: number
  readonly #views: number
  /** u16 × rows of a page. */
  readonly indices: number
  /** New rows are looked up. */
  isActive = false
  /** Finished pages that refer to it. */
  pages = 0
  #rowGroupsWithout = 0

  constructor(form: ColumnForm, shape: EncoderShape, rows: number, arena: EncoderArena, buffers: BufferSource) {
    this.#arena = arena
    this.#shape = shape
    this.#width = form.plainBytes
    this.#room = dictionaryRoom(form, shape)
    this.#state = buffers.take(STATE_BYTES)
    this.#slots = buffers.take(this.#room.slotBytes)
    this.#bytes = buffers.take(shape.codec.bound(this.#room.valueBytes))
    this.#views = this.#room.viewBytes > 0 ? buffers.take(this.#room.viewBytes) : 0
    this.indices = buffers.take(rows * 2)
    this.open()
  }

  #word(offset: number): number {
    return this.#arena.u32[(this.#state + offset) >>> 2] as number
  }
  #setWord(offset: number, value: number): void {
    this.#arena.u32[(this.#state + offset) >>> 2] = value
  }

  get entries(): number {
    return this.#word(state.entries)
  }
  /** Bytes of the values so far. */
  get storedBytes(): number {
    return this.#word(state.cursor) - this.#bytes
  }
  /** Strings: bytes that the page in the making would take as PLAIN. */
  get pagePlainBytes(): number {
    return this.#word(state.plainBytes)
  }
  /** Strings: values of the last `indexText`. */
  get written(): number {
    return this.#word(state.written)
  }

  /** Begins a row group. */
  open(): void {
    this.pages = 0
    this.isActive = this.#rowGroupsWithout === 0
    if (this.#rowGroupsWithout > 0) this.#rowGroupsWithout -= 1
    this.#arena.u8.fill(0, this.#slots, this.#slots + this.#room.slotBytes)
    this.#setWord(state.slots, this.#slots)
    this.#setWord(state.mask, this.#room.slots - 1)
    this.#setWord(state.entries, 0)
    this.#setWord(state.limit, this.#room.entries)
    this.#setWord(state.bytes, this.#bytes)
    this.#setWord(state.cursor, this.#bytes)
    this.#setWord(state.end, this.#bytes + this.#room.valueBytes)
    this.#setWord(state.views, this.#views)
    this.#setWord(state.plainBytes, 0)
  }

  /** Whether so many new values could be too many. */
  mightFill(values: number, bytes: number): boolean {
    if (this.entries + values > this.#room.entries) return true
    return this.#width === 0 && this.storedBytes + bytes > this.#room.valueBytes
  }

  /** @param at values of the page so far. Returns the values taken. */
  indexFixed(values: number, count: number, at: number): number {
    const { kernels } = this.#arena
    return kernels.dictionaryFixed(values, count, this.#width, this.#state, this.indices + at * 2) >>> 0
  }

  /** @param at values of the page so far. Returns the rows taken. */
  indexText(views: number, validity: number, selection: number, rows: number, at: number): number {
    const { kernels } = this.#arena
    return kernels.dictionaryViews(views, validity, selection, rows, this.#state, this.indices + at * 2) >>> 0
  }

  /** Writes the page's `count` indices with their width in front; returns where they end. */
  encodePage(count: number, target: number): number {
    const bits = Math.max(1, 32 - Math.clz32(Math.max(0, this.entries - 1)))
    this.#arena.u8[target] = bits
    return target + 1 + (this.#arena.kernels.encodeIndices(this.indices, count, bits, target + 1) >>> 0)
  }

  endPage(): void {
    this.pages += 1
    this.#setWord(state.plainBytes, 0)
  }

  /** Puts the page's values back in their PLAIN form; the dictionary is not used in this row group. */
  expandPage(count: number, target: number): number {
    const end = this.#arena.kernels.dictionaryExpand(this.#state, this.indices, count, this.#width, target) >>> 0
    this.isActive = false
    this.#rowGroupsWithout = ROW_GROUPS_WITHOUT
    return end
  }

  /** The dictionary page, compressed in place. The dictionary is gone until `open`. */
  pack(shared: SharedBuffers): PackedPage {
    const { kernels } = this.#arena
    const { codec } = this.#shape
    const uncompressedBytes = this.storedBytes
    let bytes = uncompressedBytes
    if (codec.compress !== undefined) {
      bytes = codec.compress(this.#arena, this.#bytes, uncompressedBytes, shared.packed, shared.codecScratch)
      kernels.copyBytes(shared.packed, bytes, this.#bytes)
    }
    const checksum = crc32(this.#arena.u8.subarray(this.#bytes, this.#bytes + bytes))
    const header = dictionaryPageHeader({ uncompressedBytes, compressedBytes: bytes, checksum }, this.entries)
    return { header, address: this.#bytes, bytes, uncompressedBytes }
  }
}
