/** The bridge: every type there and back, slices at every offset, dictionaries, sharing, and errors of ingest. */
import { createRequire } from 'node:module'
import * as arrow from 'apache-arrow'
import { describe, expect, it } from 'vitest'
import type { DataType } from '../data-type.ts'
import { typeName } from '../data-type.ts'
import { makeExactReader, readExact, readValue } from '../read-value.ts'
import type { SharedTable } from '../shared-table.ts'
import { makeTable, shareTable } from '../shared-table.ts'
import { type ColumnInput, fromArrowTable, fromColumns, toArrowTable } from './index.ts'

function exactRows(table: SharedTable): unknown[][] {
  return table.chunks.flatMap((chunk) => {
    const readers = chunk.columns.map(makeExactReader)
    return Array.from({ length: chunk.rowCount }, (_, row) => readers.map((read) => read(row)))
  })
}

const samples: { type: DataType; plain: unknown[]; exact: unknown[] }[] = [
  { type: { kind: 'int8' }, plain: [-128, 127n, null], exact: [-128, 127, null] },
  { type: { kind: 'uint8' }, plain: [0, 255], exact: [0, 255] },
  { type: { kind: 'int16' }, plain: [-32768, 32767], exact: [-32768, 32767] },
  { type: { kind: 'uint16' }, plain: [65535, null], exact: [65535, null] },
  { type: { kind: 'int32' }, plain: [-2147483648, 2147483647], exact: [-2147483648, 2147483647] },
  { type: { kind: 'uint32' }, plain: [4294967295], exact: [4294967295] },
  { type: { kind: 'int64' }, plain: [-(2n ** 63n), 5, null], exact: [-(2n ** 63n), 5n, null] },
  { type: { kind: 'uint64' }, plain: [2n ** 64n - 1n], exact: [2n ** 64n - 1n] },
  { type: { kind: 'float32' }, plain: [0.5, Number.NaN, -0], exact: [0.5, Number.NaN, -0] },
  { type: { kind: 'float64' }, plain: [0.1, Infinity, null], exact: [0.1, Infinity, null] },
  { type: { kind: 'boolean' }, plain: [true, false, null, true], exact: [true, false, null, true] },
  { type: { kind: 'utf8' }, plain: ['', 'ä😀', null, 'x'.repeat(40)], exact: ['', 'ä😀', null, 'x'.repeat(40)] },
  { type: { kind: 'date' }, plain: [new Date('1969-12-31T23:00Z'), '2024-02-29', 3], exact: [-1, 19782, 3] },
  {
    type: { kind: 'timestamp', unit: 'us', timezone: 'UTC' },
    plain: [new Date(-1), 5n, null],
    exact: [-1000n, 5n, null],
  },
  { type: { kind: 'timestamp', unit: 's', timezone: undefined }, plain: [new Date(-1)], exact: [-1n] },
  { type: { kind: 'timestamp', unit: 'ns', timezone: undefined }, plain: [new Date(7)], exact: [7000000n] },
  {
    type: { kind: 'decimal', precision: 38, scale: 2 },
    plain: ['-12.3', 5n, 0.25, '1e3', `${'9'.repeat(36)}.99`, null],
    exact: [-1230n, 500n, 25n, 100000n, 10n ** 38n - 1n, null],
  },
  { type: { kind: 'null' }, plain: [null, undefined], exact: [null, null] },
]

describe('values there and back', () => {
  for (const { type, plain, exact } of samples) {
    it(typeName(type), () => {
      const table = fromColumns({ a: { values: plain, type } })
      const wanted = exact.map((value) => [value])
      expect(exactRows(table)).toEqual(wanted)
      const back = fromArrowTable(toArrowTable(table.schema, table.chunks))
      expect(back.schema.fields[0]?.type).toEqual(type)
      expect(exactRows(back)).toEqual(wanted)
      // Through the file format too: buffers then lie in one ArrayBuffer and are copied.
      const bytes = arrow.tableToIPC(toArrowTable(table.schema, table.chunks))
      expect(exactRows(fromArrowTable(arrow.tableFromIPC(bytes)))).toEqual(wanted)
    })
  }

  it('reads plain values', () => {
    const table = fromColumns(
      { t: [new Date(1500)], d: ['2024-02-29'], m: ['-0.05'] },
      { d: { kind: 'date' }, m: { kind: 'decimal', precision: 5, scale: 2 } },
    )
    const columns = table.chunks[0]?.columns ?? []
    expect(columns.map((column) => readValue(column, 0))).toEqual([new Date(1500), new Date('2024-02-29'), '-0.05'])
  })
})

describe('slices of Arrow tables', () => {
  const length = 40
  const values = Array.from({ length }, (_, row) => (row % 5 === 3 ? null : row))
  const source: Record<string, ColumnInput> = {
    i: { values, type: { kind: 'int16' } },
    b: { values: values.map((row) => (row === null ? null : row % 3 === 0)), type: { kind: 'boolean' } },
    c: Array.from({ length }, (_, row) => row % 7 < 2),
    s: values.map((row) => (row === null ? null : `row ${row}`)),
    m: { values, type: { kind: 'decimal', precision: 20, scale: 1 } },
    n: { values: values.map(() => null), type: { kind: 'null' } },
  }
  const table = fromColumns(source)
  const rows = exactRows(table)
  const whole = toArrowTable(table.schema, table.chunks)

  it('keeps the rows at every offset and length', () => {
    for (let offset = 0; offset < 18; offset++) {
      for (const end of [offset, offset + 1, offset + 9, length]) {
        expect(exactRows(fromArrowTable(whole.slice(offset, end)))).toEqual(rows.slice(offset, end))
      }
    }
  })

  it('gives Arrow columns with an offset', () => {
    const sliced = fromArrowTable(whole.slice(13, 31))
    expect(sliced.chunks[0]?.columns[0]?.offset).toBe(5)
    expect(exactRows(fromArrowTable(toArrowTable(sliced.schema, sliced.chunks)))).toEqual(rows.slice(13, 31))
  })
})

describe('dictionaries and sharing', () => {
  const words = ['b', 'a', null, 'b', 'a rather long word']

  it('keeps a dictionary, one for all batches', () => {
    const vector = arrow.vectorFromArray(words, new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8()))
    const both = new arrow.Table({ w: vector.concat(vector) })
    const table = fromArrowTable(both)
    expect(exactRows(table).flat()).toEqual([...words, ...words])
    const [first, second] = table.chunks.map((chunk) => chunk.columns[0])
    expect(first?.indexBytes).toBe(1)
    expect(first?.dictionary).toBeDefined()
    expect(second?.dictionary).toBe(first?.dictionary)
    const back = toArrowTable(table.schema, table.chunks)
    expect(back.schema.fields[0]?.type.typeId).toBe(arrow.Type.Dictionary)
    expect([...(back.getChild('w') ?? [])]).toEqual([...words, ...words])
  })

  it('decodes a column that is a dictionary in some chunks only', () => {
    const coded = fromArrowTable(
      new arrow.Table({ w: arrow.vectorFromArray(words, new arrow.Dictionary(new arrow.Utf8(), new arrow.Int16())) }),
    )
    const plain = fromColumns({ w: words })
    const back = toArrowTable(coded.schema, [...coded.chunks, ...plain.chunks])
    expect([...(back.getChild('w') ?? [])]).toEqual([...words, ...words])
  })

  it('reads LargeUtf8', () => {
    const table = fromArrowTable(new arrow.Table({ w: arrow.vectorFromArray(words, new arrow.LargeUtf8()) }))
    expect(table.chunks[0]?.columns[0]?.offsetBytes).toBe(8)
    expect(exactRows(table).flat()).toEqual(words)
    const mixed = toArrowTable(table.schema, [...table.chunks, ...fromColumns({ w: words }).chunks])
    expect([...(mixed.getChild('w') ?? [])]).toEqual([...words, ...words])
  })

  it('copies nothing that is shared, and shares the rest', () => {
    const table = fromColumns({ a: [1, 2, null], s: ['x', 'y', 'z'], i: new Int32Array([1, 2, 3]) })
    const again = fromArrowTable(toArrowTable(table.schema, table.chunks))
    const buffers = (of: SharedTable) => of.chunks[0]?.columns.map((column) => column.values.buffer)
    expect(buffers(again)).toEqual(buffers(table))
    for (const [index, buffer] of (buffers(again) ?? []).entries()) expect(buffer).toBe(buffers(table)?.[index])
    const column = { ...table.chunks[0]?.columns[2], values: new Uint8Array(12) } as never
    const plain = makeTable({ fields: [] }, [{ rowCount: 3, columns: [column] }])
    expect(shareTable(plain).chunks[0]?.columns[0]?.values.buffer).toBeInstanceOf(SharedArrayBuffer)
  })

  it('keeps a table without rows', () => {
    const table = fromColumns({ a: [], s: { values: [], type: { kind: 'utf8' } } })
    const back = fromArrowTable(toArrowTable(table.schema, table.chunks))
    expect(back.rowCount).toBe(0)
    expect(back.schema.fields.map((field) => field.type.kind)).toEqual(['null', 'utf8'])
  })
})

describe('ingest', () => {
  it('infers types as nodejs-polars does', () => {
    const table = fromColumns({ n: [1, null], b: [1n, 2n], o: [true, null], s: ['a', 'b'], f: new Float32Array(2) })
    expect(table.schema.fields.map((field) => field.type.kind)).toEqual([
      'float64',
      'int64',
      'boolean',
      'utf8',
      'float32',
    ])
    expect(table.schema.fields.map((field) => field.nullable)).toEqual([true, false, true, false, false])
  })

  it('says which column and row is wrong', () => {
    expect(() => fromColumns({ a: [null, 1, 'x'] })).toThrow(
      'Mixed values in column "a": row 1 gives float64, row 2 utf8. Give the column a type.',
    )
    expect(() => fromColumns({ a: [1, 256] }, { a: { kind: 'uint8' } })).toThrow(
      'Value does not fit the type: 256 in column "a", row 1, as uint8.',
    )
    expect(() => fromColumns({ a: [1], b: [] })).toThrow('"b" has 0 rows, "a" has 1.')
    expect(() => fromColumns({ a: ['0.001'] }, { a: { kind: 'decimal', precision: 9, scale: 2 } })).toThrow('"0.001"')
    expect(() => fromColumns({ a: ['2024-02-30'] }, { a: { kind: 'date' } })).toThrow('row 0, as date')
    expect(() => fromColumns({ a: [{}] })).toThrow('an object of no data type')
  })

  it('names the column of an unsupported Arrow type', () => {
    const list = arrow.vectorFromArray([[1], [2]], new arrow.List(new arrow.Field('item', new arrow.Int32(), true)))
    expect(() => fromArrowTable(new arrow.Table({ l: list }))).toThrow('Unsupported Arrow type in column "l"')
  })

  it("reads tables of the library's CommonJS copy", () => {
    const commonJs = createRequire(import.meta.url)('apache-arrow') as typeof arrow
    const table = new commonJs.Table({
      n: commonJs.vectorFromArray([1, null], new commonJs.Float64()),
      w: commonJs.vectorFromArray(['x', 'y'], new commonJs.Dictionary(new commonJs.Utf8(), new commonJs.Int32())),
    })
    expect(exactRows(fromArrowTable(table as unknown as arrow.Table))).toEqual([
      [1, 'x'],
      [null, 'y'],
    ])
  })

  it('stores a Date64 column as timestamp[ms]', () => {
    const dates = arrow.vectorFromArray([new Date(86_400_000), null], new arrow.DateMillisecond())
    const table = fromArrowTable(new arrow.Table({ d: dates }))
    expect(table.schema.fields[0]?.type).toEqual({ kind: 'timestamp', unit: 'ms', timezone: undefined })
    expect(readExact(table.chunks[0]?.columns[0] as never, 0)).toBe(86_400_000n)
  })
})
