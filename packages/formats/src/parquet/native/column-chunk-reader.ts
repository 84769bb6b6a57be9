/**
 * Reads one column of one row group after the other, page by page through a window, into the arena's layout.
 *
 * JavaScript steers pages, kernels touch values. Memory is fixed but for what a chunk demands (a dictionary, a value
 * larger than the window), which is taken from ChunkMemory and given back by `close`.
 */
import type { DataType } from '@spillway/columnar'
import { hasOwnLength, widthOf } from '@spillway/columnar'
import { HYBRID_STATE_BYTES } from '@spillway/kernels'
import type { KernelExports } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import type { ParquetChunk, ParquetCodec, ParquetFileMeta } from '../file-meta.ts'
import { requireChunk, requireRowGroup } from '../file-meta.ts'
import { ChunkInput } from './chunk-input.ts'
import type { ReadBytes } from './chunk-input.ts'
import { CODE_COUNT_MAX, IndexDecoder } from './dictionary.ts'
import { DictionaryLoader } from './dictionary-loader.ts'
import { LEVEL_BYTES, LevelReader } from './level-reader.ts'
import { beginChecksum, checkPage } from './page-check.ts'
import { codecInputBytes, codecStateBytes } from './page-codecs.ts'
import { encoding, readPageHeader } from './page-header.ts'
import type { PageHeader } from './page-header.ts'
import { PageWindow } from './page-window.ts'
import { ReaderContext } from './reader-context.ts'
import type { ChunkMemory } from './reader-context.ts'
import { compressesAllPages } from '../writer-versions.ts'
import { ValueDecoders } from './value-decoders.ts'
import type { ValueDecoder } from './value-decoder.ts'

/** What all chunks of a reader have in common. */
export interface ReaderColumn {
  readonly type: DataType
  /** Codecs that occur among the chunks. */
  readonly codecs: readonly ParquetCodec[]
  /**
   * Stored bytes read at a time; undefined = a quarter of the window. Of longer pages with a checksum, those that
   * exceed the window too are read twice.
   */
  readonly inputBytes?: number | undefined
  /** The least that the window must have for the history of the column's codec. */
  readonly windowBytes?: number | undefined
}

export interface ChunkReaderOptions {
  readonly kernels: KernelExports
  /** The arena. */
  readonly memory: WebAssembly.Memory
  readonly chunkMemory: ChunkMemory
  readonly column: ReaderColumn
  /** Bytes of decompressed values that are there at a time: at least 160 KiB. */
  readonly windowBytes: number
  /** Most rows that one call reads. */
  readonly batchRows: number
  /** Cuts a fixed buffer; called as often, and with the same sizes, as `ColumnChunkReader.size` adds. */
  take(bytes: number): number
}

/** The dictionary of the open chunk. */
export interface ChunkDictionary {
  /** Address of the values, in the layout of the column's type. */
  readonly values: number
  readonly count: number
}

/** Header reads when pages are passed over. */
const PROBE_BYTES = 4096
/** State structs: levels (twice), values. */
const STATE_BYTES = 2 * HYBRID_STATE_BYTES + ValueDecoders.stateBytes
const INDEX_ENCODINGS: readonly number[] = [encoding.plainDictionary, encoding.rleDictionary]
const WINDOW_BYTES_MIN = 64 * 1024

const INPUT_BYTES_MIN = 32 * 1024
const INPUT_BYTES_MAX = 256 * 1024
const inputBytesOf = (column: ReaderColumn, windowBytes: number): number =>
  Math.max(
    INPUT_BYTES_MIN,
    Math.min(INPUT_BYTES_MAX, column.inputBytes ?? windowBytes >>> 2),
    codecInputBytes(column.codecs),
  )

const windowOf = (column: ReaderColumn, windowBytes: number): number => Math.max(windowBytes, column.windowBytes ?? 0)

/** Sizes of the fixed buffers, in the order in which they are taken. */
function bufferBytes(column: ReaderColumn, windowBytes: number): number[] {
  return [
    inputBytesOf(column, windowBytes),
    windowBytes,
    LEVEL_BYTES,
    STATE_BYTES,
    ValueDecoders.scratchBytes,
    codecStateBytes(column.codecs),
  ]
}

const decodeValues = (decoder: ValueDecoder, count: number, target: number): void => decoder.decode(count, target)

export class ColumnChunkReader {
  readonly #context: ReaderContext
  readonly #type: DataType
  readonly #width: number
  readonly #widthLog2: number
  readonly #batchRows: number
  readonly #input: ChunkInput
  readonly #window: PageWindow
  readonly #levels: LevelReader
  readonly #dictionary: DictionaryLoader
  readonly #decoders: ValueDecoders
  #chunk: ParquetChunk | undefined
  #isRequired = false
  #isAlwaysCompressed = false
  /** Rows of the chunk to come. */
  #rowsLeft = 0
  /** The next data page: its header is read, nothing else. */
  #pending: PageHeader | undefined
  /** Decoder of the open page. */
  #decoder: ValueDecoder | undefined
  #pageRowsLeft = 0
  #pageEnd = 0
  #pages = 0
  #uncompressedBytes = 0
  /** What the last `readable` promised; strings must not be read beyond it. */
  #promised = 0

  /** Counts the fixed buffers of a reader. */
  static size(
    column: ReaderColumn,
    windowBytes: number,
    _batchRows: number,
    size: { add(bytes: number): unknown },
  ): void {
    for (const bytes of bufferBytes(column, windowOf(column, windowBytes))) size.add(bytes)
  }

  constructor(options: ChunkReaderOptions) {
    const { kernels, column, batchRows } = options
    const windowBytes = windowOf(column, options.windowBytes)
    assert(windowBytes >= WINDOW_BYTES_MIN, 'A window has room for the history of a codec.')
    const context = new ReaderContext(kernels, options.memory, options.chunkMemory)
    const [inputBytes = 0, , levelBytes = 0, stateBytes = 0, scratchBytes = 0, codecBytes = 0] = bufferBytes(
      column,
      windowBytes,
    )
    this.#context = context
    this.#type = column.type
    this.#width = widthOf(column.type)
    this.#widthLog2 = 31 - Math.clz32(this.#width)
    this.#batchRows = batchRows
    this.#input = new ChunkInput(context, options.take(inputBytes), inputBytes)
    const window = options.take(windowBytes)
    const levels = options.take(levelBytes)
    const states = options.take(stateBytes)
    const scratch = options.take(scratchBytes)
    const codecState = options.take(codecBytes)
    this.#window = new PageWindow(context, this.#input, window, windowBytes, codecState)
    this.#levels = new LevelReader(context, levels, states)
    this.#decoders = new ValueDecoders(context, this.#window, column.type, states + 2 * HYBRID_STATE_BYTES, scratch)
    this.#dictionary = new DictionaryLoader(context, this.#input, this.#window, this.#decoders, codecState)
  }

  /** Bytes read from files so far, over all chunks. */
  get bytesRead(): number {
    return this.#input.bytesRead
  }

  /** Rows of the open chunk that were neither read nor skipped. */
  get rowsLeft(): number {
    return this.#rowsLeft
  }

  /**
   * Begins with the chunk of a column; the one before need not be finished. Reads nothing yet.
   * @throws DataError UNSUPPORTED_TYPE; PlanError COLUMN_NOT_FOUND
   */
  open(read: ReadBytes, meta: ParquetFileMeta, rowGroup: number, column: string): void {
    this.close()
    const chunk = requireChunk(meta, rowGroup, column)
    const storage = meta.storage[column]
    assert(storage !== undefined, 'Every column of the schema has a storage.')
    assert(widthOf(chunk.type) === this.#width, 'A reader is used for chunks of one type.')
    this.#context.place = { file: meta.path, rowGroup, column }
    const { rowCount } = requireRowGroup(meta, rowGroup)
    this.#chunk = chunk
    this.#isRequired = storage.required
    this.#isAlwaysCompressed = compressesAllPages(meta.createdBy)
    this.#rowsLeft = rowCount
    this.#pages = 0
    this.#uncompressedBytes = 0
    // A row group without rows may have odd offsets.
    this.#input.open(read, chunk.offset, rowCount === 0 ? chunk.offset : chunk.offset + chunk.compressedBytes)
    this.#window.openChunk(chunk.codec)
    this.#dictionary.openChunk(chunk, this.#type, storage)
    this.#decoders.openChunk(storage)
  }

  /**
   * How many rows, at most `maxRows`, the next `read` may ask for so that all views it hands out stay valid together:
   * at least 1 unless no row is left. Views handed out before become invalid.
   */
  readable(maxRows: number): number {
    const rows = Math.min(maxRows, this.#rowsLeft, this.#batchRows)
    this.#promised = rows
    if (rows === 0 || !hasOwnLength(this.#type) || this.#dictionary.isAllPages) return rows
    this.#openPage()
    const decoder = this.#decoder as ValueDecoder
    const within = Math.min(rows, this.#pageRowsLeft)
    if (!(decoder instanceof IndexDecoder)) {
      const values = this.#levels.peek(within)
      const ready = values === 0 ? 0 : decoder.ready(values)
      this.#promised = ready === values ? within : this.#levels.rowsFor(within, ready)
    } else {
      this.#promised = within
    }
    return this.#promised
  }

  /**
   * Reads exactly `rows` rows: at most the batch's rows and, for text, what `readable` promised last.
   * @param values rows in the layout of the column's type; null rows become zero
   * @param validity a byte per row; written in any case where nulls may occur (not for a required column)
   * @returns how many rows are null
   */
  read(rows: number, values: number, validity: number): number {
    assert(rows <= this.#rowsLeft, 'A reader is not asked for more rows than there are.')
    if (this.#type.kind === 'null') return this.#readNulls(rows, values, validity)
    if (hasOwnLength(this.#type)) {
      assert(rows <= this.#promised, 'Text is read as far as it was promised.')
      this.#promised -= rows
    }
    return this.#readWith(rows, values, validity, this.#widthLog2, decodeValues)
  }

  /** Whether the next `rows` rows are indices into a dictionary of at most 65,536 values: `readCodes` may read them. */
  hasCodes(rows: number): boolean {
    if (rows === 0 || rows > this.#rowsLeft) return false
    this.#openPage()
    if (!(this.#decoder instanceof IndexDecoder) || this.#dictionary.requireTable().count > CODE_COUNT_MAX) return false
    return rows <= this.#pageRowsLeft || this.#dictionary.isAllPages
  }

  /**
   * As `read`, but indices into the dictionary instead of values, where `hasCodes` says so.
   * @param target u16 × rows, 0 for null rows; 32 bytes past them are clobbered
   */
  readCodes(rows: number, target: number, validity: number): number {
    assert(rows <= this.#rowsLeft, 'A reader is not asked for more rows than there are.')
    this.#promised = Math.max(0, this.#promised - rows)
    return this.#readWith(rows, target, validity, 1, this.#decodeCodes)
  }

  readonly #decodeCodes = (decoder: ValueDecoder, count: number, target: number): void => {
    if (decoder instanceof IndexDecoder) decoder.decodeCodes(count, target)
    else throw this.#context.damage('a page has other encodings than the footer says')
  }

  #readWith(
    rows: number,
    values: number,
    validity: number,
    widthLog2: number,
    decode: (decoder: ValueDecoder, count: number, target: number) => void,
  ): number {
    let nulls = 0
    for (let done = 0; done < rows; ) {
      this.#openPage()
      const count = Math.min(rows - done, this.#pageRowsLeft)
      const target = values + done * 2 ** widthLog2
      const valid = this.#levels.decode(count, validity + done)
      if (valid > 0) decode(this.#decoder as ValueDecoder, valid, target)
      if (valid < count) this.#context.kernels.spreadValues(target, widthLog2, validity + done, count, valid)
      nulls += count - valid
      done += count
      this.#passRows(count)
    }
    return nulls
  }

  #passRows(count: number): void {
    this.#rowsLeft -= count
    this.#pageRowsLeft -= count
    if (this.#pageRowsLeft === 0) this.#leavePage()
  }

  /** A column of type null: nothing of it is read. */
  #readNulls(rows: number, values: number, validity: number): number {
    this.#context.u8.fill(0, values, values + rows)
    this.#context.u8.fill(0, validity, validity + rows)
    this.#rowsLeft -= rows
    return rows
  }

  /** Passes rows without decoding them; pages that are passed as a whole are not even decompressed. */
  skip(rows: number): void {
    assert(rows <= this.#rowsLeft, 'A reader does not skip more rows than there are.')
    if (this.#type.kind === 'null') {
      this.#rowsLeft -= rows
      return
    }
    for (let left = rows; left > 0; ) {
      if (this.#decoder === undefined) {
        const { values, compressedBytes } = this.#advance(PROBE_BYTES)
        if (values <= left) {
          this.#input.seek(this.#input.position + compressedBytes)
          this.#pending = undefined
          this.#rowsLeft -= values
          left -= values
          continue
        }
        this.#openPage()
      }
      const count = Math.min(left, this.#pageRowsLeft)
      if (count < this.#pageRowsLeft) {
        const valid = this.#levels.decode(count, 0)
        if (valid > 0) (this.#decoder as unknown as ValueDecoder).skip(valid)
      }
      this.#passRows(count)
      left -= count
    }
  }

  /**
   * Goes to a page found elsewhere (an offset index), whatever was read before.
   * @param fileOffset of the page's header
   * @param firstRow row of the row group that the page begins with
   */
  seekToPage(fileOffset: number, firstRow: number): void {
    const chunk = this.#requireOpen()
    // The dictionary stands in front of the first data page.
    if (this.#pages === 0) this.#advance(PROBE_BYTES)
    this.#leavePage()
    this.#pending = undefined
    this.#input.seek(fileOffset)
    this.#rowsLeft = chunk.valueCount - firstRow
  }

  /** Bytes behind this file offset are read only when they are needed, as they are going to be passed over. */
  readAheadTo(fileOffset: number): void {
    this.#input.aheadEnd = fileOffset
  }

  /**
   * Reads the dictionary of a chunk of which nothing was read yet.
   * @param isSought the rows to come are found by `seekToPage`: what follows the dictionary is of no use
   * @throws MemoryLimitError MEMORY_LIMIT; `open` then begins again
   */
  loadDictionary(isSought: boolean): void {
    const { encodings, dictionaryPageOffset, dataPageOffset } = this.#requireOpen()
    const isExpected = dictionaryPageOffset !== undefined || encodings.some((code) => INDEX_ENCODINGS.includes(code))
    if (!isExpected || this.#rowsLeft === 0 || this.#pages > 0) return
    if (isSought) this.#input.aheadEnd = dataPageOffset
    this.#advance(isSought ? PROBE_BYTES : this.#input.capacity)
  }

  /** The open chunk's dictionary, read when it was not yet; undefined when there is none. */
  get dictionary(): ChunkDictionary | undefined {
    if (this.#rowsLeft > 0 && this.#pages === 0) this.#advance(this.#input.capacity)
    return this.#dictionary.table
  }

  #requireOpen(): ParquetChunk {
    assert(this.#chunk !== undefined, 'A reader is used after it was opened.')
    return this.#chunk
  }

  /** Reads headers up to the next data page with rows, and the dictionary on the way. */
  #advance(readAhead: number): PageHeader {
    const chunk = this.#requireOpen()
    while (this.#pending === undefined) {
      const input = this.#input
      this.#context.place = { ...this.#context.place, page: this.#pages }
      if (input.bytesLeft === 0) throw this.#context.damage(`pages end ${this.#rowsLeft} rows too early`)
      const header = readPageHeader(this.#context, input, readAhead)
      this.#pages++
      this.#uncompressedBytes += header.uncompressedBytes
      checkPage(this.#context, header, chunk, this.#uncompressedBytes)
      if (header.kind === 'data' && header.values > 0) {
        if (header.values > this.#rowsLeft) {
          throw this.#context.damage(`pages hold more than the ${chunk.valueCount} values of their column chunk`)
        }
        this.#pending = header
        break
      }
      const end = input.position + header.compressedBytes
      if (header.kind === 'dictionary') this.#dictionary.load(header)
      input.seek(end)
    }
    return this.#pending
  }

  /** Has a page open with at least one row to come. */
  #openPage(): void {
    if (this.#decoder !== undefined) return
    const header = this.#advance(this.#input.capacity)
    this.#pending = undefined
    const input = this.#input
    const checksum = beginChecksum(this.#context, input, header)
    this.#pageEnd = input.position + header.compressedBytes
    const levelBytes = header.repetitionBytes + header.definitionBytes
    if (levelBytes > 0) checksum?.lookAtLevels(levelBytes)
    const isVersion2 = header.levelEncoding === undefined
    if (isVersion2) {
      if (!this.#isRequired) this.#levels.openBefore(header, input)
      else input.seek(input.position + header.repetitionBytes + header.definitionBytes)
    }
    this.#window.openPage({
      uncompressedBytes: header.uncompressedBytes - levelBytes,
      compressedBytes: header.compressedBytes - levelBytes,
      isCompressed: header.isCompressed || this.#isAlwaysCompressed,
      isWhole: this.#decoders.needsWholePage(header.encoding),
      checksum,
    })
    if (this.#isRequired) this.#levels.openWithout()
    else if (!isVersion2) this.#levels.openWithin(header, this.#window)
    const decoder = this.#decoders.decoderOf(header.encoding, () => this.#dictionary.requireTable())
    // Several pages of text may be read at once only if their strings are in the dictionary.
    if (hasOwnLength(this.#type) && this.#dictionary.isAllPages && !(decoder instanceof IndexDecoder)) {
      throw this.#context.damage('a page has another encoding than the footer says')
    }
    decoder.begin(header.values)
    this.#decoder = decoder
    this.#pageRowsLeft = header.values
  }

  #leavePage(): void {
    if (this.#decoder === undefined) return
    this.#decoder = undefined
    this.#pageRowsLeft = 0
    this.#input.seek(this.#pageEnd)
  }

  /** Gives all chunk memory back. The reader may be opened again. */
  close(): void {
    this.#decoder = undefined
    this.#pending = undefined
    this.#chunk = undefined
    this.#rowsLeft = 0
    this.#pageRowsLeft = 0
    this.#promised = 0
    this.#window.release()
    this.#levels.release()
    this.#dictionary.release()
    this.#decoders.release()
  }
}
