/**
 * Chunk statistics: bounds that may be trusted, in Spillway's values, and the memory that a chunk will take.
 *
 * Bounds are dropped rather than believed when their order is doubtful: INT96, the legacy fields for anything but
 * signed numbers (old writers compared text and unsigned numbers as signed bytes), NaN, and a minimum above the
 * maximum.
 */
import type { DataType } from '@spillway/columnar'
import { hasOwnLength, widthOf } from '@spillway/columnar'
import { unreachable } from '@spillway/stdx'
import type { ParquetStorage, StatisticsBound } from './file-meta.ts'
import { findBoolean, findBytes, findNumber } from './thrift.ts'
import type { ThriftStruct } from './thrift.ts'

export interface ChunkBounds {
  readonly min: StatisticsBound | undefined
  readonly max: StatisticsBound | undefined
  readonly minExact: boolean
  readonly maxExact: boolean
  readonly nullCount: number | undefined
}

const unknownBounds: ChunkBounds = {
  min: undefined,
  max: undefined,
  minExact: false,
  maxExact: false,
  nullCount: undefined,
}

/** Decodes the format's Statistics struct. */
export function readStatistics(
  statistics: ThriftStruct | undefined,
  type: DataType,
  storage: ParquetStorage,
  rowCount: number,
): ChunkBounds {
  if (statistics === undefined) return unknownBounds
  const storedNulls = findNumber(statistics, 3)
  const nullCount = storedNulls !== undefined && storedNulls >= 0 && storedNulls <= rowCount ? storedNulls : undefined
  const legacy = isSignedOrder(type)
  const minBytes = findBytes(statistics, 6) ?? (legacy ? findBytes(statistics, 2) : undefined)
  const maxBytes = findBytes(statistics, 5) ?? (legacy ? findBytes(statistics, 1) : undefined)
  const min = minBytes === undefined ? undefined : readBound(minBytes, type, storage)
  const max = maxBytes === undefined ? undefined : readBound(maxBytes, type, storage)
  if (min !== undefined && max !== undefined && compareBounds(min, max) > 0) return { ...unknownBounds, nullCount }
  // Writers shorten long text; only those that say so tell which bounds are values.
  const exactByDefault = !hasOwnLength(type)
  return {
    min,
    max,
    minExact: min !== undefined && (findBoolean(statistics, 8) ?? exactByDefault),
    maxExact: max !== undefined && (findBoolean(statistics, 7) ?? exactByDefault),
    nullCount,
  }
}

function isSignedOrder(type: DataType): boolean {
  switch (type.kind) {
    case 'boolean':
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
    case 'float32':
    case 'float64':
    case 'date':
    case 'timestamp':
      return true
    default:
      return false
  }
}

/** A bound in Spillway's values; undefined when it cannot be trusted. */
export function readBound(bytes: Uint8Array, type: DataType, storage: ParquetStorage): StatisticsBound | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (storage.physical) {
    case 'boolean':
      return bytes.length === 1 ? BigInt(view.getUint8(0) & 1) : undefined
    case 'int32': {
      if (bytes.length !== 4) return undefined
      return isUnsigned(type) ? BigInt(view.getUint32(0, true)) : BigInt(view.getInt32(0, true))
    }
    case 'int64': {
      if (bytes.length !== 8) return undefined
      return isUnsigned(type) ? view.getBigUint64(0, true) : view.getBigInt64(0, true)
    }
    case 'float':
      return bytes.length === 4 ? numberOrUnknown(view.getFloat32(0, true)) : undefined
    case 'double':
      return bytes.length === 8 ? numberOrUnknown(view.getFloat64(0, true)) : undefined
    case 'byteArray':
    case 'fixedLengthByteArray':
      return hasOwnLength(type) ? bytes : readBigEndian(bytes)
    case 'int96':
      return undefined
    default:
      return unreachable(storage.physical)
  }
}

const isUnsigned = (type: DataType): boolean => type.kind.startsWith('uint')

const numberOrUnknown = (value: number): number | undefined => (Number.isNaN(value) ? undefined : value)

/** A two's complement number, most significant byte first; at most 16 bytes. */
function readBigEndian(bytes: Uint8Array): bigint | undefined {
  if (bytes.length === 0 || bytes.length > 16) return undefined
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}

/** Negative, zero or positive as `a` is below, equal to or above `b`. Both are of the same kind; -0 equals 0. */
export function compareBounds(a: StatisticsBound, b: StatisticsBound): number {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * Estimated bytes of a chunk in Arrow's layout. For text it is a guess when the writer left no size statistics:
 * dictionary pages hold each value once, so a value's length is taken from the bounds, and from a common one.
 */
export function decodedBytesOf(
  type: DataType,
  rowCount: number,
  facts: {
    readonly uncompressedBytes: number
    readonly textBytes: number | undefined
    readonly encodings: readonly number[]
    readonly min: StatisticsBound | undefined
    readonly max: StatisticsBound | undefined
  },
): number {
  const validityBytes = Math.ceil(rowCount / 8)
  if (type.kind === 'boolean') return 2 * validityBytes
  if (!hasOwnLength(type)) return rowCount * widthOf(type) + validityBytes
  const { uncompressedBytes, textBytes, encodings, min, max } = facts
  const offsetBytes = 4 * (rowCount + 1) + validityBytes
  if (textBytes !== undefined) return offsetBytes + textBytes
  const PLAIN_DICTIONARY = 2
  const RLE_DICTIONARY = 8
  if (!encodings.includes(PLAIN_DICTIONARY) && !encodings.includes(RLE_DICTIONARY))
    return offsetBytes + uncompressedBytes
  const boundBytes = [min, max].map((bound) => (bound instanceof Uint8Array ? bound.length : 0))
  const valueBytes = Math.max(16, ...boundBytes)
  return offsetBytes + uncompressedBytes + rowCount * valueBytes
}
