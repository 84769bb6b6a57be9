/**
 * A group table driven like a sink drives it, for tests: random batches, refused pages, spilling, loading, splitting
 * and merging, with a group-by over a Map beside it.
 */
import { compileGroupBy, type GroupByExports, type GroupBySpec } from '@spillway/codegen'
import { isFloat, widthOf } from '@spillway/columnar'
import { createTestArena, type TestArena } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import {
  columnsOf,
  GroupByTwin,
  makeOutBatch,
  makeRandom,
  type Random,
  randomValue,
  readBatch,
  Scratch,
  type TestColumn,
  textOf,
  type Value,
  writeBatch,
} from './group-by-twin.ts'
import { KeyDictionaries } from './key-dictionaries.ts'
import { GroupTable, type PageSource, releaseChain, type RowChain } from './group-table.ts'

/** What is fed to a table, and how the table is made. */
export interface Case {
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
  readonly cacheBytes: number
  /** Most key columns of kind 0 are dictionary codes. */
  readonly coded: boolean
  /** Rows of more fields are treated by loops; undefined = as in queries. */
  readonly narrowMax: number | undefined
}

/** One table under test: fed with random batches, relieved when refused, merged and read at the end. */
export class Run {
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
  readonly #dictionaries: KeyDictionaries
  readonly input: Case
  /** How often a batch was summed by a kernel. */
  readonly sumCalls = { sumI32: 0, sumU32: 0, sumF64: 0, sumI64: 0 }
  refusing = true
  refusals = 0

  constructor(input: Case) {
    this.input = input
    this.random = makeRandom(input.seed)
    this.#dictionaries = new KeyDictionaries(this.arena, makeRandom(input.seed + 1))
    this.compiled = compileGroupBy(input.spec, input.narrowMax)
    const module = new WebAssembly.Module(this.compiled.bytes)
    const imports = {
      env: { memory: this.arena.memory },
      kernel: this.#countedKernels(),
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

  #countedKernels(): WebAssembly.ModuleImports {
    const counted = (name: 'sumI32' | 'sumU32' | 'sumF64') => (values: number, selection: number, rows: number) => {
      this.sumCalls[name]++
      return this.arena.kernels[name](values, selection, rows)
    }
    const sumI64 = (values: number, validity: number, selection: number, rows: number, target: number): void => {
      this.sumCalls.sumI64++
      this.arena.kernels.sumI64(values, validity, selection, rows, target)
    }
    const sums = { sumI32: counted('sumI32'), sumU32: counted('sumU32'), sumF64: counted('sumF64'), sumI64 }
    return { ...(this.arena.kernels as unknown as WebAssembly.ModuleImports), ...sums }
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
      codedKeys: this.input.spec.takesCodes
        ? this.input.spec.keys.map((key) => ({ column: key.column, width: widthOf(key.type) }))
        : [],
      stringColumns: this.compiled.stringColumns,
      cacheBytes: this.input.cacheBytes,
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
      if (kind === 0 && this.input.coded) this.#encodeKeys(batch, columns)
      this.finish(table.consume(batch, kind), table, relieve)
      this.twin.add(columns, selection, ordinal, kind)
    }
  }

  /** Now and then a key stays as it is, or all do. */
  #encodeKeys(batch: number, columns: readonly TestColumn[]): void {
    const share = this.random() < 0.1 ? 0 : 1
    for (const { column } of this.input.spec.keys) {
      const values = columns[column]
      if (values !== undefined && this.random() < share * 0.95) this.#dictionaries.encode(batch, column, values)
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
    for (const chain of chains) assert(table.absorbChain(chain) === 'done', 'all of a chain is absorbed')
    const { outputSchema, keyCount } = this.compiled
    for (const chain of chains) {
      table.forEachRowBlock(chain, 13, (rows, n) => {
        this.scratch.reset()
        const out = makeOutBatch(this.arena, this.scratch, outputSchema, n)
        assert(this.exports.emit(rows, n, out) === 0, 'no sum overflows')
        const columns = readBatch(this.arena, out, outputSchema)
        for (let row = 0; row < n; row++) {
          const values = columns.map((entry) => entry.values[row] ?? null)
          const text = values.slice(0, keyCount).map(textOf).join('|')
          assert(!results.has(text), `group ${text} comes once`)
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
    assert(this.used() === this.usedAtStart, 'all pages were given back')
    return results
  }
}

/** Runs a case to its end and compares all groups with the twin's. */
export function check(input: Case): Run & { table: GroupTable } {
  const run = new Run(input)
  const table = run.table(input.partitionBits, 0, input.maxCapacityBits)
  if (input.spec.keys.length === 0) run.finish(table.ensureSingle(), table, () => {})
  run.feed(table)
  const expected = run.twin.results()
  const actual = run.results(table)
  const missing = [...expected.keys()].filter((text) => !actual.has(text))
  const extra = [...actual.keys()].filter((text) => !expected.has(text))
  assert(missing.length + extra.length === 0, `groups agree; missing: ${missing}, not expected: ${extra}`)
  for (const [text, values] of expected) {
    values.forEach((value, index) => {
      const aggregate = input.spec.aggregates[index]
      const got = actual.get(text)?.[index]
      const label = `${aggregate?.function} of ${aggregate?.type?.kind} in group ${text}, seed ${input.seed}`
      const rounded =
        aggregate?.function === 'mean' || (aggregate?.function === 'sum' && isFloat(aggregate.type ?? { kind: 'null' }))
      if (rounded && typeof value === 'number' && Number.isFinite(value)) {
        const difference = Math.abs(Number(got) - value)
        assert(difference <= 1e-9 * Math.max(1, Math.abs(value)), `${label}: ${got} is about ${value}`)
      } else assert(textOf(got) === textOf(value), `${label}: ${textOf(got)} is ${textOf(value)}`)
    })
  }
  return Object.assign(run, { table })
}

export const base = {
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
  cacheBytes: Number.POSITIVE_INFINITY,
  coded: false,
  narrowMax: undefined,
}
