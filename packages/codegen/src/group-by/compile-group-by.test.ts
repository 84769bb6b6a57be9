/** What the cache of modules relies on; what the code computes is tested with GroupTable in the engine. */
import type { DataType } from '@spillway/columnar'
import { expect, it } from 'vitest'
import { compileGroupBy } from './compile-group-by.ts'
import type { GroupBySpec } from './group-by-spec.ts'

const utf8: DataType = { kind: 'utf8' }
const int32: DataType = { kind: 'int32' }

function specOf(prefix: string, nullable: boolean): GroupBySpec {
  return {
    input: {
      fields: [
        { name: `${prefix}a`, type: utf8, nullable },
        { name: `${prefix}b`, type: int32, nullable },
      ],
    },
    keys: [{ name: `${prefix}a`, column: 0, type: utf8, nullable }],
    aggregates: [
      { name: `${prefix}s`, function: 'sum', column: 1, type: int32, nullable },
      { name: `${prefix}m`, function: 'mean', column: 1, type: int32, nullable },
      { name: `${prefix}n`, function: 'nUnique', column: 1, type: int32, nullable },
    ],
    hashMask: undefined,
    takesCodes: false,
  }
}

it('gives specs that differ in names only the same key and bytes', () => {
  const [one, other] = [compileGroupBy(specOf('x', true)), compileGroupBy(specOf('y', true))]
  expect(other.key).toBe(one.key)
  expect(Buffer.compare(other.bytes, one.bytes)).toBe(0)
  expect(compileGroupBy(specOf('x', false)).key).not.toBe(one.key)
})

it('states its schemas', () => {
  const { outputSchema, spillSchema, nUniqueCount } = compileGroupBy(specOf('x', true))
  expect(outputSchema.fields.map(({ name, type, nullable }) => `${name} ${type.kind} ${nullable}`)).toEqual([
    'xa utf8 true',
    'xs int64 false',
    'xm float64 true',
    'xn int64 false',
  ])
  expect(spillSchema.fields.map((field) => field.name)).toEqual([
    'hash',
    'key0',
    'state0.value',
    'state1.value',
    'state1.count',
    'state2.count',
  ])
  expect(nUniqueCount).toBe(1)
})
