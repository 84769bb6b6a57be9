/** Worker side of IPC SCAN: reads rows of record batches, wherever in them they lie. */
import { IpcColumnReader } from '@spillway/formats'
import type { WorkspaceSize } from '@spillway/memory'
import type { OpenContext, Source } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import { FileSource, sizeFileSource } from '../scan-file/file-source.ts'
import { RecordBatchColumns } from './record-batch-columns.ts'
import type { ScanIpcSpec } from './scan-ipc.ts'

export function sizeScanIpc(spec: ScanIpcSpec, size: WorkspaceSize): void {
  sizeFileSource(spec, size)
  for (const { type } of spec.schema.fields) IpcColumnReader.size(type, spec.batchRows, size)
}

export function scanIpcFloorPages(spec: ScanIpcSpec): number {
  return spec.demandedPages
}

export function openScanIpc(spec: ScanIpcSpec, context: OpenContext, claims: MorselClaims): Source {
  return new FileSource(spec, context, claims, () => new RecordBatchColumns(spec, context))
}
