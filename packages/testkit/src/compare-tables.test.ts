// The comparison accepts exactly what it should: the oracle is only as good as this file.
import { describe, expect, it } from 'vitest'
import { cellText, decimalCell, type Family, type ResultTable, timestampCell } from './cells.ts'
import { floatsAgree, tableDifference } from './compare-tables.ts'

const table = (families: Family[], rows: ResultTable['rows']): ResultTable => ({
  names: families.map((_, index) => `c${index}`),
  families,
  rows,
})

describe('cells', () => {
  it('writes decimals exactly', () => {
    expect(decimalCell(1250n, 2)).toBe('12.5')
    expect(decimalCell(-5n, 3)).toBe('-0.005')
    expect(decimalCell(0n, 3)).toBe('0')
    expect(decimalCell(-99999999999999999999999999999999999999n, 38)).toBe(`-0.${'9'.repeat(38)}`)
    expect(decimalCell(700n, 0)).toBe('700')
  })

  it('brings timestamps to nanoseconds', () => {
    expect(timestampCell(-1n, 's')).toBe(-1_000_000_000n)
    expect(timestampCell(7n, 'ns')).toBe(7n)
  })

  it('keeps families apart and canonicalises floats', () => {
    expect(cellText('1', 'text')).not.toBe(cellText('1', 'decimal'))
    expect(cellText(1n, 'integer')).not.toBe(cellText(1, 'float'))
    expect(cellText(-0, 'float')).toBe(cellText(0, 'float'))
    expect(cellText(null, 'text')).not.toBe(cellText('∅', 'text'))
  })
})

describe('floatsAgree', () => {
  it('follows the NaN, infinity and tolerance rules', () => {
    expect(floatsAgree(Number.NaN, Number.NaN, 0, 0)).toBe(true)
    expect(floatsAgree(Number.NaN, 1, 1, 1)).toBe(false)
    expect(floatsAgree(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, 1)).toBe(false)
    expect(floatsAgree(Number.POSITIVE_INFINITY, 1e308, 1, 1)).toBe(false)
    expect(floatsAgree(null, 0, 1, 1)).toBe(false)
    expect(floatsAgree(1, 1 + 1e-10, 1e-9, 0)).toBe(true)
    expect(floatsAgree(1, 1 + 1e-8, 1e-9, 0)).toBe(false)
    expect(floatsAgree(0, 1e-13, 0, 1e-12)).toBe(true)
  })
})

describe('tableDifference', () => {
  const families: Family[] = ['integer', 'float']

  it('ignores order unless asked, but counts duplicates', () => {
    const a = table(families, [
      [1n, 0.5],
      [2n, null],
    ])
    const b = table(families, [
      [2n, null],
      [1n, 0.5],
    ])
    expect(tableDifference(a, b)).toBeUndefined()
    expect(tableDifference(a, b, { ordered: true })).toMatch(/row 0 differs/)
    const doubled = table(families, [
      [1n, 0.5],
      [1n, 0.5],
      [2n, null],
    ])
    const other = table(families, [
      [1n, 0.5],
      [2n, null],
      [2n, null],
    ])
    expect(tableDifference(doubled, other)).toMatch(/missing row/)
    expect(tableDifference(a, doubled)).toMatch(/2 rows, expected 3/)
  })

  it('pairs rows that differ only within the tolerance', () => {
    const a = table(families, [
      [1n, 1.0000000001],
      [1n, 2],
    ])
    const b = table(families, [
      [1n, 2],
      [1n, 1],
    ])
    expect(tableDifference(a, b)).toMatch(/missing row/)
    expect(tableDifference(a, b, { relativeFloat: 1e-9 })).toBeUndefined()
    expect(tableDifference(a, b, { absoluteFloat: { c1: 1e-9 } })).toBeUndefined()
    expect(tableDifference(a, b, { absoluteFloat: { other: 1 } })).toMatch(/missing row/)
  })

  it('never lets a tolerance touch exact columns', () => {
    const a = table(families, [[1n, 1]])
    const b = table(families, [[2n, 1]])
    expect(tableDifference(a, b, { relativeFloat: 1, absoluteFloat: 100 })).toMatch(/missing row/)
  })

  it('compares names and families', () => {
    expect(tableDifference(table(['text'], []), table(['integer'], []))).toMatch(/is text, expected integer/)
    expect(tableDifference(table(['null'], []), table(['integer'], []))).toBeUndefined()
    expect(tableDifference({ ...table(['text'], []), names: ['x'] }, table(['text'], []))).toMatch(/columns differ/)
  })
})
