/** The decoders of a column, by encoding; each is made when a page first needs it. */
import type { DataType } from '@spillway/columnar'
import { widthOf } from '@spillway/columnar'
import { HYBRID_STATE_BYTES } from '@spillway/kernels'
import { makeError } from '@spillway/stdx'
import { describePlace, placeDetails } from '../file-access.ts'
import type { ParquetStorage } from '../file-meta.ts'
import { IndexDecoder } from './dictionary.ts'
import type { DictionaryTable } from './dictionary.ts'
import { encoding } from './page-header.ts'
import type { PageWindow } from './page-window.ts'
import { BooleanDecoder, PlainFixedDecoder, PlainStringsDecoder } from './plain-decoders.ts'
import type { ReaderContext } from './reader-context.ts'
import { storedValuesOf } from './value-decoder.ts'
import type { StoredValues, ValueDecoder } from './value-decoder.ts'

export class ValueDecoders {
  /** Scratch that decoders share. */
  static readonly scratchBytes = 8192 + 64
  readonly #context: ReaderContext
  readonly #window: PageWindow
  readonly #type: DataType
  readonly #state: number
  readonly #scratch: number
  readonly #made = new Map<number, ValueDecoder>()
  #storage: ParquetStorage | undefined
  #stored: StoredValues | undefined

  /**
   * @param state 2 × HYBRID_STATE_BYTES bytes
   * @param scratch scratchBytes bytes
   */
  constructor(context: ReaderContext, window: PageWindow, type: DataType, state: number, scratch: number) {
    this.#context = context
    this.#window = window
    this.#type = type
    this.#state = state
    this.#scratch = scratch
  }

  /** All pages that follow belong to a chunk that is stored like this. */
  openChunk(storage: ParquetStorage): void {
    const known = this.#storage
    if (known?.physical === storage.physical && known.typeLength === storage.typeLength) return
    this.#storage = storage
    this.#stored = storedValuesOf(this.#context, this.#type, storage)
    this.#made.clear()
  }

  /** Whether pages of an encoding must stand in the window as a whole. */
  needsWholePage(_code: number): boolean {
    return false
  }

  /** The decoder of a data page's values. @throws DataError UNSUPPORTED_TYPE, PARQUET_CORRUPT */
  decoderOf(code: number, table: () => DictionaryTable): ValueDecoder {
    const key = code === encoding.plainDictionary ? encoding.rleDictionary : code
    const known = this.#made.get(key)
    if (known !== undefined) return known
    const made = this.#make(key, table)
    this.#made.set(key, made)
    return made
  }

  /** The decoder of a dictionary page: of text in a window of its own, of other values in the column's. */
  dictionaryDecoder(textWindow: PageWindow): { decoder: ValueDecoder; storedBytes: number; width: number } {
    const { storedBytes } = this.#stored as StoredValues
    const width = widthOf(this.#type)
    const window = this.#storage?.physical === 'byteArray' ? textWindow : this.#window
    return { decoder: this.#plain(window), storedBytes, width }
  }

  #make(code: number, table: () => DictionaryTable): ValueDecoder {
    const context = this.#context
    const isBoolean = this.#storage?.physical === 'boolean'
    const { widthLog2 } = this.#stored as StoredValues
    switch (code) {
      case encoding.plain:
        return this.#plain(this.#window)
      case encoding.rleDictionary:
        return new IndexDecoder(context, this.#window, this.#state, this.#scratch, widthLog2, table)
      case encoding.rle:
        if (isBoolean) return new BooleanDecoder(context, this.#window, this.#state, true)
        break
      default:
        break
    }
    const where = describePlace(context.place)
    const message = `Unsupported encoding: ${code} of ${this.#storage?.physical} values in ${where}. Select the other columns.`
    throw makeError('UNSUPPORTED_TYPE', message, placeDetails(context.place))
  }

  #plain(window: PageWindow): ValueDecoder {
    const context = this.#context
    switch (this.#storage?.physical) {
      case 'boolean':
        return new BooleanDecoder(context, window, this.#state, false)
      case 'byteArray':
        return new PlainStringsDecoder(context, window, this.#state + HYBRID_STATE_BYTES, this.#type.kind === 'decimal')
      default:
        return new PlainFixedDecoder(window, this.#stored as StoredValues)
    }
  }

  release(): void {}
}
