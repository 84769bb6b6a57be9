/** Codecs that compress one page at a time, from one place in the arena to another. */
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { assert } from '@spillway/stdx'
import type { ParquetCompression } from '../encoder.ts'
import type { EncoderArena } from './encoder-room.ts'

export interface PageCodec {
  /** Code of the format. */
  readonly code: number
  /** Most bytes that a page of `length` bytes can become. */
  readonly bound: (length: number) => number
  /** Tables that the kernel works with. */
  readonly scratchBytes: number
  /**
   * Compresses; returns the bytes written. The target has `bound(length)` + 64 bytes. Undefined: pages stay as they are.
   */
  readonly compress:
    | ((arena: EncoderArena, source: number, length: number, target: number, scratch: number) => number)
    | undefined
}

/** @param level of the codec's own scale; undefined = its default */
export function pageCodec(compression: ParquetCompression, level: number | undefined): PageCodec | undefined {
  switch (compression) {
    case 'uncompressed':
      return { code: 0, bound: (length) => length, scratchBytes: 0, compress: undefined }
    case 'snappy':
      return {
        code: 1,
        bound: (length) => length + Math.ceil(length / 6) + 32,
        scratchBytes: 65536,
        compress: ({ kernels }, source, length, target, scratch) =>
          kernels.snappyCompress(source, length, target, scratch) >>> 0,
      }
    case 'gzip':
      return outsideCodec(2, (page) => gzipSync(page, level === undefined ? {} : { level }))
    case 'brotli':
      return outsideCodec(4, (page) =>
        brotliCompressSync(page, {
          params: { [constants.BROTLI_PARAM_QUALITY]: level ?? 1, [constants.BROTLI_PARAM_SIZE_HINT]: page.length },
        }),
      )
    default:
      return undefined
  }
}

/** Codecs of Node: the page passes through ordinary buffers. */
function outsideCodec(code: number, pack: (page: Uint8Array) => Uint8Array): PageCodec {
  const bound = (length: number): number => length + Math.ceil(length / 1000) + 1024
  return {
    code,
    bound,
    scratchBytes: 0,
    compress: ({ u8 }, source, length, target) => {
      const packed = pack(u8.slice(source, source + length))
      assert(packed.length <= bound(length), 'a codec keeps its bound')
      u8.set(packed, target)
      return packed.length
    },
  }
}
