/** What a query needs of the Parquet codec: whether it decodes or encodes at all, and the memory that takes. */
import { childrenOf, type LogicalNode } from '@spillway/plan'
import type { PhysicalPlan } from '../physical/physical-plan.ts'
import type { BudgetFacts } from './memory-budget.ts'
import type { QueryRequest } from './query-request.ts'
import { smallestSizing } from './sizing.ts'

/** True when the plan reads Parquet files or the query writes them. */
export function usesCodec(plan: LogicalNode, request: QueryRequest): boolean {
  return scansParquet(plan) || request.encoder(smallestSizing(request.options.testing)).codecBytes > 0
}

function scansParquet(node: LogicalNode): boolean {
  return node.kind === 'scanParquet' || childrenOf(node).some(scansParquet)
}

/** Decoder and encoder share one memory, so the larger need counts; what encoding holds in the heap comes on top. */
export function codecFacts(
  physical: PhysicalPlan,
  request: QueryRequest,
): Pick<BudgetFacts, 'codecBytesPerWorker' | 'encoderHeapBytesPerWorker'> {
  const { codecBytes, heapBytes } = request.encoder(physical.sizing)
  return {
    codecBytesPerWorker: Math.max(physical.codecBytesPerWorker, codecBytes),
    encoderHeapBytesPerWorker: heapBytes,
  }
}
