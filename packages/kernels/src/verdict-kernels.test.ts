/** Conditions on codes against plain loops, for all lengths 0 … 130, few and many codes, nulls and selections. */
import { expect, it } from 'vitest'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(8)
const { kernels, u8, u32 } = arena
const u16 = new Uint16Array(u8.buffer)
const page = kernels.pageAlloc(1, 4) >>> 0
const [codes, validity, verdicts, selection, target] = [0, 1, 2, 3, 4].map((part) => page + part * 32_768) as [
  number,
  number,
  number,
  number,
  number,
]
let seed = 7
const random = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return (seed >>> 8) % limit
}
const wordsAt = (address: number, count: number): number[] => [...u32.slice(address >>> 2, (address >>> 2) + count)]

it.each([1, 2, 15, 16, 17, 200, 4096])('selects rows by the verdicts on %i codes', (codeCount) => {
  for (let length = 0; length <= 130; length++) {
    for (const [hasNulls, isSelected, nullVerdict] of [
      [false, false, 0],
      [false, true, 1],
      [true, false, 0],
      [true, true, 1],
    ] as const) {
      u8.fill(0xee, page, page + 5 * 32_768)
      for (let code = 0; code < codeCount; code++) u8[verdicts + code] = random(2)
      const rows = Array.from({ length }, (_, row) => row)
      for (const row of rows) {
        u16[(codes >>> 1) + row] = random(codeCount)
        u8[validity + row] = random(4) === 0 ? 0 : 1
      }
      const candidates = isSelected ? rows.filter(() => random(3) > 0) : rows
      // The result may overwrite the candidates.
      u32.set(candidates, selection >>> 2)
      const to = isSelected && length % 2 === 0 ? selection : target
      const expected = candidates.filter((row) =>
        hasNulls && u8[validity + row] === 0
          ? nullVerdict === 1
          : u8[verdicts + (u16[(codes >>> 1) + row] as number)] === 1,
      )
      const [flags, chosen] = [hasNulls ? validity : 0, isSelected ? selection : 0]
      const kept = kernels.selectByCodes(codes, flags, verdicts, codeCount, nullVerdict, chosen, candidates.length, to)
      expect(wordsAt(to, kept)).toEqual(expected)
      expect(u32[(to >>> 2) + Math.max(length, kept) + 4]).toBe(0xeeeeeeee)
    }
  }
})

it('marks selected rows', () => {
  for (let length = 0; length <= 130; length++) {
    const rows = Array.from({ length }, (_, row) => row).filter(() => random(2) === 0)
    u8.fill(0, target, target + 256)
    u32.set(rows, selection >>> 2)
    kernels.markVerdicts(selection, rows.length, target)
    expect([...u8.slice(target, target + 256)].flatMap((byte, row) => (byte === 1 ? [row] : []))).toEqual(rows)
  }
})
