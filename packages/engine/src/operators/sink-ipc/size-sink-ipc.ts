/** What an IPC sink takes of a worker's workspace: the planner chooses the length of record batches by it. */
import type { WorkspaceSize } from '@spillway/memory'
import { sizeBatchExport } from '../../pipeline/batch-export.ts'
import { sizeBatchGather } from '../../pipeline/batch-gather.ts'
import type { SinkIpcSpec } from './sink-ipc.ts'

export function sizeSinkIpc({ schema, recordBatchRows }: SinkIpcSpec, size: WorkspaceSize): void {
  sizeBatchGather(schema, recordBatchRows, size)
  sizeBatchExport(schema, recordBatchRows, size)
}
