/** Sums of columns against plain loops, for all lengths 0 … 130, with and without a selection. */
import { expect, test } from 'vitest'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(8)
const values = arena.kernels.pageAlloc(1, 1) >>> 0
const selection = arena.kernels.pageAlloc(1, 1) >>> 0
let seed = 1
const random = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return (seed >>> 8) % limit
}

/** Calls back with rows that count and the arguments that name them, for each length. */
function forEachLength(write: (row: number) => void, check: (rows: number[], pointer: number) => void): void {
  arena.u8.fill(0x7f, values, values + 65_536)
  for (let length = 0; length <= 130; length++) {
    const all = Array.from({ length }, (_, row) => row)
    for (const row of all) write(row)
    check(all, 0)
    const some = all.filter(() => random(3) > 0)
    for (const [k, row] of some.entries()) arena.dataView.setUint32(selection + k * 4, row, true)
    check(some, selection)
  }
}

const edges = [-(2 ** 31), 2 ** 31 - 1, -1, 0]

test('sumI32', () => {
  const own: number[] = []
  forEachLength(
    (row) => {
      own[row] = random(3) === 0 ? (edges[random(4)] as number) : random(2 ** 24) - 2 ** 23
      arena.dataView.setInt32(values + row * 4, own[row], true)
    },
    (rows, pointer) => {
      const expected = rows.reduce((sum, row) => sum + BigInt(own[row] as number), 0n)
      expect(arena.kernels.sumI32(values, pointer, rows.length)).toBe(expected)
    },
  )
})

test('sumU32', () => {
  const own: number[] = []
  forEachLength(
    (row) => {
      own[row] = random(3) === 0 ? 2 ** 32 - 1 - random(5) : random(2 ** 24) * 256
      arena.dataView.setUint32(values + row * 4, own[row], true)
    },
    (rows, pointer) => {
      const expected = rows.reduce((sum, row) => sum + BigInt(own[row] as number), 0n)
      expect(arena.kernels.sumU32(values, pointer, rows.length)).toBe(expected)
    },
  )
})

test('sumF64', () => {
  const own: number[] = []
  forEachLength(
    (row) => {
      own[row] = (random(2 ** 24) - 2 ** 23) / 1000
      arena.dataView.setFloat64(values + row * 8, own[row], true)
    },
    (rows, pointer) => {
      const expected = rows.reduce((sum, row) => sum + (own[row] as number), 0)
      const sizes = rows.reduce((sum, row) => sum + Math.abs(own[row] as number), 0)
      const sum = arena.kernels.sumF64(values, pointer, rows.length)
      expect(Math.abs(sum - expected)).toBeLessThanOrEqual(1e-12 * sizes)
    },
  )
})

test('sumF64 of infinities and NaN, at any place', () => {
  for (let at = 0; at < 20; at++) {
    for (let row = 0; row < 20; row++) arena.dataView.setFloat64(values + row * 8, row, true)
    arena.dataView.setFloat64(values + at * 8, Number.POSITIVE_INFINITY, true)
    expect(arena.kernels.sumF64(values, 0, 20)).toBe(Number.POSITIVE_INFINITY)
    arena.dataView.setFloat64(values + ((at + 7) % 20) * 8, Number.NEGATIVE_INFINITY, true)
    expect(arena.kernels.sumF64(values, 0, 20)).toBeNaN()
    arena.dataView.setFloat64(values + at * 8, Number.NaN, true)
    expect(arena.kernels.sumF64(values, 0, 20)).toBeNaN()
  }
})
