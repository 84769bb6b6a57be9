/** What COLLECT takes of a worker's workspace: the planner chooses how many rows are put together by it. */
import type { WorkspaceSize } from '@spillway/memory'
import { sizeBatchExport } from '../../pipeline/batch-export.ts'
import { sizeBatchGather } from '../../pipeline/batch-gather.ts'
import type { CollectSpec } from './collect.ts'

/** Rows that are put together before they leave; 0 = batches leave as they come. */
export function gatheredRows({ mode, batchRows, gatherRows }: CollectSpec): number {
  return mode === 'all' ? batchRows : gatherRows
}

export function sizeCollect(spec: CollectSpec, size: WorkspaceSize): void {
  sizeBatchExport(spec.schema, Math.max(spec.batchRows, spec.gatherRows), size)
  const rows = gatheredRows(spec)
  if (rows > 0) sizeBatchGather(spec.schema, rows, size)
}
