/**
 * Split-block Bloom filters of column chunks (Parquet format, BloomFilter.md; Putze, Sanders, Singler: "Cache-, Hash-
 * and Space-Efficient Bloom Filters", 2009): can a row group hold a value? Only the filter's header and one block of
 * 32 bytes are read per question. A filter that is damaged or of an unknown kind excludes nothing.
 */
import { typeEquals } from '@spillway/columnar'
import type { DataType } from '@spillway/columnar'
import { readFully } from '../file-access.ts'
import type { ParquetChunk, ParquetFileMeta, ParquetStorage, StatisticsBound } from '../file-meta.ts'
import { requireRowGroup } from '../file-meta.ts'
import { findStruct, requireNumber, ThriftReader } from '../thrift.ts'
import { xxh64 } from './xxh64.ts'

const BLOCK_BYTES = 32
/** A header has four small fields. */
const HEADER_BYTES_MAX = 64
const SALTS = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31] as const

interface Filter {
  readonly blocks: number
  /** Where its first block stands in the file. */
  readonly start: number
}

/** The Bloom filters of one row group, read from an open file as they are asked. */
export class BloomFilters {
  readonly #descriptor: number
  readonly #meta: ParquetFileMeta
  readonly #rowGroup: number
  readonly #filters = new Map<string, Filter | undefined>()

  constructor(descriptor: number, meta: ParquetFileMeta, rowGroup: number) {
    this.#descriptor = descriptor
    this.#meta = meta
    this.#rowGroup = rowGroup
  }

  /** False when the filter of `column` proves that no row has `value`. */
  mayContain(column: string, value: StatisticsBound, type: DataType): boolean {
    const chunk = requireRowGroup(this.#meta, this.#rowGroup).chunks[column]
    const storage = this.#meta.storage[column]
    if (chunk?.bloomFilter === undefined || storage === undefined || !typeEquals(chunk.type, type)) return true
    const bytes = plainBytes(value, storage)
    if (bytes === undefined) return true
    try {
      const filter = this.#filterOf(column, chunk)
      return filter === undefined || this.#isInFilter(filter, xxh64(bytes))
    } catch {
      return true
    }
  }

  #filterOf(column: string, chunk: ParquetChunk): Filter | undefined {
    if (!this.#filters.has(column)) this.#filters.set(column, this.#readHeader(chunk))
    return this.#filters.get(column)
  }

  #readHeader(chunk: ParquetChunk): Filter | undefined {
    const offset = chunk.bloomFilter?.offset ?? 0
    const head = new Uint8Array(Math.min(HEADER_BYTES_MAX, this.#meta.fileBytes - offset))
    readFully(this.#descriptor, head, offset, { file: this.#meta.path })
    const reader = new ThriftReader(head)
    const header = reader.readStruct()
    const bytes = requireNumber(header, 1)
    // Unions with one member each: split blocks, xxHash, uncompressed. Anything else is not known here.
    const isKnown = [2, 3, 4].every((field) => findStruct(findStruct(header, field) ?? [], 1) !== undefined)
    const start = offset + reader.position
    if (!isKnown || bytes < BLOCK_BYTES || bytes % BLOCK_BYTES !== 0) return undefined
    return start + bytes > this.#meta.fileBytes ? undefined : { blocks: bytes / BLOCK_BYTES, start }
  }

  #isInFilter(filter: Filter, hash: bigint): boolean {
    const block = Number(((hash >> 32n) * BigInt(filter.blocks)) >> 32n)
    const bytes = new Uint8Array(BLOCK_BYTES)
    readFully(this.#descriptor, bytes, filter.start + block * BLOCK_BYTES, { file: this.#meta.path })
    const words = new DataView(bytes.buffer)
    const low = Number(hash & 0xffffffffn)
    return SALTS.every((salt, word) => {
      const bit = Math.imul(low, salt) >>> 27
      return ((words.getUint32(word * 4, true) >>> bit) & 1) === 1
    })
  }
}

/**
 * The bytes that a writer hashes: the value in PLAIN encoding, text without its length. Undefined for forms in which
 * equal values may have different bytes (floats: -0 and 0) or that are not worth the code.
 */
function plainBytes(value: StatisticsBound, storage: ParquetStorage): Uint8Array | undefined {
  if (value instanceof Uint8Array) return storage.physical === 'byteArray' ? value : undefined
  if (typeof value !== 'bigint') return undefined
  if (storage.physical === 'int32') return new Uint8Array(new Uint32Array([Number(BigInt.asUintN(32, value))]).buffer)
  if (storage.physical === 'int64') return new Uint8Array(new BigUint64Array([BigInt.asUintN(64, value)]).buffer)
  return undefined
}
