/** Copies between shared and plain buffers, of all lengths around the limit for plain copies, at any alignment. */
import { expect, test } from 'vitest'
import { copyBytes } from './copy-bytes.ts'

const ROOM = 6000

test.each([
  ['shared', () => new SharedArrayBuffer(ROOM)],
  ['plain', () => new ArrayBuffer(ROOM)],
])('copies from a %s buffer exactly the bytes it is asked to', (_, make) => {
  const source = new Uint8Array(make())
  for (let index = 0; index < ROOM; index++) source[index] = (index * 31 + (index >> 8)) & 255
  const target = Buffer.from(new SharedArrayBuffer(ROOM))
  for (const bytes of [...Array.from({ length: 131 }, (_, n) => n), 1023, 1024, 1025, 4096, 4101]) {
    for (const [from, address] of [
      [0, 0],
      [3, 8],
      [64, 5],
      [7, 7],
    ] as const) {
      target.fill(0xa5)
      copyBytes(target, address, source, from, from + bytes)
      expect(target.subarray(0, address).every((byte) => byte === 0xa5)).toBe(true)
      expect(Buffer.compare(target.subarray(address, address + bytes), source.subarray(from, from + bytes))).toBe(0)
      expect(target.subarray(address + bytes).every((byte) => byte === 0xa5)).toBe(true)
    }
  }
})

test('copies within one buffer, overlapping', () => {
  const buffer = Buffer.from(new SharedArrayBuffer(ROOM))
  for (let index = 0; index < ROOM; index++) buffer[index] = index & 255
  const expected = Uint8Array.from(buffer.subarray(0, 4000))
  copyBytes(buffer, 100, new Uint8Array(buffer.buffer), 0, 4000)
  expect(Buffer.compare(buffer.subarray(100, 4100), expected)).toBe(0)
})

test('refuses what lies outside of source or target', () => {
  const target = Buffer.from(new SharedArrayBuffer(2000))
  expect(() => copyBytes(target, 0, new Uint8Array(10), 0, 11)).toThrow()
  expect(() => copyBytes(target, 500, new Uint8Array(1600), 0, 1600)).toThrow()
})
