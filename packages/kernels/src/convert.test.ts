/** Conversion kernels against naive twins, for all lengths 0 … 130. */
import { beforeEach, expect, test } from 'vitest'
import { createTestArena, type TestArena } from './test-arena.ts'

const LENGTHS = Array.from({ length: 131 }, (_, length) => length)
const PAGE = 65536

let arena: TestArena
/** Four buffers of one page each; what lies behind a result must stay as it was. */
let a: number
let b: number
let c: number
let d: number
let seed = 1
const random = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return (seed >>> 8) % limit
}

beforeEach(() => {
  arena ??= createTestArena(16)
  a ||= arena.kernels.pageAlloc(1, 1)
  b ||= arena.kernels.pageAlloc(1, 1)
  c ||= arena.kernels.pageAlloc(1, 1)
  d ||= arena.kernels.pageAlloc(1, 1)
  seed = 1
  arena.u8.fill(0xa5, a, d + PAGE)
})

const bitAt = (address: number, bit: number): number => ((arena.u8[address + (bit >> 3)] as number) >> (bit & 7)) & 1
const randomize = (address: number, bytes: number): void => {
  for (let index = 0; index < bytes; index++) arena.u8[address + index] = random(256)
}
const randomBytes01 = (address: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => {
    const value = random(4) === 0 ? 0 : 1
    arena.u8[address + index] = value
    return value
  })
const selectionOf = (address: number, length: number): number[] => {
  const rows = Array.from({ length: length * 2 }, (_, row) => row).filter(() => random(2) === 0)
  rows.forEach((row, index) => {
    arena.dataView.setUint32(address + index * 4, row, true)
  })
  return rows
}

test('bitmapToBytes, every bit offset', () => {
  for (const length of LENGTHS) {
    for (let bitOffset = 0; bitOffset < 19; bitOffset++) {
      randomize(a, 64)
      arena.u8.fill(0xa5, b, b + 200)
      const expected = Array.from({ length }, (_, row) => bitAt(a, bitOffset + row))
      const zeroes = arena.kernels.bitmapToBytes(a, bitOffset, length, b)
      expect([...arena.u8.slice(b, b + length)]).toEqual(expected)
      expect(zeroes).toBe(expected.filter((bit) => bit === 0).length)
      expect(arena.u8[b + length]).toBe(0xa5)
    }
  }
})

test('bytesToBitmap, with and without selection', () => {
  for (const length of LENGTHS) {
    const bytes = randomBytes01(a, length * 2)
    for (let index = 0; index < length; index += 7) arena.u8[a + index] = bytes[index] = (bytes[index] as number) * 9
    const rows = selectionOf(c, length)
    for (const selection of [undefined, rows]) {
      const picked = selection ?? Array.from({ length }, (_, row) => row)
      arena.u8.fill(0xa5, b, b + 100)
      const zeroes = arena.kernels.bytesToBitmap(a, selection === undefined ? 0 : c, picked.length, b)
      const end = Math.ceil(picked.length / 64) * 64
      for (let bit = 0; bit < end; bit++) {
        const row = picked[bit]
        expect(bitAt(b, bit)).toBe(row !== undefined && bytes[row] !== 0 ? 1 : 0)
      }
      expect(zeroes).toBe(picked.filter((row) => bytes[row] === 0).length)
      expect(arena.u8[b + end / 8]).toBe(0xa5)
    }
  }
})

/** Strings of length 0 … 40, more short ones; heap bytes at `heap`. */
function makeStrings(
  count: number,
  heap: number,
  offsets: number,
  offsetBytes: 4 | 8,
  firstOffset: number,
): Uint8Array[] {
  let cursor = 0
  const write = (index: number): void => {
    const at = firstOffset + cursor
    if (offsetBytes === 4) arena.dataView.setUint32(offsets + index * 4, at, true)
    else arena.dataView.setBigUint64(offsets + index * 8, BigInt(at), true)
  }
  write(0)
  return Array.from({ length: count }, (_, index) => {
    const length = random(3) === 0 ? random(41) : random(15)
    const bytes = Uint8Array.from({ length }, () => random(256))
    arena.u8.set(bytes, heap + cursor)
    cursor += length
    write(index + 1)
    return bytes
  })
}

function expectView(view: number, bytes: Uint8Array, address: number): void {
  const expected = new Uint8Array(16)
  const fields = new DataView(expected.buffer)
  fields.setUint32(0, bytes.length, true)
  expected.set(bytes.subarray(0, bytes.length > 12 ? 4 : 12), 4)
  if (bytes.length > 12) fields.setUint32(8, address, true)
  expect([...arena.u8.slice(view, view + 16)]).toEqual([...expected])
}

test('utf8ToViews, both widths of offsets, and offsets that do not start at 0', () => {
  for (const length of LENGTHS) {
    for (const offsetBytes of [4, 8] as const) {
      for (const firstOffset of [0, 77, offsetBytes === 8 ? 2 ** 33 + 5 : 2 ** 31 - 9000]) {
        const strings = makeStrings(length, a, b, offsetBytes, firstOffset)
        arena.kernels.utf8ToViews(b, offsetBytes, length, a - (firstOffset % 2 ** 32), c)
        let cursor = a
        strings.forEach((bytes, row) => {
          expectView(c + row * 16, bytes, cursor)
          cursor += bytes.length
        })
        expect(arena.u8[c + length * 16]).toBe(0xa5)
        arena.u8.fill(0xa5, c, c + length * 16)
      }
    }
  }
})

test('viewsToUtf8 and viewsByteLength undo utf8ToViews', () => {
  const long = arena.kernels.pageAlloc(1, 1)
  for (const length of LENGTHS) {
    const strings = makeStrings(length * 2, a, b, 4, 0)
    if (length === 60) {
      // One string above the size where copying changes its method.
      strings[3] = Uint8Array.from({ length: 3000 }, (_, index) => index % 251)
      arena.u8.set(strings[3], long)
    }
    arena.kernels.utf8ToViews(b, 4, length * 2, a, c)
    if (length === 60) {
      arena.dataView.setUint32(c + 48, 3000, true)
      arena.dataView.setUint32(c + 56, long, true)
    }
    const rows = selectionOf(b, length)
    const valid = randomBytes01(b + 4096, length * 2)
    for (const selection of [undefined, rows]) {
      for (const validity of [undefined, valid]) {
        const picked = selection ?? strings.map((_, row) => row)
        const expected = picked.map((row) => (validity?.[row] === 0 ? new Uint8Array(0) : (strings[row] as Uint8Array)))
        const total = expected.reduce((sum, bytes) => sum + bytes.length, 0)
        const validityAddress = validity === undefined ? 0 : b + 4096
        const selectionAddress = selection === undefined ? 0 : b
        const { kernels } = arena
        expect(kernels.viewsByteLength(c, validityAddress, selectionAddress, picked.length)).toBe(total)
        const most = Math.max(0, ...expected.map((bytes) => bytes.length))
        expect(kernels.viewsLengthMax(c, validityAddress, selectionAddress, picked.length)).toBe(most)
        const data = d + 8192
        expect(kernels.viewsToUtf8(c, validityAddress, selectionAddress, picked.length, d, data)).toBe(total)
        let cursor = 0
        expected.forEach((bytes, index) => {
          expect(arena.dataView.getInt32(d + index * 4, true)).toBe(cursor)
          expect(Buffer.compare(arena.u8.slice(data + cursor, data + cursor + bytes.length), bytes)).toBe(0)
          cursor += bytes.length
        })
        expect(arena.dataView.getInt32(d + picked.length * 4, true)).toBe(total)
      }
    }
  }
})

test('gather, all widths of values and indices', () => {
  randomize(a, 300 * 16)
  for (const length of LENGTHS) {
    for (const width of [1, 2, 4, 8, 16]) {
      for (const indexBytes of [1, 2, 4]) {
        const indices = Array.from({ length }, () => random(indexBytes === 1 ? 256 : 300))
        indices.forEach((value, row) => {
          if (indexBytes === 1) arena.dataView.setUint8(b + row, value)
          else if (indexBytes === 2) arena.dataView.setUint16(b + row * 2, value, true)
          else arena.dataView.setUint32(b + row * 4, value, true)
        })
        arena.u8.fill(0xa5, c, c + 3000)
        arena.kernels.gather(a, b, indexBytes, width, length, c)
        const expected = indices.flatMap((index) => [...arena.u8.slice(a + index * width, a + (index + 1) * width)])
        expect([...arena.u8.slice(c, c + length * width)]).toEqual(expected)
        expect(arena.u8[c + length * width]).toBe(0xa5)
      }
    }
  }
})

test('fillValue and iota64', () => {
  for (const length of LENGTHS) {
    for (const width of [1, 2, 4, 8, 16]) {
      randomize(a, 16)
      arena.u8.fill(0xa5, c, c + 3000)
      arena.kernels.fillValue(a, width, length, c)
      const value = [...arena.u8.slice(a, a + width)]
      expect([...arena.u8.slice(c, c + length * width)]).toEqual(Array.from({ length }, () => value).flat())
      expect(arena.u8[c + length * width]).toBe(0xa5)
    }
    arena.kernels.iota64(-5n, 3n, length, c)
    for (let row = 0; row < length; row++)
      expect(arena.dataView.getBigInt64(c + row * 8, true)).toBe(-5n + 3n * BigInt(row))
    const expected: bigint[] = []
    let count = 0
    for (let row = 0; row < length; row++) {
      const isSelected = row % 3 !== 1
      expected.push(isSelected ? BigInt(count) - 2n : -99n)
      if (isSelected) arena.dataView.setUint32(a + count++ * 4, row, true)
      arena.dataView.setBigInt64(c + row * 8, -99n, true)
    }
    arena.kernels.iotaSelected64(-2n, a, count, c)
    expect(expected.map((_, row) => arena.dataView.getBigInt64(c + row * 8, true))).toEqual(expected)
  }
})

test('sanitizeIndices clears what gather must not follow and counts what is wrong', () => {
  for (const length of LENGTHS) {
    for (const indexBytes of [1, 2, 4]) {
      const write = (row: number, value: number): void => {
        const bytes = [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24]
        arena.u8.set(bytes.slice(0, indexBytes), a + row * indexBytes)
      }
      const indices = Array.from({ length }, () => random(10) * 20)
      indices.forEach((value, row) => {
        write(row, value)
      })
      const valid = randomBytes01(b, length)
      const bad = arena.kernels.sanitizeIndices(a, indexBytes, b, length, 150)
      expect(bad).toBe(indices.filter((value, row) => valid[row] === 1 && value >= 150).length)
      indices.forEach((value, row) => {
        const kept = valid[row] === 1 && value < 150 ? value : 0
        expect(arena.u8[a + row * indexBytes]).toBe(kept)
      })
    }
  }
})

test('andValidity, also in place', () => {
  for (const length of LENGTHS) {
    for (const target of [c, a, b]) {
      const left = randomBytes01(a, length)
      const right = randomBytes01(b, length)
      const expected = left.map((bit, row) => bit & (right[row] as number))
      arena.u8[target + length] = 0xa5
      expect(arena.kernels.andValidity(a, b, length, target)).toBe(expected.filter((bit) => bit === 0).length)
      expect([...arena.u8.slice(target, target + length)]).toEqual(expected)
      expect(arena.u8[target + length]).toBe(0xa5)
    }
  }
})

test('masksToSelection lists the rows whose bit is set, also from masks at the end of the target', () => {
  for (const length of LENGTHS) {
    randomize(a, length)
    const masks = Array.from({ length }, (_, group) => arena.u8[a + group] as number)
    const expected = masks.flatMap((mask, group) =>
      [0, 1, 2, 3].filter((bit) => (mask >> bit) & 1).map((bit) => group * 4 + bit),
    )
    const tail = b + length * 15
    arena.u8.copyWithin(tail, a, a + length)
    for (const [source, target] of [
      [a, c],
      [tail, b],
    ] as const) {
      expect(arena.kernels.masksToSelection(source, length, target)).toBe(expected.length)
      expect([...arena.u32.subarray(target >> 2, (target >> 2) + expected.length)]).toEqual(expected)
      expect(arena.u8[target + length * 16]).toBe(0xa5)
    }
  }
})
