/** Casts: every pair of types over edge values against the twin, and the reading and writing of floats in depth. */
import { type DataType, raiseCode, typeName } from '@spillway/columnar'
import type { TypedExpr } from '@spillway/plan'
import { describe, expect, it } from 'vitest'
import type { CellValue } from './arena-batch.ts'
import { castCell } from './interpret-cast.ts'
import { Random, randomValue, sampleTypes } from './random-expr.ts'
import { nullableSchema, runStage } from './stage-harness.ts'

const utf8: DataType = { kind: 'utf8' }
const float64: DataType = { kind: 'float64' }
const float32: DataType = { kind: 'float32' }

function runCast(values: readonly CellValue[], from: DataType, to: DataType, strict = false) {
  const operand: TypedExpr = { kind: 'column', name: 'x', type: from, nullable: true }
  const expr: TypedExpr = { kind: 'cast', operand, strict, type: to, nullable: true }
  const input = nullableSchema([['x', from]])
  return runStage({ input, filter: undefined, project: [{ name: 'y', expr }] }, [values], values.length)
}

const cast = (values: readonly CellValue[], from: DataType, to: DataType): readonly CellValue[] =>
  runCast(values, from, to).columns[0] ?? []

/** Pairs that the typer refuses. */
const refused = (from: DataType, to: DataType): boolean => {
  const isTime = (type: DataType): boolean => type.kind === 'date' || type.kind === 'timestamp'
  const isOther = (type: DataType): boolean => type.kind === 'decimal' || type.kind === 'boolean'
  return (isTime(from) && isOther(to)) || (isTime(to) && isOther(from))
}

describe('casts', () => {
  for (const from of sampleTypes) {
    it(`from ${typeName(from)} to every type`, () => {
      const random = new Random(11)
      const values = Array.from({ length: 130 }, (_, k) => (k % 9 === 4 ? null : randomValue(random, from)))
      for (const to of sampleTypes.filter((type) => !refused(from, type))) {
        const expected = values.map((value) => castCell(value, from, to, false))
        expect(cast(values, from, to).map(unsignZero), `to ${typeName(to)}`).toEqual(expected.map(unsignZero))
      }
    })
  }

  it('raise in strict form, naming the row', () => {
    const run = runCast([1n, null, 300n, 2n], { kind: 'int64' }, { kind: 'uint8' }, true)
    expect(run.raised).toEqual({ code: raiseCode.castFailed, row: 2, site: 0 })
  })
})

const hardTexts = [
  '9007199254740993',
  '9007199254740992.999999999999999999999999999',
  '9007199254740993.000000000000000000000000000000000001',
  '2.2250738585072011e-308',
  '2.2250738585072014e-308',
  '4.9406564584124654e-324',
  '2.4703282292062327e-324',
  '2.4703282292062328e-324',
  '1.7976931348623157e308',
  '1.7976931348623159e308',
  '1e400',
  '-1e-400',
  '0.000000000000000000000000000000000000000000000000001e51',
  '123456789012345678901234567890e-10',
  '6929495644600919.5',
  '3.5844466002796428e+298',
  `${2n ** 53n + 1n}.${'0'.repeat(900)}1`,
  `${2n ** 53n + 1n}.${'0'.repeat(700)}`,
  '1e',
  'e5',
  '.',
  '+.5',
  '5.',
  '1e+5',
  '1 2',
  '',
  '-inf',
  'Infinity',
]

describe('floats as text', () => {
  it('are read to the nearest float64', () => {
    expect(cast(hardTexts, utf8, float64)).toEqual(hardTexts.map((text) => castCell(text, utf8, float64, false)))
  })

  it('survive a round trip, and print as JavaScript prints them', () => {
    const random = new Random(5)
    const view = new DataView(new ArrayBuffer(8))
    const doubles = Array.from({ length: 4000 }, () => {
      for (let k = 0; k < 8; k += 2) view.setUint16(k, random.below(65536), true)
      return view.getFloat64(0, true)
    })
    const decimals = Array.from({ length: 2000 }, () => random.below(1e9) / 10 ** random.below(20))
    const powers = Array.from({ length: 632 }, (_, k) => Number(`1e${k - 323}`))
    const twos = Array.from({ length: 2098 }, (_, k) => 2 ** (k - 1074))
    const values = [...doubles, ...decimals, ...powers, ...twos, 5e-324, 1.7976931348623157e308]
    const printed = cast(values, float64, utf8)
    expect(printed).toEqual(values.map((value) => castCell(value, float64, utf8, false)))
    expect(cast(printed, utf8, float64)).toEqual(values)
  })

  it('print the shortest digits of a float32', () => {
    const random = new Random(6)
    const view = new DataView(new ArrayBuffer(4))
    const singles = Array.from({ length: 4000 }, () => {
      view.setUint16(0, random.below(65536), true)
      view.setUint16(2, random.below(65536), true)
      return view.getFloat32(0, true)
    })
    expect(cast(singles, float32, utf8)).toEqual(singles.map((value) => castCell(value, float32, utf8, false)))
    // Beside a power of two the twin's rounding can miss a shorter text that reads back the same.
    const powers = Array.from({ length: 277 }, (_, k) => 2 ** (k - 149))
    const printed = cast(powers, float32, utf8).map(String)
    expect(printed.map((text) => Math.fround(Number(text)))).toEqual(powers)
    const twins = powers.map((value) => String(castCell(value, float32, utf8, false)))
    expect(printed.filter((text, k) => text.length > (twins[k] ?? '').length)).toEqual([])
  })
})

describe('decimals', () => {
  const wide: DataType = { kind: 'decimal', precision: 38, scale: 19 }

  it('become the nearest float64, and floats the nearest decimal', () => {
    const random = new Random(7)
    const values = Array.from({ length: 3000 }, () => {
      const size = BigInt(1 + random.below(38))
      const digits = Array.from({ length: 5 }, () => BigInt(random.below(10 ** 9))).reduce(
        (sum, part) => sum * 10n ** 9n + part,
        0n,
      )
      return (digits % 10n ** size) * random.pick([1n, -1n])
    })
    expect(cast(values, wide, float64).map(unsignZero)).toEqual(
      values.map((value) => unsignZero(castCell(value, wide, float64, false))),
    )
    const floats = Array.from({ length: 3000 }, () => (random.below(2 ** 31) - 2 ** 30) / 2 ** random.below(80))
    expect(cast(floats, float64, wide)).toEqual(floats.map((value) => castCell(value, float64, wide, false)))
  })

  it('are read and written with all their digits', () => {
    const texts = [
      '12.345',
      '-0.5',
      '.05',
      '1.',
      '99999999999999999999999999999999999999',
      '0.00000000000000000005',
      '1e5',
      '-',
      '1.2.3',
    ]
    expect(cast(texts, utf8, wide)).toEqual(texts.map((text) => castCell(text, utf8, wide, false)))
    const values = [0n, 5n, -5n, 10n ** 19n, -(10n ** 38n - 1n), 123n * 10n ** 18n]
    expect(cast(values, wide, utf8)).toEqual(values.map((value) => castCell(value, wide, utf8, false)))
  })
})

const unsignZero = (value: CellValue): CellValue => (value === 0 ? 0 : value)
