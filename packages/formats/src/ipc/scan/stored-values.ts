/**
 * Rows of one stored column, into the arena's layout: validity bytes, values, views. Any range of rows can be read, and
 * only its bytes are.
 *
 *   fixed width   file ──▶ values                       bits     file ──▶ scratch ──▶ bytes
 *   offsets       file ──▶ scratch, checked             views    file ──▶ scratch, checked
 *   text          file ──▶ heap, where views point to
 */
import { VIEW_BUFFER_BYTES, viewBuffer } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import type { BufferSource, IpcArena } from './buffer-source.ts'
import type { IpcStorage } from './column-layout.ts'
import { ipcDamage, type IpcPlace } from './ipc-damage.ts'

/** Fixed buffers of a reader; addresses. */
export interface IpcRoom {
  /** Rows that the buffers are made for. */
  readonly rows: number
  /** bitsRoomBytes(rows). */
  readonly bits: number
  /** scratchRoomBytes(rows). */
  readonly scratch: number
  /** One byte per row, where validity is looked at before it is asked for. */
  readonly validity: number
  /** Room for VIEW_BUFFERS entries of a table of string buffers. */
  readonly table: number
}

/** String buffers per record batch that the fixed table has room for. */
export const VIEW_BUFFERS = 64
const OVER_READ_BYTES = 32

export const bitsRoomBytes = (rows: number): number => Math.ceil(rows / 8) + 8 + OVER_READ_BYTES
/** Views, offsets of 8 bytes, or indices with a validity. */
export const scratchRoomBytes = (rows: number): number => (rows + 1) * 16 + OVER_READ_BYTES

/** A column's part of a record batch. */
export interface StoredPart {
  readonly storage: IpcStorage
  /** Bytes of an index into a dictionary: then the values are indices. */
  readonly indexBytes: 1 | 2 | 4 | undefined
  readonly rows: number
  readonly nullCount: number
  /** In the format's order: validity first, unless there is none at all (type null). */
  readonly buffers: readonly BufferSource[]
  readonly place: IpcPlace
}

/** Where text goes. */
export interface TextRoom {
  readonly address: number
  readonly bytes: number
}

/** Buffers of a stored column, those of views aside. */
export function ownBufferCount(storage: IpcStorage, isDictionary: boolean): number {
  if (isDictionary) return 2
  if (storage.kind === 'null') return 0
  return storage.kind === 'offsets' ? 3 : 2
}

/** Checks that the buffers hold what the rows need. @throws ARROW_INVALID */
export function checkPart(part: StoredPart): void {
  const { storage, indexBytes, rows, nullCount, buffers, place } = part
  if (storage.kind === 'null' || rows === 0) return
  const validityBytes = buffers[0]?.bytes ?? 0
  if (nullCount > 0 && validityBytes < Math.ceil(rows / 8)) throw ipcDamage('a validity bitmap is too short', place)
  const needed = indexBytes === undefined ? valueBytes(storage, rows) : rows * indexBytes
  if ((buffers[1]?.bytes ?? 0) < needed) throw ipcDamage('a buffer is too short for its rows', place)
}

function valueBytes(storage: IpcStorage, rows: number): number {
  switch (storage.kind) {
    case 'bits':
      return Math.ceil(rows / 8)
    case 'offsets':
      return (rows + 1) * storage.offsetBytes
    case 'views':
      return rows * 16
    case 'null':
      return 0
    default:
      return rows * storage.width
  }
}

export class StoredValues {
  readonly #arena: IpcArena
  readonly #room: IpcRoom
  #part: StoredPart | undefined
  /** The rows whose offsets or views are in the scratch, checked; `ready` of them fit the room for text. */
  #first = 0
  #ready = 0
  /** Of the prepared rows: text bytes [textStart, textEnd) of the one data buffer. */
  #textStart = 0
  /** Text bytes of the rows that were read last. */
  textBytes = 0
  #table = 0
  #tableBytes = 0

  constructor(arena: IpcArena, room: IpcRoom) {
    this.#arena = arena
    this.#room = room
  }

  /** @throws ARROW_INVALID; MEMORY_LIMIT for a table of very many string buffers */
  open(part: StoredPart): void {
    checkPart(part)
    this.#part = part
    this.#ready = 0
    const { u32, memory } = this.#arena
    this.#giveTable()
    if (part.storage.kind !== 'views' || part.indexBytes !== undefined) return
    const texts = part.buffers.slice(2)
    if (texts.length > VIEW_BUFFERS) {
      this.#tableBytes = texts.length * VIEW_BUFFER_BYTES
      this.#table = memory.take(this.#tableBytes)
    } else this.#table = this.#room.table
    texts.forEach(({ bytes }, index) => {
      if (bytes >= 2 ** 32) throw ipcDamage('a string buffer of 4 GiB', part.place)
      u32[(this.#table + index * VIEW_BUFFER_BYTES + viewBuffer.size) >>> 2] = bytes
    })
  }

  /** Gives back what opening took. */
  close(): void {
    this.#giveTable()
    this.#part = undefined
  }

  #giveTable(): void {
    if (this.#tableBytes > 0) this.#arena.memory.give(this.#table, this.#tableBytes)
    this.#tableBytes = 0
  }

  get #open(): StoredPart {
    assert(this.#part !== undefined, 'a part of a column is open')
    return this.#part
  }

  /**
   * Rows from `row` on, at most `most` and those of the fixed buffers, whose text fits into `textBytes`.
   * @returns 0 when the text of one row is longer; see `textBytesOf`
   */
  prepare(row: number, most: number, textBytes: number): number {
    const part = this.#open
    const { storage, indexBytes } = part
    const rows = Math.min(most, this.#room.rows)
    if (indexBytes !== undefined) return rows
    if (storage.kind === 'offsets') return this.#prepareOffsets(storage.offsetBytes, row, rows, textBytes)
    if (storage.kind === 'views') return this.#prepareViews(row, rows, textBytes)
    return rows
  }

  /** Text bytes of one row, after `prepare` gave 0 for it. */
  textBytesOf(row: number): number {
    const { storage } = this.#open
    if (storage.kind === 'offsets') {
      return this.#offsetAt(storage.offsetBytes, 1) - this.#offsetAt(storage.offsetBytes, 0)
    }
    assert(storage.kind === 'views' && this.#first === row, 'only text may be too long')
    return this.#rangesBytes(1)
  }

  #prepareOffsets(offsetBytes: 4 | 8, row: number, rows: number, textBytes: number): number {
    const part = this.#open
    const { kernels } = this.#arena
    const { scratch } = this.#room
    part.buffers[1]?.bring(row * offsetBytes, (rows + 1) * offsetBytes, scratch)
    if (kernels.offsetsAscend(scratch, offsetBytes, rows, part.buffers[2]?.bytes ?? 0) === 0) {
      throw ipcDamage('offsets of text do not ascend within their buffer', part.place)
    }
    const start = this.#offsetAt(offsetBytes, 0)
    let fits = 0
    let tooMany = rows + 1
    // Invariant: `fits` rows fit, `tooMany` rows do not.
    if (this.#offsetAt(offsetBytes, rows) - start <= textBytes) fits = rows
    else {
      while (tooMany - fits > 1) {
        const middle = (fits + tooMany) >>> 1
        if (this.#offsetAt(offsetBytes, Math.min(middle, rows)) - start <= textBytes) fits = middle
        else tooMany = middle
      }
    }
    this.#first = row
    this.#ready = fits
    this.#textStart = start
    return fits
  }

  /** Offset of row `index` of the scratch. */
  #offsetAt(offsetBytes: 4 | 8, index: number): number {
    const { u32 } = this.#arena
    const at = (this.#room.scratch + index * offsetBytes) >>> 2
    return (u32[at] as number) + (offsetBytes === 8 ? (u32[at + 1] as number) * 2 ** 32 : 0)
  }

  #prepareViews(row: number, rows: number, textBytes: number): number {
    const part = this.#open
    part.buffers[1]?.bring(row * 16, rows * 16, this.#room.scratch)
    this.#readValidity(row, rows, this.#room.validity)
    this.#first = row
    let count = rows
    while (this.#rangesBytes(count) > textBytes) {
      if (count === 1) return 0
      count = count >>> 1
    }
    this.#ready = count
    return count
  }

  /** Bytes of the ranges that the first rows of the scratch refer to; they are in the table then. */
  #rangesBytes(rows: number): number {
    const { kernels, u32 } = this.#arena
    const part = this.#open
    const buffers = part.buffers.length - 2
    if (kernels.viewRanges(this.#room.scratch, this.#validityOf(), rows, this.#table, buffers) === 0) {
      throw ipcDamage('a view refers to text that is not there', part.place)
    }
    let bytes = 0
    for (let index = 0; index < buffers; index++) {
      const entry = (this.#table + index * VIEW_BUFFER_BYTES) >>> 2
      const end = u32[entry + (viewBuffer.end >>> 2)] as number
      if (end > 0) bytes += end - (u32[entry + (viewBuffer.least >>> 2)] as number) + OVER_READ_BYTES
    }
    return bytes
  }

  #validityOf(): number {
    return this.#open.nullCount === 0 ? 0 : this.#room.validity
  }

  /**
   * Reads rows that were prepared last, or some of the first of them.
   * @param validity rows bytes; written only when there are nulls
   * @param text for columns of text
   * @returns nulls
   */
  read(row: number, rows: number, values: number, validity: number, text: TextRoom): number {
    const part = this.#open
    const { kernels, u8 } = this.#arena
    const { storage, indexBytes, buffers } = part
    const { scratch } = this.#room
    if (storage.kind === 'null') {
      u8.fill(0, values, values + rows)
      u8.fill(0, validity, validity + rows)
      return rows
    }
    const nulls = this.#readValidity(row, rows, validity)
    const source = buffers[1]
    assert(source !== undefined, 'a stored column has values')
    if (indexBytes !== undefined) source.bring(row * indexBytes, rows * indexBytes, scratch)
    else if (storage.kind === 'fixed') source.bring(row * storage.width, rows * storage.width, values)
    else if (storage.kind === 'bits') this.#readBits(source, row, rows, values)
    else if (storage.kind === 'widened') {
      source.bring(row * storage.width, rows * storage.width, scratch)
      if (storage.width === 4) kernels.plainWiden32(scratch, rows, values)
      else kernels.plainWiden64(scratch, rows, values)
    } else {
      assert(row === this.#first && rows <= this.#ready, 'rows of text are prepared before they are read')
      if (storage.kind === 'offsets') this.#readOffsets(storage.offsetBytes, rows, values, text)
      else this.#readViews(rows, values, nulls === 0 ? 0 : validity, text)
      this.#finishText(rows, values, nulls === 0 ? 0 : validity)
    }
    return nulls
  }

  /** Address of the indices that `read` brought. */
  get indices(): number {
    return this.#room.scratch
  }

  #readValidity(row: number, rows: number, address: number): number {
    const { nullCount, buffers } = this.#open
    const source = buffers[0]
    if (nullCount === 0 || source === undefined) return 0
    return this.#readBits(source, row, rows, address)
  }

  /** Returns the zeroes. */
  #readBits(source: BufferSource, row: number, rows: number, address: number): number {
    const { bits } = this.#room
    const from = row >>> 3
    source.bring(from, ((row + rows + 7) >>> 3) - from, bits)
    return this.#arena.kernels.bitmapToBytes(bits, row & 7, rows, address) >>> 0
  }

  #readOffsets(offsetBytes: 4 | 8, rows: number, values: number, text: TextRoom): void {
    const { kernels } = this.#arena
    const end = this.#offsetAt(offsetBytes, rows)
    assert(end - this.#textStart <= text.bytes, 'the text of prepared rows fits')
    this.textBytes = end - this.#textStart
    this.#open.buffers[2]?.bring(this.#textStart, end - this.#textStart, text.address)
    kernels.utf8ToViews(this.#room.scratch, offsetBytes, rows, text.address - (this.#textStart % 2 ** 32), values)
  }

  #readViews(rows: number, values: number, validity: number, text: TextRoom): void {
    const { kernels, u32 } = this.#arena
    const bytes = this.#rangesBytes(rows)
    assert(bytes <= text.bytes, 'the text of prepared rows fits')
    this.textBytes = bytes
    let cursor = text.address
    for (let index = 0; index < this.#open.buffers.length - 2; index++) {
      const entry = (this.#table + index * VIEW_BUFFER_BYTES) >>> 2
      const end = u32[entry + (viewBuffer.end >>> 2)] as number
      if (end === 0) continue
      const least = u32[entry + (viewBuffer.least >>> 2)] as number
      this.#open.buffers[index + 2]?.bring(least, end - least, cursor)
      u32[entry + (viewBuffer.address >>> 2)] = cursor - least
      cursor += end - least + OVER_READ_BYTES
    }
    kernels.viewsFromArrow(this.#room.scratch, validity, rows, this.#table, values)
  }

  #finishText(rows: number, values: number, validity: number): void {
    const { kernels } = this.#arena
    if (validity !== 0) kernels.clearNullViews(values, validity, rows)
    const { storage } = this.#open
    if ((storage.kind === 'offsets' || storage.kind === 'views') && !storage.isText) return
    if (kernels.viewsAreUtf8(values, rows) === 0) throw ipcDamage('text that is not UTF-8', this.#open.place)
  }
}
