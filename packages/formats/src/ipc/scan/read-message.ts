/**
 * Messages of an Arrow IPC file: a record batch's rows, and where the buffers of its columns lie. Nothing is believed:
 * counts and places are checked against the message and the body before anything is read by them.
 */
import {
  bufferCodecs,
  BUFFER_BYTES,
  compressionSlot,
  CONTINUATION,
  dictionaryBatchSlot,
  FIELD_NODE_BYTES,
  messageKind,
  messageSlot,
  METADATA_VERSION,
  recordBatchSlot,
} from '../arrow-slots.ts'
import {
  type FlatTable,
  type FlatVector,
  findTable,
  readInt16,
  readInt64,
  readInt8,
  readVector,
  rootTable,
} from '../flat-table.ts'
import { MESSAGE_PREFIX_BYTES } from '../schema-message.ts'
import type { IpcPosition } from './column-layout.ts'
import { ipcDamage, type IpcPlace } from './ipc-damage.ts'

export type IpcCodec = (typeof bufferCodecs)[number]

/** One buffer: where it begins in the file, and its bytes there. */
export interface IpcBuffer {
  readonly offset: number
  readonly bytes: number
}

/** One column of one record batch. */
export interface IpcColumnBuffers {
  readonly nullCount: number
  /** In the format's order; buffers of views last. */
  readonly buffers: readonly IpcBuffer[]
}

export interface IpcMessage {
  readonly rows: number
  readonly codec: IpcCodec | undefined
  readonly dictionary: { readonly id: number; readonly isDelta: boolean } | undefined
  /** @param own buffers of the column, those of views aside @throws ARROW_INVALID */
  readonly column: (position: IpcPosition, own: number, hasViews: boolean, place: IpcPlace) => IpcColumnBuffers
}

/** Where a message lies in the file, as the footer says. */
export interface IpcPart {
  readonly offset: number
  readonly metadataBytes: number
  readonly bodyBytes: number
}

/** Rows are counted in 32 bits from here on. */
const ROWS_MAX = 2 ** 31 - 1
const OLD_PREFIX_BYTES = 4
const VERSION_MIN = METADATA_VERSION - 1

/**
 * @param metadata the message's bytes with their prefix, not shared memory
 * @throws ARROW_INVALID, UNSUPPORTED_TYPE (a codec), RangeError
 */
export function parseMessage(metadata: Uint8Array, part: IpcPart, place: IpcPlace): IpcMessage {
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.byteLength)
  if (metadata.byteLength <= MESSAGE_PREFIX_BYTES) throw ipcDamage('a message is too short', place)
  // Before version 0.15 of Arrow, a message began with its length alone.
  const prefixBytes = view.getUint32(0, true) === CONTINUATION ? MESSAGE_PREFIX_BYTES : OLD_PREFIX_BYTES
  const length = view.getUint32(prefixBytes - 4, true)
  if (length < 4 || length > metadata.byteLength - prefixBytes) {
    throw ipcDamage('a message does not begin where the footer says', place)
  }
  const message = rootTable(metadata.subarray(prefixBytes))
  // The footer said another one.
  if (readInt16(message, messageSlot.version, 0) < VERSION_MIN) throw ipcDamage('a message of an old version', place)
  const kind = readInt8(message, messageSlot.headerKind, 0)
  const header = findTable(message, messageSlot.header)
  const bodyBytes = readInt64(message, messageSlot.bodyLength, 0)
  if (header === undefined || bodyBytes > part.bodyBytes) throw ipcDamage('a message does not fit its body', place)
  if (kind === messageKind.recordBatch) return readBatch(header, undefined, part, place)
  const data = kind === messageKind.dictionaryBatch ? findTable(header, dictionaryBatchSlot.data) : undefined
  if (data === undefined) throw ipcDamage('a message is no record batch', place)
  const id = readInt64(header, dictionaryBatchSlot.id, 0)
  const isDelta = readInt8(header, dictionaryBatchSlot.isDelta, 0) !== 0
  return readBatch(data, { id, isDelta }, part, place)
}

function readBatch(batch: FlatTable, dictionary: IpcMessage['dictionary'], part: IpcPart, place: IpcPlace): IpcMessage {
  const rows = readInt64(batch, recordBatchSlot.length, 0)
  if (!(rows >= 0 && rows <= ROWS_MAX)) throw ipcDamage(`a record batch of ${rows} rows`, place)
  const nodes = readVector(batch, recordBatchSlot.nodes, FIELD_NODE_BYTES)
  const buffers = readVector(batch, recordBatchSlot.buffers, BUFFER_BYTES)
  const variadic = readVector(batch, recordBatchSlot.variadicCounts, 8)
  const bodyAt = part.offset + part.metadataBytes
  const bufferAt = (index: number, at: IpcPlace): IpcBuffer => {
    if (!(index >= 0 && index < buffers.length)) throw ipcDamage('a record batch has too few buffers', at)
    const entry = buffers.start + index * BUFFER_BYTES
    const offset = Number(batch.bytes.readInt64(entry))
    const bytes = Number(batch.bytes.readInt64(entry + 8))
    if (!(offset >= 0 && bytes >= 0 && offset + bytes <= part.bodyBytes)) {
      throw ipcDamage('a buffer lies outside its record batch', at)
    }
    return { offset: bodyAt + offset, bytes }
  }
  return {
    rows,
    codec: readCodec(batch, place),
    dictionary,
    column: ({ node, buffer, viewsBefore }, own, hasViews, at) => {
      if (node >= nodes.length) throw ipcDamage('a record batch has too few columns', at)
      const entry = nodes.start + node * FIELD_NODE_BYTES
      const length = Number(batch.bytes.readInt64(entry))
      const nullCount = Number(batch.bytes.readInt64(entry + 8))
      if (length !== rows) throw ipcDamage(`a column of ${length} rows in a record batch of ${rows}`, at)
      if (!(nullCount >= 0 && nullCount <= rows)) throw ipcDamage(`${nullCount} nulls in ${rows} rows`, at)
      const first = buffer + sumOf(batch, variadic, viewsBefore, at)
      const count = own + (hasViews ? countAt(batch, variadic, viewsBefore, at) : 0)
      if (first + count > buffers.length) throw ipcDamage('a record batch has too few buffers', at)
      return { nullCount, buffers: Array.from({ length: count }, (_, index) => bufferAt(first + index, at)) }
    },
  }
}

/** Buffers of the column of views with this index. */
function countAt(batch: FlatTable, variadic: FlatVector, index: number, place: IpcPlace): number {
  const count = index < variadic.length ? Number(batch.bytes.readInt64(variadic.start + index * 8)) : -1
  if (!(count >= 0 && count <= ROWS_MAX)) throw ipcDamage('a record batch does not count the buffers of views', place)
  return count
}

function sumOf(batch: FlatTable, variadic: FlatVector, columns: number, place: IpcPlace): number {
  let sum = 0
  for (let index = 0; index < columns; index++) sum += countAt(batch, variadic, index, place)
  return sum
}

function readCodec(batch: FlatTable, place: IpcPlace): IpcCodec | undefined {
  const compression = findTable(batch, recordBatchSlot.compression)
  if (compression === undefined) return undefined
  const code = readInt8(compression, compressionSlot.codec, 0)
  const codec = bufferCodecs[code]
  if (codec === undefined || readInt8(compression, compressionSlot.method, 0) !== 0) {
    throw ipcDamage(`compression ${code}, which the format does not have`, place)
  }
  return codec
}
