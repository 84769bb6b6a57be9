/**
 * Walks the pages of a column chunk before it is decoded: headers must parse, lie within the chunk, not promise more
 * bytes than the footer does, hold the chunk's values together, and match their checksums where pages carry one.
 */
import { crc32 } from 'node:zlib'
import { makeError } from '@spillway/stdx'
import { corruptError, describePlace, placeDetails } from '../file-access.ts'
import type { FilePlace } from '../file-access.ts'
import type { ParquetChunk } from '../file-meta.ts'
import { findNumber, findStruct, requireNumber, ThriftReader } from '../thrift.ts'
import type { ThriftStruct } from '../thrift.ts'

/** Some writers count page headers differently; what is beyond this much is damage, not counting. */
const UNCOMPRESSED_SLACK_BYTES = 1 << 20

/** @throws DataError PARQUET_CORRUPT, PAGE_CHECKSUM_MISMATCH */
export function checkPages(bytes: Uint8Array, chunk: ParquetChunk, place: FilePlace): void {
  const reader = new ThriftReader(bytes)
  const uncompressedMax = 2 * chunk.uncompressedBytes + UNCOMPRESSED_SLACK_BYTES
  let uncompressedBytes = 0
  let values = 0
  for (let page = 0; values < chunk.valueCount; page++) {
    const pagePlace = { ...place, page }
    const header = readHeader(reader, pagePlace)
    const start = reader.position
    const end = start + header.compressedBytes
    uncompressedBytes += header.uncompressedBytes
    if (header.compressedBytes < 0 || header.uncompressedBytes < 0 || end > bytes.length) {
      throw corruptError('a page lies outside of its column chunk', pagePlace)
    }
    if (uncompressedBytes > uncompressedMax) {
      throw corruptError('pages are larger than the footer says', pagePlace)
    }
    const stored = header.checksum
    if (stored !== undefined && stored >>> 0 !== crc32(bytes.subarray(start, end))) {
      const where = describePlace(pagePlace)
      const message = `Page checksum mismatch: stored bytes changed after writing in ${where}. Restore the file.`
      throw makeError('PAGE_CHECKSUM_MISMATCH', message, placeDetails(pagePlace))
    }
    if (header.values < 0 || values + header.values > chunk.valueCount) {
      throw corruptError(`pages hold more than the ${chunk.valueCount} values of their column chunk`, pagePlace)
    }
    values += header.values
    reader.position = end
  }
}

interface PageHeader {
  readonly compressedBytes: number
  readonly uncompressedBytes: number
  readonly checksum: number | undefined
  /** Rows, nulls included; 0 for a dictionary or index page. */
  readonly values: number
}

function readHeader(reader: ThriftReader, place: FilePlace): PageHeader {
  try {
    const header = reader.readStruct()
    return {
      compressedBytes: requireNumber(header, 3),
      uncompressedBytes: requireNumber(header, 2),
      checksum: findNumber(header, 4),
      values: valuesOf(header),
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw corruptError(`a page header cannot be read (${reason})`, place, cause)
  }
}

function valuesOf(header: ThriftStruct): number {
  const DATA_PAGE = 0
  const DATA_PAGE_V2 = 3
  const pageType = requireNumber(header, 1)
  if (pageType === DATA_PAGE) return requireNumber(findStruct(header, 5) ?? [], 1)
  if (pageType === DATA_PAGE_V2) return requireNumber(findStruct(header, 8) ?? [], 1)
  return 0
}
