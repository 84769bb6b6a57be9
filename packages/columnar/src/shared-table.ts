/**
 * A table in Arrow's layout: chunks of equally long columns. The form in which a DataFrame holds its data and in which
 * an in-memory source hands rows to the workers.
 *
 * It is called shared because a source may only be built over SharedArrayBuffers (`shareTable`): then a worker sees the
 * same bytes, and nothing is cloned when the descriptor crosses the thread.
 */
import type { ArrowColumn } from './arrow-column.ts'
import { PackedChunk, type PackedColumns } from './packed-chunk.ts'
import type { Schema } from './schema.ts'

/** Rows of a table that lie together: one column per field of the schema, each of `rowCount` rows. */
export interface TableChunk {
  readonly rowCount: number
  readonly columns: readonly ArrowColumn[]
}

export interface SharedTable {
  readonly schema: Schema
  /** Sum of the chunks' rows. */
  readonly rowCount: number
  readonly chunks: readonly TableChunk[]
}

/** Makes a table of chunks whose columns follow `schema`. */
export function makeTable(schema: Schema, chunks: readonly TableChunk[]): SharedTable {
  let rowCount = 0
  for (const chunk of chunks) rowCount += chunk.rowCount
  return { schema, rowCount, chunks }
}

/**
 * The same table over SharedArrayBuffers: buffers that are shared already are kept, others are copied once, whole.
 * A dictionary that several chunks use is copied once.
 */
export function shareTable(table: SharedTable): SharedTable {
  const copies = new Map<ArrowColumn, ArrowColumn>()
  const share = (column: ArrowColumn): ArrowColumn => {
    const known = copies.get(column)
    if (known !== undefined) return known
    const shared = shareColumn(column, share)
    copies.set(column, shared)
    return shared
  }
  const chunks = table.chunks.map((chunk) =>
    chunk instanceof PackedChunk ? chunk.share() : { rowCount: chunk.rowCount, columns: chunk.columns.map(share) },
  )
  return { schema: table.schema, rowCount: table.rowCount, chunks }
}

/** A table as plain data that crosses threads. */
export interface TableMessage {
  readonly schema: Schema
  readonly rowCount: number
  readonly chunks: readonly (TableChunk | PackedColumns)[]
}

export function tableMessage({ schema, rowCount, chunks }: SharedTable): TableMessage {
  return { schema, rowCount, chunks: chunks.map((chunk) => (chunk instanceof PackedChunk ? chunk.packed : chunk)) }
}

export function tableOfMessage({ schema, rowCount, chunks }: TableMessage): SharedTable {
  return {
    schema,
    rowCount,
    chunks: chunks.map((chunk) => ('layout' in chunk ? new PackedChunk(schema, chunk) : chunk)),
  }
}

/** The bytes over a SharedArrayBuffer; the same view when they are already. */
export function shareBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.byteLength))
  shared.set(bytes)
  return shared
}

/**
 * Bytes that the table's rows refer to. Buffers that several columns share (a dictionary) are counted once; a view
 * counts its own length, not that of the buffer behind it.
 */
export function estimateTableBytes(table: SharedTable): number {
  const seen = new Set<Uint8Array>()
  let bytes = 0
  const count = (view: Uint8Array | undefined) => {
    if (view === undefined || seen.has(view)) return
    seen.add(view)
    bytes += view.byteLength
  }
  const visit = (column: ArrowColumn) => {
    count(column.values)
    count(column.validity)
    count(column.offsets)
    if (column.dictionary !== undefined) visit(column.dictionary)
  }
  for (const chunk of table.chunks) chunk.columns.forEach(visit)
  return bytes
}

function shareColumn(column: ArrowColumn, share: (dictionary: ArrowColumn) => ArrowColumn): ArrowColumn {
  return {
    type: column.type,
    length: column.length,
    offset: column.offset,
    nullCount: column.nullCount,
    validity: column.validity === undefined ? undefined : shareBytes(column.validity),
    values: shareBytes(column.values),
    offsets: column.offsets === undefined ? undefined : shareBytes(column.offsets),
    offsetBytes: column.offsetBytes,
    dictionary: column.dictionary === undefined ? undefined : share(column.dictionary),
    indexBytes: column.indexBytes,
  }
}
