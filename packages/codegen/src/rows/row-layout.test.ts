/** Places of fields in a row. */
import type { DataType } from '@spillway/columnar'
import { widthOf } from '@spillway/columnar'
import { expect, it } from 'vitest'
import { makeRowLayout, rowBlockPages, rowsPerBlock, spillSchemaOf } from './row-layout.ts'

const kinds = ['int8', 'utf8', 'int32', 'int64', 'boolean', 'int16', 'float32'] as const

it('places fields without overlap, aligned to 8 bytes or their width', () => {
  const specs = kinds.map((kind, index) => ({
    name: `f${index}`,
    type: { kind } satisfies DataType,
    nullable: index % 2 === 0,
    role: 'key' as const,
  }))
  const layout = makeRowLayout(specs)
  const taken = new Set<number>()
  const take = (offset: number): void => {
    expect(taken.has(offset)).toBe(false)
    expect(offset).toBeLessThan(layout.rowBytes)
    taken.add(offset)
  }
  take(layout.deadOffset)
  for (const field of layout.fields) {
    const width = widthOf(field.type)
    expect(field.offset % Math.min(width, 8)).toBe(0)
    for (let byte = 0; byte < width; byte++) take(field.offset + byte)
    if (field.nullOffset !== undefined) take(field.nullOffset)
  }
  expect(layout.fields[0]).toMatchObject({ name: 'hash', offset: 0 })
  expect(layout.rowBytes % 8).toBe(0)
  expect(rowsPerBlock(layout)).toBe(Math.floor(65536 / layout.rowBytes))
  expect(spillSchemaOf(layout).fields.map((field) => field.nullable)).toEqual([
    false,
    ...specs.map((spec) => spec.nullable),
  ])
})

it('puts a row that is longer than a page in a block of pages', () => {
  for (const [rowBytes, pages, rows] of [
    [8, 1, 8192],
    [32_768, 1, 2],
    [65_536, 1, 1],
    [65_544, 2, 1],
    [131_072, 2, 1],
    [131_080, 3, 1],
  ] as const) {
    expect(rowBlockPages({ rowBytes })).toBe(pages)
    expect(rowsPerBlock({ rowBytes })).toBe(rows)
  }
})
