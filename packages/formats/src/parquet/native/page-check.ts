/** Checks of a page before its values are used: its size against the footer's promise, its bytes against a checksum. */
import { crc32 } from 'node:zlib'
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
 * The checksum of a page that is longer than the input's buffer, taken while its bytes pass: they need not be read
 * twice where the page as a whole is brought before the first of its values is handed out. Nothing of a page leaves the
 * reader before its checksum is known to be right.
 */
export class PageChecksum {
  readonly #context: ReaderContext
  readonly #input: ChunkInput
  readonly #expected: number
  /** File offsets of the stored bytes. */
  readonly #start: number
  readonly #end: number
  #passed = 0
  /** Of the levels in front of the values, as version 2 has them. */
  #ofLevels = 0

  constructor(context: ReaderContext, input: ChunkInput, expected: number, bytes: number) {
    this.#context = context
    this.#input = input
    this.#expected = expected
    this.#start = input.position
    this.#end = this.#start + bytes
  }

  /** The next bytes of the page have been read, and stand at `address`. */
  pass(address: number, bytes: number): void {
    this.#passed = crc32(this.#context.u8.subarray(address, address + bytes), this.#passed)
  }

  /** The next bytes, at the input's cursor and not read yet, are the page's levels. */
  lookAtLevels(bytes: number): void {
    this.#passFrom(this.#start + bytes)
    this.#ofLevels = this.#passed
    this.#input.seek(this.#start)
  }

  /** The page's values are going to be read again. */
  restart(): void {
    this.#passed = this.#ofLevels
  }

  /**
   * Everything that was read has passed; what the codec left unread follows.
   * @throws DataError PAGE_CHECKSUM_MISMATCH
   */
  finish(): void {
    this.#passFrom(this.#end)
    if (this.#passed >>> 0 === this.#expected >>> 0) return
    const { place } = this.#context
    const where = describePlace(place)
    const message = `Page checksum mismatch: stored bytes changed after writing in ${where}. Restore the file.`
    throw makeError('PAGE_CHECKSUM_MISMATCH', message, placeDetails(place))
  }

  /** Reads all of the page, and goes back to where the input was. @throws DataError PAGE_CHECKSUM_MISMATCH */
  verify(): void {
    const { position } = this.#input
    this.#input.seek(this.#start)
    this.#passed = 0
    this.finish()
    this.#input.seek(position)
  }

  #passFrom(end: number): void {
    const input = this.#input
    for (let left = end - input.position; left > 0; ) {
      const there = Math.min(input.need(Math.min(left, input.capacity)), left)
      this.pass(input.cursor, there)
      input.cursor += there
      left -= there
    }
  }
}

/**
 * Compares the stored bytes of a page, at the input's cursor, with its checksum, if they are in the input's buffer at
 * once. If they are not, the checksum is returned: who brings the page finishes it.
 * @throws DataError PAGE_CHECKSUM_MISMATCH
 */
export function beginChecksum(context: ReaderContext, input: ChunkInput, header: PageHeader): PageChecksum | undefined {
  if (header.checksum === undefined) return undefined
  const checksum = new PageChecksum(context, input, header.checksum, header.compressedBytes)
  if (header.compressedBytes > input.capacity) return checksum
  checksum.verify()
  return undefined
}
