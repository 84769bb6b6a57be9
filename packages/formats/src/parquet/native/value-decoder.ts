/** Decoding the values of a page: the interface of all encodings, and how stored values become the engine's. */
import type { DataType } from '@spillway/columnar'
import { hasOwnLength, physicalBytes, physicalOf } from '@spillway/columnar'
import type { ParquetStorage } from '../file-meta.ts'
import type { ReaderContext } from './reader-context.ts'

/** Decodes the values of a page one after another; null rows have none. */
export interface ValueDecoder {
  /** The values stand at the window's cursor; there are at most `values` of them. */
  begin(values: number): void
  /** Writes the next `count` values, without gaps, in the layout of the engine's type. */
  decode(count: number, target: number): void
  skip(count: number): void
  /**
   * How many of the next `wanted` values can be decoded together so that all their bytes stay where they are; at least
   * one. The window may move before.
   */
  ready(wanted: number): number
}

/** Stored values of fixed size and what becomes of them. */
export interface StoredValues {
  /** Bytes of a stored value; 0 = byte arrays, which have none. */
  readonly storedBytes: number
  /** Bytes of a value in the arena: 1 << widthLog2. */
  readonly widthLog2: number
  /** Stored and target layout are the same. */
  readonly isCopied: boolean
  convert(source: number, count: number, target: number): void
}

/** Whether values are decoded as byte arrays: those of any length, and those of one that stay bytes. */
export function isByteArrays(type: DataType, { physical }: ParquetStorage): boolean {
  return physical === 'byteArray' || (physical === 'fixedLengthByteArray' && hasOwnLength(type))
}

/** How a type's values are stored. Booleans (bits) and byte arrays (of any size) have decoders of their own. */
export function storedValuesOf(context: ReaderContext, type: DataType, storage: ParquetStorage): StoredValues {
  const { kernels } = context
  const width = physicalBytes[physicalOf(type)]
  const widthLog2 = 31 - Math.clz32(width)
  const copied = (): StoredValues => ({
    storedBytes: width,
    widthLog2,
    isCopied: true,
    convert: (source, count, target) => kernels.copyBytes(source, count * width, target),
  })
  const converted = (storedBytes: number, convert: StoredValues['convert']): StoredValues => ({
    storedBytes,
    widthLog2,
    isCopied: false,
    convert,
  })
  switch (storage.physical) {
    case 'int32':
      if (width === 1) return converted(4, kernels.plainNarrow8)
      if (width === 2) return converted(4, kernels.plainNarrow16)
      return width === 4 ? copied() : converted(4, kernels.plainWiden32)
    case 'int64':
      return width === 8 ? copied() : converted(8, kernels.plainWiden64)
    case 'int96':
      return converted(12, (source, count, target) => {
        if (kernels.plainInt96(source, count, target) === 0) throw context.damage(TOO_FAR)
      })
    case 'fixedLengthByteArray': {
      const length = storage.typeLength ?? 0
      return converted(length, (source, count, target) => {
        if (kernels.plainFixedDecimals(source, length, count, target) === 0) throw context.damage(TOO_LARGE)
      })
    }
    case 'byteArray':
      return { ...copied(), storedBytes: 0 }
    default:
      return copied()
  }
}

export const ENDS_EARLY = 'a page ends within its values'
const TOO_FAR = 'a timestamp lies more than 290,000 years from 1970'
export const TOO_LARGE = 'a decimal has more than 128 bits'
