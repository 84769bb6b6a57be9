/**
 * One flag per row of a side that is replayed: it had a match. Only a window of them is in memory; between two passes
 * the windows lie in a spill file, one bitmap per block. So their memory does not grow with the rows.
 */
import { exportColumn, makeSchema, type Schema } from '@spillway/columnar'
import {
  appendBlock,
  blockBytes,
  newSpillFile,
  readBlock,
  removeSpillFile,
  type SpillFileState,
  type WorkspaceSize,
} from '@spillway/memory'
import { assert } from '@spillway/stdx'
import type { OpenContext } from '../../pipeline/contracts.ts'

const WINDOW_ROWS = 32_768
const BITMAP_BYTES = WINDOW_ROWS / 8 + 256
/** Metadata and padding of a block. */
const BLOCK_SLACK_BYTES = 4096

const schema: Schema = makeSchema([{ name: 'seen', type: { kind: 'boolean' }, nullable: false }])

export function sizeSeenFlags(size: WorkspaceSize): void {
  size.add(WINDOW_ROWS).add(BITMAP_BYTES + BLOCK_SLACK_BYTES)
}

export class SeenFlags {
  readonly #context: OpenContext
  readonly #flags: number
  readonly #room: number
  #path = ''
  #rows = 0
  /** First row of the window. */
  #start = 0
  #pass = 0
  #before: SpillFileState | undefined
  #after: SpillFileState | undefined

  constructor(context: OpenContext) {
    this.#context = context
    this.#flags = context.workspace.take(WINDOW_ROWS)
    this.#room = context.workspace.take(BITMAP_BYTES + BLOCK_SLACK_BYTES)
  }

  /** For `rows` rows, none of them seen. @param path what the names of its files begin with */
  open(rows: number, path: string): void {
    this.#rows = rows
    this.#path = path
    this.#pass = 0
    this.#before = undefined
    this.#clearWindow()
  }

  beginPass(): void {
    this.#start = 0
    this.#pass += 1
    if (this.#rows <= WINDOW_ROWS) return
    this.#after = newSpillFile(`${this.#path}-${this.#pass}.arrow`, schema)
    this.#load()
  }

  /** How many rows from `row` on have their flags side by side. Rows are asked for in order. */
  room(row: number): number {
    if (row === this.#start + WINDOW_ROWS) {
      this.#store()
      this.#start += WINDOW_ROWS
      this.#load()
    }
    assert(row >= this.#start && row < this.#start + WINDOW_ROWS, 'flags are asked for in the order of their rows')
    return this.#start + WINDOW_ROWS - row
  }

  /** Address of the flag of `row`, u8. */
  at(row: number): number {
    return this.#flags + row - this.#start
  }

  endPass(): void {
    if (this.#rows <= WINDOW_ROWS) return
    this.#store()
    this.#remove(this.#before)
    this.#before = this.#after
    this.#after = undefined
  }

  close(): void {
    this.#remove(this.#before)
    this.#before = undefined
  }

  #remove(file: SpillFileState | undefined): void {
    if (file === undefined || file.blocks.length === 0) return
    removeSpillFile(this.#context.query.requireSpill('join'), file.path, file.bytes)
  }

  #clearWindow(): void {
    this.#context.arena.u8.fill(0, this.#flags, this.#flags + WINDOW_ROWS)
  }

  #store(): void {
    const file = this.#after
    const rows = Math.min(WINDOW_ROWS, this.#rows - this.#start)
    if (file === undefined || rows <= 0) return
    const { arena, query, meter } = this.#context
    const room = { cursor: this.#room, end: this.#room + BITMAP_BYTES }
    const type = { kind: 'boolean' } as const
    const column = exportColumn(arena.kernels, arena.handle.memory, type, this.#flags, 0, 0, rows, room)
    assert(column !== undefined, 'the room of the flags holds a bitmap of a window')
    this.#after = appendBlock(query.requireSpill('join'), file, [column], rows)
    const written = this.#after.bytes - file.bytes
    meter.counts.spilledBytes += written
    query.countSpilled(written)
    if (file.blocks.length > 0) return
    meter.counts.spilledFiles += 1
    query.countSpillFile()
  }

  #load(): void {
    const { arena, query } = this.#context
    const index = this.#start / WINDOW_ROWS
    const file = this.#before
    const block = file?.blocks[index]
    if (file === undefined || block === undefined) {
      this.#clearWindow()
      return
    }
    assert(blockBytes(block) <= BITMAP_BYTES + BLOCK_SLACK_BYTES, 'a block of flags fits in its room')
    const column = readBlock(query.requireSpill('join'), file, index, this.#room).columns[0]
    assert(column !== undefined, 'a file of flags has one column')
    arena.kernels.bitmapToBytes(column.values.byteOffset, column.offset, block.rows, this.#flags)
  }
}
