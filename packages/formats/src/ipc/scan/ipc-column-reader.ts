/**
 * Reads one column of the record batches of a file, any rows of them, into the arena's layout. Memory is fixed but for
 * what a file demands: a dictionary, decompressed buffers, a string longer than the room for text.
 */
import { hasOwnLength, type DataType, widthOf } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import type { BufferCount } from '../../parquet/native-writer/encoder-room.ts'
import { type BufferSource, FileBuffer, type IpcArena, loadBuffer, type ReadIpc } from './buffer-source.ts'
import type { IpcColumn, IpcPosition } from './column-layout.ts'
import { ipcDamage, type IpcPlace } from './ipc-damage.ts'
import type { IpcMessage } from './read-message.ts'
import {
  bitsRoomBytes,
  type IpcRoom,
  ownBufferCount,
  scratchRoomBytes,
  type StoredPart,
  StoredValues,
  type TextRoom,
  VIEW_BUFFERS,
} from './stored-values.ts'

/** Text bytes per row that a batch has room for; longer rows make shorter batches. */
const TEXT_BYTES_PER_ROW = 32
const TEXT_BYTES_MIN = 16_384
const DICTIONARY_SLACK_BYTES = 64

const textRoomBytes = (type: DataType, rows: number): number =>
  hasOwnLength(type) ? Math.max(TEXT_BYTES_MIN, rows * TEXT_BYTES_PER_ROW) : 0

/** A record batch that columns are read from. */
export interface OpenBatch {
  readonly message: IpcMessage
  readonly read: ReadIpc
  readonly place: IpcPlace
}

interface LoadedDictionary {
  readonly length: number
  readonly values: number
  /** One byte per value, or 0. */
  readonly validity: number
  /** What was taken: addresses and bytes. */
  readonly taken: readonly (readonly [number, number])[]
}

/** Of a dictionary batch, which has one column. */
const ALONE: IpcPosition = { node: 0, buffer: 0, viewsBefore: 0 }

export class IpcColumnReader {
  readonly #arena: IpcArena
  readonly #type: DataType
  readonly #values: StoredValues
  readonly #text: TextRoom
  #column: IpcColumn | undefined
  #batch: OpenBatch | undefined
  #sources: readonly BufferSource[] = []
  #dictionary: LoadedDictionary | undefined
  /** Pages for a string longer than the room for text, until the next read. */
  #longText: TextRoom | undefined

  /** Counts the fixed buffers of a reader. */
  static size(type: DataType, rows: number, size: BufferCount): void {
    size.add(bitsRoomBytes(rows))
    size.add(scratchRoomBytes(rows))
    size.add(rows)
    size.add(VIEW_BUFFERS * 16)
    size.add(textRoomBytes(type, rows))
  }

  /** @param take cuts a fixed buffer; called with the sizes that `size` adds */
  constructor(arena: IpcArena, type: DataType, rows: number, take: (bytes: number) => number) {
    this.#arena = arena
    this.#type = type
    const room: IpcRoom = {
      rows,
      bits: take(bitsRoomBytes(rows)),
      scratch: take(scratchRoomBytes(rows)),
      validity: take(rows),
      table: take(VIEW_BUFFERS * 16),
    }
    this.#values = new StoredValues(arena, room)
    const bytes = textRoomBytes(type, rows)
    this.#text = { address: take(bytes), bytes }
  }

  /** Goes to another file. */
  openFile(column: IpcColumn): void {
    this.closeFile()
    this.#column = column
  }

  /** Goes to another record batch of the file; `load` brings what it demands. */
  openBatch(batch: OpenBatch): void {
    this.closeBatch()
    this.#batch = batch
  }

  /**
   * Brings the dictionary and decompressed buffers into memory, whatever of them is not there yet.
   * @param dictionaryParts of the column's dictionary
   * @throws MEMORY_LIMIT: nothing of what was asked for is held then, and it may be tried again; ARROW_INVALID
   */
  load(dictionaryParts: () => readonly OpenBatch[]): void {
    const column = this.#column
    const batch = this.#batch
    assert(column !== undefined && batch !== undefined, 'a column of a record batch is open')
    if (column.dictionary !== undefined) this.#dictionary ??= this.#loadDictionary(column, dictionaryParts())
    if (this.#sources.length > 0 || column.storage.kind === 'null') {
      if (column.storage.kind === 'null') this.#values.open(partOf(column, batch, [], batch.message.rows))
      return
    }
    const { sources, part } = this.#openPart(column, column.position, column.dictionary !== undefined, batch)
    try {
      this.#values.open(part)
    } catch (error) {
      for (const source of sources) source.close()
      throw error
    }
    this.#sources = sources
  }

  #openPart(column: IpcColumn, position: IpcPosition, isDictionary: boolean, batch: OpenBatch) {
    const { message, read } = batch
    const place = { ...batch.place, column: column.name }
    const hasViews = column.storage.kind === 'views' && !isDictionary
    const found = message.column(position, ownBufferCount(column.storage, isDictionary), hasViews, place)
    const sources: BufferSource[] = []
    try {
      for (const buffer of found.buffers) {
        const { codec } = message
        sources.push(
          codec === undefined
            ? new FileBuffer(buffer, this.#arena, read)
            : loadBuffer(buffer, codec, this.#arena, read, place),
        )
      }
    } catch (error) {
      for (const source of sources) source.close()
      throw error
    }
    const part = partOf(column, batch, sources, found.nullCount)
    return { sources, part: isDictionary ? part : { ...part, indexBytes: undefined } }
  }

  /** Reads all values of a dictionary, which stay until the file is left. */
  #loadDictionary(column: IpcColumn, batches: readonly OpenBatch[]): LoadedDictionary {
    const { memory } = this.#arena
    const taken: [number, number][] = []
    const take = (bytes: number): number => {
      const address = memory.take(bytes)
      taken.push([address, bytes])
      return address
    }
    const length = batches.reduce((sum, { message }) => sum + message.rows, 0)
    const width = widthOf(this.#type)
    try {
      const values = take(length * width + DICTIONARY_SLACK_BYTES)
      const validity = take(length + DICTIONARY_SLACK_BYTES)
      this.#arena.u8.fill(1, validity, validity + length)
      let row = 0
      let nulls = 0
      for (const batch of batches) {
        nulls += this.#readPart(column, batch, { values: values + row * width, validity: validity + row }, take)
        row += batch.message.rows
      }
      return { length, values, validity: nulls === 0 ? 0 : validity, taken }
    } catch (error) {
      for (const [address, bytes] of taken) memory.give(address, bytes)
      throw error
    }
  }

  /** Reads a whole dictionary batch; its text goes to memory that `take` gives. Returns the nulls. */
  #readPart(
    column: IpcColumn,
    batch: OpenBatch,
    target: { readonly values: number; readonly validity: number },
    take: (bytes: number) => number,
  ): number {
    const { rows } = batch.message
    const { sources, part } = this.#openPart(column, ALONE, false, batch)
    try {
      this.#values.open(part)
      const isText = hasOwnLength(column.type)
      const width = widthOf(this.#type)
      const roomOf = (bytes: number): TextRoom => ({ address: take(bytes + DICTIONARY_SLACK_BYTES), bytes })
      // As much as all of its text: enough, unless views lie in an order that makes runs of rows read parts twice.
      let text = isText ? roomOf(sources.slice(2).reduce((sum, { bytes }) => sum + bytes, 0)) : this.#text
      let nulls = 0
      for (let row = 0; row < rows; ) {
        let count = this.#values.prepare(row, rows - row, text.bytes)
        if (count === 0) {
          text = roomOf(Math.max(TEXT_BYTES_MIN, this.#values.textBytesOf(row)))
          count = this.#values.prepare(row, rows - row, text.bytes)
        }
        nulls += this.#values.read(row, count, target.values + row * width, target.validity + row, text)
        row += count
        // What views point to stays: the next rows' text goes behind it.
        const used = isText ? this.#values.textBytes : 0
        text = { address: text.address + used, bytes: text.bytes - used }
      }
      return nulls
    } finally {
      this.#values.close()
      for (const source of sources) source.close()
    }
  }

  /** Rows from `row` on that the next `read` may take, at least one. @throws MEMORY_LIMIT, ARROW_INVALID */
  readable(row: number, most: number): number {
    // The batch before is no longer needed.
    this.#giveLongText()
    const rows = this.#values.prepare(row, most, this.#text.bytes)
    if (rows > 0) return rows
    const bytes = this.#values.textBytesOf(row)
    this.#longText = { address: this.#arena.memory.take(bytes + DICTIONARY_SLACK_BYTES), bytes }
    return this.#values.prepare(row, 1, bytes)
  }

  /** Reads rows that are `readable`. Returns the nulls; `validity` is written only when there are some. */
  read(row: number, rows: number, values: number, validity: number): number {
    const column = this.#column
    assert(column !== undefined, 'a column is open')
    const nulls = this.#values.read(row, rows, values, validity, this.#longText ?? this.#text)
    const all =
      column.dictionary === undefined
        ? nulls
        : this.#lookUp(column.dictionary.indexBytes, rows, values, validity, nulls)
    if (all > 0 && !column.nullable && column.type.kind !== 'null') {
      throw ipcDamage('nulls in a column that says it has none', this.#place)
    }
    return all
  }

  get #place(): IpcPlace {
    return { ...(this.#batch?.place ?? { file: '' }), column: this.#column?.name }
  }

  /** Values by index; nulls of the rows and nulls among the dictionary's values both count. */
  #lookUp(indexBytes: 1 | 2 | 4, rows: number, values: number, validity: number, rowNulls: number): number {
    const { kernels, u8 } = this.#arena
    const dictionary = this.#dictionary
    assert(dictionary !== undefined, 'a dictionary is loaded before it is read')
    const { indices } = this.#values
    const width = widthOf(this.#type)
    const rowValidity = rowNulls === 0 ? 0 : validity
    const outside = kernels.sanitizeIndices(indices, indexBytes, rowValidity, rows, dictionary.length) >>> 0
    if (dictionary.length === 0 && rowNulls === rows) {
      u8.fill(0, values, values + rows * width)
      return rowNulls
    }
    if (outside > 0) throw ipcDamage(`${outside} indices outside a dictionary of ${dictionary.length}`, this.#place)
    kernels.gather(dictionary.values, indices, indexBytes, width, rows, values)
    if (dictionary.validity === 0) return rowNulls
    const gathered = indices + Math.ceil((rows * 4) / 16) * 16
    kernels.gather(dictionary.validity, indices, indexBytes, 1, rows, gathered)
    return kernels.andValidity(gathered, rowValidity === 0 ? gathered : rowValidity, rows, validity) >>> 0
  }

  #giveLongText(): void {
    const long = this.#longText
    if (long !== undefined) this.#arena.memory.give(long.address, long.bytes + DICTIONARY_SLACK_BYTES)
    this.#longText = undefined
  }

  closeBatch(): void {
    this.#giveLongText()
    this.#values.close()
    for (const source of this.#sources) source.close()
    this.#sources = []
    this.#batch = undefined
  }

  closeFile(): void {
    this.closeBatch()
    for (const [address, bytes] of this.#dictionary?.taken ?? []) this.#arena.memory.give(address, bytes)
    this.#dictionary = undefined
    this.#column = undefined
  }
}

function partOf(column: IpcColumn, batch: OpenBatch, buffers: readonly BufferSource[], nullCount: number): StoredPart {
  return {
    storage: column.storage,
    indexBytes: column.dictionary?.indexBytes,
    rows: batch.message.rows,
    nullCount,
    buffers,
    place: { ...batch.place, column: column.name },
  }
}
