/**
 * How a row of a row store lies in a page: fixed-width fields at fixed offsets, so that rows can be built, compared,
 * merged, spilled and loaded by generated code. Shared by group-by, join and sort.
 *
 *   ┌──────────┬────────────────┬──────────────┬─────────────────────────────┬──────┬─────────┐
 *   │ hash u64 │ 16-byte fields │ 8, 4, 2, 1 … │ null flags, one byte each   │ dead │ padding │
 *   └──────────┴────────────────┴──────────────┴─────────────────────────────┴──────┴─────────┘
 *
 * Rows of a join also have a link (u32, 4-byte aligned, before the null flags): the next row of their hash chain. It
 * means something while a directory exists and is never spilled.
 * *
 * rowBytes is a multiple of 8. Rows lie in blocks: pages, or, when a row is longer than a page, as many contiguous
 * pages as one row needs. Strings are 16-byte views whose long bytes lie in heap pages of the same partition.
 * The view of a null string is all zeroes, so "length > 12" alone says whether a view owns heap bytes.
 */
import { assert } from '@spillway/stdx'
import { type DataType, makeSchema, type Schema, widthOf } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'

export type RowFieldRole = 'hash' | 'key' | 'state'

export interface RowField {
  readonly name: string
  readonly type: DataType
  /** Byte offset of the value in the row. */
  readonly offset: number
  /** Byte offset of the flag (1 = valid, 0 = null); undefined = never null. */
  readonly nullOffset: number | undefined
  readonly role: RowFieldRole
}

export interface RowLayout {
  readonly rowBytes: number
  /** In declaration order (hash first), not in order of offset. */
  readonly fields: readonly RowField[]
  /** Byte offset of the flag that is 1 when the row was merged into another one; in a join: when it had a match. */
  readonly deadOffset: number
  /** Byte offset of the link to the next row of a hash chain; undefined: rows have none. */
  readonly linkOffset: number | undefined
}

/** A field before it has a place. */
export interface RowFieldSpec {
  readonly name: string
  readonly type: DataType
  readonly nullable: boolean
  readonly role: RowFieldRole
}

/** Name of the field that every row starts with. */
export const HASH_FIELD = 'hash'

const hashType: DataType = { kind: 'uint64' }

/** Places the fields: hash, then by falling width, then the flags. @param hasLink rows are chained (joins) */
export function makeRowLayout(specs: readonly RowFieldSpec[], hasLink = false): RowLayout {
  const offsets = new Map<RowFieldSpec, number>()
  let cursor = 8
  let linkOffset: number | undefined
  for (const width of [16, 8, 4, 2, 1]) {
    if (width === 2 && hasLink) {
      linkOffset = cursor
      cursor += 4
    }
    for (const spec of specs) {
      if (widthOf(spec.type) !== width) continue
      offsets.set(spec, cursor)
      cursor += width
    }
  }
  const fields: RowField[] = [{ name: HASH_FIELD, type: hashType, offset: 0, nullOffset: undefined, role: 'hash' }]
  for (const spec of specs) {
    const offset = offsets.get(spec)
    assert(offset !== undefined, 'every field has a width of 1, 2, 4, 8 or 16 bytes')
    const nullOffset = spec.nullable ? cursor++ : undefined
    fields.push(Object.freeze({ name: spec.name, type: spec.type, offset, nullOffset, role: spec.role }))
  }
  const deadOffset = cursor++
  const rowBytes = Math.ceil(cursor / 8) * 8
  return Object.freeze({ rowBytes, fields: Object.freeze(fields), deadOffset, linkOffset })
}

/** Contiguous pages of a block of rows: one, unless a row is longer than that. */
export function rowBlockPages({ rowBytes }: Pick<RowLayout, 'rowBytes'>): number {
  return Math.max(1, Math.ceil(rowBytes / PAGE_BYTES))
}

/** Rows that fit in a block. */
export function rowsPerBlock(layout: Pick<RowLayout, 'rowBytes'>): number {
  return Math.floor((rowBlockPages(layout) * PAGE_BYTES) / layout.rowBytes)
}

/** The columns that raw rows are spilled as: one per field, in field order. */
export function spillSchemaOf(layout: RowLayout): Schema {
  return makeSchema(
    layout.fields.map((field) => ({ name: field.name, type: field.type, nullable: field.nullOffset !== undefined })),
  )
}
