/**
 * Reads a spilled block back into rows with keys and entries, in a place given by the caller:
 *
 *   | the block as it lies in the file | rows | entries |
 *
 * Long strings stay in the block, the rows point there. Nothing is used before its checksum matched.
 */
import type { SortExports } from '@spillway/codegen'
import { hasOwnLength, type ArrowColumn, type Schema, widthOf } from '@spillway/columnar'
import { SORT_ENTRY_BYTES } from '@spillway/kernels'
import { BLOCK_ALIGNMENT, blockBytes, readBlock, type SpillBlock, type WorkspaceSize } from '@spillway/memory'
import {
  type BatchBuffers,
  batchShape,
  openBatch,
  setColumn,
  setRows,
  sizeBatch,
} from '../../pipeline/batch-buffers.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import type { Piece } from './run-merge.ts'
import type { SortShape, SortSizes } from './sort.ts'

const align = (bytes: number): number => Math.ceil(bytes / BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT

/** Bytes of a place for a block with so many bytes in the file. */
export function placeBytes(fileBytes: number, rows: number, rowBytes: number): number {
  return align(fileBytes) + align(rows * rowBytes) + rows * SORT_ENTRY_BYTES
}

/** Columns that lie in the file as the arena wants them need no buffer of values. */
function inPlace(schema: Schema): ReadonlySet<number> {
  const fixed = schema.fields.map(({ type }, index) => (hasOwnLength(type) || type.kind === 'boolean' ? -1 : index))
  return new Set(fixed.filter((index) => index >= 0))
}

export function sizeBlockRows(shape: SortShape, sizes: SortSizes, size: WorkspaceSize): void {
  sizeBatch(batchShape(shape.spillSchema, sizes.blockRows, 0, inPlace(shape.spillSchema)), size)
  for (const index of inPlace(shape.spillSchema))
    if (shape.spillSchema.fields[index]?.nullable) size.add(sizes.blockRows)
}

export class BlockRows {
  readonly #context: OpenContext
  readonly #shape: SortShape
  readonly #exports: SortExports
  readonly #batch: BatchBuffers
  readonly #validity = new Map<number, number>()

  constructor(context: OpenContext, shape: SortShape, sizes: SortSizes, exports: SortExports) {
    this.#context = context
    this.#shape = shape
    this.#exports = exports
    const { arena, workspace } = context
    const { spillSchema } = shape
    const fixed = inPlace(spillSchema)
    this.#batch = openBatch(arena, workspace, batchShape(spillSchema, sizes.blockRows, 0, fixed))
    for (const index of fixed) {
      if (spillSchema.fields[index]?.nullable) this.#validity.set(index, workspace.take(sizes.blockRows))
    }
  }

  /** @param address a multiple of 64 with `placeBytes` bytes */
  load(path: string, block: SpillBlock, address: number): Piece {
    const { query, arena } = this.#context
    const { rowBytes } = this.#shape.layout
    const { spillSchema } = this.#shape
    const spill = query.requireSpill(this.#shape.text)
    const file = { path, schema: spillSchema, blocks: [block], rows: 0, dataBytes: 0, bytes: 0, footerChecksum: 0n }
    const { columns } = readBlock(spill, file, 0, address)
    for (const [index, column] of columns.entries()) this.#setColumn(column, index, block.rows)
    setRows(arena, this.#batch.address, block.rows, 0, 0)
    const rows = address + align(blockBytes(block))
    const entries = rows + align(block.rows * rowBytes)
    this.#exports.load(this.#batch.address, rows)
    arena.kernels.fillSortEntries(rows, block.rows, rowBytes, entries)
    return { cursor: entries, end: entries + block.rows * SORT_ENTRY_BYTES }
  }

  #setColumn(source: ArrowColumn, index: number, rows: number): void {
    const { arena } = this.#context
    const { kernels } = arena
    const own = this.#batch.columns[index] ?? { values: 0, validity: 0 }
    const validity = own.validity === 0 ? (this.#validity.get(index) ?? 0) : own.validity
    let values = own.values
    const { type } = source
    if (hasOwnLength(type)) {
      const offsets = source.offsets?.byteOffset ?? 0
      if (rows > 0) kernels.utf8ToViews(offsets, 4, rows, source.values.byteOffset, values)
    } else if (type.kind === 'boolean') {
      kernels.bitmapToBytes(source.values.byteOffset, 0, rows, values)
    } else if (type.kind !== 'null') {
      values = source.values.byteOffset
    }
    if (type.kind === 'null') {
      // No value is ever read as valid: any readable bytes do.
      values = this.#batch.address
      if (validity !== 0) arena.u8.fill(0, validity, validity + rows)
    } else if (source.nullCount > 0 && source.validity !== undefined) {
      kernels.bitmapToBytes(source.validity.byteOffset, 0, rows, validity)
    }
    setColumn(arena, this.#batch.address, index, { values, validity }, type.kind === 'null' ? rows : source.nullCount)
  }
}

/** Bytes of a row in a file, without strings: what a first block is made for. */
export function fileBytesPerRow(schema: Schema): number {
  return schema.fields.reduce((sum, { type }) => sum + 0.25 + (hasOwnLength(type) ? 4 : widthOf(type)), 0)
}
