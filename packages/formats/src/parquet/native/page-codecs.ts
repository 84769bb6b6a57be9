/**
 * The compression codecs of pages: those that decompress through a window in kernels, and those of Node's zlib, which
 * take a page as a whole.
 */
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { ZSTD_INPUT_BYTES, ZSTD_ROOM_BYTES } from '@spillway/kernels'
import type { KernelExports } from '@spillway/kernels'
import { assert, makeError } from '@spillway/stdx'
import { describePlace, placeDetails } from '../file-access.ts'
import type { ParquetCodec } from '../file-meta.ts'
import type { ReaderContext } from './reader-context.ts'

/** A decompressor of the kernels (see parquet-codec-kernels.ts of the kernels package). */
export interface StreamCodec {
  begin(state: number, uncompressedBytes: number): void
  step(state: number): number
  readonly stateBytes: number
  /** Output that back-references of common writers reach; farther ones make the window grow. */
  readonly historyBytes: number
  /** With this much unread input, or all of it, a step gets on. */
  readonly inputBytes: number
  /** With this much room, or what is missing of the result, a step gets on. */
  readonly roomBytes: number
}

type StreamNeeds = Pick<StreamCodec, 'historyBytes' | 'inputBytes' | 'roomBytes'>

type Step = (state: number) => number
type Begin = (state: number, uncompressedBytes: number) => void

const bytewise: StreamNeeds = { historyBytes: 65536, inputBytes: 1024, roomBytes: 512 }
const inBlocks: StreamNeeds = { historyBytes: 131072, inputBytes: ZSTD_INPUT_BYTES, roomBytes: ZSTD_ROOM_BYTES }

const streams: Partial<Record<ParquetCodec, StreamNeeds & { readonly name: string }>> = {
  snappy: { name: 'snappy', ...bytewise },
  gzip: { name: 'inflate', ...bytewise, historyBytes: 32768 },
  zstd: { name: 'zstd', ...inBlocks },
  lz4Raw: { name: 'lz4Raw', ...bytewise },
  lz4: { name: 'lz4Raw', ...bytewise },
}

/** The kernel of a codec, if there is one. */
export function findStreamCodec(kernels: KernelExports, codec: ParquetCodec): StreamCodec | undefined {
  const found = streams[codec]
  if (found === undefined) return undefined
  const { name, ...needs } = found
  const exports = kernels as unknown as Record<string, Step | Begin | (() => number) | undefined>
  const stateBytes = exports[`${name}StateBytes`] as (() => number) | undefined
  if (stateBytes === undefined) return undefined
  assert(stateBytes() <= codecStateBytes([codec]), 'The state of a codec fits its buffer.')
  return {
    begin: exports[`${name}Begin`] as Begin,
    step: exports[`${name}Step`] as Step,
    stateBytes: stateBytes(),
    ...needs,
  }
}

/** Bytes of the state struct that any of `codecs` needs; known without kernels, since floors are added up elsewhere. */
export function codecStateBytes(codecs: readonly ParquetCodec[]): number {
  return Math.max(SMALL_STATE_BYTES, ...codecs.map((codec) => tableBytes[codec] ?? 0))
}

const SMALL_STATE_BYTES = 256
/** Codecs with tables. */
const tableBytes: Partial<Record<ParquetCodec, number>> = { zstd: 156 * 1024, gzip: 32 * 1024 }

/** Bytes of an input buffer that any of `codecs` needs. */
export function codecInputBytes(codecs: readonly ParquetCodec[]): number {
  return Math.max(0, ...codecs.map((codec) => streams[codec]?.inputBytes ?? 0))
}

/** Bytes that a stored byte can stand for at most: 64 in 3 of snappy, 258 in two bits of gzip, a block of zstd in 4. */
const mostBytesPerByte: Partial<Record<ParquetCodec, number>> = {
  uncompressed: 1,
  snappy: 22,
  lz4: 256,
  lz4Raw: 256,
  gzip: 1032,
  zstd: 32768,
}

/** What a page of a codec can expand to: a header that says more is damaged. */
export const mostUncompressedBytes = (codec: ParquetCodec, storedBytes: number): number =>
  64 + storedBytes * (mostBytesPerByte[codec] ?? Number.POSITIVE_INFINITY)

/** What a page may claim to expand to, and be believed before its bytes have come. */
export const likelyUncompressedBytes = (storedBytes: number): number => (8 << 20) + 64 * storedBytes

/** Bytes of a zstd frame's head that `zstdWindowBytes` looks at. */
export const ZSTD_HEAD_BYTES = 17

/**
 * Output that a zstd frame may refer to, as its header says; 0 = not known, since the bytes are no frame.
 * @param head the first ZSTD_HEAD_BYTES bytes of the frame, or all
 */
export function zstdWindowBytes(head: Uint8Array): number {
  const [first, second, third, fourth, flags = 0, window = 0] = head
  if (first !== 0x28 || second !== 0xb5 || third !== 0x2f || fourth !== 0xfd) return 0
  // A frame of a single segment refers to all of its content.
  if ((flags & 0x20) !== 0) return zstdContentBytes(head, flags)
  const base = 2 ** (10 + (window >> 3))
  return base + (base / 8) * (window & 7)
}

/** The content size in the head of a frame that has one; behind the dictionary's id. */
function zstdContentBytes(head: Uint8Array, flags: number): number {
  const at = 5 + ([0, 1, 2, 4][flags & 3] as number)
  const kind = flags >>> 6
  const bytes = 1 << kind
  if (at + bytes > head.length) return Number.POSITIVE_INFINITY
  let size = kind === 1 ? 256 : 0
  for (let index = 0; index < bytes; index++) size += (head[at + index] as number) * 256 ** index
  return size
}

/** How pages of a codec are brought into the window. */
export type PageCodec = 'copied' | 'streamed' | 'framed' | 'whole'

/** @throws DataError UNSUPPORTED_TYPE for a codec that cannot be read */
export function pageCodecOf(context: ReaderContext, codec: ParquetCodec): PageCodec {
  if (codec === 'uncompressed') return 'copied'
  const isStreamed = findStreamCodec(context.kernels, codec) !== undefined
  if (isStreamed) return codec === 'lz4' ? 'framed' : 'streamed'
  if (codec === 'gzip' || codec === 'brotli') return 'whole'
  const { place } = context
  const where = describePlace(place)
  const message = `Unsupported compression codec: ${codec.toUpperCase()} in ${where}. Select the other columns.`
  throw makeError('UNSUPPORTED_TYPE', message, placeDetails(place))
}

/**
 * Decompresses a page in ordinary memory; undefined when it expands to more than `most` bytes.
 * @throws DataError PARQUET_CORRUPT unless exactly `bytes` result
 */
export function decompressWhole(
  context: ReaderContext,
  codec: ParquetCodec,
  stored: Uint8Array,
  bytes: number,
  most: number,
): Uint8Array | undefined {
  const options = { maxOutputLength: Math.max(1, most) }
  let result: Uint8Array
  try {
    result = codec === 'brotli' ? brotliDecompressSync(stored, options) : gunzipSync(stored, options)
  } catch (cause) {
    if (most < bytes && (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return undefined
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw context.damage(`a page cannot be decompressed (${reason})`, cause)
  }
  if (result.length === bytes) return result
  throw context.damage(`a page holds ${result.length} bytes where its header says ${bytes}`)
}
