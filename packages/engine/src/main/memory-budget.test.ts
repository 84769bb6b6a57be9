/** What heaps may take beyond their floors follows the limit, and never makes a larger limit worth less. */
import { expect, it } from 'vitest'
import { budgetPages, growthBytes, heapSlackBytes } from './memory-budget.ts'

it('gives heaps slack where memory is plenty, at no smaller a budget', () => {
  expect(heapSlackBytes(0)).toBe(0)
  expect(heapSlackBytes(1e9)).toBe(0)
  expect(heapSlackBytes(1.5e9)).toBe(10e6)
  expect(heapSlackBytes(64e9)).toBe(24e6)
  for (const threads of [1, 8, 32]) {
    let before = Number.NEGATIVE_INFINITY
    for (let limitBytes = 0.1e9; limitBytes < 4e9; limitBytes += 1e7) {
      const facts = { limitBytes, threads, encoderHeapBytesPerWorker: 0 }
      const pages = budgetPages(growthBytes(facts), limitBytes)
      expect(pages).toBeGreaterThanOrEqual(before)
      before = pages
    }
  }
})
