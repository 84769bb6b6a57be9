/**
 * Arrow IPC in its two outer forms.
 *
 *   stream: schema message, batch messages, end mark
 *   file:   ARROW1 and padding, the stream, footer FlatBuffer, u32 footer length, ARROW1
 *
 * The file's header is padded to 64 bytes, so every block of a file starts and every body lies on 64-byte boundaries.
 */
import type { ExportedColumn, Schema } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { Builder } from 'flatbuffers'
import {
  ALIGNMENT,
  BLOCK_BYTES,
  CONTINUATION,
  footerSlot,
  keyValueSlot,
  MAGIC,
  METADATA_VERSION,
} from './arrow-slots.ts'
import { findTable, findText, readVector, rootTable, tableAt } from './flat-table.ts'
import { type ArenaMemory, assertColumnsMatch, messageViews, recordBatchMessage } from './record-batch-message.ts'
import {
  frameMessage,
  ipcSchemaMessage,
  MESSAGE_PREFIX_BYTES,
  readSchema,
  writeOffsets,
  writeSchema,
} from './schema-message.ts'

/** Where one record batch lies in an IPC file. */
export interface IpcBlock {
  /** From the start of the file, a multiple of 64. */
  readonly offset: number
  readonly metadataBytes: number
  readonly bodyBytes: number
}

export interface IpcFooter {
  readonly schema: Schema
  readonly blocks: readonly IpcBlock[]
  readonly metadata: ReadonlyMap<string, string>
}

/** Bytes after the footer's FlatBuffer: its length and the magic. */
export const FOOTER_TRAILER_BYTES = 10
/** The mark that ends the stream inside a file. */
const END_MARK_BYTES = 8

/** The bytes of an IPC file up to its first block: a multiple of 64. */
export function ipcFileHeader(schema: Schema): Uint8Array {
  const start = 8
  const unpadded = ipcSchemaMessage(schema)
  const message = frameMessage(unpadded.subarray(MESSAGE_PREFIX_BYTES), ALIGNMENT, start)
  const header = new Uint8Array(start + message.byteLength)
  header.set(MAGIC)
  header.set(message, start)
  return header
}

/** End mark, footer, footer length and magic: everything that follows the last block of a file. */
export function ipcFileFooter(
  schema: Schema,
  blocks: readonly IpcBlock[],
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const builder = new Builder(1024 + blocks.length * BLOCK_BYTES)
  const entries = [...metadata].map(([key, value]) => {
    const keyOffset = builder.createString(key)
    const valueOffset = builder.createString(value)
    builder.startObject(2)
    builder.addFieldOffset(keyValueSlot.key, keyOffset, 0)
    builder.addFieldOffset(keyValueSlot.value, valueOffset, 0)
    return builder.endObject()
  })
  const metadataVector = writeOffsets(builder, entries)
  const schemaTable = writeSchema(builder, schema)
  builder.startVector(BLOCK_BYTES, 0, 8)
  const dictionaryVector = builder.endVector()
  builder.startVector(BLOCK_BYTES, blocks.length, 8)
  for (const { offset, metadataBytes, bodyBytes } of blocks.toReversed()) {
    builder.prep(8, BLOCK_BYTES)
    builder.writeInt64(BigInt(bodyBytes))
    builder.pad(4)
    builder.writeInt32(metadataBytes)
    builder.writeInt64(BigInt(offset))
  }
  const blockVector = builder.endVector()
  builder.startObject(5)
  builder.addFieldOffset(footerSlot.schema, schemaTable, 0)
  builder.addFieldOffset(footerSlot.dictionaries, dictionaryVector, 0)
  builder.addFieldOffset(footerSlot.recordBatches, blockVector, 0)
  builder.addFieldOffset(footerSlot.metadata, metadataVector, 0)
  builder.addFieldInt16(footerSlot.version, METADATA_VERSION, 0)
  builder.finish(builder.endObject())
  return frameFooter(builder.asUint8Array())
}

function frameFooter(footer: Uint8Array): Uint8Array {
  const framed = new Uint8Array(END_MARK_BYTES + footer.byteLength + FOOTER_TRAILER_BYTES)
  const view = new DataView(framed.buffer)
  view.setUint32(0, CONTINUATION, true)
  framed.set(footer, END_MARK_BYTES)
  view.setUint32(END_MARK_BYTES + footer.byteLength, footer.byteLength, true)
  framed.set(MAGIC, framed.byteLength - MAGIC.byteLength)
  return framed
}

/**
 * Reads what `ipcFileFooter` wrote.
 * @param bytes from the end mark to the end of the file; not shared memory
 * @throws RangeError, InternalError or DataError on damaged bytes: verify a checksum first
 */
export function readIpcFooter(bytes: Uint8Array): IpcFooter {
  assert(bytes.byteLength > END_MARK_BYTES + FOOTER_TRAILER_BYTES, 'a footer has more than its frame')
  const magic = bytes.subarray(bytes.byteLength - MAGIC.byteLength)
  assert(
    MAGIC.every((byte, index) => magic[index] === byte),
    'an IPC file ends with its magic',
  )
  const footerBytes = bytes.byteLength - END_MARK_BYTES - FOOTER_TRAILER_BYTES
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  assert(view.getUint32(END_MARK_BYTES + footerBytes, true) === footerBytes, 'the footer has the length it names')
  const footer = rootTable(bytes.subarray(END_MARK_BYTES, END_MARK_BYTES + footerBytes))
  const schema = findTable(footer, footerSlot.schema)
  assert(schema !== undefined, 'a footer has a schema')
  const vector = readVector(footer, footerSlot.recordBatches, BLOCK_BYTES)
  const blocks: IpcBlock[] = []
  for (let index = 0; index < vector.length; index += 1) {
    const at = vector.start + index * BLOCK_BYTES
    blocks.push({
      offset: Number(footer.bytes.readInt64(at)),
      metadataBytes: footer.bytes.readInt32(at + 8),
      bodyBytes: Number(footer.bytes.readInt64(at + 16)),
    })
  }
  const metadata = new Map<string, string>()
  const entries = readVector(footer, footerSlot.metadata, 4)
  for (let index = 0; index < entries.length; index += 1) {
    const entry = tableAt(footer, entries, index)
    metadata.set(findText(entry, keyValueSlot.key) ?? '', findText(entry, keyValueSlot.value) ?? '')
  }
  return { schema: readSchema(schema), blocks, metadata }
}

/**
 * A complete IPC stream of one batch, copied out of the arena: what the Parquet encoder takes.
 * @param columns all of one length, with exactly the types of `schema`
 */
export function ipcStream(schema: Schema, columns: readonly ExportedColumn[], memory: ArenaMemory): Uint8Array {
  assertColumnsMatch(schema, columns)
  const schemaMessage = ipcSchemaMessage(schema)
  const batch = recordBatchMessage(columns[0]?.length ?? 0, columns)
  const total = schemaMessage.byteLength + batch.metadata.byteLength + batch.bodyBytes + END_MARK_BYTES
  const stream = new Uint8Array(total)
  let cursor = 0
  for (const view of [schemaMessage, ...messageViews(batch, memory)]) {
    stream.set(view, cursor)
    cursor += view.byteLength
  }
  assert(cursor === total - END_MARK_BYTES, 'the stream has the bytes its parts announced')
  new DataView(stream.buffer).setUint32(cursor, CONTINUATION, true)
  return stream
}
