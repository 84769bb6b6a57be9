/** Packed tables against the chunks they were made of: every length, nulls, strings, sharing, joining. */
import { expect, test } from 'vitest'
import type { ArrowColumn } from './arrow-column.ts'
import { readTwinColumn, type TwinValue, twinColumn } from './arrow-column-twin.ts'
import type { PackedColumns } from './packed-chunk.ts'
import { joinTables, packTable } from './packed-table.ts'
import type { Schema } from './schema.ts'
import { estimateTableBytes, type SharedTable, shareTable, tableMessage, tableOfMessage } from './shared-table.ts'

const schema: Schema = {
  fields: [
    { name: 'id', type: { kind: 'int64' }, nullable: false },
    { name: 'name', type: { kind: 'utf8' }, nullable: true },
    { name: 'flag', type: { kind: 'boolean' }, nullable: true },
  ],
}

type Rows = readonly (readonly TwinValue[])[]

/** Three columns of `length` rows; every third name and every fifth flag is null. */
function rowsOf(length: number, first: number): Rows {
  const rows = Array.from({ length }, (_, row) => first + row)
  return [
    rows.map((row) => BigInt(row) * 1_000_003n),
    rows.map((row) => (row % 3 === 0 ? null : 'n'.repeat(row % 17) + row)),
    rows.map((row) => (row % 5 === 0 ? null : row % 2 === 0)),
  ]
}

/** What a worker sends: the pieces of all columns one after the other in one buffer. */
function packedOf(rows: Rows): PackedColumns {
  const columns = rows.map((values, index) =>
    twinColumn((schema.fields[index] as Schema['fields'][number]).type, values),
  )
  const pieces: Uint8Array[] = []
  let end = 0
  const place = (bytes: Uint8Array | undefined): number[] => {
    const at = end
    if (bytes !== undefined) pieces.push(bytes)
    end += Math.ceil((bytes?.byteLength ?? 0) / 16) * 16
    return [at, bytes?.byteLength ?? 0]
  }
  const layout = columns.flatMap(({ nullCount, validity, offsets, values }) => [
    nullCount < 0 ? 1 : nullCount,
    ...place(validity),
    ...place(offsets),
    ...place(values),
  ])
  const buffer = new ArrayBuffer(end)
  let at = 0
  for (const piece of pieces) {
    new Uint8Array(buffer).set(piece, at)
    at += Math.ceil(piece.byteLength / 16) * 16
  }
  return { rowCount: rows[0]?.length ?? 0, buffer, offset: 0, layout }
}

function readTable({ chunks }: SharedTable): Rows {
  const read = (column: ArrowColumn | undefined): TwinValue[] => (column === undefined ? [] : readTwinColumn(column))
  return schema.fields.map((_, index) => chunks.flatMap((chunk) => read(chunk.columns[index])))
}

const joined = (parts: readonly Rows[]): Rows =>
  schema.fields.map((_, index) => parts.flatMap((rows) => rows[index] ?? []))

test('holds the rows of its chunks, for every length', () => {
  for (let length = 0; length <= 130; length++) {
    const parts = [rowsOf(length, 1), rowsOf(130 - length, 500), rowsOf(length % 7, 900)]
    const table = packTable(schema, parts.map(packedOf))
    expect(table.rowCount).toBe(130 + (length % 7))
    expect(table.chunks.map(({ rowCount }) => rowCount)).toEqual([length, 130 - length, length % 7])
    expect(readTable(table)).toEqual(joined(parts))
  }
})

test('keeps one buffer for small chunks, and the given buffers for large ones', () => {
  const buffersOf = (table: SharedTable) => new Set(table.chunks.map(({ columns }) => columns[0]?.values.buffer))
  const small = packTable(schema, [packedOf(rowsOf(3, 0)), packedOf(rowsOf(4, 3))])
  expect(buffersOf(small).size).toBe(1)
  const given = [packedOf(rowsOf(60_000, 0)), packedOf(rowsOf(4, 3))]
  const kept = [...buffersOf(packTable(schema, given))]
  expect(kept.length).toBe(2)
  expect(kept.every((buffer, index) => buffer === given[index]?.buffer)).toBe(true)
  expect(packTable(schema, []).rowCount).toBe(0)
})

test('is shared chunk by chunk, each with its own bytes only, and crosses threads', () => {
  const parts = [rowsOf(70, 0), rowsOf(0, 0), rowsOf(9, 70)]
  const packed = parts.map(packedOf)
  const shared = shareTable(packTable(schema, packed))
  expect(readTable(shared)).toEqual(joined(parts))
  shared.chunks.forEach(({ columns }, index) => {
    const buffer = columns[0]?.values.buffer
    expect(buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(buffer?.byteLength).toBeLessThanOrEqual(packed[index]?.buffer.byteLength ?? 0)
  })
  expect(readTable(tableOfMessage(structuredClone(tableMessage(shared))))).toEqual(joined(parts))
})

test('tables are joined in order', () => {
  const parts = [rowsOf(5, 0), rowsOf(0, 0), rowsOf(33, 5)]
  const tables = parts.map((rows) => packTable(schema, [packedOf(rows)]))
  const table = joinTables(schema, tables)
  expect(table.rowCount).toBe(38)
  expect(readTable(table)).toEqual(joined(parts))
  expect(estimateTableBytes(table)).toBe(tables.reduce((sum, one) => sum + estimateTableBytes(one), 0))
})
