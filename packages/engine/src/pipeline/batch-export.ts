/**
 * Lays a batch out for Arrow in room of the workspace; strings longer than the room get pages for the time being.
 */
import {
  hasOwnLength,
  descriptor,
  type ExportedColumn,
  exportColumn,
  exportRoomBytes,
  type Schema,
  widthOf,
} from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import type { WorkspaceSize } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import { columnAddress, selectedRows } from './batch-buffers.ts'
import type { OpenContext } from './contracts.ts'
import { PipelineMemory } from './pipeline-memory.ts'

const ROOM_BYTES_PER_STRING = 32

type UseColumns = (columns: readonly ExportedColumn[], rows: number) => void

/** Selected rows [start, start + rows) of a batch. */
export interface BatchPart {
  readonly batch: number
  readonly start: number
  readonly rows: number
}

/** Bytes of the room, and so of what is passed on in one part. */
export function exportRoomOf(schema: Schema, rows: number): number {
  let bytes = 4096
  for (const { type } of schema.fields) {
    bytes += Math.ceil(rows / 8) + 192 + rows * (hasOwnLength(type) ? 4 + ROOM_BYTES_PER_STRING : widthOf(type))
  }
  return bytes
}

export function sizeBatchExport(schema: Schema, rows: number, size: WorkspaceSize): void {
  size.add(exportRoomOf(schema, rows))
}

export class BatchExport {
  readonly #context: OpenContext
  readonly #schema: Schema
  readonly #memory: PipelineMemory
  readonly #room: number
  readonly #roomBytes: number

  constructor(context: OpenContext, schema: Schema, rows: number, operator: string) {
    this.#context = context
    this.#schema = schema
    this.#memory = new PipelineMemory(context, operator)
    this.#roomBytes = exportRoomOf(schema, rows)
    this.#room = context.workspace.take(this.#roomBytes)
  }

  /**
   * Exports the selected rows of a batch and passes the columns on, which are valid during the call. Long strings that
   * pass the room get pages; when those are refused the rows are passed on in several parts.
   */
  export(batch: number, use: UseColumns): void {
    this.exportPart({ batch, start: 0, rows: selectedRows(this.#context.arena, batch) }, use)
  }

  /** The same for some of the selected rows. */
  exportPart(part: BatchPart, use: UseColumns): void {
    if (this.#tryExport(part, this.#room, this.#roomBytes, use)) return
    const pages = Math.ceil(this.#needBytes(part) / PAGE_BYTES) + 1
    const address = this.#context.reservation.take(pages)
    if (address === 0) {
      this.#exportInParts(part, use)
      return
    }
    try {
      const isDone = this.#tryExport(part, address, pages * PAGE_BYTES, use)
      assert(isDone, 'the need of a batch was computed before')
    } finally {
      this.#context.reservation.give(address, pages)
    }
  }

  /** As `export`, but in parts that fit the room; only a single row that passes it gets pages. */
  exportBounded(batch: number, use: UseColumns): void {
    const whole = { batch, start: 0, rows: selectedRows(this.#context.arena, batch) }
    if (!this.#tryExport(whole, this.#room, this.#roomBytes, use)) this.#exportInParts(whole, use)
  }

  #exportInParts(whole: BatchPart, use: UseColumns): void {
    const end = whole.start + whole.rows
    let { start } = whole
    let rows = Math.ceil(whole.rows / 2)
    while (start < end) {
      const part = { batch: whole.batch, start, rows: Math.min(rows, end - start) }
      if (this.#tryExport(part, this.#room, this.#roomBytes, use)) {
        start += part.rows
      } else if (rows > 1) {
        rows = Math.ceil(rows / 2)
      } else {
        this.#exportRow(part, use)
        start += 1
      }
    }
  }

  /** A single row, in pages. @throws MemoryLimitError MEMORY_LIMIT */
  #exportRow(part: BatchPart, use: UseColumns): void {
    const bytes = this.#needBytes(part) + PAGE_BYTES
    const address = this.#memory.take(bytes, 'a row that is laid out as columns')
    try {
      const isDone = this.#tryExport(part, address, bytes, use)
      assert(isDone, 'the need of a row was computed before')
    } finally {
      this.#memory.give(address, bytes)
    }
  }

  /** Bytes of these rows as columns of Arrow, without padding. */
  bytesOf(part: BatchPart): number {
    const bitmap = Math.ceil(part.rows / 8)
    let bytes = 0
    for (const [type, values, validity, selection] of this.#columns(part)) {
      if (type.kind === 'null') continue
      if (validity !== 0) bytes += bitmap
      if (type.kind === 'boolean') bytes += bitmap
      else if (!hasOwnLength(type)) bytes += part.rows * widthOf(type)
      else {
        const text = this.#context.arena.kernels.viewsByteLength(values, validity, selection, part.rows) >>> 0
        bytes += (part.rows + 1) * 4 + text
      }
    }
    return bytes
  }

  /** False when the room is too small: nothing was passed on then. */
  #tryExport(part: BatchPart, room: number, roomBytes: number, use: UseColumns): boolean {
    const { kernels, handle } = this.#context.arena
    const free = { cursor: room, end: room + roomBytes }
    const columns: ExportedColumn[] = []
    for (const [type, values, validity, selection] of this.#columns(part)) {
      const column = exportColumn(kernels, handle.memory, type, values, validity, selection, part.rows, free)
      if (column === undefined) return false
      columns.push(column)
    }
    use(columns, part.rows)
    return true
  }

  /** Type and addresses of each column from the part's first row on. */
  #columns({ batch, start }: BatchPart) {
    const { arena } = this.#context
    const selection = arena.u32[(batch + descriptor.selection) >>> 2] as number
    const skipped = selection === 0 ? start : 0
    return this.#schema.fields.map(({ type }, index) => {
      const entry = columnAddress(batch, index) >>> 2
      const values = (arena.u32[entry] as number) + skipped * widthOf(type)
      const validity = arena.u32[entry + 1] as number
      const selected = selection === 0 ? 0 : selection + start * 4
      return [type, values, validity === 0 ? 0 : validity + skipped, selected] as const
    })
  }

  #needBytes(part: BatchPart): number {
    let bytes = 64
    for (const [type, values, validity, selection] of this.#columns(part)) {
      bytes += exportRoomBytes(this.#context.arena.kernels, type, values, validity, selection, part.rows) + 64
    }
    return bytes
  }
}
