/** The decoders of a column, by encoding; each is made when a page first needs it. */
import type { DataType } from '@spillway/columnar'
import { widthOf } from '@spillway/columnar'
import { DELTA_SCRATCH_BYTES, DELTA_STATE_BYTES, HYBRID_SCRATCH_BYTES, HYBRID_STATE_BYTES } from '@spillway/kernels'
import { makeError } from '@spillway/stdx'
import { describePlace, placeDetails } from '../file-access.ts'
import type { ParquetStorage } from '../file-meta.ts'
import { DELTA_DECODER_SCRATCH_BYTES, DeltaDecoder, DeltaStream } from './delta-decoders.ts'
import { IndexDecoder } from './dictionary.ts'
import type { DictionaryTable } from './dictionary.ts'
import { encoding } from './page-header.ts'
import type { PageWindow } from './page-window.ts'
import { BooleanDecoder, PlainFixedDecoder } from './plain-decoders.ts'
import type { ReaderContext } from './reader-context.ts'
import { SharedStringsDecoder } from './shared-strings-decoder.ts'
import { SPLIT_DECODER_SCRATCH_BYTES, SplitDecoder } from './split-decoder.ts'
import { ByteArrayResult, DeltaLengthSource, fixedStrings, plainStrings, StringsDecoder } from './string-decoders.ts'
import { isByteArrays, storedValuesOf } from './value-decoder.ts'
import type { StoredValues, ValueDecoder } from './value-decoder.ts'

/** State of the string kernels. */
const STRING_STATE_BYTES = 64

export class ValueDecoders {
  /** State structs: one stream at a time, and strings beside it. */
  static readonly stateBytes = STRING_STATE_BYTES + Math.max(HYBRID_STATE_BYTES, DELTA_STATE_BYTES)
  /** Scratch that decoders share. */
  static readonly scratchBytes = Math.max(
    HYBRID_SCRATCH_BYTES,
    DELTA_DECODER_SCRATCH_BYTES,
    SPLIT_DECODER_SCRATCH_BYTES,
  )
  readonly #context: ReaderContext
  readonly #window: PageWindow
  readonly #type: DataType
  readonly #strings: number
  readonly #state: number
  readonly #scratch: number
  readonly #result: ByteArrayResult
  readonly #made = new Map<number, ValueDecoder>()
  /** Decoders that hold chunk memory. */
  #holders: { release(): void }[] = []
  #storage: ParquetStorage = { physical: 'int32', typeLength: undefined, required: true }
  #stored: StoredValues

  /**
   * @param state stateBytes bytes
   * @param scratch scratchBytes bytes
   */
  constructor(context: ReaderContext, window: PageWindow, type: DataType, state: number, scratch: number) {
    this.#context = context
    this.#window = window
    this.#type = type
    this.#strings = state
    this.#state = state + STRING_STATE_BYTES
    this.#scratch = scratch
    this.#result = new ByteArrayResult(context, type)
    this.#stored = storedValuesOf(context, type, this.#storage)
  }

  /** All pages that follow belong to a chunk that is stored like this. */
  openChunk(storage: ParquetStorage): void {
    const known = this.#storage
    if (known.physical === storage.physical && known.typeLength === storage.typeLength) return
    this.#storage = storage
    this.#stored = storedValuesOf(this.#context, this.#type, storage)
    this.release()
    this.#made.clear()
    this.#holders = []
  }

  /** Whether pages of an encoding must stand in the window as a whole. */
  needsWholePage(code: number): boolean {
    return code === encoding.byteStreamSplit
  }

  /** The decoder of a data page's values. @throws DataError UNSUPPORTED_TYPE, PARQUET_CORRUPT */
  decoderOf(code: number, table: () => DictionaryTable): ValueDecoder {
    const key = code === encoding.plainDictionary ? encoding.rleDictionary : code
    const known = this.#made.get(key)
    if (known !== undefined) return known
    const made = this.#make(key, table)
    if (made === undefined) throw this.#refusal(code)
    this.#made.set(key, made)
    return made
  }

  #refusal(code: number): Error {
    const { place } = this.#context
    const where = describePlace(place)
    const what = `${code} of ${this.#storage.physical} values`
    const message = `Unsupported encoding: ${what} in ${where}. Select the other columns.`
    return makeError('UNSUPPORTED_TYPE', message, placeDetails(place))
  }

  /** The decoder of a dictionary page: of text in a window of its own, of other values in the column's. */
  dictionaryDecoder(textWindow: PageWindow): { decoder: ValueDecoder; storedBytes: number; width: number } {
    const window = isByteArrays(this.#type, this.#storage) ? textWindow : this.#window
    return { decoder: this.#plain(window), storedBytes: this.#stored.storedBytes, width: widthOf(this.#type) }
  }

  #make(code: number, table: () => DictionaryTable): ValueDecoder | undefined {
    const context = this.#context
    const { physical } = this.#storage
    const isInteger = physical === 'int32' || physical === 'int64'
    const isByteArray = physical === 'byteArray'
    switch (code) {
      case encoding.plain:
        return this.#plain(this.#window)
      case encoding.rleDictionary:
        if (physical === 'boolean') return undefined
        return new IndexDecoder(context, this.#window, this.#state, this.#scratch, this.#stored.widthLog2, table)
      case encoding.rle:
        return physical === 'boolean' ? new BooleanDecoder(context, this.#window, this.#state, true) : undefined
      case encoding.deltaBinaryPacked:
        return isInteger
          ? new DeltaDecoder(this.#stream(), this.#stored, this.#scratch + DELTA_SCRATCH_BYTES)
          : undefined
      case encoding.deltaLengthByteArray: {
        if (!isByteArray) return undefined
        const source = new DeltaLengthSource(context, this.#stream())
        this.#holders.push(source)
        return new StringsDecoder(context, this.#window, this.#strings, source, this.#result)
      }
      case encoding.deltaByteArray: {
        if (!isByteArray && physical !== 'fixedLengthByteArray') return undefined
        const made = new SharedStringsDecoder(context, this.#window, this.#stream(), this.#strings, this.#result)
        this.#holders.push(made)
        return made
      }
      case encoding.byteStreamSplit:
        // Bytes that become views must stand in the window as they are.
        if (physical === 'boolean' || isByteArrays(this.#type, this.#storage) || physical === 'int96') return undefined
        return new SplitDecoder(context, this.#window, this.#stored, this.#scratch)
      default:
        return undefined
    }
  }

  #stream(): DeltaStream {
    return new DeltaStream(this.#context, this.#window, this.#state, this.#scratch)
  }

  #plain(window: PageWindow): ValueDecoder {
    const context = this.#context
    switch (this.#storage.physical) {
      case 'boolean':
        return new BooleanDecoder(context, window, this.#state, false)
      case 'byteArray':
        return new StringsDecoder(context, window, this.#strings, plainStrings(context, window), this.#result)
      default: {
        if (!isByteArrays(this.#type, this.#storage)) return new PlainFixedDecoder(window, this.#stored)
        const source = fixedStrings(context, this.#storage.typeLength ?? 0)
        return new StringsDecoder(context, window, this.#strings, source, this.#result)
      }
    }
  }

  /** Gives the decoders' chunk memory back. */
  release(): void {
    for (const holder of this.#holders) holder.release()
  }
}
