/** What the engine knows about an Arrow IPC file before it reads a value: its footer and the heads of its messages. */
import { type LeftOutColumn, makeSchema, type Schema } from '@spillway/columnar'
import { makeError } from '@spillway/stdx'
import { fileVersion, type FileVersion, isOfVersion, settledSince, withFile } from '../../parquet/file-access.ts'
import { BLOCK_BYTES, footerSlot, MAGIC, METADATA_VERSION } from '../arrow-slots.ts'
import { type FlatTable, findTable, readInt16, readVector, rootTable } from '../flat-table.ts'
import { FOOTER_TRAILER_BYTES } from '../ipc-file.ts'
import { type IpcColumn, listColumns } from './column-layout.ts'
import { guardIpcParsing, ipcDamage, type IpcPlace, ipcUnsupported, readIpcBytes } from './ipc-damage.ts'
import { type IpcCodec, type IpcMessage, type IpcPart, parseMessage } from './read-message.ts'

/** A record batch of the file. Plain data: it crosses threads. */
export interface IpcRecordBatch extends IpcPart {
  readonly rows: number
  readonly codec: IpcCodec | undefined
}

/** With the version of the file that the footer belongs to. */
export interface IpcFileMeta extends FileVersion {
  readonly path: string
  readonly schema: Schema
  /** By column of `schema`. */
  readonly columns: readonly IpcColumn[]
  readonly leftOut: readonly LeftOutColumn[]
  readonly rowCount: number
  readonly batches: readonly IpcRecordBatch[]
  /** The parts of each dictionary by its id, in order. */
  readonly dictionaries: ReadonlyMap<number, readonly IpcRecordBatch[]>
}

const VERSION_MIN = METADATA_VERSION - 1
const TAIL_BYTES = 16 * 1024
/** A length that is damaged must not make the process take gigabytes. */
const METADATA_BYTES_MAX = 1 << 28

// The cache holds files until their record batches exceed this number; one takes some 200 bytes.
const CACHE_BATCHES_MAX = 100_000
const cache = new Map<string, IpcFileMeta>()

/**
 * Reads the footer and the head of each record batch, or takes them from the cache when the file is
 * certainly the same.
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, ARROW_INVALID
 */
export function readIpcMeta(path: string): IpcFileMeta {
  return withFile(path, (descriptor) => {
    const cached = cache.get(path)
    const version = settledSince(cached, fileVersion(descriptor, path))
    cache.delete(path)
    const isFresh = cached !== undefined && isOfVersion(cached, version)
    const meta = isFresh ? cached : guardIpcParsing({ file: path }, () => readMeta(descriptor, { path, ...version }))
    // Inserted again, so that the map's order is the order of use.
    cache.set(path, meta)
    evictOldest()
    return meta
  })
}

function evictOldest(): void {
  let batches = 0
  for (const meta of cache.values()) batches += 1 + meta.batches.length
  for (const [path, meta] of cache) {
    if (batches <= CACHE_BATCHES_MAX || cache.size === 1) return
    batches -= 1 + meta.batches.length
    cache.delete(path)
  }
}

type FileFacts = FileVersion & Pick<IpcFileMeta, 'path'>

function readMeta(descriptor: number, facts: FileFacts): IpcFileMeta {
  const place = { file: facts.path }
  const footer = rootTable(readFooterBytes(descriptor, facts))
  const version = readInt16(footer, footerSlot.version, 0)
  if (version < VERSION_MIN) throw ipcUnsupported(`metadata of version V${version + 1}, older than Arrow 0.8`, place)
  const schemaTable = findTable(footer, footerSlot.schema)
  if (schemaTable === undefined) throw ipcDamage('its footer has no schema', place)
  const { columns, leftOut } = listColumns(schemaTable, place)
  const batches = readParts(footer, footerSlot.recordBatches, facts).map((part, recordBatch): IpcRecordBatch => {
    const { rows, codec, dictionary } = readIpcMessage(descriptor, part, { ...place, recordBatch })
    if (dictionary !== undefined) throw ipcDamage('a dictionary among its record batches', place)
    return { ...part, rows, codec }
  })
  return {
    ...facts,
    schema: makeSchema(columns.map(({ name, type, nullable }) => ({ name, type, nullable }))),
    columns,
    leftOut,
    rowCount: batches.reduce((sum, { rows }) => sum + rows, 0),
    batches,
    dictionaries: readDictionaries(descriptor, readParts(footer, footerSlot.dictionaries, facts), place),
  }
}

function readFooterBytes(descriptor: number, { path, fileBytes }: FileFacts): Uint8Array {
  const place = { file: path }
  let tail = new Uint8Array(Math.min(fileBytes, TAIL_BYTES))
  readIpcBytes(descriptor, tail, fileBytes - tail.length, place)
  const hasMagic = tail.length >= FOOTER_TRAILER_BYTES && MAGIC.every((byte, index) => tail.at(index - 6) === byte)
  if (!hasMagic) {
    const message = `Not an Arrow IPC file: ${path} (${fileBytes} bytes) does not end with the magic bytes "ARROW1". `
    throw makeError('ARROW_INVALID', `${message}Streams and files of version 1 of Feather are not read.`, place)
  }
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  const footerBytes = view.getUint32(tail.length - FOOTER_TRAILER_BYTES, true)
  const bytes = footerBytes + FOOTER_TRAILER_BYTES
  if (footerBytes < 4 || bytes > fileBytes || bytes > METADATA_BYTES_MAX) {
    throw ipcDamage('the footer is longer than the file', place)
  }
  if (bytes > tail.length) {
    tail = new Uint8Array(bytes)
    readIpcBytes(descriptor, tail, fileBytes - bytes, place)
  }
  return tail.subarray(tail.length - bytes, tail.length - FOOTER_TRAILER_BYTES)
}

/** Where the footer says that messages lie. Each byte belongs to one of them, so that rows are not there twice. */
function readParts(footer: FlatTable, slot: number, { path, fileBytes }: FileFacts): IpcPart[] {
  const place = { file: path }
  const vector = readVector(footer, slot, BLOCK_BYTES)
  const parts: IpcPart[] = []
  for (let index = 0; index < vector.length; index++) {
    const at = vector.start + index * BLOCK_BYTES
    const offset = Number(footer.bytes.readInt64(at))
    const metadataBytes = footer.bytes.readInt32(at + 8)
    const bodyBytes = Number(footer.bytes.readInt64(at + 16))
    const isInside =
      offset >= 0 && metadataBytes > 0 && bodyBytes >= 0 && offset + metadataBytes + bodyBytes <= fileBytes
    if (!isInside || metadataBytes > METADATA_BYTES_MAX) throw ipcDamage('a record batch lies outside the file', place)
    parts.push({ offset, metadataBytes, bodyBytes })
  }
  let end = 0
  for (const part of [...parts].sort((a, b) => a.offset - b.offset)) {
    if (part.offset < end) throw ipcDamage('its record batches overlap', place)
    end = part.offset + part.metadataBytes + part.bodyBytes
  }
  return parts
}

/** Reads and checks a message. @throws ARROW_INVALID, FILE_UNREADABLE */
export function readIpcMessage(descriptor: number, part: IpcPart, place: IpcPlace): IpcMessage {
  const metadata = new Uint8Array(part.metadataBytes)
  readIpcBytes(descriptor, metadata, part.offset, place)
  return guardIpcParsing(place, () => parseMessage(metadata, part, place))
}

function readDictionaries(
  descriptor: number,
  parts: readonly IpcPart[],
  place: IpcPlace,
): ReadonlyMap<number, readonly IpcRecordBatch[]> {
  const dictionaries = new Map<number, IpcRecordBatch[]>()
  for (const part of parts) {
    const { rows, codec, dictionary } = readIpcMessage(descriptor, part, place)
    if (dictionary === undefined) throw ipcDamage('a record batch among its dictionaries', place)
    const known = dictionaries.get(dictionary.id) ?? []
    if (known.length > 0 && !dictionary.isDelta) throw ipcDamage('a dictionary that is replaced', place)
    known.push({ ...part, rows, codec })
    dictionaries.set(dictionary.id, known)
  }
  return dictionaries
}
