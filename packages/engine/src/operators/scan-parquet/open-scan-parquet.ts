/** Worker side of PARQUET SCAN: decodes row groups. */
import type { WorkspaceSize } from '@spillway/memory'
import type { OpenContext, Source } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import { FileSource, sizeFileSource } from '../scan-file/file-source.ts'
import { ChunkColumns, sizeChunkColumns } from './chunk-columns.ts'
import type { ScanParquetSpec } from './scan-parquet.ts'

export function sizeScanParquet(spec: ScanParquetSpec, size: WorkspaceSize): void {
  sizeFileSource(spec, size)
  sizeChunkColumns(spec, size)
}

/** Pages beyond the workspace: the largest dictionary of each column. */
export function scanParquetFloorPages(spec: ScanParquetSpec): number {
  return spec.dictionaryPages
}

export function openScanParquet(spec: ScanParquetSpec, context: OpenContext, claims: MorselClaims): Source {
  return new FileSource(spec, context, claims, () => new ChunkColumns(spec, context))
}
