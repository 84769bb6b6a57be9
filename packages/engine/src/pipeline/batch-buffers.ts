/**
 * A batch with its own buffers in a workspace: what sources fill and projections write.
 */
import { COLUMN_BYTES, column, DESCRIPTOR_HEADER_BYTES, descriptor, type Schema, widthOf } from '@spillway/columnar'
import type { Arena, Workspace, WorkspaceSize } from '@spillway/memory'

export interface BatchShape {
  readonly schema: Schema
  /** Most rows of the batch. */
  readonly rows: number
  /** String heap behind the batch (descriptor.heapCursor … heapEnd). */
  readonly heapBytes: number
  /** Columns that need no buffers of their own (they only ever point elsewhere). */
  readonly bufferless: ReadonlySet<number>
}

const NO_COLUMNS: ReadonlySet<number> = new Set()

export function batchShape(schema: Schema, rows: number, heapBytes = 0, bufferless = NO_COLUMNS): BatchShape {
  return { schema, rows, heapBytes, bufferless }
}

/** Counts the buffers that `openBatch` will take. */
export function sizeBatch(shape: BatchShape, size: WorkspaceSize): void {
  size.add(DESCRIPTOR_HEADER_BYTES + shape.schema.fields.length * (COLUMN_BYTES + 8))
  shape.schema.fields.forEach((field, index) => {
    if (shape.bufferless.has(index)) return
    size.add(shape.rows * widthOf(field.type))
    size.add(shape.rows)
  })
  if (shape.heapBytes > 0) size.add(shape.heapBytes)
}

export interface ColumnBuffers {
  readonly values: number
  readonly validity: number
}

export interface BatchBuffers {
  readonly address: number
  readonly columns: readonly ColumnBuffers[]
  readonly heap: number
  readonly heapBytes: number
}

/** Takes the buffers and writes the descriptor: no rows, every column pointing at its own buffers. */
export function openBatch(arena: Arena, workspace: Workspace, shape: BatchShape): BatchBuffers {
  const { fields } = shape.schema
  const address = workspace.take(DESCRIPTOR_HEADER_BYTES + fields.length * (COLUMN_BYTES + 8))
  const pairs = address + DESCRIPTOR_HEADER_BYTES + fields.length * COLUMN_BYTES
  arena.u8.fill(0, address, pairs + fields.length * 8)
  const columns = fields.map((field, index): ColumnBuffers => {
    if (shape.bufferless.has(index)) return { values: 0, validity: 0 }
    const values = workspace.take(shape.rows * widthOf(field.type))
    const validity = workspace.take(shape.rows)
    const entry = columnAddress(address, index)
    const pair = pairs + index * 8
    arena.u32[pair >>> 2] = values
    arena.u32[(pair >>> 2) + 1] = validity
    arena.u32[(entry + column.values) >>> 2] = values
    arena.u32[(entry + column.buffers) >>> 2] = pair
    return { values, validity }
  })
  const heap = shape.heapBytes > 0 ? workspace.take(shape.heapBytes) : 0
  arena.u32[(address + descriptor.columnCount) >>> 2] = fields.length
  resetHeap(arena, address, heap, shape.heapBytes)
  return { address, columns, heap, heapBytes: shape.heapBytes }
}

/** Makes the whole string heap free again. */
export function resetHeap(arena: Arena, batch: number, heap: number, heapBytes: number): void {
  arena.u32[(batch + descriptor.heapCursor) >>> 2] = heap
  arena.u32[(batch + descriptor.heapEnd) >>> 2] = heap + heapBytes
}

/** Address of a column's entry in a descriptor. */
export function columnAddress(batch: number, index: number): number {
  return batch + DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES
}

/** Rows that count. */
export function selectedRows(arena: Arena, batch: number): number {
  return arena.u32[(batch + descriptor.selectionCount) >>> 2] as number
}

/** Writes the row count of a batch without selection, and the ordinal of its row 0. */
export function setRows(arena: Arena, batch: number, rows: number, sequence: number, rowInMorsel: number): void {
  const base = batch >>> 2
  arena.u32[base + (descriptor.rowCount >>> 2)] = rows
  arena.u32[base + (descriptor.selectionCount >>> 2)] = rows
  arena.u32[base + (descriptor.selection >>> 2)] = 0
  arena.u32[base + (descriptor.ordinal >>> 2)] = rowInMorsel
  arena.u32[base + (descriptor.ordinal >>> 2) + 1] = sequence
}

/** Points a column at its values; `nullCount` 0 means no validity is needed. */
export function setColumn(arena: Arena, batch: number, index: number, buffers: ColumnBuffers, nullCount: number): void {
  const entry = columnAddress(batch, index) >>> 2
  arena.u32[entry] = buffers.values
  arena.u32[entry + 1] = nullCount === 0 ? 0 : buffers.validity
  arena.u32[entry + 2] = nullCount
}
