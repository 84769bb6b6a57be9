/** deltaEncode against a decoder that follows the format's text bit by bit. */
import { describe, expect, it } from 'vitest'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(40)
const { kernels, u8, dataView: view } = arena
const base = kernels.pageAlloc(1, 36) >>> 0
const [source, target, scratch] = [0, 8, 32].map((page) => base + page * 65536) as [number, number, number]
const SLACK = 1152

let seed = 7
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}
const randomBits = (bits: number): bigint => {
  let value = 0n
  for (let at = 0; at < 64; at += 16) value = (value << 16n) | BigInt(random(65536))
  return BigInt.asUintN(bits, value)
}

/** Values and the bytes that they took. */
function decode(bits: number): { values: bigint[]; bytes: number; widths: number[] } {
  let at = target
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(u8[at++] ?? 0)
      value |= (byte & 127n) << shift
      if (byte < 128n) return value
    }
  }
  const zigzag = (): bigint => {
    const value = varint()
    return (value >> 1n) ^ -(value & 1n)
  }
  const [block, miniblocks, count] = [Number(varint()), Number(varint()), Number(varint())]
  expect([block, miniblocks]).toEqual([128, 4])
  let last = zigzag()
  const values = count === 0 ? [] : [last]
  const widths: number[] = []
  while (values.length < count) {
    const smallest = zigzag()
    expect(BigInt.asIntN(bits, smallest)).toBe(smallest)
    const own = u8.slice(at, at + 4)
    at += 4
    for (const width of own) {
      expect(width).toBeLessThanOrEqual(bits)
      if (values.length >= count) {
        expect(width).toBe(0)
        continue
      }
      widths.push(width)
      for (let k = 0; k < 32; k++) {
        let packed = 0n
        for (let bit = 0; bit < width; bit++) {
          const place = k * width + bit
          packed |= BigInt(((u8[at + (place >> 3)] ?? 0) >> (place & 7)) & 1) << BigInt(bit)
        }
        if (values.length === count) continue
        last = BigInt.asIntN(bits, last + smallest + packed)
        values.push(last)
      }
      at += width * 4
    }
  }
  return { values, bytes: at - target, widths }
}

function store(values: readonly bigint[], bits: number): void {
  values.forEach((value, k) => {
    if (bits === 32) view.setInt32(source + k * 4, Number(value), true)
    else view.setBigInt64(source + k * 8, value, true)
  })
}

function check(values: readonly bigint[], bits: number): number[] {
  store(values, bits)
  const widthLog2 = bits === 32 ? 2 : 3
  const room = values.length * 16 + 400
  u8.fill(0xa5, target, target + room + SLACK + 16)
  const bytes = kernels.deltaEncode(source, values.length, widthLog2, target, room, scratch)
  const found = decode(bits)
  if (found.values.some((value, k) => value !== values[k])) expect(found.values).toEqual(values)
  expect([found.values.length, found.bytes]).toEqual([values.length, bytes])
  expect(u8[target + bytes + 8]).toBe(0xa5)
  // What is exactly as long as the limit is taken, a byte more is not.
  expect(kernels.deltaEncode(source, values.length, widthLog2, target, bytes, scratch)).toBe(bytes)
  u8.fill(0xa5, target, target + room + SLACK + 16)
  expect(kernels.deltaEncode(source, values.length, widthLog2, target, bytes - 1, scratch)).toBe(0)
  const past = u8.subarray(target + bytes - 1 + SLACK, target + room + SLACK + 16)
  expect(past.every((byte) => byte === 0xa5)).toBe(true)
  return found.widths
}

describe.each([32, 64])('deltaEncode of %i-bit integers', (bits) => {
  it('takes differences of every width, all lengths', () => {
    for (let count = 0; count <= 130; count++) {
      for (const width of [0, 1, 7, 8, 13, 16, 17, 25, 31, 32, 33, 57, 63, 64]) {
        if (width > bits) continue
        check(
          Array.from({ length: count }, () => BigInt.asIntN(bits, randomBits(width))),
          bits,
        )
      }
    }
  })

  it('uses each bit width', () => {
    const seen = new Set<number>()
    for (let width = 0; width <= bits; width++) {
      let last = 0n
      const values = Array.from({ length: 300 }, (_, k) => {
        last = BigInt.asIntN(bits, last + (k % 5 === 0 ? (1n << BigInt(width)) - 1n : randomBits(width)))
        return last
      })
      for (const found of check(values, bits)) seen.add(found)
    }
    expect(seen.size).toBeGreaterThan(bits - 2)
  })

  it('wraps around in the width of the type', () => {
    const [least, most] = [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n]
    for (const count of [1, 2, 3, 127, 128, 129, 130, 257, 1000]) {
      check(
        Array.from({ length: count }, (_, k) => (k % 2 === 0 ? least : most)),
        bits,
      )
      check(
        Array.from({ length: count }, (_, k) => [most, least, 0n, -1n, least + 1n][k % 5] ?? 0n),
        bits,
      )
    }
  })

  it('long runs of rising values take few bytes', () => {
    for (const count of [4095, 4096, 4097, 20_000]) {
      const values = Array.from({ length: count }, (_, k) => BigInt(k * 3))
      store(values, bits)
      const bytes = kernels.deltaEncode(source, count, bits === 32 ? 2 : 3, target, count * 4, scratch)
      expect(bytes).toBeLessThan(count / 20)
      expect(decode(bits).values).toEqual(values)
    }
  })
})
