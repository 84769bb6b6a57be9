/**
 * GroupTable and the code behind it against a group-by over a Map: every key type and aggregate, refused pages at any
 * point, spilling, loading, splitting and merging.
 */
import { compileGroupBy, type GroupAggregate, type GroupBySpec, rowBlockPages, rowsPerBlock } from '@spillway/codegen'
import type { DataType, Schema } from '@spillway/columnar'
import { describe, expect, it } from 'vitest'
import { makeOutBatch, makeSpec, readBatch, type TestColumn, types, type Value, writeBatch } from './group-by-twin.ts'
import { base as narrow, check, Run } from './group-table-case.ts'
import { releaseChain, type RowChain } from './group-table.ts'
import { firstSlot } from './row-chain.ts'

const int32: DataType = { kind: 'int32' }
const utf8: DataType = { kind: 'utf8' }
const small: DataType[] = [{ kind: 'int16' }, { kind: 'float64' }, { kind: 'utf8' }]

/** So many sums of 16 bytes in a row, beside the aggregates that the twin expects. */
function sumsSpec(count: number, keyType: DataType): GroupBySpec {
  const type: DataType = { kind: 'decimal', precision: 10, scale: 2 }
  const spec = makeSpec([keyType], [type], true)
  const sums = Array.from({ length: count }, (_, index): GroupAggregate => {
    return { name: `s${index}`, function: 'sum', column: 0, type, nullable: true }
  })
  return { ...spec, aggregates: [...sums, ...spec.aggregates] }
}

describe('GroupTable with rows about as long as pages', () => {
  // With the other fields 4,085 sums are the last that fit in a page, 8,181 in two.
  it.each([4084, 4085, 4086, 8181, 8182])('of %i sums', (count) => {
    const spec = sumsSpec(count, count % 2 === 0 ? utf8 : int32)
    const { layout } = compileGroupBy(spec)
    expect(rowBlockPages(layout)).toBe(count <= 4085 ? 1 : count <= 8181 ? 2 : 3)
    const sizes = { rows: 30, batchRows: 9, spread: 8, partitionBits: 1 }
    check({ ...narrow, ...sizes, spec, seed: count, refusals: 0.3 })
  })
})

describe.each([
  ['with code per field', undefined],
  ['with loops over keys and fields', 0],
])('GroupTable %s', (_way, narrowMax) => {
  const base = { ...narrow, narrowMax }

  it.each(types.map((type) => [type.kind, type] as const))('groups by %s', (_, type) => {
    check({ ...base, spec: makeSpec([type], [int32], true) })
    check({ ...base, nullShare: 0, spec: makeSpec([type], [int32], false), seed: 2 })
  })

  it.each(types.map((type) => [type.kind, type] as const))('aggregates %s', (_, type) => {
    // Small groups keep sums of large uint64 values in range.
    const spread = type.kind === 'uint64' ? 2000 : 30
    check({ ...base, spread, rows: 400, spec: makeSpec([int32], [type], true), seed: 3 })
    check({ ...base, spread, rows: 400, nullShare: 0, spec: makeSpec([int32], [type], false), seed: 4 })
  })

  it('agrees on all lengths 0 … 130, with and without nulls and selection', () => {
    for (let rows = 0; rows <= 130; rows++) {
      const nullShare = rows % 2 === 0 ? 0.3 : 0
      check({
        ...base,
        rows,
        batchRows: 130,
        nullShare,
        selected: rows % 3 === 0,
        spec: makeSpec([utf8, int32], small, true),
        seed: rows,
      })
    }
  }, 60_000)

  it('takes batches of one row', () => {
    check({ ...base, rows: 100, batchRows: 1, spec: makeSpec([utf8], small, true) })
  })

  it('takes many keys of all types at once', () => {
    check({ ...base, spread: 4, spec: makeSpec(types, small, true), seed: 5 })
  })

  it('touches ahead what a table larger than the cache needs, all types, selections, nulls, any refusal', () => {
    for (let seed = 0; seed < 12; seed++) {
      const shape = {
        nullShare: seed % 2 === 0 ? 0.3 : 0,
        selected: seed % 3 === 0,
        refusals: seed % 4 === 0 ? 0.4 : 0,
      }
      const sizes = { rows: 1500, batchRows: 1100, spread: seed < 6 ? 30 : 1200, cacheBytes: seed % 5 === 0 ? 2000 : 0 }
      const spec = makeSpec(seed % 2 === 0 ? [utf8, int32] : [int32], seed < 8 ? small : types, true)
      const run = check({ ...base, ...shape, ...sizes, spec, seed })
      expect(run.table.touchedRows).toBeGreaterThan(seed % 5 === 0 ? 0 : 900)
    }
  }, 60_000)

  it.each([
    ['with strings among the states', small],
    ['without', [int32, { kind: 'float64' } as const]],
  ])(
    'survives refused pages at any point, spilling and loading, %s',
    (_, operands) => {
      let refusals = 0
      for (let seed = 0; seed < 16; seed++) {
        const spread = seed % 2 === 0 ? 40 : 5000
        const lookupWindowRows = seed % 3 === 0 ? 100 : undefined
        const spec = makeSpec([utf8, int32], operands, true)
        refusals += check({ ...base, rows: 600, spread, refusals: 0.5, lookupWindowRows, spec, seed }).refusals
      }
      expect(refusals).toBeGreaterThan(100)
    },
    60_000,
  )

  it('splits partitions on the next bits', () => {
    check({
      ...base,
      rows: 2000,
      spread: 3000,
      split: true,
      refusals: 0.3,
      spec: makeSpec([utf8], small, true),
      seed: 7,
    })
  })

  it('abandons ranges when the directory may not grow', () => {
    const run = check({
      ...base,
      rows: 2000,
      spread: 1000,
      maxCapacityBits: 4,
      spec: makeSpec([int32], small, true),
      seed: 8,
    })
    expect(run.table.abandonedRanges).toBeGreaterThan(10)
  })

  it('skips look-ups when nearly all keys are new', () => {
    const spec = makeSpec([int32], small, false)
    const run = check({ ...base, rows: 3000, spread: 1e6, nullShare: 0, lookupWindowRows: 200, spec, seed: 9 })
    expect(run.table.appendedRows).toBeGreaterThan(1000)
  })

  it.each([0n, 1n, 3n << 62n])('is right for hashes masked by %s', (mask) => {
    check({
      ...base,
      rows: 400,
      maxCapacityBits: 6,
      split: true,
      refusals: 0.2,
      spec: makeSpec([utf8], small, true, mask),
      seed: 10,
    })
  })

  it('aggregates without keys', () => {
    for (let seed = 0; seed < 12; seed++) {
      const rows = [0, 1, 64, 500][seed % 4] ?? 0
      const spec = makeSpec(
        [],
        [{ kind: 'int64' }, { kind: 'float64' }, utf8, { kind: 'decimal', precision: 20, scale: 3 }],
        true,
      )
      check({ ...base, rows, partitionBits: 0, refusals: 0.3, selected: seed % 3 === 0, spec, seed })
    }
  })

  it('merges only matching rows when frozen, and keeps their strings', () => {
    const input: Schema = { fields: ['k', 'v'].map((name) => ({ name, type: utf8, nullable: true })) }
    const key = { name: 'k', column: 0, type: utf8, nullable: true }
    const aggregate = { name: 'm', function: 'max', column: 1, type: utf8, nullable: true } as const
    const run = new Run({
      ...base,
      refusals: 0.3,
      spec: { input, keys: [key], aggregates: [aggregate], hashMask: undefined, takesCodes: false },
    })
    const chainOf = (keys: Value[], suffix: string): RowChain => {
      const table = run.table(0, 0, 6)
      const values = keys.map((text) => `long enough for the heap ${text} ${suffix}`)
      const batch = writeBatch(
        run.arena,
        run.scratch,
        [keys, values].map((column) => ({ type: utf8, values: column })),
        undefined,
        0n,
      )
      run.finish(table.consume(batch, 0), table, () => {})
      return table.takePartition(0)
    }
    const kept = chainOf(['a', 'b', null], '1')
    const late = chainOf(['b', 'c', null, 'd'], '2')
    const table = run.table(0, 0, 6)
    expect(table.absorbChain(kept)).toBe('done')
    table.freeze()
    run.finish(table.absorbChain(late), table, () => {})
    const read = (chain: RowChain): string[] => {
      const texts: string[] = []
      table.forEachRowBlock(chain, 8, (rows, n) => {
        const out = makeOutBatch(run.arena, run.scratch, run.compiled.outputSchema, n)
        expect(run.exports.emit(rows, n, out)).toBe(0)
        for (const value of readBatch(run.arena, out, run.compiled.outputSchema)[1]?.values ?? [])
          texts.push(String(value).slice(25))
      })
      return texts.sort()
    }
    expect(read(late)).toEqual(['c 2', 'd 2'])
    run.arena.kernels.chainFree(late.rowHead)
    run.arena.u8.fill(0xdb, late.heapHead, late.heapHead + 65536)
    expect(read(kept)).toEqual(['a 1', 'b 2', 'null 2'])
  })

  it('takes strings longer than a page', () => {
    const run = new Run({ ...base, refusals: 0.5, spec: makeSpec([utf8], [utf8], true) })
    const table = run.table(0, 0, 4)
    const long = ['a'.repeat(70_000), 'b'.repeat(140_000), null, 'b'.repeat(13)]
    const columns: TestColumn[] = [
      { type: utf8, values: [...long, ...long] },
      { type: utf8, values: [...long, ...long.slice().reverse()] },
    ]
    const batch = writeBatch(run.arena, run.scratch, columns, undefined, 0n)
    run.finish(table.consume(batch, 0), table, () => {})
    run.twin.add(columns, undefined, 0n, 0)
    const results = new Map<string, Value[]>()
    const chain = table.takePartition(0)
    run.merge([chain], results)
    expect(results).toEqual(run.twin.results())
    releaseChain(run.arena.kernels, run.pages, chain)
    expect(run.used()).toBe(run.usedAtStart)
  })

  it('fills the ring of a page wholly before it takes another one', () => {
    const run = new Run({ ...base, spec: makeSpec([int32], [int32], false) })
    const slots = rowsPerBlock(run.compiled.layout)
    const starts = new Set<number>()
    for (const extra of [0, 1, slots - 1]) {
      const rows = 4 * slots + extra
      const table = run.table(0, 0, 16)
      for (let from = 0; from < rows; from += 16) {
        run.scratch.reset()
        const values = Array.from({ length: Math.min(16, rows - from) }, (_, index) => from + index)
        const columns = [values, values].map((each) => ({ type: int32, values: each }))
        expect(table.consume(writeBatch(run.arena, run.scratch, columns, undefined, 0n), 0)).toBe('done')
      }
      const chain = table.takePartition(0)
      expect(chain.rowPages).toBe(Math.ceil(rows / slots))
      const addresses = new Set<number>()
      table.forEachRowBlock(chain, 16, (block, n) => {
        for (const address of run.arena.u32.slice(block >>> 2, (block >>> 2) + n)) {
          addresses.add(address)
          starts.add(address % 65536)
        }
      })
      expect(addresses.size).toBe(rows)
      expect(firstSlot(chain.rowHead, slots)).toBeLessThan(slots)
      table.close()
      releaseChain(run.arena.kernels, run.pages, chain)
    }
    expect(starts.size).toBe(slots)
    expect(run.used()).toBe(run.usedAtStart)
  })

  it('orders unsigned values as unsigned', () => {
    const type: DataType = { kind: 'uint64' }
    const input: Schema = { fields: [{ name: 'a', type, nullable: false }] }
    const aggregates = (['min', 'max'] as const).map((name) => ({
      name,
      function: name,
      column: 0,
      type,
      nullable: false,
    }))
    const run = new Run({ ...base, spec: { input, keys: [], aggregates, hashMask: undefined, takesCodes: false } })
    const table = run.table(0, 0, 4)
    const values = [7n, 2n ** 63n + 5n, 3n]
    table.consume(writeBatch(run.arena, run.scratch, [{ type, values }], undefined, 0n), 0)
    const results = new Map<string, Value[]>()
    run.merge([table.takePartition(0)], results)
    expect(results.get('')).toEqual([3n, 2n ** 63n + 5n])
  })

  it('reports the overflow of a sum with its aggregate', () => {
    const type: DataType = { kind: 'uint64' }
    const run = new Run({ ...base, spec: makeSpec([], [type], false) })
    const table = run.table(0, 0, 4)
    const values = [2n ** 64n - 1n, 2n]
    const batch = writeBatch(run.arena, run.scratch, [{ type, values }], undefined, 0n)
    expect(table.consume(batch, 0)).toBe('done')
    const chain = table.takePartition(0)
    table.forEachRowBlock(chain, 1, (rows, n) => {
      const out = makeOutBatch(run.arena, run.scratch, run.compiled.outputSchema, n)
      expect(run.exports.emit(rows, n, out)).toBe(1)
      const site = run.compiled.outputSchema.fields.findIndex((field) => field.name === 'sum0')
      expect([...run.arena.u32.slice((out + 24) >>> 2, (out + 36) >>> 2)]).toEqual([1, 0, site])
    })
  })
})
