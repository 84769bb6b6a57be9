/**
 * Assembles one Arrow IPC file from record batches that workers write independently: their blocks lie in any order, and
 * the footer lists them in the order of the result. Readers of IPC files follow the footer.
 */
import type { Schema } from '@spillway/columnar'
import { endOfBodies, type FileTail, requireAllRows } from '../output/output-file.ts'
import { ipcFileFooter, ipcFileHeader, type IpcBlock } from './ipc-file.ts'

/** A record batch in the file, and how many rows it has. Plain data: it crosses threads. */
export interface WrittenRecordBatch extends IpcBlock {
  readonly rowCount: number
}

export interface IpcFileParts {
  /** In the order of the result. May be empty: the file then has the schema and no rows. */
  readonly batches: readonly WrittenRecordBatch[]
  readonly schema: Schema
  /** Rows that the query produced; the record batches must hold as many. */
  readonly rowCount: number
}

/** The end mark and the footer, for behind the last record batch. @throws OUTPUT_FAILED when rows are missing */
export function ipcTail({ batches, schema, rowCount }: IpcFileParts): FileTail {
  requireAllRows(
    'Arrow IPC',
    batches.reduce((sum, batch) => sum + batch.rowCount, 0),
    rowCount,
  )
  const bodies = batches.map(({ offset, metadataBytes, bodyBytes }) => ({ offset, bytes: metadataBytes + bodyBytes }))
  return {
    start: endOfBodies(bodies, ipcFileHeader(schema).byteLength),
    pieces: [ipcFileFooter(schema, batches)],
  }
}
