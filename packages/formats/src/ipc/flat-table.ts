/**
 * Reading FlatBuffers tables by slot number: what Arrow's metadata needs and no more.
 *
 * A table finds its fields through a vtable; an absent field reads as its default. Every offset in the buffer is
 * relative, so damaged bytes may point anywhere: reads go through a bounds-checked view and `readMetadata` turns the
 * RangeError of a wild pointer into the caller's own error.
 */
import { ByteBuffer } from 'flatbuffers'

export interface FlatTable {
  readonly bytes: ByteBuffer
  readonly position: number
}

/** A vector inside a table: address of element 0 and the number of elements. */
export interface FlatVector {
  readonly start: number
  readonly length: number
}

/** The root table of a finished FlatBuffer. `bytes` must not be shared memory (text is decoded from it). */
export function rootTable(bytes: Uint8Array): FlatTable {
  const buffer = new ByteBuffer(bytes)
  return { bytes: buffer, position: checked(buffer, buffer.readInt32(0)) }
}

export function readInt8(table: FlatTable, slot: number, absent: number): number {
  const at = findField(table, slot)
  return at === 0 ? absent : table.bytes.readInt8(at)
}

export function readInt16(table: FlatTable, slot: number, absent: number): number {
  const at = findField(table, slot)
  return at === 0 ? absent : table.bytes.readInt16(at)
}

export function readInt32(table: FlatTable, slot: number, absent: number): number {
  const at = findField(table, slot)
  return at === 0 ? absent : table.bytes.readInt32(at)
}

/** An int64 field as a JavaScript number; lengths and offsets of ours stay far below 2^53. */
export function readInt64(table: FlatTable, slot: number, absent: number): number {
  const at = findField(table, slot)
  return at === 0 ? absent : Number(table.bytes.readInt64(at))
}

export function findTable(table: FlatTable, slot: number): FlatTable | undefined {
  const at = findField(table, slot)
  if (at === 0) return undefined
  return { bytes: table.bytes, position: checked(table.bytes, at + table.bytes.readInt32(at)) }
}

export function findText(table: FlatTable, slot: number): string | undefined {
  const at = findField(table, slot)
  return at === 0 ? undefined : (table.bytes.__string(at) as string)
}

/** An absent vector reads as an empty one. `elementBytes` bounds the vector against the buffer's end. */
export function readVector(table: FlatTable, slot: number, elementBytes: number): FlatVector {
  const at = findField(table, slot)
  if (at === 0) return { start: 0, length: 0 }
  const start = table.bytes.__vector(at)
  const length = table.bytes.__vector_len(at)
  checked(table.bytes, start + length * elementBytes)
  return { start, length }
}

/** Element `index` of a vector of tables. */
export function tableAt(table: FlatTable, vector: FlatVector, index: number): FlatTable {
  const at = vector.start + index * 4
  return { bytes: table.bytes, position: checked(table.bytes, at + table.bytes.readInt32(at)) }
}

/** Position of a field, or 0 when the table does not carry it. */
function findField(table: FlatTable, slot: number): number {
  const offset = table.bytes.__offset(table.position, 4 + slot * 2)
  return offset === 0 ? 0 : checked(table.bytes, table.position + offset)
}

function checked(bytes: ByteBuffer, position: number): number {
  if (!(position >= 0 && position <= bytes.capacity())) {
    throw new RangeError(`FlatBuffers offset out of bounds: ${position} of ${bytes.capacity()} bytes`)
  }
  return position
}
