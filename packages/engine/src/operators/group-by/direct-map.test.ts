/** The direct map: when it is used, when it is left alone, and that groups are the same with it. */
import { compileGroupBy, LOCAL_HEADER_BYTES, localStore } from '@spillway/codegen'
import type { DataType } from '@spillway/columnar'
import { createTestArena } from '@spillway/kernels'
import { describe, expect, it } from 'vitest'
import { DirectMap } from './direct-map.ts'
import { makeSpec, textOf, type Value, writeBatch } from './group-by-twin.ts'
import { base, check, Run } from './group-table-case.ts'
import { StoreFields } from './store-fields.ts'

const integers: DataType[] = [
  { kind: 'int8' },
  { kind: 'int16' },
  { kind: 'int32' },
  { kind: 'int64' },
  { kind: 'uint8' },
  { kind: 'uint16' },
  { kind: 'uint32' },
  { kind: 'uint64' },
  { kind: 'date' },
  { kind: 'timestamp', unit: 'us', timezone: undefined },
]
const int32: DataType = { kind: 'int32' }
const int64: DataType = { kind: 'int64' }
const operands: DataType[] = [int32, { kind: 'float64' }]
const textOfGroups = (groups: Map<string, Value[]>): string[] =>
  [...groups].map(([key, values]) => `${key} ${values.map(textOf).join()}`).sort()
const hasDirect = (keys: readonly DataType[], nullable = true): boolean => {
  const module = new WebAssembly.Module(compileGroupBy(makeSpec(keys, operands, nullable)).bytes)
  return WebAssembly.Module.exports(module).some(({ name }) => name === 'upsertUpdateDirect0')
}

describe('a table with a direct map', () => {
  it.each(integers.map((type) => [type.kind, type] as const))('finds rows by keys of type %s', (_, type) => {
    const few = check({ ...base, rows: 1000, nullShare: 0, spec: makeSpec([type], operands, false), seed: 11 })
    // Batches of kind 0 are four of five; nothing shares its place with another key but in the smallest maps.
    expect(few.table.directRows).toBeGreaterThan(400)
    check({ ...base, rows: 1000, selected: true, spec: makeSpec([type], operands, true), seed: 12 })
  })

  it('keeps null keys apart from zero', () => {
    for (let seed = 0; seed < 6; seed++) {
      const spec = makeSpec([{ kind: 'int8' }], operands, true)
      const { table } = check({ ...base, rows: 1500, nullShare: 0.5, spread: 256, spec, seed })
      expect(table.directRows).toBeGreaterThan(0)
    }
  })

  it('gives the same groups when many keys share a place', () => {
    const spec = makeSpec([int64], [int32], false)
    const run = new Run({ ...base, batchRows: 250, nullShare: 0, spec })
    const table = run.table(2, 0, 10)
    for (let batch = 0n; batch < 8n; batch++) {
      const rows = Array.from({ length: 250 }, (_, row) => row)
      const columns = [
        { type: int32, values: rows.map((row) => row - 100) },
        // All low bits are equal, and a third of the keys differ in the high word only.
        { type: int64, values: rows.map((row) => (BigInt(row % 50) << 20n) + (BigInt(row % 3) << 40n)) },
      ]
      run.scratch.reset()
      expect(table.consume(writeBatch(run.arena, run.scratch, columns, undefined, batch << 32n), 0)).toBe('done')
      run.twin.add(columns, undefined, batch << 32n, 0)
    }
    expect(table.directRows).toBeLessThan(300)
    expect(textOfGroups(run.results(table))).toEqual(textOfGroups(run.twin.results()))
  })

  it('forgets rows that were spilled, at any refusal', () => {
    let refusals = 0
    for (let seed = 0; seed < 16; seed++) {
      const spec = makeSpec([int64], operands, seed % 3 === 0)
      const spread = seed % 2 === 0 ? 40 : 2000
      const nullShare = seed % 3 === 0 ? 0.2 : 0
      const input = { ...base, rows: 1200, spread, nullShare, refusals: 0.5, maxCapacityBits: 8, spec, seed }
      refusals += check(input).refusals
    }
    expect(refusals).toBeGreaterThan(100)
  })

  it('is made for one integer key only', () => {
    expect(hasDirect([{ kind: 'int32' }])).toBe(true)
    expect(hasDirect([{ kind: 'utf8' }])).toBe(false)
    expect(hasDirect([{ kind: 'float64' }])).toBe(false)
    expect(hasDirect([{ kind: 'decimal', precision: 30, scale: 2 }])).toBe(false)
    expect(hasDirect([{ kind: 'int32' }, { kind: 'int32' }])).toBe(false)
    expect(hasDirect([])).toBe(false)
  })
})

describe('DirectMap', () => {
  const arena = createTestArena(16)
  const local = arena.kernels.pageAlloc(1, 1) >>> 0
  const area = local + LOCAL_HEADER_BYTES
  const fields = new StoreFields(arena.memory, local)

  it('is cleared before its first use, and again after rows left', () => {
    const map = new DirectMap(fields)
    arena.u8.fill(7, area, area + 256)
    map.place(area, 128, 3)
    expect(fields.get(localStore.directMask)).toBe(31)
    map.prepare()
    expect([...arena.u8.slice(area, area + 256)]).toEqual([...Array(128).fill(0), ...Array(128).fill(7)])
    fields.setU32(area + 4, 1234)
    map.prepare()
    expect(fields.u32(area + 4)).toBe(1234)
    map.forget()
    map.prepare()
    expect(fields.u32(area + 4)).toBe(0)
  })

  it('has at most four places for each slot of the directory', () => {
    new DirectMap(fields).place(area, 1 << 20, 12)
    expect(fields.get(localStore.directMask)).toBe(2 ** 14 - 1)
  })

  it('is left alone for a while when a quarter of the rows miss, and comes back', () => {
    const map = new DirectMap(fields)
    map.place(area, 128, 3)
    map.note(65_536)
    expect(map.isOn).toBe(true)
    fields.set(localStore.directMisses, 20_000)
    map.note(65_536)
    expect(map.isOn).toBe(false)
    expect(map.directRows).toBe(2 * 65_536 - 20_000)
    for (let window = 0; window < 31; window++) map.note(65_536)
    expect(map.isOn).toBe(false)
    map.note(65_536)
    expect(map.isOn).toBe(true)
    expect(map.directRows).toBe(2 * 65_536 - 20_000)
  })

  it('comes back at once when the directory grows', () => {
    const map = new DirectMap(fields)
    map.place(area, 128, 3)
    fields.set(localStore.directMisses, 65_536)
    map.note(65_536)
    expect(map.isOn).toBe(false)
    map.place(area, 256, 4)
    expect(map.isOn).toBe(true)
  })
})
