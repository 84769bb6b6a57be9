/**
 * Rows laid out for Arrow in contiguous pages: what a spill file holds as a block, without its message. A block can be
 * written to a file as it is, and read like one.
 *
 *   u32 pages | u32 rows | per column: u32 nulls, and offset and bytes of bitmap, offsets, values | pieces …
 *
 * All pages of a segment's blocks are one chain, in order: the first page of the next block follows the last one.
 */
import type { ArenaSlice, ArrowColumn, ExportedColumn, Schema } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import type { Arena } from '@spillway/memory'

const ALIGNMENT = 64
const HEAD_WORDS = 4
const COLUMN_WORDS = 8

const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
const headBytes = (columns: number): number => align((HEAD_WORDS + columns * COLUMN_WORDS) * 4)
const piecesOf = ({ validity, offsets, values }: ExportedColumn): ArenaSlice[] => [validity, offsets, values]

/** Pages that the columns take as a block. */
export function blockPages(columns: readonly ExportedColumn[]): number {
  const pieces = columns.flatMap(piecesOf).reduce((sum, { bytes }) => sum + align(bytes), 0)
  return Math.ceil((headBytes(columns.length) + pieces) / PAGE_BYTES)
}

/** Copies the columns into `pages` pages at `address` and links these. */
export function writeBlock(
  arena: Arena,
  address: number,
  pages: number,
  columns: readonly ExportedColumn[],
  rows: number,
): void {
  const base = address >>> 2
  arena.u32[base] = pages
  arena.u32[base + 1] = rows
  let cursor = address + headBytes(columns.length)
  columns.forEach((column, index) => {
    let word = base + HEAD_WORDS + index * COLUMN_WORDS
    arena.u32[word++] = column.nullCount
    for (const { address: from, bytes } of piecesOf(column)) {
      arena.u32[word++] = cursor - address
      arena.u32[word++] = bytes
      arena.u8.copyWithin(cursor, from, from + bytes)
      cursor += align(bytes)
    }
  })
  for (let page = 0; page + 1 < pages; page++) {
    arena.kernels.pageNextSet(address + page * PAGE_BYTES, address + (page + 1) * PAGE_BYTES)
  }
  arena.kernels.pageNextSet(lastPage(arena, address), 0)
}

export const blockRows = (arena: Arena, address: number): number => arena.u32[(address >>> 2) + 1] as number

/** The page from which the chain goes on to the next block. */
export function lastPage(arena: Arena, address: number): number {
  return address + ((arena.u32[address >>> 2] as number) - 1) * PAGE_BYTES
}

/** The next block of the chain, or 0. */
export function nextBlock(arena: Arena, address: number): number {
  return arena.kernels.pageNextGet(lastPage(arena, address)) >>> 0
}

/** The block's columns where they lie, for writing. */
export function blockColumns(arena: Arena, address: number, schema: Schema): ExportedColumn[] {
  const length = blockRows(arena, address)
  return schema.fields.map(({ type }, index): ExportedColumn => {
    const word = (address >>> 2) + HEAD_WORDS + index * COLUMN_WORDS
    const piece = (number: number): ArenaSlice => ({
      address: address + (arena.u32[word + 1 + number * 2] as number),
      bytes: arena.u32[word + 2 + number * 2] as number,
    })
    const nullCount = arena.u32[word] as number
    return { type, length, nullCount, validity: piece(0), offsets: piece(1), values: piece(2) }
  })
}

/** The same as views, for reading. */
export function readableColumns(arena: Arena, address: number, schema: Schema): ArrowColumn[] {
  const bytesOf = ({ address: from, bytes }: ArenaSlice): Uint8Array => arena.u8.subarray(from, from + bytes)
  return blockColumns(arena, address, schema).map(
    ({ type, length, nullCount, validity, offsets, values }): ArrowColumn => ({
      type,
      length,
      offset: 0,
      nullCount,
      validity: validity.bytes === 0 ? undefined : bytesOf(validity),
      values: bytesOf(values),
      offsets: offsets.bytes === 0 ? undefined : bytesOf(offsets),
      offsetBytes: 4,
      dictionary: undefined,
      indexBytes: 4,
    }),
  )
}
