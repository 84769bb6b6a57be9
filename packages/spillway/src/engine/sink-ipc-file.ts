/** `sinkIpc`: one Arrow IPC file (Feather version 2), which Arrow libraries read without copying. */
import type { QueryOptions, RootSink } from '@spillway/engine'
import { type EncoderNeed, type Sizing, sizeSinkIpc } from '@spillway/engine'
import { ipcFileHeader, ipcTail, type WrittenRecordBatch } from '@spillway/formats'
import { WorkspaceSize } from '@spillway/memory'
import type { LogicalNode } from '@spillway/plan'
import type { SinkResult } from '../session.ts'
import type { SinkIpcOptions } from './engine-options.ts'
import { fileOutput } from './output-file-query.ts'
import type { QueryOutput } from './query-outputs.ts'

const RECORD_BATCH_ROWS = 65_536
/** The least that a small limit makes of it. */
const RECORD_BATCH_ROWS_MIN = 1024
/** Messages and blocks in a worker's heap. */
const HEAP_BYTES = 1e6

export function ipcOutput(
  plan: LogicalNode,
  path: string,
  options: SinkIpcOptions,
  query: QueryOptions,
): QueryOutput<SinkResult> {
  const { schema } = plan
  const format = {
    plan,
    header: ipcFileHeader(schema),
    makeSink: (temporary: string) => ipcSink(temporary, options),
    encoder: ipcEncoderNeed,
    tail: (pieces: readonly { readonly footer: WrittenRecordBatch }[], rowCount: number) =>
      ipcTail({ batches: pieces.map(({ footer }) => footer), schema, rowCount }),
  }
  return fileOutput<WrittenRecordBatch>(path, format, query)
}

export function ipcSink(temporaryPath: string, options: SinkIpcOptions): RootSink {
  return ({ operatorId, sinkId, schema, isOrdered, sizing, outputIndex }) => {
    const spec = { kind: 'sinkIpc', operatorId, sinkId, schema, temporaryPath, isOrdered, outputIndex } as const
    let recordBatchRows = options.recordBatchSize ?? RECORD_BATCH_ROWS
    const bytesOf = (rows: number): number => {
      const size = new WorkspaceSize()
      sizeSinkIpc({ ...spec, recordBatchRows: rows }, size)
      return size.bytes
    }
    while (recordBatchRows > RECORD_BATCH_ROWS_MIN && bytesOf(recordBatchRows) > sizing.output.encoderBytes) {
      recordBatchRows = Math.max(RECORD_BATCH_ROWS_MIN, recordBatchRows >>> 1)
    }
    return { ...spec, recordBatchRows }
  }
}

export function ipcEncoderNeed(_sizing: Sizing): EncoderNeed {
  return { heapBytes: HEAP_BYTES }
}
