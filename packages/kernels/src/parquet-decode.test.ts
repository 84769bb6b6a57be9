/** Kernels that decode Parquet's pages against plain loops over bits and bytes, in one piece and in many. */
import { describe, expect, it } from 'vitest'
import { deltaState, hybridState } from './parquet-decode-kernels.ts'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(40)
const { kernels, u8, u32, dataView } = arena
const u16 = new Uint16Array(u8.buffer)
const page = kernels.pageAlloc(1, 16) >>> 0
const [source, target, state, scratch, extra] = [page, page + 262144, page + 524288, page + 532480, page + 589824]

let seed = 99
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}
const randomBits = (bits: number): bigint => {
  let value = 0n
  for (let bit = 0; bit < bits; bit += 16) value = (value << 16n) | BigInt(random(65536))
  return BigInt.asUintN(bits, value)
}

/** Packs values from the lowest bit up; the last byte is padded. */
function packBits(values: readonly bigint[], bits: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((values.length * bits) / 8))
  for (const [index, value] of values.entries()) {
    for (let bit = 0; bit < bits; bit++) {
      const at = index * bits + bit
      if ((value >> BigInt(bit)) & 1n) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (1 << (at & 7))
    }
  }
  return bytes
}

function varint(value: bigint | number): number[] {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}

const place = (bytes: ArrayLike<number>, address = source): void => {
  u8.fill(0xee, address, address + bytes.length + 64)
  u8.set(bytes, address)
}
const words = (count: number, address = target): number[] => [...u32.slice(address >>> 2, (address >>> 2) + count)]
const codes = (count: number, address = target): number[] => [...u16.slice(address >>> 1, (address >>> 1) + count)]
const setWord = (address: number, value: number): void => {
  u32[address >>> 2] = value
}

describe('bit-packed integers', () => {
  it('are unpacked, of 0 … 16 bits to u16, of 0 … 32 bits to u32 and of 0 … 64 bits to u64', () => {
    for (let bits = 0; bits <= 64; bits++) {
      for (const count of [0, 1, 7, 8, 9, 31, 64, 130]) {
        const values = Array.from({ length: count }, () => randomBits(bits))
        place(packBits(values, bits))
        kernels.bitUnpack64(source, bits, count, target)
        const found = Array.from({ length: count }, (_, index) => dataView.getBigUint64(target + index * 8, true))
        expect(found, `${bits} bits`).toEqual(values)
        if (bits > 32) continue
        if (bits <= 16) {
          kernels.bitUnpack16(source, bits, count, target)
          expect(codes(count), `${bits} bits`).toEqual(values.map(Number))
        }
        kernels.bitUnpack32(source, bits, count, target)
        expect(words(count), `${bits} bits`).toEqual(values.map(Number))
      }
    }
  })
})

/** A stream of runs of both kinds and the values it stands for; all are below `limit`. */
function hybridStream(bits: number, limit: number, runs: number): { bytes: Uint8Array; values: number[] } {
  const bytes: number[] = []
  const values: number[] = []
  for (let run = 0; run < runs; run++) {
    if (random(2) === 0) {
      const count = random(40)
      const value = random(limit)
      bytes.push(...varint(count << 1))
      for (let byte = 0; byte < Math.ceil(bits / 8); byte++) bytes.push((value / 2 ** (8 * byte)) & 255)
      for (let i = 0; i < count; i++) values.push(value)
    } else {
      const groups = 1 + random(random(8) === 0 ? 300 : 6)
      const packed = Array.from({ length: groups * 8 }, () => random(limit))
      bytes.push(...varint((groups << 1) | 1), ...packBits(packed.map(BigInt), bits))
      for (const value of packed) values.push(value)
    }
  }
  return { bytes: Uint8Array.from(bytes), values }
}

function openHybrid(bits: number, length: number, isLast = 1): void {
  u8.fill(0, state, state + 128)
  setWord(state + hybridState.cursor, source)
  setWord(state + hybridState.end, source + length)
  setWord(state + hybridState.isLast, isLast)
  setWord(state + hybridState.bitWidth, bits)
}

describe('runs and bit-packed groups', () => {
  it('give indices, looked-up values and passed values, however calls cut them', () => {
    for (const bits of [0, 1, 2, 3, 4, 5, 8, 10, 13, 17, 20, 24, 25, 26, 31, 32]) {
      const limit = Math.max(1, Math.min(2 ** bits - (bits > 3 ? 3 : 0), 5000))
      const { bytes, values } = hybridStream(bits, limit, 12)
      place(bytes)
      for (const step of [1, 5, 64, 1000]) {
        openHybrid(bits, bytes.length)
        const found: number[] = []
        for (let done = 0; done < values.length; done += step) {
          const count = Math.min(step, values.length - done)
          if (random(4) === 0) {
            expect(kernels.hybridSkip(state, count)).toBe(count)
            found.push(...values.slice(done, done + count))
          } else {
            expect(kernels.hybridCodes(state, count, limit, target, scratch)).toBe(count)
            found.push(...codes(count))
          }
        }
        expect(found, `${bits} bits, ${step} at a time`).toEqual(values)
        expect(kernels.hybridCodes(state, 1, limit, target, scratch)).toBe(-1)
      }
      for (let widthLog2 = 0; widthLog2 <= 4; widthLog2++) {
        const width = 1 << widthLog2
        for (let at = 0; at < limit * width; at++) u8[extra + at] = (at * 31 + (at >> 8)) & 255
        openHybrid(bits, bytes.length)
        expect(kernels.hybridGather(state, values.length, extra, limit, widthLog2, target, scratch)).toBe(values.length)
        const expected = values.flatMap((value) => [...u8.slice(extra + value * width, extra + (value + 1) * width)])
        expect([...u8.slice(target, target + expected.length)]).toEqual(expected)
        const highest = Math.max(...values)
        openHybrid(bits, bytes.length)
        expect(kernels.hybridCodes(state, values.length, limit, target, scratch)).toBe(values.length)
        expect(codes(values.length)).toEqual(values)
        if (widthLog2 > 0) {
          const rows = values.flatMap((_, row) => (random(3) === 0 ? [row] : []))
          const [moved, selection] = [target + 131072, target + 65536]
          u32.set(rows, selection >>> 2)
          u16.set(values, (moved + values.length * (width - 2)) >>> 1)
          const coded = moved + values.length * (width - 2)
          kernels.gatherSelectedCodes(extra, coded, selection, rows.length, widthLog2, moved)
          for (const row of rows) {
            const value = values[row] as number
            expect([...u8.slice(moved + row * width, moved + (row + 1) * width)]).toEqual([
              ...u8.slice(extra + value * width, extra + (value + 1) * width),
            ])
          }
          u16.set(values, coded >>> 1)
          kernels.gatherCodes(extra, coded, values.length, widthLog2, moved)
          expect([...u8.slice(moved, moved + expected.length)]).toEqual(expected)
        }
        openHybrid(bits, bytes.length)
        expect(kernels.hybridCodes(state, values.length, highest, target, scratch)).toBe(-2)
        openHybrid(bits, bytes.length)
        expect(kernels.hybridGather(state, values.length, extra, highest, widthLog2, target, scratch)).toBe(-2)
      }
    }
  })

  it('wait for bytes that are not there yet, and fail without them when none follow', () => {
    const { bytes, values } = hybridStream(6, 64, 20)
    place(bytes)
    for (let there = 0; there < bytes.length; there++) {
      openHybrid(6, there, 0)
      const first = kernels.hybridCodes(state, values.length, 64, target, scratch)
      expect(first).toBeGreaterThanOrEqual(0)
      const found = codes(first)
      setWord(state + hybridState.end, source + bytes.length)
      setWord(state + hybridState.isLast, 1)
      expect(kernels.hybridCodes(state, values.length - first, 64, target, scratch)).toBe(values.length - first)
      expect([...found, ...codes(values.length - first)]).toEqual(values)
      openHybrid(6, there)
      if (first < values.length) expect(kernels.hybridCodes(state, values.length, 64, target, scratch)).toBe(-1)
      openHybrid(6, there)
      if (first < values.length) expect(kernels.hybridSkip(state, values.length)).toBe(-1)
    }
  })

  it('of one bit become bytes and are counted; a number of ones is found', () => {
    const { bytes, values } = hybridStream(1, 2, 40)
    place(bytes)
    for (let count = 0; count <= 130; count++) {
      for (let first = 0; first < 20; first++) {
        openHybrid(1, bytes.length)
        kernels.hybridSkip(state, first)
        expect(kernels.hybridBytes(state, count, target)).toBe(count)
        const expected = values.slice(first, first + count)
        expect([...u8.slice(target, target + count)]).toEqual(expected)
        const ones = expected.filter((value) => value === 1).length
        expect(u32[(state + hybridState.ones) >>> 2]).toBe(ones)
        openHybrid(1, bytes.length)
        kernels.hybridSkip(state, first)
        expect(kernels.hybridBytes(state, count, 0)).toBe(count)
        expect(u32[(state + hybridState.ones) >>> 2]).toBe(ones)
        openHybrid(1, bytes.length)
        kernels.hybridSkip(state, first)
        const most = random(ones + 1)
        let rows = 0
        for (let seen = 0; rows < count; rows++) if ((seen += expected[rows] ?? 0) > most) break
        expect(kernels.hybridBytesUntil(state, count, most)).toBe(rows)
      }
    }
  })

  it('spread values over rows', () => {
    for (let widthLog2 = 0; widthLog2 <= 4; widthLog2++) {
      const width = 1 << widthLog2
      for (let rows = 0; rows <= 130; rows++) {
        const validity = Array.from({ length: rows }, () => (random(1 + (rows % 4)) === 0 ? 1 : 0))
        const count = validity.filter((valid) => valid === 1).length
        u8.set(validity, extra)
        const values = Array.from({ length: count * width }, () => 1 + random(255))
        place(values, target)
        kernels.spreadValues(target, widthLog2, extra, rows, count)
        let next = 0
        const expected = validity.flatMap((valid) =>
          valid === 1 ? values.slice(width * next, width * ++next) : Array.from({ length: width }, () => 0),
        )
        expect([...u8.slice(target, target + rows * width)]).toEqual(expected)
      }
    }
  })
})

/** Differences as the format stores them: blocks of `miniblocks` × 32 values. */
function deltaStream(values: readonly bigint[], bits: number, miniblocks: number): Uint8Array {
  const wrap = (value: bigint): bigint => BigInt.asIntN(bits, value)
  const zigzag = (value: bigint): bigint => BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes = [
    ...varint(miniblocks * 32),
    ...varint(miniblocks),
    ...varint(values.length),
    ...varint(zigzag(values[0] ?? 0n)),
  ]
  for (let first = 1; first < values.length; first += miniblocks * 32) {
    const deltas = values
      .slice(first, first + miniblocks * 32)
      .map((value, index) => wrap(value - (values[first + index - 1] ?? 0n)))
    const [smallest = 0n] = [...deltas].sort((a, b) => Number(a > b) - Number(a < b))
    const above = deltas.map((delta) => BigInt.asUintN(bits, delta - smallest))
    const minis = Array.from({ length: miniblocks }, (_, index) => above.slice(index * 32, index * 32 + 32))
    const widths = minis.map((mini) =>
      Math.max(0, ...mini.map((value) => value.toString(2).length * (value > 0n ? 1 : 0))),
    )
    bytes.push(...varint(zigzag(smallest)), ...widths)
    for (const [index, mini] of minis.entries()) {
      if (mini.length === 0) continue
      const padded = [...mini, ...Array.from({ length: 32 - mini.length }, () => 0n)]
      bytes.push(...packBits(padded, widths[index] ?? 0))
    }
  }
  return Uint8Array.from(bytes)
}

function openDelta(end: number, isLast: number): void {
  u8.fill(0, state, state + 640)
  setWord(state + deltaState.cursor, source)
  setWord(state + deltaState.end, source + end)
  setWord(state + deltaState.isLast, isLast)
}

describe('differences', () => {
  it('add up to integers of 32 and 64 bits, in pieces of calls and of bytes', () => {
    for (const bits of [32, 64] as const) {
      const widthLog2 = bits === 32 ? 2 : 3
      for (const spread of [0, 1, 7, 20, 33, bits]) {
        for (const count of [1, 2, 32, 33, 130, 700]) {
          const values = Array.from({ length: count }, () =>
            BigInt.asIntN(bits, randomBits(Math.min(spread, bits)) - 5n),
          )
          const bytes = deltaStream(values, bits, 4)
          for (const cut of [bytes.length, random(bytes.length)]) {
            place(bytes)
            openDelta(bytes.length, 1)
            expect(kernels.deltaBegin(state)).toBe(0)
            expect(u32[(state + deltaState.valuesLeft) >>> 2]).toBe(count)
            if (cut < bytes.length && source + cut < (u32[state >>> 2] ?? 0)) continue
            setWord(state + deltaState.end, source + cut)
            setWord(state + deltaState.isLast, 0)
            const found: bigint[] = []
            while (found.length < count) {
              const wanted = Math.min(1 + random(200), count - found.length)
              const done = kernels.deltaValues(state, wanted, widthLog2, target, scratch)
              expect(done).toBeGreaterThanOrEqual(0)
              for (let i = 0; i < done; i++) {
                const at = target + (i << widthLog2)
                found.push(bits === 32 ? BigInt(dataView.getInt32(at, true)) : dataView.getBigInt64(at, true))
              }
              if (done < wanted) {
                setWord(state + deltaState.end, source + bytes.length)
                setWord(state + deltaState.isLast, 1)
              }
            }
            expect(found, `${bits} bits, ${spread}, ${count}`).toEqual(values)
            expect((u32[state >>> 2] ?? 0) + kernels.deltaPadding(state)).toBe(source + bytes.length)
            expect(kernels.deltaValues(state, 1, widthLog2, target, scratch)).toBe(-1)
          }
        }
      }
    }
  })

  it('refuse heads that make no sense', () => {
    for (const bytes of [[], [0x80], [128, 1, 0, 5, 0], [128, 1, 3, 5, 0], [128, 1, 4, 0xff, 0xff], [100, 25, 5, 0]]) {
      place(bytes)
      openDelta(bytes.length, 1)
      expect(kernels.deltaBegin(state)).toBe(-1)
    }
  })
})
