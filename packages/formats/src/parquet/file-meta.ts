/**
 * What the engine knows about a Parquet file before it reads a page: plain data, so that it crosses threads.
 *
 * Only flat columns of a supported type are listed as fields; the others are named in `leftOut` with the reason, as
 * are those of which there are several of one name, and encrypted ones.
 */
import { type DataType, type LeftOutColumn, leftOutError, type Schema } from '@spillway/columnar'
import { assert, makeError } from '@spillway/stdx'
import type { SpillwayError } from '@spillway/stdx'
import type { FileVersion } from './file-access.ts'

export type ParquetCodec = 'uncompressed' | 'snappy' | 'gzip' | 'lzo' | 'brotli' | 'lz4' | 'zstd' | 'lz4Raw'

export type ParquetPhysical =
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'int96'
  | 'float'
  | 'double'
  | 'byteArray'
  | 'fixedLengthByteArray'

/**
 * A bound from statistics. Integers, booleans (0n, 1n), dates (days), timestamps (units of the type) and decimals
 * (scaled by the type) are bigint; floats are numbers (never NaN); utf8 and binary are bytes, compared byte by byte.
 */
export type StatisticsBound = bigint | number | Uint8Array

/** One column of one row group. */
export interface ParquetChunk {
  readonly type: DataType
  /** First byte of the chunk's first page (the dictionary page when there is one). */
  readonly offset: number
  readonly dataPageOffset: number
  readonly dictionaryPageOffset: number | undefined
  readonly compressedBytes: number
  readonly uncompressedBytes: number
  /** Estimated bytes of the column in Arrow's layout; statistics of the writer are used when there are any. */
  readonly decodedBytes: number
  readonly codec: ParquetCodec
  /** Codes of the Parquet format, in the file's order. */
  readonly encodings: readonly number[]
  /** The footer says that every data page holds indices into a dictionary; false = not so, or not known. */
  readonly isDictionaryCoded: boolean
  readonly valueCount: number
  /** No value is below it (NaN aside); undefined = unknown or not to be trusted. */
  readonly min: StatisticsBound | undefined
  /** No value is above it (NaN aside); undefined = unknown or not to be trusted. */
  readonly max: StatisticsBound | undefined
  /** The bound is a value of the chunk. Statistics leave NaN out, so `max` speaks of the other values. */
  readonly minExact: boolean
  readonly maxExact: boolean
  readonly nullCount: number | undefined
  /** Where pages begin, bounds of pages, and the Bloom filter; undefined without. */
  readonly offsetIndex: ByteRange | undefined
  readonly columnIndex: ByteRange | undefined
  /** `bytes` is 0 when the writer does not say. */
  readonly bloomFilter: ByteRange | undefined
}

/** A part of the file. */
export interface ByteRange {
  readonly offset: number
  readonly bytes: number
}

export interface ParquetRowGroup {
  readonly rowCount: number
  /** Rows of the file before this row group. */
  readonly rowStart: number
  /** By column name; only columns of `schema`. */
  readonly chunks: Readonly<Record<string, ParquetChunk>>
}

/** How a column is stored. */
export interface ParquetStorage {
  readonly physical: ParquetPhysical
  /** Bytes of a value, fixedLengthByteArray only. */
  readonly typeLength: number | undefined
  readonly required: boolean
}

/** With the version of the file that the footer belongs to. */
export interface ParquetFileMeta extends FileVersion {
  readonly path: string
  /** Tells the footer from others of one size and time: of a file that was just written those do not tell. */
  readonly footerDigest: string
  readonly schema: Schema
  /** By column name, as `schema`. */
  readonly storage: Readonly<Record<string, ParquetStorage>>
  readonly rowCount: number
  readonly rowGroups: readonly ParquetRowGroup[]
  readonly leftOut: readonly LeftOutColumn[]
  readonly createdBy: string | undefined
  /** The first page carries a checksum, so stored bytes that changed are detected rather than decoded. */
  readonly hasPageChecksums: boolean
}

/** A row group of the file. @throws InternalError when there is none with this index. */
export function requireRowGroup(meta: ParquetFileMeta, rowGroup: number): ParquetRowGroup {
  const found = meta.rowGroups[rowGroup]
  assert(found !== undefined, 'A row group index is within the file.')
  return found
}

/**
 * The chunk of a column.
 * @throws PlanError COLUMN_NOT_FOUND; for a column that was left out UNSUPPORTED_TYPE, DUPLICATE_COLUMN or ENCRYPTED
 */
export function requireChunk(meta: ParquetFileMeta, rowGroup: number, column: string): ParquetChunk {
  const { chunks } = requireRowGroup(meta, rowGroup)
  const chunk = Object.hasOwn(chunks, column) ? chunks[column] : undefined
  if (chunk !== undefined) return chunk
  throw columnError(meta.path, meta.leftOut, column)
}

/** Why `column` cannot be read: it was left out, or is not there. */
export function columnError(path: string, leftOut: readonly LeftOutColumn[], column: string): SpillwayError {
  const found = leftOut.find(({ name }) => name === column)
  if (found !== undefined) return leftOutError(found)
  const message = `Column not found: "${column}" in ${path}. Check the file's schema.`
  return makeError('COLUMN_NOT_FOUND', message, { file: path, column })
}
