/** Hash, equality and order of strings against Buffer.compare, on strings that differ late, early or only in length. */
import { expect, test } from 'vitest'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(24)
const { kernels, u8, dataView } = arena
const heap = kernels.pageAlloc(1, 4)
const views = kernels.pageAlloc(1, 1)
let cursor = heap

/** Writes the bytes between bytes of garbage, so that reading past an end would show. */
function place(bytes: Uint8Array): number {
  u8.fill(0xee, cursor, cursor + bytes.length + 40)
  cursor += 3
  u8.set(bytes, cursor)
  const address = cursor
  cursor += bytes.length + 17
  return address
}

function writeView(view: number, bytes: Uint8Array): void {
  u8.fill(0, view, view + 16)
  dataView.setUint32(view, bytes.length, true)
  u8.set(bytes.subarray(0, bytes.length > 12 ? 4 : 12), view + 4)
  if (bytes.length > 12) dataView.setUint32(view + 8, place(bytes), true)
}

function* samples(): Generator<Uint8Array> {
  for (const length of [0, 1, 3, 4, 5, 7, 8, 11, 12, 13, 15, 16, 17, 20, 23, 24, 31, 32, 33, 48, 63, 64, 65]) {
    const base = Uint8Array.from({ length }, (_, index) => 97 + (index % 7))
    yield base
    for (const at of [0, 2, 4, 8, 12, 13, length - 1]) {
      if (at < 0 || at >= length) continue
      for (const byte of [0, 98, 255]) {
        const other = base.slice()
        other[at] = byte
        yield other
      }
    }
    yield new Uint8Array(length)
  }
}

test('compare and equality agree with unsigned byte order for every pair', () => {
  const all = [...samples()]
  let pairs = 0
  for (const left of all) {
    cursor = heap
    writeView(views, left)
    const leftAddress = place(left)
    const after = cursor
    for (const right of all) {
      cursor = after
      writeView(views + 16, right)
      const rightAddress = place(right)
      const expected = Math.sign(Buffer.compare(left, right))
      const order = kernels.compareBytes(leftAddress, left.length, rightAddress, right.length)
      const viewOrder = kernels.viewCompare(views, views + 16)
      const equal = kernels.viewEqual(views, views + 16)
      // One comparison per pair: there are many of them.
      if (order !== expected || viewOrder !== expected || equal !== Number(expected === 0)) {
        expect({ left, right, order, viewOrder, equal }).toEqual(expected)
      }
      pairs++
    }
  }
  expect(pairs).toBe(all.length ** 2)
})

test('equal bytes hash equally wherever they lie; any changed byte or length changes the hash', () => {
  const seen = new Map<bigint, string>()
  for (let length = 0; length <= 130; length++) {
    const base = Uint8Array.from({ length }, (_, index) => (index * 31) & 255)
    for (let changed = -1; changed < length; changed++) {
      const bytes = base.slice()
      if (changed >= 0) bytes[changed] = (bytes[changed] as number) ^ 0x80
      cursor = heap
      const hash = kernels.hashBytes(place(bytes), length)
      cursor += 5
      if (kernels.hashBytes(place(bytes), length) !== hash) expect({ length, changed }).toBe('hashed equally')
      const key = `${length}:${changed}`
      if (seen.has(hash)) expect(key).toBe(`hashed unlike ${seen.get(hash)}`)
      seen.set(hash, key)
    }
  }
  expect(seen.size).toBe(131 + (130 * 131) / 2)
})

test('hash bits are balanced over the high and the low bits', () => {
  const count = 65536
  const high = new Uint32Array(256)
  const low = new Uint32Array(256)
  for (let index = 0; index < count; index++) {
    const text = new TextEncoder().encode(`id${String(index).padStart(14, '0')}`)
    u8.set(text, heap)
    const hash = BigInt.asUintN(64, kernels.hashBytes(heap, text.length))
    high[Number(hash >> 56n)] = (high[Number(hash >> 56n)] as number) + 1
    low[Number(hash & 255n)] = (low[Number(hash & 255n)] as number) + 1
  }
  // 256 expected per bucket, standard deviation 16: six of them.
  for (const buckets of [high, low]) {
    expect(Math.min(...buckets)).toBeGreaterThan(160)
    expect(Math.max(...buckets)).toBeLessThan(352)
  }
})

test('the extreme of views agrees with unsigned byte order, with selection and nulls', () => {
  const all = [...samples()]
  const room = kernels.pageAlloc(1, 8)
  expect(room).not.toBe(0)
  const [validity, selection] = [room + 4 * 65536, room + 5 * 65536]
  for (let length = 0; length <= 130; length++) {
    cursor = heap
    const few = length % 3 === 0 ? all.filter((bytes) => bytes.length <= 12) : all
    const values = Array.from({ length }, (_, index) => few[(index * 37 + length * 11) % few.length] as Uint8Array)
    for (const [index, bytes] of values.entries()) writeView(room + index * 16, bytes)
    for (const variant of [0, 1, 2, 3]) {
      const rows = Array.from({ length }, (_, index) => index).filter((row) => variant < 2 || row % 3 !== 1)
      for (const [index, row] of rows.entries()) dataView.setUint32(selection + index * 4, row, true)
      for (let index = 0; index < length; index++) dataView.setUint8(validity + index, index % 5 === 2 ? 0 : 1)
      const isValid = (row: number): boolean => variant % 2 === 0 || row % 5 !== 2
      for (const flip of [0n, -1n]) {
        const sign = flip === 0n ? 1 : -1
        let expected = 0
        for (const row of rows.filter(isValid)) {
          const best = expected === 0 ? undefined : (values[(expected - room) / 16] as Uint8Array)
          if (best === undefined || sign * Buffer.compare(values[row] as Uint8Array, best) > 0)
            expected = room + row * 16
        }
        const arguments_ = [variant % 2 === 0 ? 0 : validity, variant < 2 ? 0 : selection, rows.length] as const
        expect(kernels.viewExtreme(room, ...arguments_, flip) >>> 0).toBe(expected)
      }
    }
  }
})
