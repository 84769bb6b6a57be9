/** Sums into 128 bits and counts against plain loops, for lengths 0 … 130, with and without nulls and selections. */
import { expect, test } from 'vitest'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(8)
const { dataView, kernels, u8 } = arena
const values = kernels.pageAlloc(1, 1) >>> 0
const selection = kernels.pageAlloc(1, 1) >>> 0
const validity = kernels.pageAlloc(1, 1) >>> 0
const target = kernels.pageAlloc(1, 1) >>> 0
let seed = 7
const random = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return (seed >>> 8) % limit
}
const word = (): bigint => {
  const edges = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 0xffff_ffffn, -0x1_0000_0000n]
  if (random(2) === 0) return edges[random(edges.length)] as bigint
  return BigInt.asIntN(64, (BigInt(random(2 ** 24)) << 40n) | (BigInt(random(2 ** 24)) << 16n) | BigInt(random(65536)))
}

/** Calls `check` with the rows that count, and the pointers that say so. */
function forEachCase(
  write: (row: number) => void,
  check: (rows: number[], flags: number, pointer: number, positions: number) => void,
): void {
  for (let length = 0; length <= 130; length++) {
    u8.fill(0x7f, values, values + 65_536)
    u8.fill(1, validity, validity + 65_536)
    const all = Array.from({ length }, (_, row) => row)
    for (const row of all) {
      write(row)
      u8[validity + row] = random(3) > 0 ? 1 : 0
    }
    const some = all.filter(() => random(3) > 0)
    for (const [k, row] of some.entries()) dataView.setUint32(selection + k * 4, row, true)
    const isValid = (row: number): boolean => u8[validity + row] === 1
    check(all, 0, 0, length)
    check(all.filter(isValid), validity, 0, length)
    check(some, 0, selection, some.length)
    check(some.filter(isValid), validity, selection, some.length)
  }
}

const readTarget = (): bigint => dataView.getBigUint64(target, true) | (dataView.getBigInt64(target + 8, true) << 64n)

function checkSums(name: 'sumI64' | 'sumU64' | 'sumI128', write: (row: number) => bigint): void {
  const own: bigint[] = []
  forEachCase(
    (row) => {
      own[row] = write(row)
    },
    (rows, flags, pointer, positions) => {
      const before = [word(), word()] as const
      dataView.setBigInt64(target, before[0], true)
      dataView.setBigInt64(target + 8, before[1], true)
      const start = readTarget()
      kernels[name](values, flags, pointer, positions, target)
      const sum = rows.reduce((total, row) => total + (own[row] as bigint), start)
      expect(BigInt.asIntN(128, readTarget())).toBe(BigInt.asIntN(128, sum))
    },
  )
}

test('sumI64', () =>
  checkSums('sumI64', (row) => {
    const value = word()
    dataView.setBigInt64(values + row * 8, value, true)
    return value
  }))

test('sumU64', () =>
  checkSums('sumU64', (row) => {
    const value = BigInt.asUintN(64, word())
    dataView.setBigUint64(values + row * 8, value, true)
    return value
  }))

test('sumI128', () =>
  checkSums('sumI128', (row) => {
    const [low, high] = [BigInt.asUintN(64, word()), word()]
    dataView.setBigUint64(values + row * 16, low, true)
    dataView.setBigInt64(values + row * 16 + 8, high, true)
    return (high << 64n) | low
  }))

test('sums of 8,192 extreme values', () => {
  for (const value of [2n ** 63n - 1n, -(2n ** 63n), -1n]) {
    for (let row = 0; row < 8192; row++) dataView.setBigInt64(values + row * 8, value, true)
    u8.fill(0, target, target + 16)
    kernels.sumI64(values, 0, 0, 8192, target)
    expect(readTarget()).toBe(value * 8192n)
    u8.fill(0, target, target + 16)
    kernels.sumU64(values, 0, 0, 8192, target)
    expect(readTarget()).toBe(BigInt.asUintN(64, value) * 8192n)
  }
})

test('countValid', () =>
  forEachCase(
    () => {},
    (rows, flags, pointer, positions) => expect(kernels.countValid(flags, pointer, positions)).toBe(rows.length),
  ))
