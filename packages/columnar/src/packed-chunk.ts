/**
 * The columns of one chunk of a result in one buffer. A query's result may be a thousand chunks of a few rows, and a
 * buffer with its views costs more memory than such rows: so a chunk keeps one buffer and a few numbers, and makes the
 * views when they are asked for.
 */
import { hasOwnLength } from './data-type.ts'
import { assert } from '@spillway/stdx'
import type { ArrowColumn, ExportedColumn } from './arrow-column.ts'
import type { Schema } from './schema.ts'
import type { TableChunk } from './shared-table.ts'

/** What crosses threads. */
export interface PackedColumns {
  readonly rowCount: number
  readonly buffer: ArrayBuffer | SharedArrayBuffer
  /** Where the chunk's bytes begin in the buffer; others may lie beside it. A multiple of 16. */
  readonly offset: number
  /** Per column: null count, then offset (from the chunk's) and length of validity, offsets and values. */
  readonly layout: readonly number[]
}

export const NUMBERS_PER_COLUMN = 7
export const PIECE_ALIGNMENT = 16
const align = (bytes: number): number => Math.ceil(bytes / PIECE_ALIGNMENT) * PIECE_ALIGNMENT

/** Copies exported columns out of the arena into one fresh buffer. */
export function packColumns(
  memory: WebAssembly.Memory,
  columns: readonly ExportedColumn[],
  rowCount: number,
): PackedColumns & { readonly buffer: ArrayBuffer } {
  const layout = new Array<number>(columns.length * NUMBERS_PER_COLUMN).fill(0)
  let total = 0
  columns.forEach((column, index) => {
    const at = index * NUMBERS_PER_COLUMN
    layout[at] = column.nullCount
    for (const [piece, { bytes }] of [column.validity, column.offsets, column.values].entries()) {
      layout[at + 1 + piece * 2] = total
      layout[at + 2 + piece * 2] = bytes
      total += align(bytes)
    }
  })
  const buffer = new ArrayBuffer(total)
  const target = new Uint8Array(buffer)
  columns.forEach((column, index) => {
    for (const [piece, { address, bytes }] of [column.validity, column.offsets, column.values].entries()) {
      if (bytes === 0) continue
      const offset = layout[index * NUMBERS_PER_COLUMN + 1 + piece * 2] as number
      target.set(new Uint8Array(memory.buffer, address, bytes), offset)
    }
  })
  return { rowCount, buffer, offset: 0, layout }
}

/** A chunk over packed columns. */
export class PackedChunk implements TableChunk {
  readonly #schema: Schema
  readonly #packed: PackedColumns

  constructor(schema: Schema, packed: PackedColumns) {
    assert(
      packed.layout.length === schema.fields.length * NUMBERS_PER_COLUMN,
      'a packed chunk has the columns of its schema',
    )
    this.#schema = schema
    this.#packed = packed
  }

  get rowCount(): number {
    return this.#packed.rowCount
  }

  /** Plain data: an instance does not cross threads. */
  get packed(): PackedColumns {
    return this.#packed
  }

  /** Views, made anew at each access. */
  get columns(): readonly ArrowColumn[] {
    const { buffer, offset, layout, rowCount } = this.#packed
    return this.#schema.fields.map(({ type }, index): ArrowColumn => {
      const at = index * NUMBERS_PER_COLUMN
      const view = (piece: number): Uint8Array =>
        new Uint8Array(buffer, offset + (layout[at + 1 + piece * 2] as number), layout[at + 2 + piece * 2] as number)
      const validity = view(0)
      return {
        type,
        length: rowCount,
        offset: 0,
        nullCount: layout[at] as number,
        validity: validity.byteLength === 0 ? undefined : validity,
        offsets: hasOwnLength(type) ? view(1) : undefined,
        values: view(2),
        offsetBytes: 4,
        dictionary: undefined,
        indexBytes: 4,
      }
    })
  }

  /** The same chunk over a SharedArrayBuffer: one copy of its bytes. */
  share(): PackedChunk {
    const { buffer, offset, layout } = this.#packed
    if (buffer instanceof SharedArrayBuffer) return this
    const ends = this.#schema.fields.flatMap((_, index) => {
      const at = index * NUMBERS_PER_COLUMN
      return [1, 3, 5].map((piece) => (layout[at + piece] as number) + (layout[at + piece + 1] as number))
    })
    const bytes = Math.max(0, ...ends)
    const shared = new SharedArrayBuffer(bytes)
    new Uint8Array(shared).set(new Uint8Array(buffer, offset, bytes))
    return new PackedChunk(this.#schema, { ...this.#packed, buffer: shared, offset: 0 })
  }
}
