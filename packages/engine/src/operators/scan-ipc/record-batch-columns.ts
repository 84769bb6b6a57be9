/**
 * The columns of the record batch that a scan reads: one reader per column, each at its own row. Rows that are passed
 * over are never read. File and dictionaries stay open from one morsel of a file to the next.
 */
import { closeSync } from 'node:fs'
import {
  openInput,
  fileVersion,
  type IpcArena,
  IpcColumnReader,
  ipcDamage,
  type IpcPlace,
  type IpcRecordBatch,
  type OpenBatch,
  readIpcBytes,
  readIpcMessage,
} from '@spillway/formats'
import { assert, SpillwayError } from '@spillway/stdx'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { PipelineMemory } from '../../pipeline/pipeline-memory.ts'
import type { FileColumns } from '../scan-file/file-source.ts'
import type { IpcMorsel, ScanIpcSpec } from './scan-ipc.ts'

interface OpenColumn {
  readonly reader: IpcColumnReader
  /** Next row of the record batch. */
  row: number
  isLoaded: boolean
}

export class RecordBatchColumns implements FileColumns<IpcMorsel> {
  readonly codes = undefined
  readonly #spec: ScanIpcSpec
  readonly #columns: readonly OpenColumn[]
  #descriptor = -1
  #file = -1
  #recordBatch = -1
  #isOpen = false
  #bytesRead = 0

  constructor(spec: ScanIpcSpec, context: OpenContext) {
    this.#spec = spec
    const { arena, workspace } = context
    const { kernels, u8, u32 } = arena
    const shared: IpcArena = { kernels, u8, u32, memory: new PipelineMemory(context, 'IPC SCAN') }
    const take = (bytes: number): number => workspace.take(bytes)
    this.#columns = spec.schema.fields.map(({ type }) => ({
      reader: new IpcColumnReader(shared, type, spec.batchRows, take),
      row: 0,
      isLoaded: false,
    }))
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  open(morsel: IpcMorsel): void {
    if (this.#file !== morsel.file) this.#openFile(morsel.file)
    if (this.#recordBatch !== morsel.recordBatch) {
      const batch = this.#openBatch(morsel.part, morsel.recordBatch)
      if (batch.message.rows !== morsel.part.rows || batch.message.dictionary !== undefined) {
        throw ipcDamage('a record batch that changed', batch.place)
      }
      for (const column of this.#columns) {
        column.reader.openBatch(batch)
        column.isLoaded = false
      }
      this.#recordBatch = morsel.recordBatch
    }
    for (const column of this.#columns) column.row = 0
    this.#isOpen = true
  }

  #openFile(file: number): void {
    this.close()
    const path = this.#spec.files[file] as string
    const layout = this.#spec.layouts[file]
    const planned = this.#spec.versions[file]
    assert(layout !== undefined && planned !== undefined, 'a morsel names a file of its scan')
    this.#descriptor = openInput(path)
    const found = fileVersion(this.#descriptor, path)
    if (found.fileBytes !== planned.fileBytes || found.modifiedNs !== planned.modifiedNs) {
      throw ipcDamage('its version is not the one that was planned: it changed while the query ran', { file: path })
    }
    this.#columns.forEach(({ reader }, index) => {
      const column = layout.columns[index]
      assert(column !== undefined, 'a file has a layout for each column')
      reader.openFile(column)
    })
    this.#file = file
  }

  #openBatch(part: IpcRecordBatch, recordBatch: number | undefined): OpenBatch {
    const place: IpcPlace = { file: this.#spec.files[this.#file] as string, recordBatch }
    this.#bytesRead += part.metadataBytes
    return {
      message: readIpcMessage(this.#descriptor, part, place),
      read: (target, offset) => {
        this.#bytesRead += target.length
        readIpcBytes(this.#descriptor, target, offset, place)
      },
      place,
    }
  }

  moveTo(row: number): void {
    for (const column of this.#columns) column.row = row
  }

  tryLoad(indices: readonly number[]): SpillwayError | undefined {
    const layout = this.#spec.layouts[this.#file]
    for (const index of indices) {
      const column = this.#column(index)
      if (column.isLoaded) continue
      const parts = (): OpenBatch[] =>
        (layout?.dictionaries[index] ?? []).map((part) => this.#openBatch(part, undefined))
      try {
        column.reader.load(parts)
        column.isLoaded = true
      } catch (error) {
        if (!(error instanceof SpillwayError) || error.code !== 'MEMORY_LIMIT') throw error
        return error
      }
    }
    return undefined
  }

  readable(index: number, most: number): number {
    const column = this.#column(index)
    return column.reader.readable(column.row, most)
  }

  read(index: number, rows: number, values: number, validity: number): number {
    const column = this.#column(index)
    const nulls = column.reader.read(column.row, rows, values, validity)
    column.row += rows
    return nulls
  }

  skip(index: number, rows: number): void {
    this.#column(index).row += rows
  }

  #column(index: number): OpenColumn {
    const column = this.#columns[index]
    assert(column !== undefined, 'a column has a reader')
    return column
  }

  takeBytesRead(): number {
    const bytes = this.#bytesRead
    this.#bytesRead = 0
    return bytes
  }

  endMorsel(): void {
    this.#isOpen = false
  }

  close(): void {
    this.#isOpen = false
    this.#file = -1
    this.#recordBatch = -1
    for (const column of this.#columns) {
      column.reader.closeFile()
      column.isLoaded = false
    }
    if (this.#descriptor >= 0) closeSync(this.#descriptor)
    this.#descriptor = -1
  }
}
