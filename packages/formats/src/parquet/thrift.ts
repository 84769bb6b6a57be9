/**
 * Thrift's compact protocol, reading and writing, with every field's wire type kept: what is read, changed in a few
 * places and written again stays what it was. Parquet footers and page headers are such structs.
 *
 * Values are plain data, so that they cross threads. Reading is bounded by the input: a damaged length or a deep nest
 * is a `ThriftError`, never a long loop or a huge allocation.
 */
import { assert } from '@spillway/stdx'

export const ThriftType = {
  TRUE: 1,
  FALSE: 2,
  BYTE: 3,
  I16: 4,
  I32: 5,
  I64: 6,
  DOUBLE: 7,
  BINARY: 8,
  LIST: 9,
  SET: 10,
  MAP: 11,
  STRUCT: 12,
  UUID: 13,
} as const

/**
 * Booleans are boolean; BYTE, I16, I32 and DOUBLE number; I64 bigint; BINARY its bytes; MAP and UUID, which the format
 * does not use, are the bytes that stand for them.
 */
export type ThriftValue = boolean | number | bigint | Uint8Array | ThriftList | ThriftStruct

export interface ThriftList {
  readonly elementType: number
  readonly items: readonly ThriftValue[]
}

export interface ThriftField {
  readonly id: number
  readonly type: number
  readonly value: ThriftValue
}

export type ThriftStruct = readonly ThriftField[]

/** The input is not what the protocol or the format allows. Callers turn it into a DataError that names the file. */
export class ThriftError extends Error {}

const MAX_DEPTH = 32

/** Reads structs from `bytes`; `position` is where the next one begins. */
export class ThriftReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  position: number

  constructor(bytes: Uint8Array, position = 0) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.position = position
  }

  /** Reads one struct. @throws ThriftError */
  readStruct(depth = 0): ThriftStruct {
    if (depth > MAX_DEPTH) throw new ThriftError('structs are nested too deeply')
    const fields: ThriftField[] = []
    let id = 0
    for (;;) {
      const head = this.#readByte()
      const type = head & 15
      if (type === 0) return fields
      const delta = head >> 4
      id = delta === 0 ? Number(BigInt.asIntN(16, this.#readZigzag())) : id + delta
      fields.push({ id, type, value: this.#readValue(type, depth) })
    }
  }

  #readValue(type: number, depth: number): ThriftValue {
    switch (type) {
      case ThriftType.TRUE:
        return true
      case ThriftType.FALSE:
        return false
      case ThriftType.BYTE:
        return (this.#readByte() << 24) >> 24
      case ThriftType.I16:
      case ThriftType.I32:
        return Number(BigInt.asIntN(32, this.#readZigzag()))
      case ThriftType.I64:
        return this.#readZigzag()
      case ThriftType.DOUBLE:
        this.#need(8)
        this.position += 8
        return this.#view.getFloat64(this.position - 8, true)
      case ThriftType.BINARY:
        return this.#readBinary()
      case ThriftType.LIST:
      case ThriftType.SET:
        return this.#readList(depth)
      case ThriftType.STRUCT:
        return this.readStruct(depth + 1)
      case ThriftType.MAP:
        return this.#readMap(depth)
      case ThriftType.UUID:
        return this.#take(16)
      default:
        throw new ThriftError(`unknown field type ${type}`)
    }
  }

  #readBinary(): Uint8Array {
    const length = this.#readLength()
    return this.#take(length)
  }

  #take(length: number): Uint8Array {
    this.#need(length)
    this.position += length
    return this.#bytes.slice(this.position - length, this.position)
  }

  /** Goes over a map, whose values nobody asks for. */
  #readMap(depth: number): Uint8Array {
    if (depth > MAX_DEPTH) throw new ThriftError('structs are nested too deeply')
    const start = this.position
    const count = this.#readLength()
    const types = count === 0 ? 0 : this.#readByte()
    this.#need(2 * count)
    for (let i = 0; i < 2 * count; i++) this.#readElement(i % 2 === 0 ? types >> 4 : types & 15, depth + 1)
    return this.#bytes.slice(start, this.position)
  }

  /** Of a list or map, where a boolean takes a byte. */
  #readElement(type: number, depth: number): ThriftValue {
    const isBoolean = type === ThriftType.TRUE || type === ThriftType.FALSE
    return isBoolean ? this.#readByte() === ThriftType.TRUE : this.#readValue(type, depth)
  }

  #readList(depth: number): ThriftList {
    const head = this.#readByte()
    const elementType = head & 15
    const count = head >> 4 === 15 ? this.#readLength() : head >> 4
    // Every element takes a byte at least, so a count beyond the input is damage.
    this.#need(count)
    const items: ThriftValue[] = []
    if (depth > MAX_DEPTH) throw new ThriftError('structs are nested too deeply')
    for (let i = 0; i < count; i++) items.push(this.#readElement(elementType, depth + 1))
    return { elementType, items }
  }

  #need(count: number): void {
    if (this.position + count > this.#bytes.length) throw new ThriftError('the bytes end within a struct')
  }

  #readByte(): number {
    const byte = this.#bytes[this.position]
    if (byte === undefined) throw new ThriftError('the bytes end within a struct')
    this.position++
    return byte
  }

  #readLength(): number {
    const length = Number(this.#readVarint())
    if (length > this.#bytes.length) throw new ThriftError('a length exceeds the bytes')
    return length
  }

  #readVarint(): bigint {
    // Most varints have one to three bytes: stay in numbers until it is certain that they do not suffice.
    let small = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#readByte()
      small |= (byte & 127) << shift
      if (byte < 128) return BigInt(small)
    }
    let result = BigInt(small)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#readByte()
      result |= BigInt(byte & 127) << shift
      if (byte < 128) return BigInt.asUintN(64, result)
    }
    throw new ThriftError('a number has too many bytes')
  }

  #readZigzag(): bigint {
    const value = this.#readVarint()
    return (value >> 1n) ^ -(value & 1n)
  }
}

/** Writes one struct. */
export function encodeThriftStruct(fields: ThriftStruct): Uint8Array {
  const bytes: number[] = []
  writeStruct(bytes, fields)
  return Uint8Array.from(bytes)
}

/** What ends a struct that was written in parts. */
export const THRIFT_END: Uint8Array = Uint8Array.of(0)

/** Writes a part of a struct: some of its fields, without its end. @param after id of the field before them, or 0 */
export function encodeThriftFields(fields: ThriftStruct, after = 0): Uint8Array {
  const bytes: number[] = []
  writeFields(bytes, fields, after)
  return Uint8Array.from(bytes)
}

/** Puts a struct together in room of its own, without any garbage: for the many row groups of a footer. */
export class ThriftAppender {
  readonly #room: Buffer
  #length = 0

  /** @param mostBytes what is appended at most */
  constructor(mostBytes: number) {
    this.#room = Buffer.allocUnsafeSlow(mostBytes)
  }

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.#length)
  }

  /** Bytes [from, to) of what is encoded already. */
  copy(encoded: Buffer, from: number, to: number): void {
    this.#length += encoded.copy(this.#room, this.#length, from, to)
  }

  /** The head of a field whose id is the last one's plus `step`. */
  head(step: number, type: number): void {
    this.#push((step << 4) | type)
  }

  /** A whole number from 0 to 2^52. */
  whole(value: number): void {
    let rest = value * 2
    while (rest >= 128) {
      this.#push((rest % 128) | 128)
      rest = Math.floor(rest / 128)
    }
    this.#push(rest)
  }

  end(): void {
    this.#push(0)
  }

  #push(byte: number): void {
    assert(this.#length < this.#room.length, 'what is appended has room')
    this.#room[this.#length++] = byte
  }
}

/** Bytes of an i64 or i32 field with its head, at most. */
export const THRIFT_INTEGER_BYTES = 11

/** Writes how a field begins that is a list of `count` structs, which follow. @param after as for other fields */
export function encodeThriftListHead(id: number, count: number, after: number): Uint8Array {
  assert(id > after && id - after < 16, 'fields follow closely')
  const bytes = [((id - after) << 4) | ThriftType.LIST]
  writeListHead(bytes, ThriftType.STRUCT, count)
  return Uint8Array.from(bytes)
}

function writeStruct(bytes: number[], fields: ThriftStruct): void {
  writeFields(bytes, fields, 0)
  bytes.push(0)
}

function writeFields(bytes: number[], fields: ThriftStruct, after: number): void {
  let last = after
  for (const { id, type, value } of [...fields].sort((a, b) => a.id - b.id)) {
    const wireType = typeof value === 'boolean' ? (value ? ThriftType.TRUE : ThriftType.FALSE) : type
    const delta = id - last
    if (delta > 0 && delta < 16) {
      bytes.push((delta << 4) | wireType)
    } else {
      bytes.push(wireType)
      writeZigzag(bytes, BigInt(id))
    }
    last = id
    if (typeof value !== 'boolean') writeValue(bytes, type, value)
  }
}

function writeListHead(bytes: number[], elementType: number, count: number): void {
  if (count < 15) {
    bytes.push((count << 4) | elementType)
    return
  }
  bytes.push(0xf0 | elementType)
  writeVarint(bytes, BigInt(count))
}

function writeValue(bytes: number[], type: number, value: ThriftValue): void {
  if (value instanceof Uint8Array) {
    if (type === ThriftType.BINARY) writeVarint(bytes, BigInt(value.length))
    for (const byte of value) bytes.push(byte)
  } else if (typeof value === 'bigint') {
    writeZigzag(bytes, value)
  } else if (typeof value === 'number') {
    if (type === ThriftType.BYTE) bytes.push(value & 255)
    else if (type === ThriftType.DOUBLE) bytes.push(...new Uint8Array(Float64Array.of(value).buffer))
    else writeZigzag(bytes, BigInt(value))
  } else if (typeof value === 'boolean') {
    bytes.push(value ? ThriftType.TRUE : ThriftType.FALSE)
  } else if (isThriftList(value)) {
    writeListHead(bytes, value.elementType, value.items.length)
    for (const item of value.items) writeValue(bytes, value.elementType, item)
  } else {
    writeStruct(bytes, value)
  }
}

function writeVarint(bytes: number[], value: bigint): void {
  let rest = BigInt.asUintN(64, value)
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
}

function writeZigzag(bytes: number[], value: bigint): void {
  writeVarint(bytes, (value << 1n) ^ (value >> 63n))
}

const isThriftList = (value: ThriftList | ThriftStruct): value is ThriftList => !Array.isArray(value)

// Typed access to fields. `find…` gives undefined when the field is absent or of another type, as readers that are
// generated from the format's definition do: what is not needed may be anything. `require…` fails then.

const findValue = (fields: ThriftStruct, id: number): ThriftValue | undefined =>
  fields.find((field) => field.id === id)?.value

/** I16, I32 or I64 as a number, unless it has more than 53 bits. */
export function findNumber(fields: ThriftStruct, id: number): number | undefined {
  const value = findValue(fields, id)
  const number = typeof value === 'bigint' ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined
}

/** As `findNumber`, for a field that the format requires. */
export function requireNumber(fields: ThriftStruct, id: number): number {
  const value = findNumber(fields, id)
  if (value === undefined) throw new ThriftError(`required field ${id} is missing or of another type`)
  return value
}

export function findBoolean(fields: ThriftStruct, id: number): boolean | undefined {
  const value = findValue(fields, id)
  return typeof value === 'boolean' ? value : undefined
}

export function findBytes(fields: ThriftStruct, id: number): Uint8Array | undefined {
  const field = fields.find((each) => each.id === id)
  return field?.type === ThriftType.BINARY ? (field.value as Uint8Array) : undefined
}

export function findText(fields: ThriftStruct, id: number): string | undefined {
  const bytes = findBytes(fields, id)
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
}

export function findStruct(fields: ThriftStruct, id: number): ThriftStruct | undefined {
  const value = findValue(fields, id)
  return Array.isArray(value) ? value : undefined
}

/** A list of structs; an absent list is empty. */
export function structsOf(fields: ThriftStruct, id: number): readonly ThriftStruct[] {
  return itemsOf(fields, id).filter((item): item is ThriftStruct => Array.isArray(item))
}

/** A list's elements; an absent list is empty. */
export function itemsOf(fields: ThriftStruct, id: number): readonly ThriftValue[] {
  const value = findValue(fields, id)
  if (typeof value !== 'object' || value instanceof Uint8Array || Array.isArray(value)) return []
  return (value as ThriftList).items
}

// Construction of fields to write.

export const i32Field = (id: number, value: number): ThriftField => ({ id, type: ThriftType.I32, value })
export const i64Field = (id: number, value: number): ThriftField => ({ id, type: ThriftType.I64, value: BigInt(value) })
export const byteField = (id: number, value: number): ThriftField => ({ id, type: ThriftType.BYTE, value })
export const booleanField = (id: number, value: boolean): ThriftField => ({ id, type: ThriftType.TRUE, value })
export const textField = (id: number, value: string): ThriftField => ({
  id,
  type: ThriftType.BINARY,
  value: new TextEncoder().encode(value),
})
export const structField = (id: number, value: ThriftStruct): ThriftField => ({ id, type: ThriftType.STRUCT, value })
export const listField = (id: number, elementType: number, items: readonly ThriftValue[]): ThriftField => ({
  id,
  type: ThriftType.LIST,
  value: { elementType, items },
})
