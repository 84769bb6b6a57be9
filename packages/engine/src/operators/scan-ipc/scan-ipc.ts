/**
 * IPC SCAN: record batches of one or more Arrow IPC files. Order of files and rows kept; bounded memory: per column and
 * worker one batch and room for its text, whatever the size of record batches. What a file demands beyond (a
 * dictionary, buffers that are compressed, a string longer than the room) is taken while it is needed.
 */
import type { IpcColumn, IpcRecordBatch } from '@spillway/formats'
import type { FileMorsel, ScanFileSpec } from '../scan-file/scan-file.ts'

/** Rows of one record batch. */
export interface IpcMorsel extends FileMorsel {
  readonly recordBatch: number
  readonly part: IpcRecordBatch
}

/** How one file stores the columns of the scan. */
export interface IpcFileLayout {
  /** By column of the scan's schema. */
  readonly columns: readonly IpcColumn[]
  /** By column: the parts of its dictionary; none without one. */
  readonly dictionaries: readonly (readonly IpcRecordBatch[])[]
}

export interface ScanIpcSpec extends ScanFileSpec<IpcMorsel> {
  readonly kind: 'scanIpc'
  readonly layouts: readonly IpcFileLayout[]
  /** Pages for the largest dictionaries and decompressed buffers of all columns together. */
  readonly demandedPages: number
}
