/** Names and functions in the place of data types: what the error advises. */
import { expect, it } from 'vitest'
import { requireDataType } from './require-data-type.ts'

it('gives types back', () => {
  const decimal = { kind: 'decimal', precision: 5, scale: 2 } as const
  expect(requireDataType(decimal, 'cast')).toBe(decimal)
  expect(requireDataType({ kind: 'utf8' }, 'cast')).toEqual({ kind: 'utf8' })
})

it.each([
  ['utf8', 'Not a data type: "utf8" in cast. Write DataType.Utf8.'],
  ['String', 'Not a data type: "String" in cast. Write DataType.Utf8.'],
  ['int64', 'Write DataType.Int64.'],
  ['bool', 'Write DataType.Bool.'],
  ['double', 'Write DataType.Float64.'],
  ['timestamp', "Write DataType.Datetime('us')."],
  ['toString', 'Not a data type: "toString" in cast. Write a type such as DataType.Int64.'],
  [() => 1, "Not a data type: a function in cast. Call it: DataType.Datetime('us'), DataType.Decimal(12, 2)."],
  [undefined, 'Not a data type: undefined in cast. Write a type such as DataType.Int64.'],
  [null, 'Not a data type: null in cast.'],
  [{ kind: 'text' }, 'Not a data type: [object Object] in cast.'],
  [42, 'Not a data type: 42 in cast.'],
])('%s', (value, message) => {
  expect(() => requireDataType(value, 'cast')).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  expect(() => requireDataType(value, 'cast')).toThrow(message)
})
