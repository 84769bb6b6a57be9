/** The kernels that touch memory: what they return is made of all that they should have read. */
import { expect, it } from 'vitest'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(16)
const { kernels, u8, u32, dataView } = arena
const page = kernels.pageAlloc(1, 6) >>> 0
const [rows, directory, heap] = [page + 65_536, page + 131_072, page + 196_608]
u8.forEach((_, index) => {
  if (index >= heap && index < heap + 65_536) u8[index] = (index * 89) % 251
})

it('touchSlots names the row of the home slot, or of the next one', () => {
  u8.fill(0, directory, directory + 64 * 8)
  const hashOf = (row: number): bigint => BigInt.asUintN(64, BigInt(row + 1) * 0x9e3779b97f4a7c15n)
  const entries = new Map<number, bigint>()
  for (let row = 0; row < 40; row++) {
    let slot = Number(BigInt.asUintN(64, hashOf(row) << 3n) >> 58n)
    while (entries.has(slot)) slot = (slot + 1) % 64
    const entry = (BigInt.asUintN(32, hashOf(row)) << 32n) | BigInt(1000 + row)
    entries.set(slot, entry)
    dataView.setBigUint64(directory + slot * 8, entry, true)
  }
  for (let count = 0; count <= 130; count++) {
    const stride = count % 2 === 0 ? 8 : 24
    for (let i = 0; i < count; i++) dataView.setBigUint64(page + i * stride, hashOf(i), true)
    u32.fill(7, rows >>> 2, (rows >>> 2) + 131)
    kernels.touchSlots(page, stride, Math.min(3, count), count, directory, 6, 3, rows)
    for (let i = 0; i < count; i++) {
      const slot = Number(BigInt.asUintN(64, hashOf(i) << 3n) >> 58n)
      const own = entries.get(slot) ?? 0n
      const entry = own >> 32n === BigInt.asUintN(32, hashOf(i)) ? own : entries.get(Math.min(slot + 1, 63))
      expect(u32[(rows >>> 2) + i]).toBe(i < 3 ? 7 : Number((entry ?? 0n) & 0xffffffffn))
    }
    expect(u32[(rows >>> 2) + count]).toBe(7)
  }
})

it('touchRows reads each line of 0 … 130 rows', () => {
  for (const rowBytes of [8, 24, 64, 68, 72, 200]) {
    for (let count = 0; count <= 130; count++) {
      let expected = 0
      for (let i = 0; i < count; i++) {
        const row = i % 5 === 4 ? 0 : heap + i * rowBytes
        u32[(rows >>> 2) + i] = row
        if (row === 0 || i === 0) continue
        expected ^= dataView.getUint32(row, true) ^ dataView.getUint32(row + rowBytes - 4, true)
        for (let at = 64; at < rowBytes - 4; at += 64) expected ^= dataView.getUint32(row + at, true)
      }
      expect(kernels.touchRows(rows, 1, count, rowBytes)).toBe(expected)
    }
  }
})

it('touchViews and touchRowStrings read each line of long strings, and no short ones', () => {
  const [views, validity, selection] = [page, page + 8192, page + 16_384]
  const stringSum = (index: number): number => {
    const length = (index * 37) % 400
    const address = heap + index * 100
    dataView.setUint32(views + index * 16, length, true)
    dataView.setUint32(views + index * 16 + 8, length > 12 ? address : 0xffffff00, true)
    if (length <= 12) return 0
    const touched = Math.min(length, 256)
    let sum = u8[address + touched - 1] ?? 0
    for (let at = 0; at < touched; at += 64) sum ^= u8[address + at] ?? 0
    return sum
  }
  for (let count = 0; count <= 130; count++) {
    let [all, valid, selected] = [0, 0, 0]
    for (let index = 0; index < count; index++) {
      const sum = stringSum(index)
      u8[validity + index] = index % 3 === 0 ? 0 : 1
      u32[(selection >>> 2) + index] = count - 1 - index
      u32[(rows >>> 2) + index] = index % 4 === 0 ? 0 : views + index * 16 - 6
      if (index % 4 !== 0) all ^= sum
      if (index % 3 !== 0) valid ^= sum
      if (index < count - 1) selected ^= sum
    }
    expect(kernels.touchRowStrings(rows, 0, count, 6)).toBe(all)
    expect(kernels.touchViews(views, validity, 0, 0, count)).toBe(valid)
    if (count > 0) expect(kernels.touchViews(views, 0, selection, 1, count)).toBe(selected)
  }
})
