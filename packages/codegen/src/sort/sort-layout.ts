/**
 * How the rows of a sort lie in memory:
 *
 *   ┌───────────────────────────┬─────────────┬────────────────┬──────────────┬────────────┬─────────┐
 *   │ key: u64 words, in order  │ ordinal u64 │ 16-byte fields │ 8, 4, 2, 1 … │ null flags │ padding │
 *   └───────────────────────────┴─────────────┴────────────────┴──────────────┴────────────┴─────────┘
 *
 * Rows are in order when their words are, as unsigned numbers. The key's bytes, the most significant of the first word
 * first:
 *
 *   nullable column   one byte: is it behind the others                             (not changed by `descending`)
 *   number            1 … 16 bytes of which unsigned order is the column's order, inverted when descending
 *   string            12 bytes, the shorter ones padded with zeroes; padding; one byte: its length, 13 for more than 12
 *
 * The byte of a string's length is the last one of a word and ends a segment: rows that agree so far and have 13 there
 * are compared by their whole strings before what follows (packages/kernels/assembly/sort-order.ts).
 */
import { hasOwnLength, type DataType, makeSchema, physicalOf, STRING_INLINE_MAX, widthOf } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import type { RowField } from '../rows/row-layout.ts'
import { ORDINAL_COLUMN, ordinalType, type SortLayout, type SortSpec } from './sort-spec.ts'

/** Length byte of strings longer than what stands in the key. */
export const LONG_STRING = STRING_INLINE_MAX + 1
/** Digits that 64 bits hold for certain. */
const WORD_DIGITS = 18

/** Where the parts of a key column stand, in bytes from the start of the key. */
export interface KeyPlace {
  readonly column: number
  readonly type: DataType
  readonly descending: boolean
  readonly nullsLast: boolean
  readonly nullAt: number | undefined
  readonly valueAt: number
  readonly valueBytes: number
  /** Of a string: the byte of its length. */
  readonly lengthAt: number | undefined
}

export interface SortPlan {
  readonly layout: SortLayout
  readonly places: readonly KeyPlace[]
}

/** Bytes of a value in the key; of a string, those before its length. */
export function keyBytes(type: DataType): number {
  if (type.kind === 'null') return 0
  if (hasOwnLength(type)) return STRING_INLINE_MAX
  if (type.kind === 'decimal') return type.precision <= WORD_DIGITS ? 8 : 16
  return widthOf(type)
}

/** Lays out the key and the row. */
export function planSort(spec: SortSpec): SortPlan {
  const { places, bytes } = placeKeys(spec)
  const keyWords = Math.max(1, Math.ceil(bytes / 8))
  const { fields, rowBytes } = placeFields(spec, (keyWords + 1) * 8)
  const segments: number[][] = []
  for (const { lengthAt, column, descending } of places) {
    if (lengthAt === undefined) continue
    const marker = descending ? 255 - LONG_STRING : LONG_STRING
    const field = fields[column]
    assert(field !== undefined, 'a key is one of the columns')
    segments.push([(lengthAt + 1) / 8, field.offset, marker, descending ? 1 : 0])
  }
  segments.push([keyWords + 1, 0, 0, 0])
  const order = Uint32Array.from([segments.length, 0, 0, 0, ...segments.flat()])
  return { places, layout: { rowBytes, keyWords, fields, order } }
}

function placeKeys(spec: SortSpec): { places: KeyPlace[]; bytes: number } {
  let cursor = 0
  const places = spec.keys.map(({ column, descending, nullsLast }): KeyPlace => {
    const field = spec.input.fields[column]
    assert(field !== undefined, 'a key is one of the columns')
    const { type } = field
    const nullAt = field.nullable && type.kind !== 'null' ? cursor++ : undefined
    const valueAt = cursor
    const valueBytes = keyBytes(type)
    cursor += valueBytes
    let lengthAt: number | undefined
    if (hasOwnLength(type)) {
      lengthAt = Math.ceil((cursor + 1) / 8) * 8 - 1
      cursor = lengthAt + 1
    }
    return { column, type, descending, nullsLast, nullAt, valueAt, valueBytes, lengthAt }
  })
  return { places, bytes: cursor }
}

/** Fields by falling width, then the flags. */
function placeFields(spec: SortSpec, start: number): { fields: RowField[]; rowBytes: number } {
  const { fields } = spec.input
  const offsets = new Map<number, number>()
  let cursor = start
  for (const width of [16, 8, 4, 2, 1]) {
    fields.forEach(({ type }, column) => {
      if (widthOf(type) !== width) return
      offsets.set(column, cursor)
      cursor += width
    })
  }
  const placed = fields.map(({ name, type, nullable }, column): RowField => {
    const offset = offsets.get(column)
    assert(offset !== undefined, 'every field has a width of 1, 2, 4, 8 or 16 bytes')
    return Object.freeze({ name, type, offset, nullOffset: nullable ? cursor++ : undefined, role: 'state' })
  })
  const rowBytes = Math.ceil(cursor / 8) * 8
  return { fields: placed, rowBytes }
}

/** The ordinal as a field of the row. */
export function ordinalField(layout: SortLayout): RowField {
  const offset = layout.keyWords * 8
  return { name: ORDINAL_COLUMN, type: ordinalType, offset, nullOffset: undefined, role: 'state' }
}

export function sortSpillSchema(spec: SortSpec) {
  const columns = spec.input.fields.map(({ type, nullable }, index) => ({ name: `column ${index}`, type, nullable }))
  return makeSchema([{ name: ORDINAL_COLUMN, type: ordinalType, nullable: false }, ...columns])
}

export const isView = (type: DataType): boolean => physicalOf(type) === 'view'
