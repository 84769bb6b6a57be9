/**
 * Writes chains of rows to spill files and reads them back as batches: rows → columns (generated code) → Arrow → disk.
 */
import { hasOwnLength, type ExportedColumn, exportColumn, STRING_INLINE_MAX } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { appendBlock, formatBytes, type SpillFileState, type WorkspaceSize } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import { type BatchBuffers, batchShape, columnAddress, openBatch, sizeBatch } from '../../pipeline/batch-buffers.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { SPILL_BLOCK_ROWS } from './group-by.ts'
import { type RowChain, RowCursor } from './row-chain.ts'
import type { RowExports, RowShape } from './row-shape.ts'

/** Bytes of rows in a block, per row of a batch: wider rows make blocks of fewer rows. */
const BLOCK_BYTES_PER_BATCH_ROW = 1024
const BLOCK_ROWS_LEAST = 8
/** String bytes per row that a block has room for; longer ones make blocks of fewer rows. */
const ROOM_BYTES_PER_STRING = 24

/** Most rows of a spilled block. */
export function spillBlockRows({ layout }: RowShape, batchRows: number): number {
  const rows = Math.min(SPILL_BLOCK_ROWS, Math.max(batchRows, 1024))
  const fitting = Math.floor((rows * BLOCK_BYTES_PER_BATCH_ROW) / layout.rowBytes)
  return Math.min(rows, Math.max(BLOCK_ROWS_LEAST, fitting))
}

/** Room in which a block of `rows` rows is laid out for Arrow: bitmaps, offsets and string bytes. */
export function rowSpillerRoomBytes(shape: RowShape, rows: number): number {
  let bytes = 4096
  for (const { type } of shape.spillSchema.fields) {
    bytes += Math.ceil(rows / 8) * 2 + 192
    if (hasOwnLength(type)) bytes += rows * (4 + ROOM_BYTES_PER_STRING) + 192
  }
  return bytes
}

export function sizeRowSpiller(shape: RowShape, batchRows: number, size: WorkspaceSize): void {
  const rows = spillBlockRows(shape, batchRows)
  sizeBatch(batchShape(shape.spillSchema, rows), size)
  size.add(rows * 4)
  size.add(rowSpillerRoomBytes(shape, rows))
}

export class RowSpiller {
  readonly #context: OpenContext
  readonly #shape: RowShape
  readonly #exports: RowExports
  readonly #rowsMax: number
  readonly #batch: BatchBuffers
  readonly #rows: number
  readonly #room: number
  readonly #roomBytes: number

  constructor(context: OpenContext, shape: RowShape, exports: RowExports, batchRows: number) {
    this.#context = context
    this.#shape = shape
    this.#exports = exports
    this.#rowsMax = spillBlockRows(shape, batchRows)
    this.#batch = openBatch(context.arena, context.workspace, batchShape(shape.spillSchema, this.#rowsMax))
    this.#rows = context.workspace.take(this.#rowsMax * 4)
    this.#roomBytes = rowSpillerRoomBytes(shape, this.#rowsMax)
    this.#room = context.workspace.take(this.#roomBytes)
  }

  /**
   * Appends the live rows of a chain to a spill file. The chain stays; the caller frees it.
   * @throws SpillDiskFullError, SpillIoError: the file is then as it was before
   */
  write(file: SpillFileState, chain: RowChain, partition: number): SpillFileState {
    const { meter, query } = this.#context
    const spill = query.requireSpill(this.#shape.text)
    const cursor = new RowCursor(this.#context.arena.kernels, this.#shape.layout, chain)
    let state = file
    for (;;) {
      const rows = cursor.next(this.#rows, this.#rowsMax)
      if (rows === 0) break
      for (let done = 0; done < rows; ) {
        const count = this.#spillRows(this.#rows + done * 4, rows - done, (columns, n) => {
          state = appendBlock(spill, state, columns, n)
        })
        done += count
      }
      query.throwIfCancelled()
    }
    const written = state.bytes - file.bytes
    if (file.blocks.length === 0 && state.blocks.length > 0) {
      meter.counts.spilledFiles += 1
      query.countSpillFile()
    }
    meter.counts.spilledBytes += written
    query.countSpilled(written)
    query.log(
      `memory: pressure=${query.pressureText()} evict partition ${partition} (${formatBytes(
        (chain.rowPages + chain.heapPages) * PAGE_BYTES,
      )}) -> ${state.path}`,
    )
    return state
  }

  /** Lays as many of the rows out as the room holds, hands them over, and returns how many they were. */
  #spillRows(rows: number, n: number, take: (columns: readonly ExportedColumn[], rowCount: number) => void): number {
    let count = n
    for (;;) {
      this.#exports.spillRows(rows, count, this.#batch.address)
      const columns = this.#exportColumns(count, this.#room, this.#room + this.#roomBytes)
      if (columns !== undefined) {
        take(columns, count)
        return count
      }
      if (count === 1) {
        this.#spillOversized(take)
        return 1
      }
      count = Math.ceil(count / 4)
    }
  }

  #exportColumns(count: number, cursor: number, end: number): ExportedColumn[] | undefined {
    const { arena } = this.#context
    const room = { cursor, end }
    const columns: ExportedColumn[] = []
    for (let index = 0; index < this.#shape.spillSchema.fields.length; index++) {
      const field = this.#shape.spillSchema.fields[index]
      if (field === undefined) break
      const entry = columnAddress(this.#batch.address, index) >>> 2
      const values = arena.u32[entry] as number
      const validity = arena.u32[entry + 1] as number
      const column = exportColumn(arena.kernels, arena.handle.memory, field.type, values, validity, 0, count, room)
      if (column === undefined) return undefined
      columns.push(column)
    }
    return columns
  }

  /** One row whose strings pass the room: their bytes are written from where they lie, so no page is needed. */
  #spillOversized(take: (columns: readonly ExportedColumn[], rowCount: number) => void): void {
    const { arena } = this.#context
    let cursor = this.#room
    const columns = this.#shape.spillSchema.fields.map(({ type }, index): ExportedColumn => {
      const entry = columnAddress(this.#batch.address, index) >>> 2
      const values = arena.u32[entry] as number
      const validity = arena.u32[entry + 1] as number
      const isNull = validity !== 0 && arena.u8[validity] === 0
      if (!hasOwnLength(type)) {
        const room = { cursor, end: this.#room + this.#roomBytes }
        const column = exportColumn(arena.kernels, arena.handle.memory, type, values, validity, 0, 1, room)
        assert(column !== undefined, 'the room of a block holds a row without its strings')
        cursor = room.cursor
        return column
      }
      const bytes = isNull ? 0 : (arena.u32[values >>> 2] as number)
      const address = bytes <= STRING_INLINE_MAX ? values + 4 : (arena.u32[(values + 8) >>> 2] as number)
      const pieces = roundUp64(cursor)
      cursor = pieces + 128
      assert(cursor <= this.#room + this.#roomBytes, 'the room of a block holds a row without its strings')
      arena.view.setBigUint64(pieces, 0n, true)
      arena.view.setUint32(pieces + 64, 0, true)
      arena.view.setUint32(pieces + 68, bytes, true)
      return {
        type,
        length: 1,
        nullCount: isNull ? 1 : 0,
        validity: { address: pieces, bytes: isNull ? 1 : 0 },
        offsets: { address: pieces + 64, bytes: 8 },
        values: { address, bytes },
      }
    })
    take(columns, 1)
  }
}

const roundUp64 = (address: number): number => Math.ceil(address / 64) * 64
