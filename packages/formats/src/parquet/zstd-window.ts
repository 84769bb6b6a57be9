/**
 * How much memory the pages of a zstd chunk take beyond an ordinary window: a frame refers to as much of its output as
 * its head says, two megabytes as a rule, and that much must be held while it is decompressed. Known before the scan
 * starts, so that a query that was admitted is never refused it.
 */
import { readExactly, withFile } from './file-access.ts'
import type { ParquetChunk, ParquetFileMeta } from './file-meta.ts'
import { likelyUncompressedBytes, ZSTD_HEAD_BYTES, zstdWindowBytes } from './native/page-codecs.ts'
import { findStruct, requireNumber, ThriftReader } from './thrift.ts'

/** A page header with bounds of some hundred bytes, and the head of the frame behind it. */
const HEAD_BYTES = 4096
/** Of most compression levels. */
const USUAL_HISTORY_BYTES = 2 << 20
/** A window's room beside the history: see page-window.ts. */
const ROOM_BYTES = 320 * 1024

/** Most bytes that a page of the chunk, which is compressed with zstd, makes its window grow to. */
export function zstdPageWindowBytes(meta: ParquetFileMeta, chunk: ParquetChunk): number {
  const known = windows.get(chunk)
  if (known !== undefined) return known
  const { history, page } = readFirstPage(meta, chunk)
  const bytes = Math.min(page, history + ROOM_BYTES, likelyUncompressedBytes(chunk.compressedBytes))
  windows.set(chunk, bytes)
  return bytes
}

/** What cannot be read is taken to be usual: the scan will say what is wrong. */
function readFirstPage(meta: ParquetFileMeta, chunk: ParquetChunk): { history: number; page: number } {
  const usual = { history: USUAL_HISTORY_BYTES, page: chunk.uncompressedBytes + ROOM_BYTES }
  try {
    const head = new Uint8Array(Math.min(HEAD_BYTES, meta.fileBytes - chunk.dataPageOffset))
    withFile(meta.path, (descriptor) =>
      readExactly(descriptor, head, chunk.dataPageOffset, meta.path, () => new Error('the file ends')),
    )
    const reader = new ThriftReader(head)
    const header = reader.readStruct()
    const levels = findStruct(header, 8)
    const skipped = levels === undefined ? 0 : requireNumber(levels, 5) + requireNumber(levels, 6)
    const frame = head.subarray(reader.position + skipped, reader.position + skipped + ZSTD_HEAD_BYTES)
    const declared = zstdWindowBytes(frame)
    const history = declared > 0 ? declared : USUAL_HISTORY_BYTES
    return { history, page: Math.min(usual.page, requireNumber(header, 2) + ROOM_BYTES) }
  } catch {
    return usual
  }
}

/** A plan is lowered several times, for each sizing that is tried. */
const windows = new WeakMap<ParquetChunk, number>()
