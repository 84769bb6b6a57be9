/**
 * The parameter block of a module: literals and isIn sets, which generated code reads by offset and never as
 * immediates.
 *
 *   ┌ offset 0 ──────┬ 16 ─────────────┬ …              ┬ after all slots ──────────────────┐
 *   │ the byte 1, ×16│ slot 0, 16 bytes│ slot 1, …      │ bytes of long strings, isIn tables│
 *   └────────────────┴─────────────────┴────────────────┴───────────────────────────────────┘
 *
 * The first 16 bytes are ones: the validity that stands in for a column without nulls. Offsets of slots depend only
 * on the shape of the expression, never on values. Addresses inside the block are relative until it is placed.
 */
import { type DataType, hasOwnLength, physicalOf, STRING_INLINE_MAX } from '@spillway/columnar'
import type { LiteralValue } from '@spillway/plan'
import { assert, unreachable } from '@spillway/stdx'

export interface ParamBlock {
  readonly bytes: Uint8Array
  /** Offsets of u32 to which the block's arena address must be added. The block is 16-byte aligned. */
  readonly relocations: readonly number[]
}

/** Offset of sixteen bytes 1. */
export const ONES_OFFSET = 0
const SLOT_BYTES = 16

interface Slot {
  readonly offset: number
  /** Writes the slot; trailing data starts at `tail` and the new end is returned. */
  readonly write: (writer: BlockWriter) => void
}

interface BlockWriter {
  readonly view: DataView
  readonly bytes: Uint8Array
  /** Reserves trailing bytes, 16-byte aligned; returns their offset. */
  readonly place: (byteCount: number) => number
  readonly relocate: (offset: number) => void
}

export class ParamBlockBuilder {
  readonly #slots: Slot[] = []
  #tailBytes = 0

  /** Adds a literal; returns its offset. A null literal takes a slot as well, so that values do not move. */
  addLiteral(value: LiteralValue, type: DataType): number {
    return this.#add(
      (writer, offset) => {
        if (value !== null) writeValue(writer, offset, value, type)
      },
      typeof value === 'string' ? tailBytes(value, type) : 0,
    )
  }

  /** Adds a sorted set; its slot holds { u32 address, u32 count }. Returns the offset. */
  addSet(values: readonly LiteralValue[], type: DataType): number {
    const wide = hasOwnLength(type) || type.kind === 'decimal'
    const tableBytes = align16(values.length * (wide ? 16 : 8))
    const textBytes = values.reduce<number>((sum, v) => sum + (typeof v === 'string' ? tailBytes(v, type) : 0), 0)
    return this.#add((writer, offset) => {
      const table = writer.place(tableBytes)
      writer.view.setUint32(offset, table, true)
      writer.relocate(offset)
      writer.view.setUint32(offset + 4, values.length, true)
      if (wide) {
        const order = hasOwnLength(type) ? byBytes(type) : compareBigints
        ;[...values].sort(order).forEach((value, k) => {
          writeValue(writer, table + k * 16, value, type)
        })
        return
      }
      const keys = values.map((value) => setKey(value, type)).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
      keys.forEach((key, k) => {
        writer.view.setBigInt64(table + k * 8, key, true)
      })
    }, tableBytes + textBytes)
  }

  build(): ParamBlock {
    const fixedBytes = (this.#slots.length + 1) * SLOT_BYTES
    const bytes = new Uint8Array(fixedBytes + this.#tailBytes + 16)
    const relocations: number[] = []
    let tail = fixedBytes
    bytes.fill(1, ONES_OFFSET, ONES_OFFSET + 16)
    const writer: BlockWriter = {
      bytes,
      view: new DataView(bytes.buffer),
      place: (byteCount) => {
        const offset = tail
        tail += align16(byteCount)
        assert(tail <= bytes.length, 'a parameter block has room for all its strings and sets')
        return offset
      },
      relocate: (offset) => relocations.push(offset),
    }
    for (const slot of this.#slots) slot.write(writer)
    return { bytes, relocations }
  }

  #add(write: (writer: BlockWriter, offset: number) => void, tailByteCount: number): number {
    const offset = (this.#slots.length + 1) * SLOT_BYTES
    this.#slots.push({ offset, write: (writer) => write(writer, offset) })
    this.#tailBytes += tailByteCount
    return offset
  }
}

/** Of text, and of bytes, which literals write as a character each. */
const storedBytes = (text: string, type: DataType): Uint8Array =>
  Buffer.from(text, type.kind === 'binary' ? 'latin1' : 'utf8')
const align16 = (bytes: number): number => (bytes + 15) & ~15

/** Trailing bytes of a string literal: none when it is inline. */
function tailBytes(text: string, type: DataType): number {
  const { length } = storedBytes(text, type)
  return length > STRING_INLINE_MAX ? align16(length) : 0
}

function byBytes(type: DataType): (a: LiteralValue, b: LiteralValue) => number {
  return (a, b) => Buffer.compare(storedBytes(String(a), type), storedBytes(String(b), type))
}

function compareBigints(a: LiteralValue, b: LiteralValue): number {
  const [left, right] = [BigInt(a ?? 0), BigInt(b ?? 0)]
  return left < right ? -1 : left > right ? 1 : 0
}

const conversion = new DataView(new ArrayBuffer(8))

/** The signed 64-bit key under which a one-word value is found in a set; -0 is 0, there is one NaN. */
function setKey(value: LiteralValue, type: DataType): bigint {
  if (type.kind === 'float32' || type.kind === 'float64') {
    const number = type.kind === 'float32' ? Math.fround(Number(value)) : Number(value)
    if (Number.isNaN(number)) return 0x7ff8000000000000n
    conversion.setFloat64(0, number + 0, true)
    return conversion.getBigInt64(0, true)
  }
  return BigInt.asIntN(64, BigInt(value as bigint | number | boolean))
}

function writeValue(writer: BlockWriter, offset: number, value: LiteralValue, type: DataType): void {
  const { view } = writer
  const physical = physicalOf(type)
  switch (physical) {
    case 'i8':
      view.setInt8(offset, Number(value))
      return
    case 'i16':
      view.setInt16(offset, Number(value), true)
      return
    case 'i32':
      view.setInt32(offset, Number(value), true)
      return
    case 'i64':
      view.setBigInt64(offset, BigInt.asIntN(64, BigInt(value as bigint | number)), true)
      return
    case 'f32':
      view.setFloat32(offset, Number(value), true)
      return
    case 'f64':
      view.setFloat64(offset, Number(value), true)
      return
    case 'i128': {
      const wide = BigInt(value as bigint | number)
      view.setBigUint64(offset, BigInt.asUintN(64, wide), true)
      view.setBigInt64(offset + 8, BigInt.asIntN(64, wide >> 64n), true)
      return
    }
    case 'view':
      writeView(writer, offset, storedBytes(String(value), type))
      return
    default:
      unreachable(physical)
  }
}

function writeView(writer: BlockWriter, offset: number, source: Uint8Array): void {
  writer.view.setUint32(offset, source.length, true)
  if (source.length <= STRING_INLINE_MAX) {
    writer.bytes.set(source, offset + 4)
    return
  }
  const address = writer.place(source.length)
  writer.bytes.set(source, address)
  writer.bytes.set(source.subarray(0, 4), offset + 4)
  writer.view.setUint32(offset + 8, address, true)
  writer.relocate(offset + 8)
}
