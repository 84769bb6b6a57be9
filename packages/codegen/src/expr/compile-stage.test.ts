/** What a stage promises beside values: keys, parameters, hand-over of columns, sites, who is evaluated. */
import { COLUMN_BYTES, column, type DataType, DESCRIPTOR_HEADER_BYTES, raiseCode } from '@spillway/columnar'
import { createTestArena } from '@spillway/kernels'
import type { LiteralValue, TypedExpr } from '@spillway/plan'
import { describe, expect, it } from 'vitest'
import { ArenaRoom, makeBatch, makeEmptyBatch, placeParams } from './arena-batch.ts'
import { compileStage, type StageExports, type StageSpec } from './compile-stage.ts'
import { nullableSchema, runStage } from './stage-harness.ts'

const int32: DataType = { kind: 'int32' }
const float64: DataType = { kind: 'float64' }
const boolean: DataType = { kind: 'boolean' }
const utf8: DataType = { kind: 'utf8' }
const input = nullableSchema([
  ['a', int32],
  ['b', int32],
  ['s', utf8],
  ['f', float64],
])
const types: Record<string, DataType> = { a: int32, b: int32, s: utf8, f: float64 }
const col = (name: string): TypedExpr => ({ kind: 'column', name, type: types[name] ?? int32, nullable: true })
const lit = (value: LiteralValue, type: DataType): TypedExpr => ({ kind: 'literal', value, type, nullable: false })
const binary = (
  op: 'add' | 'lt' | 'eq' | 'and' | 'or' | 'gt' | 'mod',
  left: TypedExpr,
  right: TypedExpr,
  type: DataType = boolean,
): TypedExpr => ({
  kind: 'binary',
  op,
  left,
  right,
  type,
  nullable: true,
})
const isIn = (operand: TypedExpr, values: readonly LiteralValue[]): TypedExpr => ({
  kind: 'isIn',
  operand,
  values,
  type: boolean,
  nullable: true,
})

describe('compileStage', () => {
  it('gives other literals the same key and the same bytes', () => {
    const stageFor = (bound: number, text: string, set: readonly number[]) =>
      compileStage({
        input,
        filter: binary('and', binary('lt', col('a'), lit(bound, int32)), binary('eq', col('s'), lit(text, utf8))),
        project: [{ name: 'x', expr: isIn(col('b'), set) }],
      })
    const [one, two] = [stageFor(5, 'x', [1, 2]), stageFor(7, 'a text that is not inline', [3, 4, 5, 9])]
    expect(two.key).toBe(one.key)
    expect(two.bytes).toEqual(one.bytes)
    expect(two.params.bytes).not.toEqual(one.params.bytes)
    const other = compileStage({ input, filter: binary('gt', col('a'), lit(5, int32)), project: undefined })
    expect(other.key).not.toBe(one.key)
  })

  it('distinguishes a literal NaN and a null literal, which need other code', () => {
    const keyFor = (value: LiteralValue): string =>
      compileStage({ input, filter: binary('lt', col('f'), lit(value, float64)), project: undefined }).key
    expect(new Set([keyFor(1), keyFor(Number.NaN), keyFor(null)]).size).toBe(3)
    expect(keyFor(1)).toBe(keyFor(2))
  })

  it('hands a bare column on by pointer when all rows count', () => {
    const arena = createTestArena(64)
    const room = new ArenaRoom(arena)
    const stage = compileStage({ input, filter: undefined, project: [{ name: 's', expr: col('s') }] })
    const imports = { env: { memory: arena.memory }, kernel: arena.kernels } as unknown as WebAssembly.Imports
    const exports = new WebAssembly.Instance(new WebAssembly.Module(stage.bytes), imports)
      .exports as unknown as StageExports
    const batch = makeBatch(
      room,
      input,
      [
        [1, 2],
        [1, 2],
        ['x', null],
        [1, 2],
      ],
      2,
      undefined,
    )
    const out = makeEmptyBatch(room, [utf8], 2, 0)
    expect(exports.project(batch, out, placeParams(room, stage.params))).toBe(0)
    const entry = (descriptor: number, index: number, field: keyof typeof column): number =>
      arena.dataView.getUint32(descriptor + DESCRIPTOR_HEADER_BYTES + COLUMN_BYTES * index + column[field], true)
    for (const field of ['values', 'validity', 'nullCount'] as const)
      expect(entry(out, 0, field)).toBe(entry(batch, 2, field))
    expect(stage.outputs).toMatchObject([{ passthrough: 2, heapBytesPerRow: 0 }])
  })

  it('leaves no selection when every row passes', () => {
    const spec: StageSpec = { input, filter: binary('lt', col('a'), lit(9, int32)), project: undefined }
    const columns = [
      [1, 2, 3],
      [0, 0, 0],
      ['', '', ''],
      [0, 0, 0],
    ]
    expect(runStage(spec, columns, 3).selection).toBeUndefined()
    expect(runStage(spec, [[1, 20, null], ...columns.slice(1)], 3).selection).toEqual([0])
    expect(runStage(spec, [[], [], [], []], 0).selection).toBeUndefined()
  })

  it('raises with code, row and the expression', () => {
    const sum = binary('add', col('a'), col('b'), int32)
    const spec: StageSpec = {
      input,
      filter: undefined,
      project: [
        { name: 'a', expr: col('a') },
        { name: 'x', expr: sum },
      ],
    }
    const columns = [
      [1, null, 2 ** 31 - 1],
      [1, 1, 1],
      ['', '', ''],
      [0, 0, 0],
    ]
    const run = runStage(spec, columns, 3)
    expect(run.raised).toMatchObject({ code: raiseCode.overflow, row: 2 })
    expect(compileStage(spec).sites[run.raised?.site ?? -1]).toEqual({ output: 1, expr: sum })
  })

  it('does not reach what cannot matter: after or, behind when, in dropped rows', () => {
    const sum = binary('lt', binary('add', col('a'), col('b'), int32), lit(0, int32))
    const guard = binary('eq', col('b'), lit(0, int32))
    const columns = [
      [2 ** 31 - 1, 5],
      [0, 1],
      ['', ''],
      [0, 0],
    ]
    const big = [
      [2 ** 31 - 1, 5],
      [1, 1],
      ['', ''],
      [0, 0],
    ]
    const either = binary('or', binary('gt', col('a'), lit(100, int32)), sum)
    expect(runStage({ input, filter: either, project: undefined }, big, 2).selection).toEqual([0])
    const both = binary('and', binary('lt', col('a'), lit(100, int32)), sum)
    expect(runStage({ input, filter: both, project: undefined }, big, 2).selection).toEqual([])
    const chosen: TypedExpr = {
      kind: 'when',
      branches: [{ when: guard, then: col('a') }],
      otherwise: binary('add', col('a'), col('b'), int32),
      type: int32,
      nullable: true,
    }
    expect(runStage({ input, filter: undefined, project: [{ name: 'x', expr: chosen }] }, columns, 2).columns).toEqual([
      [2 ** 31 - 1, 6],
    ])
  })

  it('finds strings of any length in a set', () => {
    const texts = ['x', 'exactly twelve', 'another long text', 'b', 'another long texs', '', null]
    const spec: StageSpec = {
      input,
      filter: isIn(col('s'), ['another long text', '', 'x', 'zzz', 'exactly twelvf']),
      project: undefined,
    }
    const zeros = texts.map(() => 0)
    expect(runStage(spec, [zeros, zeros, texts, zeros], texts.length).selection).toEqual([0, 2, 5])
    expect(
      runStage({ ...spec, filter: isIn(col('s'), []) }, [zeros, zeros, texts, zeros], texts.length).selection,
    ).toEqual([])
  })

  it('filters four rows at a time like one at a time, for all lengths', () => {
    const uint32: DataType = { kind: 'uint32' }
    const date: DataType = { kind: 'date' }
    const own = nullableSchema([
      ['a', int32],
      ['u', uint32],
      ['d', date],
    ])
    const of: Record<string, DataType> = { a: int32, u: uint32, d: date }
    const get = (name: string): TypedExpr => ({ kind: 'column', name, type: of[name] ?? int32, nullable: true })
    const not = (operand: TypedExpr): TypedExpr => ({
      kind: 'unary',
      op: 'not',
      operand,
      type: boolean,
      nullable: true,
    })
    const test: (a: number, u: number, d: number) => boolean = (a, u, d) => (a < 3 && u > 2 ** 31) || !(d === a)
    const filter = binary(
      'or',
      binary('and', binary('lt', get('a'), lit(3, int32)), binary('gt', get('u'), lit(2 ** 31, uint32))),
      not(binary('eq', get('d'), { ...get('a'), type: int32 })),
    )
    for (let length = 0; length <= 130; length++) {
      const rows = Array.from({ length }, (_, row) => row)
      const [a, u, d] = [
        rows.map((row) => (row % 7) - 2),
        rows.map((row) => (row % 4) * 2 ** 30),
        rows.map((row) => row % 3),
      ]
      const kept = rows.filter((row) => test(a[row] ?? 0, u[row] ?? 0, d[row] ?? 0))
      const all = kept.length === length ? undefined : kept
      expect(runStage({ input: own, filter, project: undefined }, [a, u, d], length).selection, `${length}`).toEqual(
        all,
      )
      // A null among the values, or a selection, takes the loop over single rows.
      const holed = a.map((value, row) => (row === 1 ? null : value))
      const list = rows.filter((row) => row % 3 !== 1)
      expect(runStage({ input: own, filter, project: undefined }, [a, u, d], length, list).selection).toEqual(
        list.filter((row) => kept.includes(row)),
      )
      if (length > 1)
        expect(runStage({ input: own, filter, project: undefined }, [holed, u, d], length).selection).not.toContain(1)
    }
  })

  it('raises heapFull rather than writing past the string heap', () => {
    const arena = createTestArena(64)
    const room = new ArenaRoom(arena)
    const expr: TypedExpr = { kind: 'cast', operand: col('f'), strict: true, type: utf8, nullable: true }
    const stage = compileStage({ input, filter: undefined, project: [{ name: 's', expr }] })
    const imports = { env: { memory: arena.memory }, kernel: arena.kernels } as unknown as WebAssembly.Imports
    const exports = new WebAssembly.Instance(new WebAssembly.Module(stage.bytes), imports)
      .exports as unknown as StageExports
    const batch = makeBatch(
      room,
      input,
      [
        [1, 2],
        [1, 2],
        ['x', 'y'],
        [1 / 3, 2 / 3],
      ],
      2,
      undefined,
    )
    const out = makeEmptyBatch(room, [utf8], 2, 70)
    expect(exports.project(batch, out, placeParams(room, stage.params))).toBe(1)
    expect(arena.dataView.getUint32(batch + 24, true)).toBe(raiseCode.heapFull)
  })
})
