/** Row-store kernels against plain loops. */
import { expect, it } from 'vitest'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(16)
const { kernels, u8, u32, dataView } = arena
const page = kernels.pageAlloc(1, 6) >>> 0

it('collectRows keeps the live rows of 0 … 130', () => {
  const rowBytes = 24
  const out = page + 65536
  for (let rowCount = 0; rowCount <= 130; rowCount++) {
    const expected: number[] = []
    for (let row = 0; row < rowCount; row++) {
      const isDead = (row * 7 + rowCount) % 3 === 0
      u8[page + row * rowBytes + 17] = isDead ? 1 : 0
      if (!isDead) expected.push(page + row * rowBytes)
    }
    const n = kernels.collectRows(page, rowCount, rowBytes, 17, out)
    expect([...u32.slice(out >>> 2, (out >>> 2) + n)]).toEqual(expected)
  }
})

it('directoryRehash keeps every entry within the range of its partition', () => {
  const [from, to] = [page + 131072, page + 196608]
  for (const levelShift of [0, 5]) {
    u8.fill(0, from, to + 65536)
    const expected = new Set<bigint>()
    for (let row = 0; row < 90; row++) {
      const address = page + row * 16
      const hash = BigInt.asUintN(64, BigInt(row) * 0x9e3779b97f4a7c15n)
      dataView.setBigUint64(address, hash, true)
      const entry = ((hash & 0xffffffffn) << 32n) | BigInt(address)
      dataView.setBigUint64(from + row * 8, entry, true)
      expected.add(entry)
    }
    kernels.directoryRehash(from, 128, to, 8, 2, levelShift)
    const found = new Set<bigint>()
    for (let slot = 0; slot < 256; slot++) {
      const entry = dataView.getBigUint64(to + slot * 8, true)
      if (entry === 0n) continue
      found.add(entry)
      const hash = dataView.getBigUint64(Number(entry & 0xffffffffn), true)
      expect(slot >> 6).toBe(Number(BigInt.asUintN(64, hash << BigInt(levelShift)) >> 62n))
    }
    expect(found).toEqual(expected)
  }
})

it('longBytesEqual sees a difference at any byte of 8 … 130', () => {
  const other = page + 4099
  for (let length = 8; length <= 130; length++) {
    for (let byte = 0; byte < length + 9; byte++) u8[page + byte] = u8[other + byte] = (byte * 31) % 251
    expect(kernels.longBytesEqual(page, other, length)).toBe(1)
    for (let byte = 0; byte <= length; byte++) {
      u8[other + byte] = (u8[other + byte] ?? 0) ^ 1
      expect(kernels.longBytesEqual(page, other, length)).toBe(byte === length ? 1 : 0)
      u8[other + byte] = (u8[other + byte] ?? 0) ^ 1
    }
  }
})
