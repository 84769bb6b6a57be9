/**
 * GroupTable and the code behind it against a group-by over a Map: every key type and aggregate, refused pages at any
 * point, spilling, loading, splitting and merging.
 */
import { compileGroupBy, type GroupByExports, type GroupBySpec, rowsPerPage } from '@spillway/codegen'
import { type DataType, isFloat, type Schema } from '@spillway/columnar'
import { createTestArena, type TestArena } from '@spillway/kernels'
import { describe, expect, it } from 'vitest'
import {
  columnsOf,
  GroupByTwin,
  makeOutBatch,
  makeRandom,
  makeSpec,
  type Random,
  randomValue,
  readBatch,
  Scratch,
  type TestColumn,
  textOf,
  types,
  type Value,
  writeBatch,
} from './group-by-twin.ts'
import { GroupTable, type PageSource, releaseChain, type RowChain } from './group-table.ts'
import { firstSlot } from './row-chain.ts'

interface Case {
  readonly spec: GroupBySpec
  readonly rows: number
  readonly batchRows: number
  readonly seed: number
  readonly nullShare: number
  readonly spread: number
  readonly selected: boolean
  readonly partitionBits: number
  readonly maxCapacityBits: number
  /** Probability that a page is refused. */
  readonly refusals: number
  /** Split each partition once more before merging. */
  readonly split: boolean
  readonly lookupWindowRows: number | undefined
}

class Run {
  readonly arena: TestArena = createTestArena(900)
  readonly scratch = new Scratch(this.arena, 60)
  readonly spillScratch = new Scratch(this.arena, 60)
  readonly random: Random
  readonly compiled
  readonly exports: GroupByExports
  readonly twin: GroupByTwin
  readonly spilled: TestColumn[][][]
  readonly pages: PageSource
  readonly usedAtStart: number
  readonly input: Case
  refusing = true
  refusals = 0

  constructor(input: Case) {
    this.input = input
    this.random = makeRandom(input.seed)
    this.compiled = compileGroupBy(input.spec)
    const module = new WebAssembly.Module(this.compiled.bytes)
    const imports = {
      env: { memory: this.arena.memory },
      kernel: this.arena.kernels as unknown as WebAssembly.ModuleImports,
    }
    this.exports = new WebAssembly.Instance(module, imports).exports as unknown as GroupByExports
    this.twin = new GroupByTwin(input.spec)
    this.spilled = Array.from({ length: 2 ** input.partitionBits }, () => [])
    this.usedAtStart = this.used()
    this.pages = {
      take: (count) => {
        if (this.refusing && this.random() < this.input.refusals) return 0
        return this.arena.kernels.pageAlloc(9, count) >>> 0
      },
      give: (address, count) => this.arena.kernels.pageFree(address, count),
    }
  }

  used(): number {
    return this.arena.kernels.ownerPages(9)
  }

  table(partitionBits: number, levelShift: number, maxCapacityBits: number): GroupTable {
    const sizes = {
      partitionBits,
      initialCapacityBits: partitionBits + 1,
      maxCapacityBits: Math.max(partitionBits + 1, maxCapacityBits),
      batchRows: Math.max(this.input.batchRows, 16),
    }
    return new GroupTable({
      ...sizes,
      memory: this.arena.memory,
      kernels: this.arena.kernels,
      exports: this.exports,
      layout: this.compiled.layout,
      pages: this.pages,
      workspace: this.arena.kernels.pageAlloc(8, Math.ceil(GroupTable.workspaceBytes(sizes) / 65536)) >>> 0,
      levelShift,
      keyCount: this.compiled.keyCount,
      lookupWindowRows: this.input.lookupWindowRows,
    })
  }

  /** Runs a job to its end; `relieve` makes room after each refusal. */
  finish(status: 'done' | 'refused', table: GroupTable, relieve: () => void): void {
    let now = status
    while (now === 'refused') {
      this.refusals++
      relieve()
      now = table.resume()
    }
  }

  spill(table: GroupTable, partition: number): void {
    const chain = table.takePartition(partition)
    table.forEachRowBlock(chain, 16, (rows, n) => {
      this.spillScratch.reset()
      const out = makeOutBatch(this.arena, this.spillScratch, this.compiled.spillSchema, n)
      this.exports.spillRows(rows, n, out)
      this.spilled[partition]?.push(readBatch(this.arena, out, this.compiled.spillSchema))
    })
    releaseChain(this.arena.kernels, this.pages, chain)
  }

  feed(table: GroupTable): void {
    const { spec, rows, batchRows, nullShare, spread, selected } = this.input
    const relieve = () => {
      const partition =
        this.random() < 0.5 ? table.largestPartition() : Math.floor(this.random() * table.partitionCount)
      if (partition >= 0) this.spill(table, partition)
    }
    for (let start = 0, sequence = 5n; start < rows; start += batchRows, sequence--) {
      const count = Math.min(batchRows, rows - start)
      const kind = this.random() < 0.2 ? 1 : 0
      const operands = columnsOf(spec).slice(0, columnsOf(spec).length - spec.keys.length)
      const keyTypes = spec.keys.map((key) => key.type)
      const batchTypes = kind === 0 ? [...operands, ...keyTypes] : [...keyTypes, operands[0] ?? { kind: 'int32' }]
      // Now and then a batch without nulls, so that both variants run over the same rows.
      const share = this.random() < 0.3 ? 0 : nullShare
      const columns = batchTypes.map(
        (type): TestColumn => ({
          type,
          values: Array.from({ length: count }, () => randomValue(type, this.random, share, spread)),
        }),
      )
      const selection = selected
        ? Array.from({ length: count }, (_, row) => row).filter(() => this.random() < 0.7)
        : undefined
      const ordinal = (sequence + 100000n) << 32n
      this.scratch.reset()
      const batch = writeBatch(this.arena, this.scratch, columns, selection, ordinal)
      this.finish(table.consume(batch, kind), table, relieve)
      this.twin.add(columns, selection, ordinal, kind)
    }
  }

  /** Loads what was spilled of a partition as a chain. */
  reload(partition: number): RowChain {
    const table = this.table(0, 0, 4)
    for (const columns of this.spilled[partition] ?? []) {
      this.scratch.reset()
      const batch = writeBatch(this.arena, this.scratch, columns, undefined, 0n)
      this.finish(table.loadBatch(batch), table, () => {})
    }
    return table.takePartition(0)
  }

  /** Merges chains of one partition and collects its groups. */
  merge(chains: readonly RowChain[], results: Map<string, Value[]>): void {
    const table = this.table(0, 7, 16)
    for (const chain of chains) expect(table.absorbChain(chain)).toBe('done')
    const { outputSchema, keyCount } = this.compiled
    for (const chain of chains) {
      table.forEachRowBlock(chain, 13, (rows, n) => {
        this.scratch.reset()
        const out = makeOutBatch(this.arena, this.scratch, outputSchema, n)
        expect(this.exports.emit(rows, n, out)).toBe(0)
        const columns = readBatch(this.arena, out, outputSchema)
        for (let row = 0; row < n; row++) {
          const values = columns.map((entry) => entry.values[row] ?? null)
          const text = values.slice(0, keyCount).map(textOf).join('|')
          expect(results.has(text), `group ${text} comes once`).toBe(false)
          results.set(text, values.slice(keyCount))
        }
      })
    }
  }

  split(chain: RowChain): RowChain[] {
    const table = this.table(2, this.input.partitionBits, 4)
    this.finish(table.transferChain(chain), table, () => {})
    releaseChain(this.arena.kernels, this.pages, chain)
    return [0, 1, 2, 3].map((partition) => table.takePartition(partition))
  }

  results(table: GroupTable): Map<string, Value[]> {
    const results = new Map<string, Value[]>()
    for (let partition = 0; partition < table.partitionCount; partition++) {
      const chains = [table.takePartition(partition), this.reload(partition)]
      const groups = this.input.split
        ? chains
            .map((chain) => this.split(chain))
            .reduce<RowChain[][]>((sum, parts) => parts.map((part, i) => [...(sum[i] ?? []), part]), [])
        : [chains]
      for (const group of groups) {
        this.merge(group, results)
        for (const chain of group) releaseChain(this.arena.kernels, this.pages, chain)
      }
    }
    table.close()
    expect(this.used()).toBe(this.usedAtStart)
    return results
  }
}

function check(input: Case): Run & { table: GroupTable } {
  const run = new Run(input)
  const table = run.table(input.partitionBits, 0, input.maxCapacityBits)
  if (input.spec.keys.length === 0) run.finish(table.ensureSingle(), table, () => {})
  run.feed(table)
  const expected = run.twin.results()
  const actual = run.results(table)
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort())
  for (const [text, values] of expected) {
    values.forEach((value, index) => {
      const aggregate = input.spec.aggregates[index]
      const got = actual.get(text)?.[index]
      const label = `${aggregate?.function} of ${aggregate?.type?.kind} in group ${text}, seed ${input.seed}`
      const rounded =
        aggregate?.function === 'mean' || (aggregate?.function === 'sum' && isFloat(aggregate.type ?? { kind: 'null' }))
      if (rounded && typeof value === 'number' && Number.isFinite(value)) {
        expect(Math.abs(Number(got) - value), label).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(value)))
      } else expect(textOf(got), label).toBe(textOf(value))
    })
  }
  return Object.assign(run, { table })
}

const base = {
  rows: 300,
  batchRows: 64,
  seed: 1,
  nullShare: 0.2,
  spread: 40,
  selected: false,
  partitionBits: 2,
  maxCapacityBits: 10,
  refusals: 0,
  split: false,
  lookupWindowRows: undefined,
}
const int32: DataType = { kind: 'int32' }
const utf8: DataType = { kind: 'utf8' }
const small: DataType[] = [{ kind: 'int16' }, { kind: 'float64' }, { kind: 'utf8' }]

describe('GroupTable', () => {
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
      spec: { input, keys: [key], aggregates: [aggregate], hashMask: undefined },
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
    const slots = rowsPerPage(run.compiled.layout)
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
    const run = new Run({ ...base, spec: { input, keys: [], aggregates, hashMask: undefined } })
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
