/**
 * One record batch as an Arrow IPC message: metadata (row count, field nodes, buffers) and a body that is never copied
 * here. The body is described by slices of the arena with zero padding between them, ready for a gathering write:
 *
 *   metadata (ends on a 64-byte boundary)  | validity pad | offsets pad | values pad | validity pad | …
 *
 * Every buffer starts on a 64-byte boundary of the body. A null column has a field node and no buffer.
 */
import {
  hasOwnLength,
  type ArrowColumn,
  type ExportedColumn,
  type Schema,
  typeEquals,
  widthOf,
} from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { Builder } from 'flatbuffers'
import {
  ALIGNMENT,
  BUFFER_BYTES,
  CONTINUATION,
  FIELD_NODE_BYTES,
  messageKind,
  messageSlot,
  recordBatchSlot,
} from './arrow-slots.ts'
import { findTable, type FlatTable, readInt8, readInt64, readVector, rootTable } from './flat-table.ts'
import { finishMessage, frameMessage, MESSAGE_PREFIX_BYTES } from './schema-message.ts'

/** Memory that addresses of `ExportedColumn` point into; a `WebAssembly.Memory` is one. */
export interface ArenaMemory {
  readonly buffer: ArrayBufferLike
}

/** `bytes` bytes at `address` of the arena, followed by `padding` zero bytes. */
export interface BodySlice {
  readonly address: number
  readonly bytes: number
  readonly padding: number
}

export interface RecordBatchMessage {
  /** Framed metadata; its length is a multiple of 64. */
  readonly metadata: Uint8Array
  readonly body: readonly BodySlice[]
  /** Sum over `body`, a multiple of 64. */
  readonly bodyBytes: number
}

const zeros = new Uint8Array(ALIGNMENT)

/**
 * Describes `columns` as one record batch.
 * @param columns every column has `rowCount` rows
 */
export function recordBatchMessage(rowCount: number, columns: readonly ExportedColumn[]): RecordBatchMessage {
  const body: BodySlice[] = []
  const buffers: { offset: number; bytes: number }[] = []
  let bodyBytes = 0
  const addBuffer = (address: number, bytes: number): void => {
    const padding = (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT
    buffers.push({ offset: bodyBytes, bytes })
    if (bytes > 0) body.push({ address, bytes, padding })
    bodyBytes += bytes + padding
  }
  for (const column of columns) {
    assert(column.length === rowCount, 'every column of a batch has its row count')
    if (column.type.kind === 'null') continue
    assertSizes(column)
    addBuffer(column.validity.address, column.validity.bytes)
    if (hasOwnLength(column.type)) addBuffer(column.offsets.address, column.offsets.bytes)
    addBuffer(column.values.address, column.values.bytes)
  }
  const nodes = columns.map(({ type, length, nullCount }) => ({
    length,
    nullCount: type.kind === 'null' ? length : nullCount,
  }))
  const builder = new Builder(256 + nodes.length * 64)
  const header = writeRecordBatch(builder, rowCount, nodes, buffers)
  finishMessage(builder, messageKind.recordBatch, header, bodyBytes)
  return { metadata: frameMessage(builder.asUint8Array(), ALIGNMENT, 0), body, bodyBytes }
}

function assertSizes(column: ExportedColumn): void {
  const { type, length, validity, offsets, values } = column
  const bitmapBytes = Math.ceil(length / 8)
  assert(validity.bytes === 0 || validity.bytes >= bitmapBytes, 'a validity bitmap covers all rows')
  assert(validity.bytes > 0 || column.nullCount === 0, 'a column with nulls has a validity bitmap')
  if (hasOwnLength(type)) {
    assert(length === 0 || offsets.bytes >= (length + 1) * 4, 'a utf8 column has one offset more than rows')
  } else if (type.kind === 'boolean') {
    assert(values.bytes >= bitmapBytes, 'a boolean column has one bit per row')
  } else {
    assert(values.bytes >= length * widthOf(type), 'a fixed-width column has one value per row')
  }
}

function writeRecordBatch(
  builder: Builder,
  rowCount: number,
  nodes: readonly { readonly length: number; readonly nullCount: number }[],
  buffers: readonly { readonly offset: number; readonly bytes: number }[],
): number {
  // Vectors of structs are written back to front, and each struct's last field first.
  builder.startVector(BUFFER_BYTES, buffers.length, 8)
  for (const { offset, bytes } of buffers.toReversed()) {
    builder.prep(8, BUFFER_BYTES)
    builder.writeInt64(BigInt(bytes))
    builder.writeInt64(BigInt(offset))
  }
  const bufferVector = builder.endVector()
  builder.startVector(FIELD_NODE_BYTES, nodes.length, 8)
  for (const { length, nullCount } of nodes.toReversed()) {
    builder.prep(8, FIELD_NODE_BYTES)
    builder.writeInt64(BigInt(nullCount))
    builder.writeInt64(BigInt(length))
  }
  const nodeVector = builder.endVector()
  builder.startObject(5)
  builder.addFieldInt64(recordBatchSlot.length, BigInt(rowCount), 0n)
  builder.addFieldOffset(recordBatchSlot.nodes, nodeVector, 0)
  builder.addFieldOffset(recordBatchSlot.buffers, bufferVector, 0)
  return builder.endObject()
}

/** Views of a batch in file order, metadata first; nothing is copied. Valid until the arena's memory is reused. */
export function messageViews(message: RecordBatchMessage, memory: ArenaMemory): Uint8Array[] {
  const views = [message.metadata]
  for (const { address, bytes, padding } of message.body) {
    assert(address + bytes <= memory.buffer.byteLength, 'a column slice lies within the arena')
    views.push(new Uint8Array(memory.buffer, address, bytes))
    if (padding > 0) views.push(zeros.subarray(0, padding))
  }
  return views
}

export interface DecodedBatch {
  readonly rowCount: number
  readonly columns: readonly ArrowColumn[]
}

/**
 * Reads a framed record batch; the columns are views over `body`.
 * @param metadata framed metadata, not shared memory
 * @param body the body's bytes, possibly shared memory
 * @throws RangeError or InternalError when the metadata does not fit the schema or the body: callers that read from a
 *   disk verify a checksum first and report what is left as corruption
 */
export function readRecordBatch(metadata: Uint8Array, body: Uint8Array, schema: Schema): DecodedBatch {
  const batch = requireRecordBatch(metadata, body.byteLength)
  const rowCount = readInt64(batch, recordBatchSlot.length, 0)
  const nodes = readVector(batch, recordBatchSlot.nodes, FIELD_NODE_BYTES)
  const buffers = readVector(batch, recordBatchSlot.buffers, BUFFER_BYTES)
  assert(nodes.length === schema.fields.length, 'a record batch has one field node per column')
  let bufferIndex = 0
  const nextBuffer = (): Uint8Array => {
    assert(bufferIndex < buffers.length, 'a record batch has a buffer for each part of its columns')
    const at = buffers.start + bufferIndex * BUFFER_BYTES
    const offset = Number(batch.bytes.readInt64(at))
    const bytes = Number(batch.bytes.readInt64(at + 8))
    assert(offset >= 0 && bytes >= 0 && offset + bytes <= body.byteLength, 'a buffer lies within the body')
    bufferIndex += 1
    return body.subarray(offset, offset + bytes)
  }
  const columns = schema.fields.map(({ type }, index): ArrowColumn => {
    const at = nodes.start + index * FIELD_NODE_BYTES
    const length = Number(batch.bytes.readInt64(at))
    const nullCount = Number(batch.bytes.readInt64(at + 8))
    assert(length === rowCount, 'every column of a record batch has its row count')
    const plain = { type, length, offset: 0, nullCount, offsetBytes: 4, dictionary: undefined, indexBytes: 4 } as const
    if (type.kind === 'null') return { ...plain, validity: undefined, values: body.subarray(0, 0), offsets: undefined }
    const validity = nextBuffer()
    const offsets = hasOwnLength(type) ? nextBuffer() : undefined
    const values = nextBuffer()
    return { ...plain, validity: validity.byteLength === 0 ? undefined : validity, values, offsets }
  })
  assert(bufferIndex === buffers.length, 'a record batch has no buffer beyond those of its columns')
  return { rowCount, columns }
}

function requireRecordBatch(metadata: Uint8Array, bodyBytes: number): FlatTable {
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.byteLength)
  assert(view.getUint32(0, true) === CONTINUATION, 'a message starts with the continuation word')
  assert(view.getUint32(4, true) <= metadata.byteLength - MESSAGE_PREFIX_BYTES, 'a message is read whole')
  const message = rootTable(metadata.subarray(MESSAGE_PREFIX_BYTES))
  assert(readInt8(message, messageSlot.headerKind, 0) === messageKind.recordBatch, 'the message is a record batch')
  assert(readInt64(message, messageSlot.bodyLength, 0) === bodyBytes, 'the body has the length its metadata names')
  const batch = findTable(message, messageSlot.header)
  assert(batch !== undefined, 'a message has a header')
  assert(findTable(batch, recordBatchSlot.compression) === undefined, 'spilled batches are not compressed')
  return batch
}

/** @throws InternalError unless the columns have exactly the schema's types, in order. */
export function assertColumnsMatch(schema: Schema, columns: readonly ExportedColumn[]): void {
  assert(columns.length === schema.fields.length, 'a batch has the columns of its schema')
  for (const [index, field] of schema.fields.entries()) {
    assert(typeEquals(field.type, columns[index]!.type), `column "${field.name}" has the type of its schema`)
  }
}
