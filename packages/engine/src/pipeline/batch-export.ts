/**
 * Lays a batch out for Arrow in room of the workspace; strings longer than the room get pages for the time being.
 */
import { descriptor, type ExportedColumn, exportColumn, exportRoomBytes, type Schema, widthOf } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import type { WorkspaceSize } from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import { columnAddress, selectedRows } from './batch-buffers.ts'
import type { OpenContext } from './contracts.ts'

const ROOM_BYTES_PER_STRING = 32

function roomBytes(schema: Schema, rows: number): number {
  let bytes = 4096
  for (const { type } of schema.fields) {
    bytes += Math.ceil(rows / 8) + 192 + rows * (type.kind === 'utf8' ? 4 + ROOM_BYTES_PER_STRING : widthOf(type))
  }
  return bytes
}

export function sizeBatchExport(schema: Schema, rows: number, size: WorkspaceSize): void {
  size.add(roomBytes(schema, rows))
}

export class BatchExport {
  readonly #context: OpenContext
  readonly #schema: Schema
  readonly #operator: string
  readonly #room: number
  readonly #roomBytes: number

  constructor(context: OpenContext, schema: Schema, rows: number, operator: string) {
    this.#context = context
    this.#schema = schema
    this.#operator = operator
    this.#roomBytes = roomBytes(schema, rows)
    this.#room = context.workspace.take(this.#roomBytes)
  }

  /** Exports the selected rows of a batch and passes the columns on; they are valid during the call. */
  export<T>(batch: number, use: (columns: readonly ExportedColumn[], rows: number) => T): T {
    const rows = selectedRows(this.#context.arena, batch)
    const columns = this.#tryExport(batch, rows, this.#room, this.#room + this.#roomBytes)
    if (columns !== undefined) return use(columns, rows)
    const pages = Math.ceil(this.#needBytes(batch, rows) / PAGE_BYTES) + 1
    const address = this.#context.reservation.take(pages)
    if (address === 0) throw this.#refused(pages * PAGE_BYTES)
    try {
      const wide = this.#tryExport(batch, rows, address, address + pages * PAGE_BYTES)
      if (wide === undefined) throw this.#refused(pages * PAGE_BYTES)
      return use(wide, rows)
    } finally {
      this.#context.reservation.give(address, pages)
    }
  }

  #tryExport(batch: number, rows: number, cursor: number, end: number): ExportedColumn[] | undefined {
    const { arena } = this.#context
    const room = { cursor, end }
    const columns: ExportedColumn[] = []
    for (const [type, values, validity, selection] of this.#columns(batch)) {
      const { kernels, handle } = arena
      const column = exportColumn(kernels, handle.memory, type, values, validity, selection, rows, room)
      if (column === undefined) return undefined
      columns.push(column)
    }
    return columns
  }

  #columns(batch: number) {
    const { arena } = this.#context
    const selection = arena.u32[(batch + descriptor.selection) >> 2] as number
    return this.#schema.fields.map((field, index) => {
      const entry = columnAddress(batch, index) >> 2
      return [field.type, arena.u32[entry] as number, arena.u32[entry + 1] as number, selection] as const
    })
  }

  #needBytes(batch: number, rows: number): number {
    let bytes = 64
    for (const [type, values, validity, selection] of this.#columns(batch)) {
      bytes += exportRoomBytes(this.#context.arena.kernels, type, values, validity, selection, rows) + 64
    }
    return bytes
  }

  #refused(bytes: number): Error {
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${this.#operator} to lay out a batch of ${bytes} bytes. Raise memoryLimit.`,
      { operator: this.#operator, needBytes: bytes },
    )
  }
}
