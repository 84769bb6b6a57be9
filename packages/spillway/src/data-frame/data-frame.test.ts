/** DataFrame: construction, reading, printing, Arrow, eager concat. */
import { inspect } from 'node:util'
import * as arrow from 'apache-arrow'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { concatDataFrames, DataFrame, dataFrameFromTable, fromArrow } from './data-frame.ts'

const decimalType = { kind: 'decimal', precision: 12, scale: 2 } as const
const nanoseconds = { kind: 'timestamp', unit: 'ns', timezone: undefined } as const

const sample = () =>
  DataFrame(
    {
      id: [1, 2, null],
      big: [1n, -(2n ** 63n), null],
      name: ['Ada', null, 'Grace <&>\n'],
      price: ['1.50', '-0.05', null],
      day: ['2024-02-29', null, new Date('1969-12-31')],
      at: [new Date(1500), -1n, null],
    },
    { price: decimalType, day: { kind: 'date' }, at: nanoseconds },
  )

describe('DataFrame', () => {
  it('can be called with and without new', () => {
    const frame = new DataFrame({ a: [1] })
    expect(frame).toBeInstanceOf(DataFrame)
    expect(DataFrame({ a: [1] })).toBeInstanceOf(DataFrame)
    expect(frame.toRecords()).toEqual([{ a: 1 }])
    expectTypeOf(frame.toRecords()).toEqualTypeOf<{ a: number | null }[]>()
  })

  it('infers types from values', () => {
    const frame = DataFrame(
      { i: new Int32Array(1), b: [1n], s: ['x'], f: { values: [null], type: { kind: 'float32' } }, d: ['1.5'] },
      { d: decimalType },
    )
    expectTypeOf(frame.schema.i).toEqualTypeOf<{ readonly kind: 'int32' }>()
    expectTypeOf(frame.toRecords()).toEqualTypeOf<
      { i: number | null; b: bigint | null; s: string | null; f: number | null; d: string | null }[]
    >()
    expect(Object.values(frame.schema).map((type) => type.kind)).toEqual([
      'int32',
      'int64',
      'utf8',
      'float32',
      'decimal',
    ])
  })

  it('knows its shape and schema', () => {
    const frame = sample()
    expect(frame.shape).toEqual({ height: 3, width: 6 })
    expect(frame.columns).toEqual(['id', 'big', 'name', 'price', 'day', 'at'])
    expect(frame.schema.price).toEqual(decimalType)
    expect(frame.estimatedBytes()).toBeGreaterThan(3 * (8 + 8 + 16 + 4 + 8))
  })

  it('gives records', () => {
    expect(sample().toRecords()).toEqual([
      { id: 1, big: 1n, name: 'Ada', price: '1.50', day: new Date('2024-02-29'), at: new Date(1500) },
      { id: 2, big: -(2n ** 63n), name: null, price: '-0.05', day: null, at: new Date(-1) },
      { id: null, big: null, name: 'Grace <&>\n', price: null, day: new Date('1969-12-31'), at: null },
    ])
  })

  it('gives columns exactly', () => {
    const frame = sample()
    expect(frame.getColumn('at').toArray()).toEqual([1_500_000_000n, -1n, null])
    expectTypeOf(frame.getColumn('at').toArray()).toEqualTypeOf<(bigint | null)[]>()
    expect([...frame.getColumn('price')]).toEqual(['1.50', '-0.05', null])
    expect(frame.getColumn('big').get(1)).toBe(-(2n ** 63n))
    expect(() => frame.getColumn('big').get(3)).toThrow('Row not found: 3')
    expect(() => frame.getColumn('nmae' as never)).toThrow('Column not found: "nmae" (did you mean "name"?)')
  })

  it('prints as a box', () => {
    const lines = [
      'shape: (3, 6)',
      '┌─────────┬──────────────────────┬─────────────┬───────────────┬────────────┬───────────────────────────────┐',
      '│      id │                  big │ name        │         price │ day        │ at                            │',
      '│ float64 │                int64 │ utf8        │ decimal(12,2) │ date       │ timestamp[ns]                 │',
      '├─────────┼──────────────────────┼─────────────┼───────────────┼────────────┼───────────────────────────────┤',
      '│       1 │                    1 │ Ada         │          1.50 │ 2024-02-29 │ 1970-01-01 00:00:01.500000000 │',
      '│       2 │ -9223372036854775808 │ null        │         -0.05 │ null       │ 1969-12-31 23:59:59.999999999 │',
      '│    null │                 null │ Grace <&>\\n │          null │ 1969-12-31 │ null                          │',
      '└─────────┴──────────────────────┴─────────────┴───────────────┴────────────┴───────────────────────────────┘',
    ]
    expect(inspect(sample())).toBe(lines.join('\n'))
    expect(`${sample()}`).toBe(lines.join('\n'))
  })

  it('shows first and last rows of a long table, and escapes HTML', () => {
    const long = DataFrame({ n: Float64Array.from({ length: 100 }, (_, row) => row), s: new Array(100).fill('<b>') })
    const cells = String(long)
      .split('\n')
      .slice(5, -1)
      .map((line) => line.split('│')[1]?.trim())
    expect(cells).toEqual(['0', '1', '2', '3', '4', '…', '95', '96', '97', '98', '99'])
    const display = (long as unknown as Record<symbol, () => Record<string, string>>)[Symbol.for('Jupyter.display')]
    expect(display?.call(long)['text/html']).toContain('<td>&lt;b&gt;</td>')
  })

  it('goes to Arrow and back without copying', () => {
    const frame = sample()
    const table = frame.toArrow()
    expect(frame.toArrow()).toBe(table)
    expect(table.numRows).toBe(3)
    expect(table.getChild('name')?.toArray()).toEqual(['Ada', null, 'Grace <&>\n'])
    expect(fromArrow(table).toRecords()).toEqual(frame.toRecords())
    const file = arrow.tableFromIPC(arrow.tableToIPC(table))
    expect(DataFrame.fromArrow(file).toRecords()).toEqual(frame.toRecords())
  })

  it('concatenates without copying rows', () => {
    const frame = sample()
    const both = concatDataFrames([frame, frame, dataFrameFromTable(frame.table)])
    expect(both.height).toBe(9)
    expect(both.table.chunks[1]).toBe(frame.table.chunks[0])
    expect(both.getColumn('id').toArray()).toEqual([1, 2, null, 1, 2, null, 1, 2, null])
    expect(both.getColumn('id').get(4)).toBe(2)
    expect(both.toArrow().getChild('big')?.get(8)).toBeNull()
    expect(() => DataFrame.concat([DataFrame({ a: [1] }), DataFrame({ a: [1n] }) as never])).toThrow(
      'Concat needs equal types: column "a" is int64 in frame 1, float64 in frame 0.',
    )
    expect(() => DataFrame.concat([DataFrame({ a: [1] }), DataFrame({ b: [1] }) as never])).toThrow('"b" in frame 1')
    expect(() => DataFrame.concat([])).toThrow('at least one frame')
  })

  it('starts a query over itself', () => {
    const session = {} as never
    const frame = dataFrameFromTable(sample().table, session)
    const lazy = frame.lazy()
    expect(lazy.session).toBe(session)
    expect(lazy.describePlan()).toBe('IN-MEMORY 3 rows ["id", "big", "name", "price", "day", "at"]')
    expect(lazy.plan).toMatchObject({ table: frame.sharedTable() })
    expect(frame.lazy().plan).toMatchObject({ table: frame.sharedTable() })
  })

  it('shares its buffers once', () => {
    const frame = sample()
    expect(frame.sharedTable()).toBe(frame.sharedTable())
    expect(frame.sharedTable().chunks[0]?.columns[0]?.values.buffer).toBe(
      frame.table.chunks[0]?.columns[0]?.values.buffer,
    )
  })
})
