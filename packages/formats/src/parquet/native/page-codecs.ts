/**
 * The compression codecs of pages: those that decompress through a window in kernels, and those of Node's zlib, which
 * take a page as a whole.
 */
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
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
}

type Step = (state: number) => number
type Begin = (state: number, uncompressedBytes: number) => void

const streamNames: Partial<Record<ParquetCodec, { name: string; historyBytes: number }>> = {
  snappy: { name: 'snappy', historyBytes: 65536 },
  gzip: { name: 'inflate', historyBytes: 32768 },
  zstd: { name: 'zstd', historyBytes: 131072 },
  lz4Raw: { name: 'lz4Raw', historyBytes: 65536 },
  lz4: { name: 'lz4Raw', historyBytes: 65536 },
}

/** The kernel of a codec, if there is one. */
export function findStreamCodec(kernels: KernelExports, codec: ParquetCodec): StreamCodec | undefined {
  const found = streamNames[codec]
  if (found === undefined) return undefined
  const { name, historyBytes } = found
  const exports = kernels as unknown as Record<string, Step | Begin | (() => number) | undefined>
  const stateBytes = exports[`${name}StateBytes`] as (() => number) | undefined
  if (stateBytes === undefined) return undefined
  assert(stateBytes() <= codecStateBytes([codec]), 'The state of a codec fits its buffer.')
  return {
    begin: exports[`${name}Begin`] as Begin,
    step: exports[`${name}Step`] as Step,
    stateBytes: stateBytes(),
    historyBytes,
  }
}

/** Bytes of the state struct that any of `codecs` needs; known without kernels, since floors are added up elsewhere. */
export function codecStateBytes(codecs: readonly ParquetCodec[]): number {
  return codecs.some((codec) => codec === 'zstd' || codec === 'gzip') ? LARGE_STATE_BYTES : SMALL_STATE_BYTES
}

const SMALL_STATE_BYTES = 256
/** Codecs with tables. */
const LARGE_STATE_BYTES = 148 * 1024

/** How pages of a codec are brought into the window. */
export type PageCodec = 'copied' | 'streamed' | 'framed' | 'whole'

/** @throws DataError UNSUPPORTED_TYPE for a codec that cannot be read */
export function pageCodecOf(context: ReaderContext, codec: ParquetCodec): PageCodec {
  if (codec === 'uncompressed') return 'copied'
  const isStreamed = findStreamCodec(context.kernels, codec) !== undefined
  if (isStreamed) return codec === 'lz4' ? 'framed' : 'streamed'
  if (codec === 'gzip' || codec === 'brotli') return 'whole'
  const { place } = context
  const message = `Unsupported compression codec: ${codec.toUpperCase()} in ${describePlace(place)}. Select the other columns.`
  throw makeError('UNSUPPORTED_TYPE', message, placeDetails(place))
}

/** Decompresses a page in ordinary memory. @throws DataError PARQUET_CORRUPT unless exactly `bytes` result */
export function decompressWhole(
  context: ReaderContext,
  codec: ParquetCodec,
  stored: Uint8Array,
  bytes: number,
): Uint8Array {
  const options = { maxOutputLength: Math.max(1, bytes) }
  let result: Uint8Array
  try {
    result = codec === 'brotli' ? brotliDecompressSync(stored, options) : gunzipSync(stored, options)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw context.damage(`a page cannot be decompressed (${reason})`, cause)
  }
  if (result.length === bytes) return result
  throw context.damage(`a page holds ${result.length} bytes where its header says ${bytes}`)
}
