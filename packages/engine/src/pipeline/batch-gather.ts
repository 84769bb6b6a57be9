/**
 * Gathers the rows of small batches into one batch of its own, strings included: a selective filter gives a few rows
 * per batch, and what follows costs per batch.
 */
import { hasOwnLength, column, descriptor, STRING_VIEW_BYTES, type Schema, widthOf } from '@spillway/columnar'
import type { WorkspaceSize } from '@spillway/memory'
import {
  type BatchBuffers,
  batchShape,
  columnAddress,
  openBatch,
  selectedRows,
  setColumn,
  setRows,
  sizeBatch,
} from './batch-buffers.ts'
import type { OpenContext } from './contracts.ts'

/** String bytes per row and string column that the gathered batch has room for. */
const HEAP_BYTES_PER_STRING = 32

function heapBytes(schema: Schema, rows: number): number {
  return schema.fields.filter(({ type }) => hasOwnLength(type)).length * rows * HEAP_BYTES_PER_STRING
}

export function sizeBatchGather(schema: Schema, rows: number, size: WorkspaceSize): void {
  sizeBatch(batchShape(schema, rows, heapBytes(schema, rows)), size)
}

export class BatchGather {
  readonly #context: OpenContext
  readonly #schema: Schema
  readonly #rowsMax: number
  readonly #buffers: BatchBuffers
  readonly #hasNulls: boolean[]
  #rows = 0
  #heapCursor: number

  constructor(context: OpenContext, schema: Schema, rows: number) {
    this.#context = context
    this.#schema = schema
    this.#rowsMax = rows
    this.#buffers = openBatch(context.arena, context.workspace, batchShape(schema, rows, heapBytes(schema, rows)))
    this.#hasNulls = schema.fields.map(() => false)
    this.#heapCursor = this.#buffers.heap
  }

  get rows(): number {
    return this.#rows
  }

  /** Descriptor of the gathered rows; valid until `clear`. */
  get batch(): number {
    const { arena } = this.#context
    setRows(arena, this.#buffers.address, this.#rows, 0, 0)
    this.#schema.fields.forEach((_, index) => {
      const own = this.#buffers.columns[index]
      if (own !== undefined) setColumn(arena, this.#buffers.address, index, own, this.#hasNulls[index] ? 1 : 0)
    })
    return this.#buffers.address
  }

  /** Adds selected rows [start, start + count) of a batch, all of them if not said, or says no and adds nothing. */
  tryAppend(batch: number, start = 0, count = selectedRows(this.#context.arena, batch) - start): boolean {
    if (this.#rows + count > this.#rowsMax) return false
    let heapCursor = this.#heapCursor
    for (let index = 0; index < this.#schema.fields.length; index++) {
      if (!hasOwnLength(this.#schema.fields[index]?.type)) continue
      const used = this.#copyStrings(batch, index, start, count, heapCursor)
      if (used < 0) return false
      heapCursor += used
    }
    for (let index = 0; index < this.#schema.fields.length; index++) this.#copyColumn(batch, index, start, count)
    this.#heapCursor = heapCursor
    this.#rows += count
    return true
  }

  clear(): void {
    this.#rows = 0
    this.#heapCursor = this.#buffers.heap
    this.#hasNulls.fill(false)
  }

  /** Addresses of a column's values, validity and selection from the selected row `start` on. */
  #sourceOf(batch: number, index: number, start: number, width: number) {
    const { u32 } = this.#context.arena
    const entry = columnAddress(batch, index)
    const values = u32[(entry + column.values) >>> 2] as number
    const validity = u32[(entry + column.validity) >>> 2] as number
    const selection = u32[(batch + descriptor.selection) >>> 2] as number
    if (selection !== 0) return { values, validity, selection: selection + start * 4 }
    return { values: values + start * width, validity: validity === 0 ? 0 : validity + start, selection }
  }

  #copyStrings(batch: number, index: number, start: number, count: number, heapCursor: number): number {
    const { arena } = this.#context
    const { values, validity, selection } = this.#sourceOf(batch, index, start, STRING_VIEW_BYTES)
    const target = (this.#buffers.columns[index]?.values ?? 0) + this.#rows * 16
    const end = this.#buffers.heap + this.#buffers.heapBytes
    return arena.kernels.copyViews(values, validity, selection, count, target, heapCursor, end)
  }

  #copyColumn(batch: number, index: number, start: number, count: number): void {
    const { arena } = this.#context
    const own = this.#buffers.columns[index]
    const field = this.#schema.fields[index]
    if (own === undefined || field === undefined) return
    const width = widthOf(field.type)
    const { values, validity, selection } = this.#sourceOf(batch, index, start, width)
    if (!hasOwnLength(field.type)) {
      this.#copyValues(values, selection, width, count, own.values + this.#rows * width)
    }
    if (validity === 0) {
      arena.u8.fill(1, own.validity + this.#rows, own.validity + this.#rows + count)
      return
    }
    this.#hasNulls[index] = true
    this.#copyValues(validity, selection, 1, count, own.validity + this.#rows)
  }

  #copyValues(source: number, selection: number, width: number, count: number, target: number): void {
    const { arena } = this.#context
    if (selection === 0) arena.u8.copyWithin(target, source, source + count * width)
    else arena.kernels.gather(source, selection, 4, width, count, target)
  }
}
