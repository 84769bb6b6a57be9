/** How much memory the dictionary of a column chunk takes, from its page header: known before the scan starts. */
import { readFully, withFile } from './file-access.ts'
import type { ParquetChunk, ParquetFileMeta } from './file-meta.ts'
import { likelyUncompressedBytes, mostUncompressedBytes } from './native/page-codecs.ts'
import { findStruct, requireNumber, ThriftReader } from './thrift.ts'

/** Such a header has four numbers. */
const HEADER_BYTES_MAX = 256

export interface DictionarySize {
  readonly values: number
  readonly uncompressedBytes: number
}

/** Stored bytes in front of the first data page: the dictionary with its header. 0 = none, or not told. */
export function dictionaryBytesStored({ dictionaryPageOffset, dataPageOffset }: ParquetChunk): number {
  return dictionaryPageOffset === undefined ? 0 : Math.max(0, dataPageOffset - dictionaryPageOffset)
}

/** Reads the dictionary's header. What cannot be read is told as nothing: the scan will say what is wrong. */
export function readDictionarySize(meta: ParquetFileMeta, chunk: ParquetChunk): DictionarySize {
  const nothing = { values: 0, uncompressedBytes: 0 }
  const { dictionaryPageOffset: offset } = chunk
  if (offset === undefined) return nothing
  const known = sizes.get(chunk)
  if (known !== undefined) return known
  try {
    const head = new Uint8Array(Math.min(HEADER_BYTES_MAX, meta.fileBytes - offset))
    withFile(meta.path, (descriptor) => readFully(descriptor, head, offset, { file: meta.path }))
    const header = new ThriftReader(head).readStruct()
    const values = requireNumber(findStruct(header, 7) ?? [], 1)
    const uncompressedBytes = requireNumber(header, 2)
    const storedBytes = Math.min(requireNumber(header, 3), chunk.compressedBytes)
    // A chunk holds no more than its footer says, nor more than its stored bytes make likely; a value takes a bit.
    const most = Math.min(
      chunk.uncompressedBytes,
      mostUncompressedBytes(chunk.codec, storedBytes),
      likelyUncompressedBytes(storedBytes),
    )
    const isPlausible = values >= 0 && uncompressedBytes >= 0 && uncompressedBytes <= most
    if (!isPlausible || values > uncompressedBytes) return nothing
    const size = { values, uncompressedBytes }
    sizes.set(chunk, size)
    return size
  } catch {
    return nothing
  }
}

/** A plan is lowered several times, for each sizing that is tried. */
const sizes = new WeakMap<ParquetChunk, DictionarySize>()
