/** Reads a chunk's dictionary page. Text stays where it was decompressed, in chunk memory, until the chunk is left. */
import type { DataType } from '@spillway/columnar'
import type { ParquetChunk, ParquetStorage } from '../file-meta.ts'
import type { ChunkInput } from './chunk-input.ts'
import type { DictionaryTable } from './dictionary.ts'
import { beginChecksum } from './page-check.ts'
import { encoding } from './page-header.ts'
import type { PageHeader } from './page-header.ts'
import { PageWindow } from './page-window.ts'
import { ChunkRegion } from './reader-context.ts'
import type { ReaderContext } from './reader-context.ts'
import { isByteArrays } from './value-decoder.ts'
import type { ValueDecoders } from './value-decoders.ts'

/** What kernels clobber behind the values. */
const SLACK_BYTES = 64

export class DictionaryLoader {
  table: DictionaryTable | undefined
  /** Every data page of the chunk holds indices. */
  isAllPages = false
  readonly #context: ReaderContext
  readonly #input: ChunkInput
  readonly #window: PageWindow
  /** A window without a buffer of its own: text is in chunk memory as a whole. */
  readonly #textWindow: PageWindow
  readonly #decoders: ValueDecoders
  readonly #values: ChunkRegion
  #isByteArray = false
  #isOfAnyLength = false

  constructor(
    context: ReaderContext,
    input: ChunkInput,
    window: PageWindow,
    decoders: ValueDecoders,
    codecState: number,
  ) {
    this.#context = context
    this.#input = input
    this.#window = window
    this.#decoders = decoders
    this.#values = new ChunkRegion(context.chunkMemory)
    this.#textWindow = new PageWindow(context, input, 0, 0, codecState)
  }

  openChunk(chunk: ParquetChunk, type: DataType, storage: ParquetStorage): void {
    this.#isByteArray = isByteArrays(type, storage)
    this.#isOfAnyLength = storage.physical === 'byteArray'
    this.#textWindow.openChunk(chunk.codec)
    this.isAllPages = chunk.isDictionaryCoded
  }

  /** Reads the page behind `header`. @throws DataError PARQUET_CORRUPT, MemoryLimitError MEMORY_LIMIT */
  load(header: PageHeader): void {
    const context = this.#context
    if (this.table !== undefined) throw context.damage('a column chunk has two dictionaries')
    if (header.encoding !== encoding.plain && header.encoding !== encoding.plainDictionary) {
      throw context.damage(`a dictionary page of encoding ${header.encoding}`)
    }
    const checksum = beginChecksum(context, this.#input, header)
    const { decoder, storedBytes, width } = this.#decoders.dictionaryDecoder(this.#textWindow)
    if (header.values * (this.#isOfAnyLength ? 4 : storedBytes) > header.uncompressedBytes) {
      throw context.damage('a dictionary page holds less than its values')
    }
    const window = this.#isByteArray ? this.#textWindow : this.#window
    window.openPage({ ...header, isCompressed: true, isWhole: this.#isByteArray, checksum })
    const values = this.#values.require(header.values * width + SLACK_BYTES)
    // Null rows may be looked up as well, in a dictionary without values too.
    context.u8.fill(0, values + header.values * width, values + header.values * width + SLACK_BYTES)
    decoder.begin(header.values)
    decoder.decode(header.values, values)
    this.table = { values, count: header.values }
  }

  /** @throws DataError PARQUET_CORRUPT for indices without a dictionary */
  requireTable(): DictionaryTable {
    if (this.table === undefined) throw this.#context.damage('a page refers to a dictionary that is not there')
    return this.table
  }

  release(): void {
    this.table = undefined
    this.#values.release()
    this.#textWindow.release()
  }
}
