/** Worker side of IPC SINK: rows are gathered to record batches, which are written straight from the arena. */
import { messageViews, recordBatchMessage, type WrittenRecordBatch } from '@spillway/formats'
import { BatchExport, type BatchPart } from '../../pipeline/batch-export.ts'
import { BatchGather } from '../../pipeline/batch-gather.ts'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import { type FileEncoder, FileSink, type FinishedPiece } from '../sink-file/file-sink.ts'
import type { SinkIpcSpec } from './sink-ipc.ts'

export function openSinkIpc(spec: SinkIpcSpec, context: OpenContext): Sink {
  const limits = { rows: spec.recordBatchRows, bytes: Number.POSITIVE_INFINITY }
  return new FileSink(spec, limits, context, new RecordBatchEncoder(spec, context))
}

class RecordBatchEncoder implements FileEncoder<WrittenRecordBatch> {
  readonly bytes = 0
  readonly heldPages = 0
  readonly #memory: WebAssembly.Memory
  readonly #gather: BatchGather
  readonly #export: BatchExport
  /** A row whose strings pass the gathered batch's room: it is a record batch of its own. */
  #longRow: BatchPart | undefined

  constructor({ schema, recordBatchRows }: SinkIpcSpec, context: OpenContext) {
    this.#memory = context.arena.handle.memory
    this.#gather = new BatchGather(context, schema, recordBatchRows)
    this.#export = new BatchExport(context, schema, recordBatchRows, 'IPC SINK')
  }

  get rows(): number {
    return this.#longRow?.rows ?? this.#gather.rows
  }
  get mustEnd(): boolean {
    return this.#longRow !== undefined
  }

  append(batch: number, start: number, rows: number): number {
    const gather = this.#gather
    for (let count = rows; count > 0; count = count >>> 1) {
      if (gather.tryAppend(batch, start, count)) return count
      // What is there is more than half of a record batch's strings: the rest belongs to the next one.
      if (gather.rows > count) return 0
    }
    if (gather.rows > 0) return 0
    this.#longRow = { batch, start, rows: 1 }
    return 1
  }

  finish(write: (piece: FinishedPiece<WrittenRecordBatch>) => void): void {
    const part = this.#longRow ?? { batch: this.#gather.batch, start: 0, rows: this.#gather.rows }
    this.#export.exportPart(part, (columns, rowCount) => {
      const message = recordBatchMessage(rowCount, columns)
      const { bodyBytes } = message
      const metadataBytes = message.metadata.byteLength
      write({
        bytes: metadataBytes + bodyBytes,
        pieces: messageViews(message, this.#memory),
        footerAt: (offset) => ({ offset, metadataBytes, bodyBytes, rowCount }),
      })
    })
  }

  clear(): void {
    this.#longRow = undefined
    this.#gather.clear()
  }
}
