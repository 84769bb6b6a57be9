/**
 * Rows of generated code, ordered by the kernels, against rows ordered by a plain comparison of their values: all
 * types, directions and null orders, all lengths 0 … 130, with and without selection. Then back to columns, both ways.
 */
import { type DataType, descriptor, makeSchema, type Schema } from '@spillway/columnar'
import { createTestArena, SORT_ENTRY_BYTES, SORT_HISTOGRAM_BYTES } from '@spillway/kernels'
import { beforeEach, describe, expect, it } from 'vitest'
import { ArenaRoom, type CellValue, makeBatch, makeEmptyBatch, readColumn } from '../expr/arena-batch.ts'
import {
  LOCAL_HEADER_BYTES,
  localStore,
  PARTITION_BYTES,
  partitionStore,
  stopReason,
} from '../rows/row-store-layout.ts'
import { compileSort } from './compile-sort.ts'
import { leastFirstWord } from './first-word.ts'
import type { SortExports, SortKeyColumn, SortSpec } from './sort-spec.ts'

const arena = createTestArena(600)
const { kernels, u8, u32, dataView } = arena

let seed = 7
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}

const samples: readonly (readonly [DataType, readonly CellValue[]])[] = [
  [{ kind: 'boolean' }, [true, false]],
  [{ kind: 'int8' }, [-128, -1, 0, 1, 127]],
  [{ kind: 'uint8' }, [0, 1, 127, 128, 255]],
  [{ kind: 'int16' }, [-32768, -1, 0, 300, 32767]],
  [{ kind: 'uint16' }, [0, 255, 256, 65535]],
  [{ kind: 'int32' }, [-(2 ** 31), -1, 0, 1, 2 ** 31 - 1]],
  [{ kind: 'uint32' }, [0, 1, 2 ** 31, 2 ** 32 - 1]],
  [{ kind: 'int64' }, [-(2n ** 63n), -1n, 0n, 1n, 2n ** 40n, 2n ** 63n - 1n]],
  [{ kind: 'uint64' }, [0n, 1n, 2n ** 63n, 2n ** 64n - 1n]],
  [{ kind: 'float32' }, [Number.NaN, Number.NEGATIVE_INFINITY, -1.5, -0, 0, 2 ** -140, 7, Number.POSITIVE_INFINITY]],
  [{ kind: 'float64' }, [Number.NaN, Number.NEGATIVE_INFINITY, -1.5, -0, 0, 5e-324, 1e300, Number.POSITIVE_INFINITY]],
  [{ kind: 'date' }, [-719162, -1, 0, 20000]],
  [{ kind: 'timestamp', unit: 'us', timezone: undefined }, [-1n, 0n, 1n << 50n]],
  [{ kind: 'decimal', precision: 12, scale: 2 }, [-(10n ** 12n), -1n, 0n, 99n]],
  [{ kind: 'decimal', precision: 38, scale: 2 }, [-(10n ** 37n), -1n, 0n, 1n << 64n, 10n ** 37n]],
  [
    { kind: 'utf8' },
    [
      '',
      'a',
      'a\0',
      'ab',
      'b',
      'twelve bytes',
      'twelve bytes\0',
      'twelve bytes and',
      'twelve bytes or',
      'ä',
      '\u{10ffff}',
    ],
  ],
  [{ kind: 'null' }, [null]],
]
const types = samples.map(([type]) => type)

const isFloatKind = (type: DataType): boolean => type.kind.startsWith('float')
const keyWordsOf = (spec: SortSpec): number => compileSort(spec).layout.keyWords
/** A cell as the statistics of a file give it. */
const asBound = (cell: CellValue): bigint | Uint8Array =>
  typeof cell === 'string' ? Buffer.from(cell) : BigInt(cell as bigint)

function order(a: CellValue, b: CellValue): number {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  const [x, y] = [a as number, b as number]
  return x < y ? -1 : x > y ? 1 : 0
}

type Columns = readonly (readonly CellValue[])[]

const compareTwin = (columns: Columns, keys: readonly SortKeyColumn[], a: number, b: number): number =>
  compareKeys(columns, keys, a, b) || a - b

function compareKeys(columns: Columns, keys: readonly SortKeyColumn[], a: number, b: number): number {
  for (const { column, descending, nullsLast } of keys) {
    const [x, y] = [columns[column]?.[a] as CellValue, columns[column]?.[b] as CellValue]
    if (x === null && y === null) continue
    if (x === null || y === null) return (x === null) === nullsLast ? 1 : -1
    const result = order(x, y)
    if (result !== 0) return descending ? -result : result
  }
  return 0
}

/** Of the tests that run: more columns and keys are treated by loops. */
let narrowMax: number | undefined
const instances = new Map<string, SortExports>()
function exportsOf(spec: SortSpec): SortExports {
  const { key: shape, bytes } = compileSort(spec, narrowMax)
  const key = `${shape} ${narrowMax}`
  const known = instances.get(key)
  if (known !== undefined) return known
  const imports = { env: { memory: arena.memory } }
  const made = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports as unknown as SortExports
  instances.set(key, made)
  return made
}

/** A row store with one partition of fixed room; says no when it is used up. */
function makeStore(room: ArenaRoom, rowBytes: number, rowCount: number, heapBytes: number): number {
  const store = room.take(LOCAL_HEADER_BYTES + PARTITION_BYTES)
  u8.fill(0, store, store + LOCAL_HEADER_BYTES + PARTITION_BYTES)
  const part = store + LOCAL_HEADER_BYTES
  const rows = room.take(rowBytes * rowCount)
  const heap = room.take(heapBytes)
  dataView.setUint32(part + partitionStore.rowCursor, rows, true)
  dataView.setUint32(part + partitionStore.rowEnd, rows + rowBytes * rowCount, true)
  dataView.setUint32(part + partitionStore.heapCursor, heap, true)
  dataView.setUint32(part + partitionStore.heapEnd, heap + heapBytes, true)
  return store
}

interface Made {
  readonly spec: SortSpec
  readonly columns: Columns
  /** Rows that count. */
  readonly selection: readonly number[]
}

/** Appends, sorts by the kernels, and checks order, spilled columns, loaded rows and final columns. */
function check({ spec, columns, selection }: Made, rowCount: number, isSelected: boolean): void {
  const room = new ArenaRoom(arena)
  const { append, load, spillRows, emitRows } = exportsOf(spec)
  const { layout, spillSchema, outputSchema } = compileSort(spec)
  const table = room.take(layout.order.byteLength)
  u32.set(layout.order, table >>> 2)
  const batch = makeBatch(room, spec.input, columns, rowCount, isSelected ? selection : undefined)
  dataView.setBigUint64(batch + descriptor.ordinal, 5n << 32n, true)
  const store = makeStore(room, layout.rowBytes, rowCount + 1, 64 * 11 * (rowCount + 1))
  const first = dataView.getUint32(store + LOCAL_HEADER_BYTES + partitionStore.rowCursor, true)
  expect(append(batch, store, 0)).toBe(selection.length)
  expect(dataView.getUint32(store + LOCAL_HEADER_BYTES + partitionStore.rowCount, true)).toBe(selection.length)

  const n = selection.length
  const entries = room.take(n * SORT_ENTRY_BYTES)
  const scratch = room.take(n * SORT_ENTRY_BYTES)
  const sortRows = (rows: number): number => {
    kernels.fillSortEntries(rows, n, layout.rowBytes, entries)
    kernels.sortEntries(entries, scratch, n, room.take(SORT_HISTOGRAM_BYTES), table)
    const addresses = room.take(n * 4)
    for (let index = 0; index < n; index++) {
      dataView.setUint32(addresses + index * 4, dataView.getUint32(entries + index * 16 + 8, true), true)
    }
    return addresses
  }
  const expected = [...selection].sort((a, b) => compareTwin(columns, spec.keys, a, b))
  const cells = (column: number) => expected.map((row) => columns[column]?.[row] ?? null)

  const sorted = sortRows(first)
  const spilled = makeEmptyBatch(
    room,
    spillSchema.fields.map(({ type }) => type),
    n,
    64,
  )
  spillRows(sorted, n, spilled)
  expect(readColumn(arena, spilled, 0, { kind: 'uint64' })).toEqual(expected.map((row) => (5n << 32n) | BigInt(row)))
  spec.input.fields.forEach(({ type }, column) => {
    expect(readColumn(arena, spilled, column + 1, type)).toEqual(cells(column))
  })

  // Loaded again, they sort the same whatever their order.
  const loaded = room.take(layout.rowBytes * n)
  load(spilled, loaded)
  const again = sortRows(loaded)
  const out = makeEmptyBatch(
    room,
    outputSchema.fields.map(({ type }) => type),
    n,
    64,
  )
  emitRows(again, n, out)
  outputSchema.fields.forEach(({ type }, column) => {
    expect(readColumn(arena, out, column, type)).toEqual(cells(column))
  })
  room.release()
}

/** The words of a row's key, and its value, at a bound: which rows selectBelow lists, and what keep copies. */
function checkBounds({ spec, columns, selection }: Made, rowCount: number): void {
  const room = new ArenaRoom(arena)
  const { append, keep, selectBelow, spillRows } = exportsOf(spec)
  const { layout, spillSchema } = compileSort(spec)
  const batch = makeBatch(room, spec.input, columns, rowCount, selection)
  const store = makeStore(room, layout.rowBytes, rowCount + 1, 64 * 11 * (rowCount + 1))
  const first = dataView.getUint32(store + LOCAL_HEADER_BYTES + partitionStore.rowCursor, true)
  append(batch, store, 0)
  const hasText = spec.keys.some(({ column }) => types[column]?.kind === 'utf8')
  const out = room.take(rowCount * 4)
  selection.forEach((row, index) => {
    const bound = first + index * layout.rowBytes
    for (const keepsTies of [0, 1]) {
      const n = selectBelow(batch, bound, out, keepsTies)
      const found = Array.from({ length: n }, (_, k) => dataView.getUint32(out + k * 4, true))
      const expected = selection.filter((other) => {
        const result = compareKeys(columns, spec.keys, other, row)
        return result === 0 ? keepsTies === 1 : result < 0
      })
      if (!hasText) expect(found).toEqual(expected)
      else expect(expected.filter((other) => !found.includes(other))).toEqual([])
    }
  })
  const entries = room.take(selection.length * SORT_ENTRY_BYTES)
  kernels.fillSortEntries(first, selection.length, layout.rowBytes, entries)
  const other = makeStore(room, layout.rowBytes, rowCount + 1, 64 * 11 * (rowCount + 1))
  const copy = dataView.getUint32(other + LOCAL_HEADER_BYTES + partitionStore.rowCursor, true)
  expect(keep(entries, selection.length, other, 0)).toBe(selection.length)
  const addresses = room.take(rowCount * 4)
  selection.forEach((_, index) => {
    dataView.setUint32(addresses + index * 4, copy + index * layout.rowBytes, true)
  })
  const spilled = makeEmptyBatch(
    room,
    spillSchema.fields.map(({ type }) => type),
    rowCount,
    64,
  )
  // The copies do not point to the rows they were made of.
  u8.fill(0xdb, first, first + selection.length * layout.rowBytes)
  spillRows(addresses, selection.length, spilled)
  spec.input.fields.forEach(({ type }, column) => {
    const expected = selection.map((row) => columns[column]?.[row] ?? null)
    expect(readColumn(arena, spilled, column + 1, type)).toEqual(expected)
  })
  room.release()
}

function makeColumns(rowCount: number, nullShare: number): Columns {
  return samples.map(([type, values]) =>
    Array.from({ length: rowCount }, () =>
      type.kind === 'null' || random(100) < nullShare ? null : (values[random(values.length)] as CellValue),
    ),
  )
}

const schemaOf = (nullable: boolean): Schema =>
  makeSchema(types.map((type, index) => ({ name: `c${index}`, type, nullable: nullable || type.kind === 'null' })))

describe.each([
  ['with code per column', undefined],
  ['with loops over columns', 2],
])('sort rows %s', (_way, fewest) => {
  beforeEach(() => {
    narrowMax = fewest
  })

  for (const [index, type] of types.entries()) {
    it(`one key of type ${type.kind}`, () => {
      for (const nullable of [false, true]) {
        for (const [descending, nullsLast] of [
          [false, false],
          [true, false],
          [false, true],
          [true, true],
        ] as const) {
          const spec = {
            input: schemaOf(nullable),
            outputCount: types.length,
            keys: [{ column: index, descending, nullsLast }],
          }
          const columns = makeColumns(60, nullable ? 25 : 0)
          check({ spec, columns, selection: Array.from({ length: 60 }, (_, row) => row) }, 60, false)
        }
      }
    })
  }

  it('several keys, all lengths, with and without nulls and selection', () => {
    for (let rowCount = 0; rowCount <= 130; rowCount++) {
      const nullable = rowCount % 2 === 0
      const keys = Array.from({ length: 1 + (rowCount % 4) }, (_, index) => ({
        // One of a few shapes, so that modules are compiled once.
        column: ((rowCount % 13) * 5 + index * 7) % types.length,
        descending: (rowCount % 13) % 2 === 1,
        nullsLast: index % 2 === 1,
      }))
      const spec = { input: schemaOf(nullable), outputCount: types.length - 3, keys }
      const columns = makeColumns(rowCount, nullable ? (rowCount % 3) * 20 : 0)
      const isSelected = rowCount % 3 === 1
      const all = Array.from({ length: rowCount }, (_, row) => row)
      const selection = isSelected ? all.filter(() => random(3) > 0) : all
      check({ spec, columns, selection }, rowCount, isSelected)
    }
  })

  it('selects rows below a bound, and keeps some', () => {
    for (const [index] of types.entries()) {
      for (const descending of [false, true]) {
        const keys = [
          { column: index, descending, nullsLast: descending },
          { column: (index + 5) % types.length, descending: !descending, nullsLast: false },
        ]
        const spec = { input: schemaOf(true), outputCount: types.length, keys }
        const selection = Array.from({ length: 40 }, (_, row) => row).filter(() => random(4) > 0)
        checkBounds({ spec, columns: makeColumns(40, 20), selection }, 40)
      }
    }
  })

  it('knows the least first word that rows within bounds can have', () => {
    for (const [column, [type]] of samples.entries()) {
      if (type.kind === 'null') continue
      for (const nullable of [false, true]) {
        for (const [descending, nullsLast] of [
          [false, false],
          [true, true],
          [false, true],
        ] as const) {
          const spec = { input: schemaOf(nullable), outputCount: 1, keys: [{ column, descending, nullsLast }] }
          const cells = makeColumns(30, nullable ? 20 : 0)
          const present = (cells[column] ?? []).filter((cell) => cell !== null)
          const numbers = present.filter((cell) => !Number.isNaN(cell)).sort(order)
          const bound = (cell: CellValue | undefined) =>
            cell === undefined ? undefined : typeof cell === 'boolean' || !isFloatKind(type) ? asBound(cell) : cell
          const least = leastFirstWord(spec, {
            min: bound(numbers[0]) as bigint | undefined,
            max: bound(numbers.at(-1)) as bigint | undefined,
            hasNull: (cells[column] ?? []).includes(null),
            hasValue: present.length > 0,
          })
          const room = new ArenaRoom(arena)
          const { rowBytes } = compileSort(spec).layout
          const store = makeStore(room, rowBytes, 30, 30_000)
          const first = dataView.getUint32(store + LOCAL_HEADER_BYTES + partitionStore.rowCursor, true)
          exportsOf(spec).append(makeBatch(room, spec.input, cells, 30, undefined), store, 0)
          const words = Array.from({ length: 30 }, (_, row) => dataView.getBigUint64(first + row * rowBytes, true))
          const found = words.sort((a, b) => (a < b ? -1 : 1))[0] as bigint
          expect(least <= found, `${type.kind} ${least} ${found}`).toBe(true)
          const isExact =
            type.kind !== 'utf8' && !(descending && isFloatKind(type)) && present.length === numbers.length
          // Nothing but the key stands in the word of a short value, so the bound is the word.
          if (isExact && keyWordsOf(spec) === 1) expect(least).toBe(found)
          room.release()
        }
      }
    }
  })

  it('stops for row pages and heap pages, and goes on', () => {
    const spec: SortSpec = {
      input: makeSchema([{ name: 's', type: { kind: 'utf8' }, nullable: false }]),
      outputCount: 1,
      keys: [{ column: 0, descending: false, nullsLast: false }],
    }
    const room = new ArenaRoom(arena)
    const { rowBytes } = compileSort(spec).layout
    const texts = ['a string that is long 1', 'short', 'a string that is long 2']
    const batch = makeBatch(room, spec.input, [texts], 3, undefined)
    const store = makeStore(room, rowBytes, 2, 30)
    const part = store + LOCAL_HEADER_BYTES
    const { append } = exportsOf(spec)
    expect(append(batch, store, 0)).toBe(2)
    expect(dataView.getUint32(store + localStore.stopReason, true)).toBe(stopReason.rowPage)
    dataView.setUint32(part + partitionStore.rowCursor, room.take(rowBytes), true)
    dataView.setUint32(part + partitionStore.rowEnd, dataView.getUint32(part, true) + 2 ** 30, true)
    expect(append(batch, store, 2)).toBe(2)
    expect(dataView.getUint32(store + localStore.stopReason, true)).toBe(stopReason.heapPages)
    expect(dataView.getUint32(store + localStore.stopPages, true)).toBe(1)
    room.release()
  })
})

it('keys of names alone are one module, directions are not', () => {
  const make = (name: string, descending: boolean) =>
    compileSort({
      input: makeSchema([{ name, type: { kind: 'int32' }, nullable: true }]),
      outputCount: 1,
      keys: [{ column: 0, descending, nullsLast: false }],
    })
  expect(make('b', false).key).toBe(make('a', false).key)
  expect(make('a', true).key).not.toBe(make('a', false).key)
})
