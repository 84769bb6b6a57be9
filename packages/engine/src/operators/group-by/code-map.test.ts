/** Groups of rows whose keys are dictionary codes are those of a group-by over a Map, and the code map is used. */
import { compileGroupBy, type GroupBySpec } from '@spillway/codegen'
import { type DataType, widthOf } from '@spillway/columnar'
import { describe, expect, it } from 'vitest'
import { makeSpec, types } from './group-by-twin.ts'
import { base, check } from './group-table-case.ts'

const int32: DataType = { kind: 'int32' }
const utf8: DataType = { kind: 'utf8' }
const operands: DataType[] = [int32, { kind: 'float64' }]
const codedTypes = types.filter((type) => widthOf(type) > 1)
const codedSpec = (keys: readonly DataType[], nullable: boolean, from = operands, hashMask?: bigint): GroupBySpec => ({
  ...makeSpec(keys, from, nullable, hashMask),
  takesCodes: true,
})
const coded = { ...base, coded: true, maxCapacityBits: 13 }

describe('a table with a code map', () => {
  it.each(codedTypes.map((type) => [type.kind, type] as const))('finds rows by codes of type %s', (_, type) => {
    const few = check({ ...coded, rows: 1000, nullShare: 0, spec: codedSpec([type], false), seed: 21 })
    expect(few.table.codedRows).toBeGreaterThan(400)
    const withNulls = check({ ...coded, rows: 1000, selected: true, spec: codedSpec([type], true), seed: 22 })
    expect(withNulls.table.codedRows).toBeGreaterThan(200)
  })

  it('agrees on all lengths 0 … 130, with and without nulls and selection', () => {
    for (let rows = 0; rows <= 130; rows++) {
      const nullShare = rows % 2 === 0 ? 0.3 : 0
      const spec = codedSpec([utf8, int32], true)
      check({ ...coded, rows, batchRows: 130, nullShare, selected: rows % 3 === 0, spec, seed: rows })
    }
  }, 60_000)

  it('tells combinations of several keys apart, null ones too', () => {
    for (let seed = 0; seed < 8; seed++) {
      const spec = codedSpec([utf8, { kind: 'int16' }, { kind: 'float64' }], true)
      const { table } = check({ ...coded, rows: 2000, spread: 6, nullShare: 0.2, spec, seed })
      expect(table.codedRows).toBeGreaterThan(700)
    }
  })

  it('takes batches of one row', () => {
    const { table } = check({ ...coded, rows: 200, batchRows: 1, spec: codedSpec([utf8], true) })
    expect(table.codedRows).toBeGreaterThan(80)
  })

  it('forgets rows that were spilled, at any refusal', () => {
    let refusals = 0
    let codedRows = 0
    for (let seed = 0; seed < 16; seed++) {
      const keys = seed % 2 === 0 ? [utf8] : [utf8, int32]
      const spread = seed % 4 < 2 ? 20 : 400
      const lookupWindowRows = seed % 3 === 0 ? 100 : undefined
      const run = check({
        ...coded,
        rows: 900,
        spread,
        refusals: 0.5,
        lookupWindowRows,
        spec: codedSpec(keys, true),
        seed,
      })
      refusals += run.refusals
      codedRows += run.table.codedRows
    }
    expect(refusals).toBeGreaterThan(100)
    expect(codedRows).toBeGreaterThan(1000)
  }, 60_000)

  it('is left out when it would not fit, and for aggregates that keep strings', () => {
    const large = check({
      ...coded,
      maxCapacityBits: 4,
      spread: 200,
      rows: 1500,
      spec: codedSpec([utf8], true),
      seed: 3,
    })
    expect(large.table.codedRows).toBeLessThan(400)
    const strings = check({ ...coded, rows: 500, spec: codedSpec([utf8], true, [utf8]), seed: 4 })
    expect(strings.table.codedRows).toBe(0)
  })

  it.each([0n, 1n, 3n << 62n])('is right for hashes masked by %s', (mask) => {
    const spec = codedSpec([utf8], true, operands, mask)
    check({ ...coded, rows: 400, maxCapacityBits: 7, split: true, refusals: 0.2, spec, seed: 10 })
  })

  it('has code for keys of more than one byte, if the spec asks for it', () => {
    const hasCoded = (spec: GroupBySpec): boolean => {
      const module = new WebAssembly.Module(compileGroupBy(spec).bytes)
      return WebAssembly.Module.exports(module).some(({ name }) => name === 'upsertUpdateCoded0')
    }
    expect(hasCoded(codedSpec([utf8, int32], true))).toBe(true)
    expect(hasCoded(codedSpec([utf8, { kind: 'int8' }], true))).toBe(false)
    expect(hasCoded(codedSpec([], true))).toBe(false)
    expect(hasCoded(makeSpec([utf8], operands, true))).toBe(false)
  })
})
