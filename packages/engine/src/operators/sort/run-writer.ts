/**
 * Writes merged rows to the files of a run: rows → columns (generated code) → Arrow → disk. Blocks are made so large
 * that one, read again, fills a piece; a file has so many blocks that its footer stays short.
 */
import type { SortExports } from '@spillway/codegen'
import { hasOwnLength, type ExportedColumn, type ExportRoom, exportColumn, STRING_INLINE_MAX } from '@spillway/columnar'
import {
  appendBlock,
  blockBytes,
  formatBytes,
  newSpillFile,
  removeSpillFile,
  type SpillFileState,
  type WorkspaceSize,
} from '@spillway/memory'
import { assert } from '@spillway/stdx'
import { type BatchBuffers, batchShape, columnAddress, openBatch, sizeBatch } from '../../pipeline/batch-buffers.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { fileBytesPerRow, placeBytes } from './block-rows.ts'
import { RunIndexBuilder } from './run-index.ts'
import type { SortShape, SortSizes, SpilledRun } from './sort.ts'

const BLOCKS_PER_FILE = 32
/** String bytes of a row and column that the first block is made for. */
const FIRST_STRING_BYTES = 16
/** Metadata of a block. */
const metadataBytes = (columns: number): number => 1024 + columns * 128
/** Padding between the parts of a block, and what exporting leaves unused. */
const slackBytes = (columns: number): number => 2048 + columns * 512

export function sizeRunWriter(shape: SortShape, sizes: SortSizes, size: WorkspaceSize): void {
  sizeBatch(batchShape(shape.spillSchema, sizes.blockRows), size)
  size.add(sizes.pieceBytes + slackBytes(shape.spillSchema.fields.length))
}

export class RunWriter {
  readonly #context: OpenContext
  readonly #shape: SortShape
  readonly #sizes: SortSizes
  readonly #exports: SortExports
  readonly #batch: BatchBuffers
  readonly #room: number
  readonly #roomBytes: number
  /** Rows of the next block, by what the last ones took. */
  #blockRows: number
  #name = ''
  #depth = 0
  #pieceBytes = 0
  #file: SpillFileState | undefined
  #files: SpillFileState[] = []
  #index: RunIndexBuilder
  #rows = 0
  #needBytes = 0

  constructor(context: OpenContext, shape: SortShape, sizes: SortSizes, exports: SortExports) {
    this.#context = context
    this.#shape = shape
    this.#sizes = sizes
    this.#exports = exports
    this.#batch = openBatch(context.arena, context.workspace, batchShape(shape.spillSchema, sizes.blockRows))
    this.#roomBytes = sizes.pieceBytes + slackBytes(shape.spillSchema.fields.length)
    this.#room = context.workspace.take(this.#roomBytes)
    this.#index = new RunIndexBuilder(shape.layout.keyWords)
    this.#blockRows = sizes.blockRows
  }

  /** Begins a run. @param pieceBytes most bytes of a block that is read again, if it has more than one row */
  begin(name: string, depth: number, pieceBytes: number): void {
    const { spillSchema, layout } = this.#shape
    this.#name = name
    this.#depth = depth
    this.#pieceBytes = Math.min(pieceBytes, this.#sizes.pieceBytes)
    this.#index = new RunIndexBuilder(layout.keyWords)
    this.#file = undefined
    this.#files = []
    this.#rows = 0
    this.#needBytes = 0
    const strings = spillSchema.fields.filter(({ type }) => hasOwnLength(type)).length
    const rowBytes = placeBytes(fileBytesPerRow(spillSchema) + strings * FIRST_STRING_BYTES, 1, layout.rowBytes)
    this.#blockRows = Math.max(1, Math.min(this.#blockRows, Math.floor(this.#pieceBytes / rowBytes)))
  }

  /** Rows that make a good block now: give `write` at least so many while there are more. */
  get blockRows(): number {
    return this.#blockRows
  }

  /** Appends n rows, u32 addresses at `rows`. @throws SPILL_DISK_FULL, SPILL_IO */
  write(rows: number, n: number): void {
    for (let done = 0; done < n; ) done += this.#writeBlock(rows + done * 4, n - done)
    this.#context.query.throwIfCancelled()
  }

  /** Writes as many of the rows as make a block. */
  #writeBlock(rows: number, n: number): number {
    let count = Math.min(n, this.#sizes.blockRows, Math.max(1, this.#blockRows))
    for (;;) {
      this.#exports.spillRows(rows, count, this.#batch.address)
      const columns = this.#exportColumns(count, this.#room, this.#roomBytes)
      const bytes = columns === undefined ? Number.POSITIVE_INFINITY : this.#placeBytes(columns, count)
      if (columns !== undefined && (bytes <= this.#pieceBytes || count === 1)) {
        this.#append(columns, rows, count)
        this.#adapt(bytes, count)
        return count
      }
      if (count === 1) {
        this.#writeOversized(rows)
        return 1
      }
      const share = Number.isFinite(bytes) ? (this.#pieceBytes / bytes) * 0.95 : 0.5
      count = Math.max(1, Math.min(count - 1, Math.floor(count * share)))
      this.#blockRows = count
    }
  }

  #placeBytes(columns: readonly ExportedColumn[], count: number): number {
    const sum = columns.reduce((bytes, column) => bytes + partBytes(column), 0)
    return placeBytes(sum + metadataBytes(columns.length), count, this.#shape.layout.rowBytes)
  }

  /** The next block takes as many rows as fill a piece if they are like these. */
  #adapt(bytes: number, count: number): void {
    const fitting = Math.floor(((this.#pieceBytes * 0.97) / Math.max(1, bytes)) * count)
    if (fitting > this.#blockRows) this.#blockRows = Math.min(fitting, this.#blockRows * 2, this.#sizes.blockRows)
  }

  #exportColumns(count: number, room: number, roomBytes: number): ExportedColumn[] | undefined {
    const { arena } = this.#context
    const free = { cursor: room, end: room + roomBytes }
    const columns: ExportedColumn[] = []
    for (const [index, { type }] of this.#shape.spillSchema.fields.entries()) {
      const { values, validity } = this.#columnOf(index)
      const column = exportColumn(arena.kernels, arena.handle.memory, type, values, validity, 0, count, free)
      if (column === undefined) return undefined
      columns.push(column)
    }
    return columns
  }

  #columnOf(index: number): { values: number; validity: number } {
    const { u32 } = this.#context.arena
    const entry = columnAddress(this.#batch.address, index) >>> 2
    return { values: u32[entry] as number, validity: u32[entry + 1] as number }
  }

  /** One row whose strings pass the room: their bytes are written from where they lie, so no page is needed. */
  #writeOversized(rows: number): void {
    const { arena } = this.#context
    const room = { cursor: this.#room, end: this.#room + this.#roomBytes }
    const columns = this.#shape.spillSchema.fields.map(({ type }, index): ExportedColumn => {
      const { values, validity } = this.#columnOf(index)
      if (hasOwnLength(type)) return this.#stringInPlace(values, validity, room)
      const column = exportColumn(arena.kernels, arena.handle.memory, type, values, validity, 0, 1, room)
      assert(column !== undefined, 'the room of a block holds a row without its strings')
      return column
    })
    this.#append(columns, rows, 1)
  }

  #stringInPlace(values: number, validity: number, room: ExportRoom): ExportedColumn {
    const { arena } = this.#context
    const isNull = validity !== 0 && arena.u8[validity] === 0
    const bytes = isNull ? 0 : (arena.u32[values >>> 2] as number)
    const address = bytes <= STRING_INLINE_MAX ? values + 4 : (arena.u32[(values + 8) >>> 2] as number)
    const pieces = Math.ceil(room.cursor / 64) * 64
    room.cursor = pieces + 128
    assert(room.cursor <= room.end, 'the room of a block holds a row without its strings')
    arena.view.setBigUint64(pieces, 0n, true)
    arena.view.setUint32(pieces + 64, 0, true)
    arena.view.setUint32(pieces + 68, bytes, true)
    return {
      type: { kind: 'utf8' },
      length: 1,
      nullCount: isNull ? 1 : 0,
      validity: { address: pieces, bytes: isNull ? 1 : 0 },
      offsets: { address: pieces + 64, bytes: 8 },
      values: { address, bytes },
    }
  }

  #append(columns: readonly ExportedColumn[], rows: number, count: number): void {
    const { query, meter, arena } = this.#context
    const spill = query.requireSpill(this.#shape.text)
    if (this.#file !== undefined && this.#file.blocks.length >= BLOCKS_PER_FILE) this.#endFile()
    const file =
      this.#file ?? newSpillFile(query.spillPath(`${this.#name}-${this.#files.length}`), this.#shape.spillSchema)
    const next = appendBlock(spill, file, columns, count)
    if (this.#file === undefined) {
      meter.counts.spilledFiles += 1
      query.countSpillFile()
    }
    meter.counts.spilledBytes += next.bytes - file.bytes
    query.countSpilled(next.bytes - file.bytes)
    this.#file = next
    this.#rows += count
    const block = next.blocks.at(-1)
    assert(block !== undefined, 'a block was appended')
    const { keyWords, rowBytes } = this.#shape.layout
    const first = arena.u32[rows >>> 2] as number
    const key = BigUint64Array.from({ length: keyWords + 1 }, (_, word) =>
      arena.view.getBigUint64(first + word * 8, true),
    )
    this.#index.add(this.#files.length, block, key)
    this.#needBytes = Math.max(this.#needBytes, placeBytes(blockBytes(block), count, rowBytes))
  }

  #endFile(): void {
    if (this.#file !== undefined) this.#files.push(this.#file)
    this.#file = undefined
  }

  /** Ends the run. */
  finish(): SpilledRun {
    this.#endFile()
    const files = this.#files.map(({ path, bytes }) => ({ path, bytes }))
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    const { query } = this.#context
    query.log(
      `sort: run ${this.#name} on disk (${formatBytes(bytes)}, rows=${this.#rows}, blocks=${this.#index.blockCount}, ` +
        `depth=${this.#depth}) -> ${files[0]?.path ?? ''}`,
    )
    return {
      rows: this.#rows,
      files,
      blockCount: this.#index.blockCount,
      index: this.#index.finish(),
      needBytes: this.#needBytes,
      depth: this.#depth,
    }
  }
}

function partBytes({ validity, offsets, values }: ExportedColumn): number {
  return [validity, offsets, values].reduce((sum, { bytes }) => sum + Math.ceil(bytes / 64) * 64, 0)
}

/** Removes the files of a run: its rows stand elsewhere now. */
export function removeRun(context: OpenContext, operator: string, run: SpilledRun): void {
  const spill = context.query.requireSpill(operator)
  for (const { path, bytes } of run.files) removeSpillFile(spill, path, bytes)
}
