/** Checks of a page before it is decoded: its size against the footer's promise, its bytes against their checksum. */
import { makeError } from '@spillway/stdx'
import { describePlace, placeDetails } from '../file-access.ts'
import type { ParquetChunk } from '../file-meta.ts'
import type { ChunkInput } from './chunk-input.ts'
import type { PageHeader } from './page-header.ts'
import type { ReaderContext } from './reader-context.ts'

/** Some writers count page headers differently; what is beyond this much is damage, not counting. */
const UNCOMPRESSED_SLACK_BYTES = 1 << 20

/** @param uncompressedBytes of the chunk's pages up to this one. @throws DataError PARQUET_CORRUPT */
export function checkPage(
  context: ReaderContext,
  header: PageHeader,
  chunk: ParquetChunk,
  uncompressedBytes: number,
): void {
  if (uncompressedBytes > 2 * chunk.uncompressedBytes + UNCOMPRESSED_SLACK_BYTES) {
    throw context.damage('pages are larger than the footer says')
  }
  if (header.kind === 'dictionary' && header.values * 1 > header.uncompressedBytes) {
    throw context.damage('a dictionary page holds more values than bytes')
  }
}

/**
 * Compares the stored bytes of a page, at the input's cursor, with its checksum. A page beyond the input's buffer is
 * read twice for that: damage is then told from what it may lead to.
 * @throws DataError PAGE_CHECKSUM_MISMATCH
 */
export function verifyChecksum(context: ReaderContext, input: ChunkInput, header: PageHeader): void {
  const { checksum, compressedBytes } = header
  if (checksum === undefined) return
  const start = input.position
  let seed = 0
  for (let left = compressedBytes; left > 0; ) {
    const there = Math.min(input.need(Math.min(left, input.capacity)), left)
    seed = context.kernels.crc32(input.cursor, there, seed)
    input.cursor += there
    left -= there
  }
  input.seek(start)
  if (seed >>> 0 === checksum >>> 0) return
  const { place } = context
  const where = describePlace(place)
  const message = `Page checksum mismatch: stored bytes changed after writing in ${where}. Restore the file.`
  throw makeError('PAGE_CHECKSUM_MISMATCH', message, placeDetails(place))
}
