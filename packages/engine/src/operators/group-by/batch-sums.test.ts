/** Sums without keys: kernels sum batches, narrow columns with nulls are left to a loop, and the answer is one. */
import type { DataType } from '@spillway/columnar'
import { describe, expect, it } from 'vitest'
import { makeSpec } from './group-by-twin.ts'
import { base, check } from './group-table-case.ts'

const operands: DataType[] = [
  { kind: 'int32' },
  { kind: 'uint32' },
  { kind: 'float64' },
  { kind: 'float32' },
  { kind: 'int64' },
  { kind: 'decimal', precision: 12, scale: 2 },
]

describe('sums and means without keys', () => {
  it('agree for all lengths 0 … 130, with and without a selection', () => {
    for (let rows = 0; rows <= 130; rows++) {
      for (const selected of [false, true]) {
        const spec = makeSpec([], operands, rows % 3 === 0)
        const { sumCalls } = check({ ...base, rows, batchRows: 130, nullShare: 0, selected, spec, seed: rows })
        // A sum and a mean of one column are one call, if they fit into a local; a batch of kind 1 feeds nUnique only.
        const { sumI32 } = sumCalls
        expect([0, 1]).toContain(sumI32)
        expect(sumCalls).toEqual({ sumI32, sumU32: sumI32, sumF64: sumI32, sumI64: 2 * sumI32 })
      }
    }
  }, 60_000)

  it('agree over batches with and without nulls', () => {
    for (let seed = 0; seed < 8; seed++) {
      const spec = makeSpec([], operands, true)
      const { sumCalls } = check({ ...base, rows: 2000, batchRows: 100, selected: seed % 2 === 0, spec, seed })
      expect(sumCalls.sumI32).toBeGreaterThan(0)
      expect(sumCalls.sumI32).toBeLessThan(16)
      expect(sumCalls.sumI64).toBeGreaterThan(sumCalls.sumI32)
    }
  })

  it('are not summed by kernels beside strings that may stop a batch half-way', () => {
    let refusals = 0
    for (let seed = 0; seed < 8; seed++) {
      const spec = makeSpec([], [...operands, { kind: 'utf8' }], false)
      const run = check({ ...base, rows: 600, nullShare: 0, refusals: 0.5, spec, seed })
      expect(run.sumCalls).toEqual({ sumI32: 0, sumU32: 0, sumF64: 0, sumI64: 0 })
      refusals += run.refusals
    }
    expect(refusals).toBeGreaterThan(0)
  })
})
