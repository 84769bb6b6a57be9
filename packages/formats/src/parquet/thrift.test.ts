/** The compact protocol: what is written reads back, and damage is an error of its own in bounded time. */
import { describe, expect, it } from 'vitest'
import {
  booleanField,
  byteField,
  encodeThriftStruct,
  findBoolean,
  findNumber,
  requireNumber,
  findText,
  i32Field,
  i64Field,
  itemsOf,
  listField,
  structField,
  textField,
  ThriftError,
  ThriftReader,
  ThriftType,
} from './thrift.ts'
import type { ThriftStruct } from './thrift.ts'

const sample: ThriftStruct = [
  i32Field(1, -5),
  i64Field(2, 2 ** 53 - 1),
  byteField(3, -128),
  booleanField(4, true),
  textField(5, 'ünïcode'),
  { id: 6, type: ThriftType.DOUBLE, value: -0.5 },
  structField(7, [i32Field(200, 2147483647), booleanField(201, false), i32Field(1, 1)]),
  listField(
    8,
    ThriftType.I64,
    Array.from({ length: 40 }, (_, i) => BigInt(i) << 57n),
  ),
  listField(9, ThriftType.TRUE, [true, false]),
  listField(10, ThriftType.STRUCT, [[], [i32Field(1, 9)]]),
  { id: 11, type: ThriftType.I64, value: -(2n ** 63n) },
]

describe('compact protocol', () => {
  it('reads what it wrote', () => {
    const bytes = encodeThriftStruct(sample)
    const reader = new ThriftReader(bytes)
    const read = reader.readStruct()
    expect(reader.position).toBe(bytes.length)
    expect(encodeThriftStruct(read)).toEqual(bytes)
    expect(findNumber(read, 1)).toBe(-5)
    expect(findNumber(read, 2)).toBe(2 ** 53 - 1)
    expect(findBoolean(read, 4)).toBe(true)
    expect(findText(read, 5)).toBe('ünïcode')
    expect(itemsOf(read, 8)[39]).toBe(BigInt.asIntN(64, 39n << 57n))
    expect(itemsOf(read, 9)).toEqual([true, false])
    expect(findNumber(read, 5)).toBeUndefined()
    expect(() => requireNumber(read, 5)).toThrow(ThriftError)
    expect(findNumber(read, 99)).toBeUndefined()
  })

  it('ends with an error on any cut and survives any flipped bit', () => {
    const bytes = encodeThriftStruct(sample)
    for (let length = 0; length < bytes.length; length++) {
      expect(() => new ThriftReader(bytes.subarray(0, length)).readStruct()).toThrow(ThriftError)
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Uint8Array.from(bytes)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      try {
        new ThriftReader(damaged).readStruct()
      } catch (error) {
        expect(error).toBeInstanceOf(ThriftError)
      }
    }
  })

  it('refuses bottomless nesting and enormous lists', () => {
    expect(() => new ThriftReader(new Uint8Array(10_000).fill(0x1c)).readStruct()).toThrow(/nested too deeply/)
    expect(() => new ThriftReader(Uint8Array.of(0x19, 0xfc, 0xff, 0xff, 0xff, 0x7f)).readStruct()).toThrow(ThriftError)
  })
})
