/**
 * The generated modules of a join against a plain twin: rows appended, spilled and loaded, linked both ways, and probed
 * with batches of all lengths 0 … 130, with and without nulls and selections.
 */
import { COLUMN_BYTES, column, type DataType, DESCRIPTOR_HEADER_BYTES, descriptor, widthOf } from '@spillway/columnar'
import { createTestArena, PAGE_BYTES } from '@spillway/kernels'
import { describe, expect, it } from 'vitest'
import {
  joinStore,
  KEY_RANGE_BYTES,
  KEY_RANGES_MAX,
  LOCAL_HEADER_BYTES,
  localStore,
  PARTITION_BYTES,
  partitionStore,
} from '../rows/row-store-layout.ts'
import { rowsPerBlock } from '../rows/row-layout.ts'
import { compileJoinProbe } from './join-probe.ts'
import { compileJoinRows } from './join-rows.ts'
import type { JoinColumn, JoinProbeExports, JoinRowsExports } from './join-spec.ts'

type Value = bigint | number | string | null

const arena = createTestArena(256)
const { kernels, u8, u32, dataView, memory } = arena
const base = kernels.pageAlloc(1, 240) >>> 0
const page = (index: number): number => base + index * PAGE_BYTES

function instantiate<T>(bytes: Uint8Array<ArrayBuffer>): T {
  const imports = { env: { memory }, kernel: kernels as unknown as WebAssembly.ModuleImports }
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports as unknown as T
}

/** Writes a value; long strings go to the heap at `cursor`. */
let heap = 0
function writeValue(type: DataType, address: number, value: Value): void {
  const width = widthOf(type)
  u8.fill(0, address, address + width)
  if (value === null) return
  if (typeof value === 'string') {
    const text = new TextEncoder().encode(value)
    dataView.setUint32(address, text.length, true)
    if (text.length <= 12) u8.set(text, address + 4)
    else {
      u8.set(text, heap)
      u8.set(text.subarray(0, 4), address + 4)
      dataView.setUint32(address + 8, heap, true)
      heap += text.length
    }
  } else if (type.kind === 'float64') dataView.setFloat64(address, Number(value), true)
  else if (width === 8) dataView.setBigInt64(address, BigInt(value), true)
  else if (width === 4) dataView.setInt32(address, Number(value), true)
  else dataView.setInt8(address, Number(value))
}

function readValue(type: DataType, address: number): Value {
  if (type.kind === 'utf8') {
    const length = dataView.getUint32(address, true)
    const start = length <= 12 ? address + 4 : dataView.getUint32(address + 8, true)
    return new TextDecoder().decode(u8.slice(start, start + length))
  }
  if (type.kind === 'float64') return dataView.getFloat64(address, true)
  if (widthOf(type) === 8) return dataView.getBigInt64(address, true)
  return widthOf(type) === 4 ? dataView.getInt32(address, true) : dataView.getInt8(address)
}

/** A batch at a page of its own: columns of values, nulls only where there are some. */
function writeBatch(at: number, types: readonly DataType[], rows: readonly (readonly Value[])[]): number {
  u8.fill(0, at, at + DESCRIPTOR_HEADER_BYTES + types.length * COLUMN_BYTES)
  let cursor = at + 1024
  types.forEach((type, index) => {
    const entry = at + DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES
    dataView.setUint32(entry + column.values, cursor, true)
    rows.forEach((row, r) => {
      writeValue(type, cursor + r * widthOf(type), row[index] ?? null)
    })
    cursor += 160 * widthOf(type)
    if (rows.every((row) => row[index] !== null)) return
    dataView.setUint32(entry + column.validity, cursor, true)
    rows.forEach((row, r) => {
      u8[cursor + r] = row[index] === null ? 0 : 1
    })
    cursor += 160
  })
  dataView.setUint32(at + descriptor.rowCount, rows.length, true)
  dataView.setUint32(at + descriptor.selectionCount, rows.length, true)
  return at
}

/** Makes only every second row count, from `first` on. */
function select(batch: number, rows: number, first: number, at: number): number[] {
  const kept = Array.from({ length: rows }, (_, row) => row).filter((row) => row % 2 === first)
  u32.set(kept, at >>> 2)
  dataView.setUint32(batch + descriptor.selection, at, true)
  dataView.setUint32(batch + descriptor.selectionCount, kept.length, true)
  return kept
}

interface Store {
  readonly address: number
  readonly firstRow: number
}

const rangesOf = (store: number): number => store + LOCAL_HEADER_BYTES + PARTITION_BYTES

/** A store of one partition with room for `rowsMax` rows in adjacent pages. */
function openStore(address: number, pages: number): Store {
  u8.fill(0, address, address + LOCAL_HEADER_BYTES + PARTITION_BYTES)
  const ranges = rangesOf(address)
  dataView.setUint32(address + joinStore.keyRanges, ranges, true)
  for (let range = 0; range < KEY_RANGES_MAX; range++) {
    dataView.setBigInt64(ranges + range * KEY_RANGE_BYTES, 2n ** 63n - 1n, true)
    dataView.setBigInt64(ranges + range * KEY_RANGE_BYTES + 8, -(2n ** 63n), true)
  }
  const partition = address + LOCAL_HEADER_BYTES
  dataView.setUint32(partition + partitionStore.rowCursor, pages, true)
  dataView.setUint32(partition + partitionStore.rowEnd, pages + PAGE_BYTES, true)
  dataView.setUint32(partition + partitionStore.heapCursor, pages + PAGE_BYTES, true)
  dataView.setUint32(partition + partitionStore.heapEnd, pages + 2 * PAGE_BYTES, true)
  return { address, firstRow: pages }
}
const rowsIn = (store: Store): number =>
  dataView.getUint32(store.address + LOCAL_HEADER_BYTES + partitionStore.rowCount, true)

const shapes: { name: string; types: readonly DataType[]; makeKey: (i: number) => Value[] }[] = [
  { name: 'int64', types: [{ kind: 'int64' }], makeKey: (i) => [i % 7 === 3 ? null : BigInt((i * 5) % 23) - 4n] },
  { name: 'int8', types: [{ kind: 'int8' }], makeKey: (i) => [i % 9 === 3 ? null : ((i * 5) % 23) - 11] },
  {
    name: 'float64',
    types: [{ kind: 'float64' }],
    makeKey: (i) => [i % 7 === 3 ? null : i % 5 === 0 ? Number.NaN : i % 4 === 0 ? -0 : (i % 6) / 2],
  },
  {
    name: 'utf8',
    types: [{ kind: 'utf8' }],
    makeKey: (i) => [i % 7 === 3 ? null : 'abcdefghij'.repeat(i % 3) + String(i % 11)],
  },
  {
    name: 'int32 and utf8',
    types: [{ kind: 'int32' }, { kind: 'utf8' }],
    makeKey: (i) => [i % 8 === 1 ? null : i % 5, i % 6 === 2 ? null : 'x'.repeat((i % 3) * 9)],
  },
]

const keyText = (key: readonly Value[]): string =>
  key.map((part) => (part === null ? 'null' : Number(part) === 0 && part !== '' ? '0' : String(part))).join('|')

/** Code per field, loops over fields, and loops over keys too. */
const ways = [undefined, 2, 1].flatMap((narrowMax) => shapes.map((shape) => ({ ...shape, narrowMax })))

for (const { name, types, makeKey, narrowMax } of ways) {
  for (const nullable of [false, true]) {
    for (const nullsEqual of nullable ? [false, true] : [false]) {
      const way = narrowMax === undefined ? '' : `, at most ${narrowMax} without loops`
      describe(`${name}${nullable ? ' with nulls' : ''}${nullsEqual ? ' that are equal' : ''}${way}`, () => {
        const keys = types.map((type, index): JoinColumn => ({ column: index + 1, type, nullable }))
        const payload: JoinColumn[] = [{ column: 0, type: { kind: 'int64' }, nullable: false }]
        const all: DataType[] = [{ kind: 'int64' }, ...types]
        const compiled = compileJoinRows(
          { keys, payload, nullsEqual, keepsNullKeys: true, hashMask: undefined },
          narrowMax,
        )
        const rows = instantiate<JoinRowsExports>(compiled.bytes)
        const { layout, keyFields, payloadFields } = compiled
        const probe = instantiate<JoinProbeExports>(
          compileJoinProbe({ keys, keyFields, layout, nullsEqual, hashMask: undefined }, narrowMax).bytes,
        )
        const idOffset = payloadFields[0]?.offset ?? 0
        const makeRows = (n: number, seed: number): Value[][] =>
          Array.from({ length: n }, (_, i) => {
            const key = makeKey(i * 3 + seed).map((part, index): Value => {
              if (part !== null || nullable) return part
              const type = types[index]?.kind
              return type === 'utf8' ? 'n' : type === 'int64' ? 1n : 1
            })
            return [BigInt(i), ...key]
          })
        const matches = (a: readonly Value[], b: readonly Value[]): boolean =>
          (nullsEqual || [...a.slice(1), ...b.slice(1)].every((part) => part !== null)) &&
          keyText(a.slice(1)) === keyText(b.slice(1))
        const idAt = (row: number): number => Number(dataView.getBigInt64(row + idOffset, true))

        it('appends, and gives back what was appended', () => {
          for (let n = 0; n <= 130; n++) {
            heap = page(200)
            const given = makeRows(n, n)
            const batch = writeBatch(page(0), all, given)
            const kept = n % 2 === 0 ? given.map((_, i) => i) : select(batch, n, 1, page(9))
            const store = openStore(page(10), page(20))
            expect(rows.append(batch, store.address, 0)).toBe(kept.length)
            expect(dataView.getUint32(store.address + localStore.stopReason, true)).toBe(0)
            expect(rowsIn(store)).toBe(kept.length)
            const found = kept.map((_, position) => {
              const row = store.firstRow + position * layout.rowBytes
              const isNull = (at: number | undefined): boolean => at !== undefined && u8[row + at] === 0
              const key = keyFields.map((field) =>
                isNull(field.nullOffset) ? null : readValue(field.type, row + field.offset),
              )
              return `${idAt(row)} ${keyText(key)}`
            })
            expect(found).toEqual(kept.map((index) => `${index} ${keyText(given[index]?.slice(1) ?? [])}`))
          }
        })

        it('keeps the ranges of integer keys, over the rows that can match', () => {
          for (let n = 0; n <= 130; n++) {
            heap = page(200)
            const given = makeRows(n, n)
            const batch = writeBatch(page(0), all, given)
            const kept = n % 2 === 0 ? given : select(batch, n, 1, page(9)).map((row) => given[row] ?? [])
            const store = openStore(page(10), page(20))
            rows.append(batch, store.address, 0)
            const ranged = types.flatMap(({ kind }, index) => (kind.startsWith('int') ? [index] : []))
            expect(compiled.rangedKeys).toEqual(ranged)
            ranged.forEach((key, range) => {
              const counted = kept.filter((row) => nullsEqual || row.every((value) => value !== null))
              const values = counted.flatMap((row) => (row[key + 1] === null ? [] : [BigInt(row[key + 1] ?? 0)]))
              const [least, greatest] = [2n ** 63n - 1n, -(2n ** 63n)]
              const at = rangesOf(store.address) + range * KEY_RANGE_BYTES
              expect([dataView.getBigInt64(at, true), dataView.getBigInt64(at + 8, true)]).toEqual([
                values.sort((a, b) => Number(a - b)).at(0) ?? least,
                values.at(-1) ?? greatest,
              ])
            })
          }
        })

        it('stops for a page and goes on', () => {
          heap = page(200)
          const batch = writeBatch(page(0), all, makeRows(130, 1))
          const store = openStore(page(10), page(20))
          const partition = store.address + LOCAL_HEADER_BYTES
          dataView.setUint32(partition + partitionStore.rowEnd, page(20) + 50 * layout.rowBytes, true)
          expect(rows.append(batch, store.address, 0)).toBe(50)
          dataView.setUint32(partition + partitionStore.rowEnd, page(20) + rowsPerBlock(layout) * layout.rowBytes, true)
          expect(rows.append(batch, store.address, 50)).toBe(130)
          expect(idAt(page(20) + 129 * layout.rowBytes)).toBe(129)
        })

        const methods = rows.linkDirect === undefined ? ['hash'] : ['hash', 'direct']
        for (const method of methods) {
          it(`finds all matches by ${method}`, () => {
            for (let n = 0; n <= 130; n += n < 20 ? 1 : 11) {
              heap = page(200)
              const kept = makeRows(90, 0)
              const store = openStore(page(10), page(20))
              rows.append(writeBatch(page(0), all, kept), store.address, 0)
              const given = makeRows(n, n * 5)
              const batch = writeBatch(page(2), all, given)
              const selected = n % 2 === 0 ? given.map((_, i) => i) : select(batch, n, 0, page(9))
              const [hashes, candidates, found, state, pairs, table] = [30, 31, 32, 33, 34, 35].map(page) as [
                number,
                number,
                number,
                number,
                number,
                number,
              ]
              const count = selected.length
              let matched: number
              u8.fill(0, page(40), page(42))
              if (method === 'hash') {
                expect(rows.link(store.firstRow, 90, page(40), 64 - 5, 0, 1)).toBe(1)
                dataView.setUint32(table, page(40), true)
                dataView.setUint32(table + 4, 64 - 5, true)
                probe.lookup(batch, table, 0, 0, hashes, candidates)
                matched = probe.match(batch, hashes, candidates, found)
              } else {
                expect(rows.linkDirect?.(store.firstRow, 90, page(40), -64n)).toBe(1)
                matched = probe.lookupDirect?.(batch, page(40), -64n, 128, found) ?? -1
                kernels.loadLinks(found, count, layout.linkOffset ?? 0, candidates)
              }
              const got = new Map<number, number[]>()
              selected.forEach((index, k) => {
                const row = u32[(found >>> 2) + k] ?? 0
                got.set(index, row === 0 ? [] : [idAt(row)])
              })
              u8.fill(0, state, state + 8)
              while ((u32[state >>> 2] ?? 0) < count) {
                const more = probe.expand(batch, hashes, candidates, state, pairs, pairs + 1024, 13)
                for (let k = 0; k < more; k++) {
                  const list = got.get(u32[(pairs >>> 2) + k] ?? -1)
                  list?.push(idAt(u32[((pairs + 1024) >>> 2) + k] ?? 0))
                }
              }
              const expected = selected.map((index) =>
                kept.flatMap((row, r) => (matches(given[index] ?? [], row) ? [r] : [])),
              )
              expect(selected.map((index) => got.get(index)?.sort((a, b) => a - b))).toEqual(expected)
              expect(matched).toBe(expected.filter((partners) => partners.length > 0).length)
            }
          })
        }

        it('marks all rows that match', () => {
          heap = page(200)
          const kept = makeRows(90, 0)
          const store = openStore(page(10), page(20))
          rows.append(writeBatch(page(0), all, kept), store.address, 0)
          const given = makeRows(40, 7)
          const batch = writeBatch(page(2), all, given)
          u8.fill(0, page(40), page(41))
          rows.link(store.firstRow, 90, page(40), 64 - 4, 0, 0)
          dataView.setUint32(page(35), page(40), true)
          dataView.setUint32(page(35) + 4, 64 - 4, true)
          probe.lookup(batch, page(35), 0, 0, page(30), page(31))
          probe.mark(batch, page(30), page(31))
          kept.forEach((row, r) => {
            const flag = u8[store.firstRow + r * layout.rowBytes + layout.deadOffset]
            expect(flag).toBe(given.some((other) => matches(other, row)) ? 1 : 0)
          })
        })
      })
    }
  }
}
