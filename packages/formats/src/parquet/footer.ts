/** A Parquet file's footer: from bytes to `ParquetFileMeta`, with a bounded cache; and the bytes of a new footer. */
import { createHash } from 'node:crypto'
import { makeSchema, typeName } from '@spillway/columnar'
import { makeError, SpillwayError } from '@spillway/stdx'
import {
  corruptError,
  describePlace,
  fileVersion,
  isOfVersion,
  isSameVersion,
  placeDetails,
  readFully,
  settledSince,
  withFile,
} from './file-access.ts'
import type { FilePlace, FileVersion } from './file-access.ts'
import type { ByteRange, ParquetChunk, ParquetCodec, ParquetFileMeta, ParquetRowGroup } from './file-meta.ts'
import { parseSchemaElements } from './schema-elements.ts'
import type { LeafColumn, LeftOutElement, ParsedSchema } from './schema-elements.ts'
import { decodedBytesOf, readStatistics } from './statistics.ts'
import {
  encodeThriftFields,
  encodeThriftListHead,
  findNumber,
  findStruct,
  findText,
  i32Field,
  i64Field,
  itemsOf,
  listField,
  requireNumber,
  structField,
  structsOf,
  textField,
  THRIFT_END,
  ThriftReader,
  ThriftType,
} from './thrift.ts'
import type { ThriftField, ThriftStruct } from './thrift.ts'
import { uncountedBytes } from './writer-versions.ts'

/** By the format's code. */
export const codecs: readonly ParquetCodec[] = [
  'uncompressed',
  'snappy',
  'gzip',
  'lzo',
  'brotli',
  'lz4',
  'zstd',
  'lz4Raw',
]

const MAGIC = 0x31524150
const ENCRYPTED_MAGIC = 0x45524150
/** Most footers fit in one read of this many bytes. */
const TAIL_BYTES = 64 * 1024

// The cache holds files until their column chunks exceed this number; a chunk takes some 500 bytes.
const CACHE_CHUNKS_MAX = 100_000
const cache = new Map<string, ParquetFileMeta>()
/** Of all files of the cache. */
let cachedChunks = 0

/**
 * Reads the footer of a file, or takes it from the cache when the file is certainly the same.
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, NOT_PARQUET, PARQUET_CORRUPT
 */
export function readFileMeta(path: string): ParquetFileMeta {
  return withFile(path, (descriptor) => readOpenFileMeta(descriptor, path, fileVersion(descriptor, path)))
}

/** The same for a file that is open and of this version. */
export function readOpenFileMeta(descriptor: number, path: string, version: FileVersion): ParquetFileMeta {
  const cached = cache.get(path)
  const meta = cached !== undefined && isOfVersion(cached, version) ? cached : reread(descriptor, path, version, cached)
  keep(meta)
  return meta
}

/** Parsing takes much longer than reading: the footer that is known is taken when its bytes are the same. */
function reread(
  descriptor: number,
  path: string,
  found: FileVersion,
  cached: ParquetFileMeta | undefined,
): ParquetFileMeta {
  const version = settledSince(cached, found)
  const bytes = readFooterBytes(descriptor, path, version.fileBytes)
  const footerDigest = createHash('sha1').update(bytes).digest('base64')
  if (cached === undefined || !isSameVersion(cached, version) || cached.footerDigest !== footerDigest) {
    return parseFooter(descriptor, bytes, { path, ...version, footerDigest })
  }
  return cached.isSettled === version.isSettled ? cached : { ...cached, ...version }
}

/** Puts a footer that was read elsewhere into the cache. It is used for its own version of the file only. */
export function rememberFileMeta(meta: ParquetFileMeta): void {
  keep(meta)
}

/** As the one that was used last: the map's order is the order of use. */
function keep(meta: ParquetFileMeta): void {
  const former = cache.get(meta.path)
  if (former !== undefined) forget(meta.path, former)
  cache.set(meta.path, meta)
  cachedChunks += chunkCount(meta)
  evictOldest()
}

function evictOldest(): void {
  for (const [path, meta] of cache) {
    if (cachedChunks <= CACHE_CHUNKS_MAX || cache.size === 1) return
    forget(path, meta)
  }
}

function forget(path: string, meta: ParquetFileMeta): void {
  cache.delete(path)
  cachedChunks -= chunkCount(meta)
}

const chunkCount = (meta: ParquetFileMeta): number => 1 + meta.rowGroups.length * meta.schema.fields.length

function readFooterBytes(descriptor: number, path: string, fileBytes: number): Uint8Array {
  const place = { file: path }
  let tail = new Uint8Array(Math.min(fileBytes, TAIL_BYTES))
  readFully(descriptor, tail, fileBytes - tail.length, place)
  const footerBytes = footerLength(tail, fileBytes, path)
  if (footerBytes + 8 > tail.length) {
    tail = new Uint8Array(footerBytes + 8)
    readFully(descriptor, tail, fileBytes - tail.length, place)
  }
  return tail.subarray(tail.length - 8 - footerBytes, tail.length - 8)
}

type FooterFacts = FileVersion & Pick<ParquetFileMeta, 'path' | 'footerDigest'>

function parseFooter(descriptor: number, bytes: Uint8Array, facts: FooterFacts): ParquetFileMeta {
  const meta = guardParsing({ file: facts.path }, () => buildMeta(new ThriftReader(bytes).readStruct(), facts))
  return { ...meta, hasPageChecksums: probeChecksum(descriptor, meta) }
}

/** Checks the last eight bytes: the footer's length and the magic. */
function footerLength(tail: Uint8Array, fileBytes: number, path: string): number {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  const magic = tail.length >= 12 ? view.getUint32(tail.length - 4, true) : 0
  if (magic === ENCRYPTED_MAGIC) {
    const message = `Encrypted file: the footer of ${path} is encrypted, so that none of its columns can be read.`
    throw makeError('ENCRYPTED', `${message} Decrypt it with what wrote it.`, { file: path })
  }
  if (magic !== MAGIC) {
    const message = `Not a Parquet file: ${path} (${fileBytes} bytes) does not end with the magic bytes "PAR1".`
    throw makeError('NOT_PARQUET', message, { file: path })
  }
  const length = view.getUint32(tail.length - 8, true)
  if (length + 12 > fileBytes) throw corruptError('the footer is longer than the file', { file: path })
  return length
}

/** Whether the file's first page carries a checksum; a page that cannot be read is found when it is decoded. */
function probeChecksum(descriptor: number, meta: ParquetFileMeta): boolean {
  const chunk = Object.values(meta.rowGroups[0]?.chunks ?? {})[0]
  if (chunk === undefined) return false
  try {
    const head = new Uint8Array(Math.min(4096, meta.fileBytes - chunk.offset))
    readFully(descriptor, head, chunk.offset, { file: meta.path })
    return findNumber(new ThriftReader(head).readStruct(), 4) !== undefined
  } catch {
    return false
  }
}

/** Any failure within the parsers is damage of the file. */
function guardParsing<T>(place: FilePlace, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof SpillwayError) throw error
    throw corruptError(
      `the footer cannot be read (${error instanceof Error ? error.message : String(error)})`,
      place,
      error,
    )
  }
}

/** The footer struct of a complete file in memory. `name` stands for the path in errors. */
export function parseFooterStruct(file: Uint8Array, name: string): ThriftStruct {
  const length = footerLength(file, file.length, name)
  return guardParsing({ file: name }, () => new ThriftReader(file, file.length - 8 - length).readStruct())
}

function buildMeta(footer: ThriftStruct, facts: FooterFacts): ParquetFileMeta {
  const { path, fileBytes } = facts
  const parsed = withoutEncrypted(parseSchemaElements(footer), footer)
  const { columns, leftOut } = parsed
  const file = { fileBytes, uncounted: uncountedBytes(findText(footer, 6)) }
  const rowGroups: ParquetRowGroup[] = []
  let rowStart = 0
  for (const [index, rowGroup] of structsOf(footer, 4).entries()) {
    const place = { file: path, rowGroup: index }
    const rowCount = requireNumber(rowGroup, 3)
    if (rowCount < 0) throw corruptError('the row count is negative', place)
    rowGroups.push({ rowCount, rowStart, chunks: readChunks(rowGroup, rowCount, parsed, file, place) })
    rowStart += rowCount
  }
  const rowCount = requireNumber(footer, 3)
  if (rowCount !== rowStart) {
    throw corruptError(`the footer says ${rowCount} rows but its row groups hold ${rowStart}`, { file: path })
  }
  return {
    ...facts,
    schema: makeSchema(columns.map(({ name, type, storage }) => ({ name, type, nullable: !storage.required }))),
    storage: Object.fromEntries(columns.map(({ name, storage }) => [name, storage])),
    rowCount,
    rowGroups,
    leftOut: leftOut.map((column) => ({ ...column, file: path })),
    createdBy: findText(footer, 6),
    hasPageChecksums: false,
  }
}

/** A footer that can be read may describe columns that are encrypted: the others are not. */
function withoutEncrypted(parsed: ParsedSchema, footer: ThriftStruct): ParsedSchema {
  if (findStruct(footer, 8) === undefined) return parsed
  const encrypted = new Set<number>()
  for (const rowGroup of structsOf(footer, 4)) {
    for (const [leaf, chunk] of structsOf(rowGroup, 1).entries()) {
      if (findStruct(chunk, 8) !== undefined) encrypted.add(leaf)
    }
  }
  const hidden = parsed.columns.filter(({ leafIndex }) => encrypted.has(leafIndex))
  const leftOut = hidden.map(({ name, type }): LeftOutElement => {
    return { name, type: typeName(type), reason: 'there is no decryption here', code: 'ENCRYPTED' }
  })
  const columns = parsed.columns.filter(({ leafIndex }) => !encrypted.has(leafIndex))
  return { ...parsed, columns, leftOut: [...parsed.leftOut, ...leftOut] }
}

function readChunks(
  rowGroup: ThriftStruct,
  rowCount: number,
  { columns, leafCount }: ParsedSchema,
  file: ChunkFile,
  place: FilePlace,
): Record<string, ParquetChunk> {
  const stored = structsOf(rowGroup, 1)
  if (stored.length !== leafCount) {
    throw corruptError(`${stored.length} column chunks stand for ${leafCount} columns`, place)
  }
  return Object.fromEntries(
    columns.map((column) => {
      const chunkPlace = { ...place, column: column.name }
      const chunk = readChunk(stored[column.leafIndex] ?? [], column, rowCount, chunkPlace, file)
      // Writers leave odd offsets in a row group without rows; nothing is read from it.
      if (rowCount === 0) return [column.name, chunk]
      if (chunk.offset < 4 || chunk.compressedBytes < 0 || chunk.offset + chunk.compressedBytes > file.fileBytes - 8) {
        throw corruptError('a column chunk lies outside of the file', chunkPlace)
      }
      return [column.name, chunk]
    }),
  )
}

/** What chunks are read by beside their own metadata. */
interface ChunkFile {
  readonly fileBytes: number
  /** Bytes by which chunks may be longer than they say. */
  readonly uncounted: number
}

function readChunk(
  column: ThriftStruct,
  leaf: LeafColumn,
  rowCount: number,
  place: FilePlace,
  { fileBytes, uncounted }: ChunkFile,
): ParquetChunk {
  const meta = findStruct(column, 3)
  const otherFile = findText(column, 1)
  if (otherFile !== undefined) {
    const message = `Column chunks in other files are not read: ${describePlace(place)} lies in ${otherFile}.`
    throw makeError('UNSUPPORTED_FORMAT', `${message} Scan those files.`, { ...placeDetails(place), otherFile })
  }
  if (meta === undefined) throw corruptError('a column chunk has no metadata', place)
  const codec = codecs[requireNumber(meta, 4)]
  if (codec === undefined) throw corruptError('the compression codec is unknown', place)
  const valueCount = requireNumber(meta, 5)
  if (valueCount !== rowCount) {
    throw corruptError(`a column chunk holds ${valueCount} values in a row group of ${rowCount} rows`, place)
  }
  const dataPageOffset = requireNumber(meta, 9)
  // Some writers store 0 for "no dictionary".
  const dictionaryPageOffset = findNumber(meta, 11) || undefined
  const bounds = readStatistics(findStruct(meta, 12), leaf.type, leaf.storage, rowCount)
  const encodings = itemsOf(meta, 2).map(Number)
  const uncompressedBytes = Math.max(0, requireNumber(meta, 6))
  const offset = Math.min(dataPageOffset, dictionaryPageOffset ?? dataPageOffset)
  const storedBytes = requireNumber(meta, 7)
  const textBytes = findNumber(findStruct(meta, 16) ?? [], 1)
  return {
    type: leaf.type,
    offset,
    dataPageOffset,
    dictionaryPageOffset,
    compressedBytes: storedBytes + Math.max(0, Math.min(uncounted, fileBytes - 8 - offset - storedBytes)),
    uncompressedBytes,
    decodedBytes: decodedBytesOf(leaf.type, rowCount, { uncompressedBytes, textBytes, encodings, ...bounds }),
    codec,
    encodings,
    isDictionaryCoded: isDictionaryCoded(meta, encodings),
    valueCount,
    ...bounds,
    offsetIndex: byteRange(findNumber(column, 4), findNumber(column, 5)),
    columnIndex: byteRange(findNumber(column, 6), findNumber(column, 7)),
    bloomFilter: byteRange(findNumber(meta, 14), findNumber(meta, 15) ?? 0),
  }
}

/** Where an index lies; an offset of 0 stands for none. */
function byteRange(offset: number | undefined, bytes: number | undefined): ByteRange | undefined {
  return offset === undefined || offset <= 0 || bytes === undefined ? undefined : { offset, bytes }
}

const DATA_PAGES: readonly number[] = [0, 3]
const LEVEL_ENCODINGS: readonly number[] = [3, 4]
const INDEX_ENCODINGS: readonly number[] = [2, 8]

/**
 * Whether there are only pages of indices. Without counts per kind of page, the list of encodings must do: with the
 * newer name of the encoding, `plain` in it may stand for the dictionary page itself, so that nothing is certain.
 */
function isDictionaryCoded(meta: ThriftStruct, encodings: readonly number[]): boolean {
  const counted = structsOf(meta, 13).filter(
    (entry) => DATA_PAGES.includes(requireNumber(entry, 1)) && requireNumber(entry, 3) > 0,
  )
  const found =
    counted.length > 0
      ? counted.map((entry) => requireNumber(entry, 2))
      : encodings.filter((code) => !LEVEL_ENCODINGS.includes(code))
  return found.length > 0 && found.every((code) => INDEX_ENCODINGS.includes(code))
}

/** What a new footer says. */
export interface FooterParts {
  /** Root first. */
  readonly schemaElements: readonly ThriftStruct[]
  readonly rowCount: number
  readonly rowGroupCount: number
  /** The encoded structs, each in one or several pieces. */
  readonly rowGroups: Iterable<Uint8Array>
  readonly keyValue: Readonly<Record<string, string>>
}

/** The end of a file, in pieces: the footer, its length and the magic bytes. */
export function* footerPieces(parts: FooterParts): Generator<Uint8Array, void> {
  let length = 0
  for (const piece of footerFields(parts)) {
    length += piece.length
    yield piece
  }
  const end = new DataView(new ArrayBuffer(8))
  end.setUint32(0, length, true)
  end.setUint32(4, MAGIC, true)
  yield new Uint8Array(end.buffer)
}

function* footerFields(parts: FooterParts): Generator<Uint8Array, void> {
  const { schemaElements, rowCount, rowGroupCount, rowGroups, keyValue } = parts
  yield encodeThriftFields([i32Field(1, 1), listField(2, ThriftType.STRUCT, schemaElements), i64Field(3, rowCount)])
  yield encodeThriftListHead(4, rowGroupCount, 3)
  yield* rowGroups
  const pairs = Object.entries(keyValue).map(([key, value]) => [textField(1, key), textField(2, value)])
  const orders = schemaElements.slice(1).map(() => [structField(1, [])])
  const rest: ThriftField[] = [
    ...(pairs.length === 0 ? [] : [listField(5, ThriftType.STRUCT, pairs)]),
    textField(6, 'spillway'),
    // Bounds are in the type's own order, for every leaf column: without this, readers may ignore them.
    listField(7, ThriftType.STRUCT, orders),
  ]
  yield encodeThriftFields(rest, 4)
  yield THRIFT_END
}
