/**
 * The schema part of Arrow IPC: the Schema table (in a message and in a file's footer), and the framing of messages.
 *
 *   message: 0xFFFFFFFF, u32 metadata length, FlatBuffer, zero padding (counted in the length)
 */
import type { Field, Schema } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { Builder } from 'flatbuffers'
import { CONTINUATION, fieldSlot, METADATA_VERSION, messageKind, messageSlot, schemaSlot } from './arrow-slots.ts'
import { readType, writeType } from './arrow-type.ts'
import { type FlatTable, findTable, findText, readInt8, readVector, tableAt } from './flat-table.ts'

/** Bytes before the FlatBuffer of a message: continuation word and length. */
export const MESSAGE_PREFIX_BYTES = 8

/** The stream's first message. Its length is a multiple of 8. */
export function ipcSchemaMessage(schema: Schema): Uint8Array {
  const builder = new Builder(1024)
  const header = writeSchema(builder, schema)
  finishMessage(builder, messageKind.schema, header, 0)
  return frameMessage(builder.asUint8Array(), 8, 0)
}

/** Writes the Message table around a header and finishes the buffer. */
export function finishMessage(builder: Builder, headerKind: number, header: number, bodyBytes: number): void {
  builder.startObject(5)
  builder.addFieldInt64(messageSlot.bodyLength, BigInt(bodyBytes), 0n)
  builder.addFieldOffset(messageSlot.header, header, 0)
  builder.addFieldInt16(messageSlot.version, METADATA_VERSION, 0)
  builder.addFieldInt8(messageSlot.headerKind, headerKind, 0)
  builder.finish(builder.endObject())
}

/**
 * Adds the prefix and padding, so that a message which starts `startOffset` bytes after an aligned position ends on a
 * multiple of `alignment`.
 */
export function frameMessage(metadata: Uint8Array, alignment: number, startOffset: number): Uint8Array {
  const end = startOffset + MESSAGE_PREFIX_BYTES + metadata.byteLength
  const total = Math.ceil(end / alignment) * alignment - startOffset
  const framed = new Uint8Array(total)
  const view = new DataView(framed.buffer)
  view.setUint32(0, CONTINUATION, true)
  view.setUint32(4, total - MESSAGE_PREFIX_BYTES, true)
  framed.set(metadata, MESSAGE_PREFIX_BYTES)
  return framed
}

/** Writes a Schema table. @returns its offset in the builder. */
export function writeSchema(builder: Builder, schema: Schema): number {
  const fields = schema.fields.map((field) => writeField(builder, field))
  const vector = writeOffsets(builder, fields)
  builder.startObject(4)
  builder.addFieldOffset(schemaSlot.fields, vector, 0)
  return builder.endObject()
}

function writeField(builder: Builder, field: Field): number {
  const name = builder.createString(field.name)
  const type = writeType(builder, field.type)
  // Readers require the vector of children even where it is empty.
  const children = writeOffsets(builder, [])
  builder.startObject(7)
  builder.addFieldOffset(fieldSlot.name, name, 0)
  builder.addFieldOffset(fieldSlot.type, type.offset, 0)
  builder.addFieldOffset(fieldSlot.children, children, 0)
  builder.addFieldInt8(fieldSlot.typeKind, type.kind, 0)
  // A column of type null is null everywhere, whatever its source promised.
  builder.addFieldInt8(fieldSlot.nullable, field.nullable || field.type.kind === 'null' ? 1 : 0, 0)
  return builder.endObject()
}

/** Writes a vector of table offsets. @returns its offset in the builder. */
export function writeOffsets(builder: Builder, offsets: readonly number[]): number {
  builder.startVector(4, offsets.length, 4)
  for (const offset of offsets.toReversed()) builder.addOffset(offset)
  return builder.endVector()
}

/** Reads a Schema table. @throws DataError UNSUPPORTED_TYPE. */
export function readSchema(table: FlatTable): Schema {
  assert(readInt8(table, schemaSlot.endianness, 0) === 0, 'IPC bytes are little-endian')
  const vector = readVector(table, schemaSlot.fields, 4)
  const fields: Field[] = []
  for (let index = 0; index < vector.length; index += 1) {
    const field = tableAt(table, vector, index)
    const name = findText(field, fieldSlot.name) ?? ''
    const type = findTable(field, fieldSlot.type)
    assert(type !== undefined, 'a field of an IPC schema has a type')
    assert(findTable(field, fieldSlot.dictionary) === undefined, 'spilled columns are not dictionary-encoded')
    fields.push({
      name,
      type: readType(readInt8(field, fieldSlot.typeKind, 0), type, name),
      nullable: readInt8(field, fieldSlot.nullable, 0) !== 0,
    })
  }
  return { fields }
}
