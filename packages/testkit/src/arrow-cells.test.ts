// Cells of Arrow tables are exact where apache-arrow's own accessors are not: timestamps, decimals, slices.
import {
  Bool,
  DateDay,
  Decimal,
  Dictionary,
  Float64,
  Int32,
  Int64,
  makeData,
  makeVector,
  Null,
  Table,
  TimestampMicrosecond,
  TimestampNanosecond,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { describe, expect, it } from 'vitest'
import { cellsOfVector, tableOfArrow } from './arrow-cells.ts'

describe('cellsOfVector', () => {
  it('keeps 64-bit integers, nanoseconds and 38 digits', () => {
    const big = 9_223_372_036_854_775_807n
    expect(cellsOfVector(vectorFromArray([big, null, -big - 1n], new Int64()))).toEqual([big, null, -big - 1n])
    const times = makeVector(
      makeData({ type: new TimestampNanosecond(), length: 2, data: BigInt64Array.of(1_700_000_000_123_456_789n, -1n) }),
    )
    expect(cellsOfVector(times)).toEqual([1_700_000_000_123_456_789n, -1n])
    const micros = makeVector(
      makeData({ type: new TimestampMicrosecond('UTC'), length: 1, data: BigInt64Array.of(7n) }),
    )
    expect(cellsOfVector(micros)).toEqual([7000n])
    const minusOneAndHalf = Uint32Array.of(0xffffff6a, 0xffffffff, 0xffffffff, 0xffffffff)
    const decimals = makeVector(makeData({ type: new Decimal(2, 38), length: 1, data: minusOneAndHalf }))
    expect(cellsOfVector(decimals)).toEqual(['-1.5'])
  })

  it('reads booleans, dates, text, floats and nulls, also from a slice that starts inside a byte', () => {
    const flags = vectorFromArray([true, false, null, true, true, false, null, false, true, null, true], new Bool())
    expect(cellsOfVector(flags.slice(3, 11))).toEqual([true, true, false, null, false, true, null, true])
    const numbers = vectorFromArray([1, null, 3, null, 5], new Int32())
    expect(cellsOfVector(numbers.slice(1, 4))).toEqual([null, 3n, null])
    expect(
      cellsOfVector(makeVector(makeData({ type: new DateDay(), length: 2, data: Int32Array.of(-1, 19000) }))),
    ).toEqual([-1n, 19_000n])
    expect(cellsOfVector(vectorFromArray(['', null, 'ä€漢𝄞'], new Utf8()))).toEqual(['', null, 'ä€漢𝄞'])
    expect(cellsOfVector(vectorFromArray([Number.NaN, -0, null], new Float64()))).toEqual([Number.NaN, -0, null])
    expect(cellsOfVector(vectorFromArray([null, null], new Null()))).toEqual([null, null])
    const dictionary = vectorFromArray(['a', 'b', null, 'a'], new Dictionary(new Utf8(), new Int32()))
    expect(cellsOfVector(dictionary)).toEqual(['a', 'b', null, 'a'])
  })
})

describe('tableOfArrow', () => {
  it('keeps names, families and the order of chunks', () => {
    const one = new Table({ id: vectorFromArray([1, 2], new Int32()), name: vectorFromArray(['x', null], new Utf8()) })
    const two = new Table({ id: vectorFromArray([3], new Int32()), name: vectorFromArray(['z'], new Utf8()) })
    expect(tableOfArrow(one.concat(two))).toEqual({
      names: ['id', 'name'],
      families: ['integer', 'text'],
      rows: [
        [1n, 'x'],
        [2n, null],
        [3n, 'z'],
      ],
    })
  })
})
