/** The header in front of each page: what it promises, checked as far as it can be without the page. */
import { findBoolean, findNumber, findStruct, requireNumber, ThriftError, ThriftReader } from '../thrift.ts'
import type { ThriftStruct } from '../thrift.ts'
import type { ChunkInput } from './chunk-input.ts'
import type { ReaderContext } from './reader-context.ts'

/** Codes of the format. */
export const encoding = {
  plain: 0,
  plainDictionary: 2,
  rle: 3,
  bitPacked: 4,
  deltaBinaryPacked: 5,
  deltaLengthByteArray: 6,
  deltaByteArray: 7,
  rleDictionary: 8,
  byteStreamSplit: 9,
} as const

export interface PageHeader {
  readonly kind: 'data' | 'dictionary' | 'other'
  /** Bytes as stored, levels of version 2 included. */
  readonly compressedBytes: number
  readonly uncompressedBytes: number
  readonly checksum: number | undefined
  /** Rows of a data page, entries of a dictionary page. */
  readonly values: number
  readonly encoding: number
  /** Version 1: how the definition levels are coded. Version 2: undefined. */
  readonly levelEncoding: number | undefined
  /** Version 2: bytes of levels in front of the values, never compressed. */
  readonly repetitionBytes: number
  readonly definitionBytes: number
  /** Version 2: whether the values are compressed. */
  readonly isCompressed: boolean
}

const PAGE_DATA = 0
const PAGE_DICTIONARY = 2
const PAGE_DATA_V2 = 3
/** Most headers take less than 100 bytes, unless they hold statistics of long strings. */
const HEADER_BYTES = 512
const HEADER_BYTES_MAX = 16 << 20

/** Reads the header at the input's cursor and moves behind it. @throws DataError PARQUET_CORRUPT */
export function readPageHeader(context: ReaderContext, input: ChunkInput, readAhead: number): PageHeader {
  const start = input.position
  for (let bytes = HEADER_BYTES; ; bytes *= 8) {
    const isBuffered = bytes <= input.capacity
    const there = isBuffered ? input.need(bytes, readAhead) : Math.min(bytes, input.bytesLeft)
    const source = isBuffered
      ? context.u8.subarray(input.cursor, input.cursor + there)
      : readAside(context, input, there)
    const reader = new ThriftReader(source)
    const header = tryInterpret(reader)
    if ('values' in header) {
      input.seek(start + reader.position)
      if (header.compressedBytes <= input.bytesLeft) return header
      throw context.damage('a page lies outside of its column chunk')
    }
    input.seek(start)
    if (there === input.bytesLeft || bytes >= HEADER_BYTES_MAX) {
      throw context.damage(`a page header cannot be read (${header.message})`, header)
    }
  }
}

/** The header, or why it cannot be read: it is damaged, or goes on behind the bytes that are there. */
function tryInterpret(reader: ThriftReader): PageHeader | Error {
  try {
    return interpret(reader.readStruct())
  } catch (error) {
    return error instanceof Error ? error : new ThriftError(String(error))
  }
}

/** A header beyond the input's buffer, into ordinary memory, piece by piece. */
function readAside(context: ReaderContext, input: ChunkInput, bytes: number): Uint8Array {
  const aside = new Uint8Array(bytes)
  for (let done = 0; done < bytes; ) {
    const there = Math.min(input.need(input.capacity), bytes - done)
    aside.set(context.u8.subarray(input.cursor, input.cursor + there), done)
    input.cursor += there
    done += there
  }
  return aside
}

function interpret(header: ThriftStruct): PageHeader {
  const page = requireNumber(header, 1)
  const shared = {
    compressedBytes: requireNumber(header, 3),
    uncompressedBytes: requireNumber(header, 2),
    checksum: findNumber(header, 4),
    levelEncoding: undefined as number | undefined,
    repetitionBytes: 0,
    definitionBytes: 0,
    isCompressed: true,
  }
  if (shared.compressedBytes < 0 || shared.uncompressedBytes < 0) throw new ThriftError('a size is negative')
  if (page === PAGE_DATA) {
    const body = findStruct(header, 5) ?? []
    return {
      ...shared,
      kind: 'data',
      values: requireCount(body, 1),
      encoding: requireNumber(body, 2),
      levelEncoding: requireNumber(body, 3),
    }
  }
  if (page === PAGE_DATA_V2) {
    const body = findStruct(header, 8) ?? []
    const repetitionBytes = requireCount(body, 6)
    const definitionBytes = requireCount(body, 5)
    const levelBytes = repetitionBytes + definitionBytes
    if (levelBytes > shared.compressedBytes || levelBytes > shared.uncompressedBytes) {
      throw new ThriftError('the levels exceed their page')
    }
    return {
      ...shared,
      kind: 'data',
      values: requireCount(body, 1),
      encoding: requireNumber(body, 4),
      repetitionBytes,
      definitionBytes,
      isCompressed: findBoolean(body, 7) !== false,
    }
  }
  if (page !== PAGE_DICTIONARY) return { ...shared, kind: 'other', values: 0, encoding: 0 }
  const body = findStruct(header, 7) ?? []
  return { ...shared, kind: 'dictionary', values: requireCount(body, 1), encoding: requireNumber(body, 2) }
}

function requireCount(fields: ThriftStruct, id: number): number {
  const count = requireNumber(fields, id)
  if (count < 0) throw new ThriftError('a count is negative')
  return count
}
