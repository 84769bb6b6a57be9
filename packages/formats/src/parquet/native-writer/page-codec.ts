/** Codecs that compress one page at a time, from one place in the arena to another. */
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { assert, unreachable } from '@spillway/stdx'
import type { EncoderArena } from './encoder-room.ts'

export interface PageCodec {
  /** Code of the format. */
  readonly code: number
  /** Most bytes that a page of `length` bytes can become. */
  readonly bound: (length: number) => number
  /** Tables that the kernel works with. */
  readonly scratchBytes: number
  /**
   * Compresses; returns the bytes written. The target has `bound(length)` + 64 bytes.
   * Undefined: pages stay as they are.
   */
  readonly compress:
    | ((arena: EncoderArena, source: number, length: number, target: number, scratch: number) => number)
    | undefined
}

/** As in options; `lz4` is what the format calls LZ4_RAW. */
export type ParquetCompression = 'snappy' | 'zstd' | 'lz4' | 'lz4Raw' | 'gzip' | 'brotli' | 'uncompressed'

const ZSTD_LEVEL = 1
/** The highest level of the kernel; what other implementations call more is the same here. */
const ZSTD_LEVEL_MAX = 19
const BROTLI_LEVEL = 1
const ZSTD_SCRATCH_BYTES = 1_456_704
const TABLE_BYTES = 65_536

/** Levels of the codecs that have them: least and greatest. */
export const compressionLevels: Readonly<Partial<Record<ParquetCompression, readonly [number, number]>>> = {
  zstd: [1, 22],
  gzip: [0, 9],
  brotli: [0, 11],
}

/** @param level of the codec's own scale; undefined = a fast one */
export function pageCodec(compression: ParquetCompression, level: number | undefined): PageCodec {
  switch (compression) {
    case 'uncompressed':
      return { code: 0, bound: (length) => length, scratchBytes: 0, compress: undefined }
    case 'snappy':
      return {
        code: 1,
        bound: (length) => length + Math.ceil(length / 6) + 32,
        scratchBytes: TABLE_BYTES,
        compress: ({ kernels }, source, length, target, scratch) =>
          kernels.snappyCompress(source, length, target, scratch) >>> 0,
      }
    case 'gzip':
      return outsideCodec(2, (page) => gzipSync(page, level === undefined ? {} : { level }))
    case 'brotli': {
      const quality = level ?? BROTLI_LEVEL
      return outsideCodec(4, (page) =>
        brotliCompressSync(page, {
          params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: page.length },
        }),
      )
    }
    case 'zstd':
      return {
        code: 6,
        bound: (length) => length + (length >>> 17) * 3 + 1024,
        scratchBytes: ZSTD_SCRATCH_BYTES,
        compress: ({ kernels }, source, length, target, scratch) =>
          kernels.zstdCompress(source, length, target, scratch, Math.min(level ?? ZSTD_LEVEL, ZSTD_LEVEL_MAX)) >>> 0,
      }
    case 'lz4':
    case 'lz4Raw':
      return {
        code: 7,
        bound: (length) => length + Math.ceil(length / 255) + 16,
        scratchBytes: TABLE_BYTES,
        compress: ({ kernels }, source, length, target, scratch) =>
          kernels.lz4RawCompress(source, length, target, scratch) >>> 0,
      }
    default:
      return unreachable(compression)
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
