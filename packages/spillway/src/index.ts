/** Spillway: a larger-than-memory query engine for Node.js and TypeScript. */
import { DataFrame, dataFrameFromTable } from './data-frame/data-frame.ts'
import { createEngine, type Engine } from './engine/engine.ts'
import { type QuerySession, setDefaultSession } from './session.ts'

let defaultEngine: Engine | undefined

/** The engine of frames that name none: made at first use, with options from the environment. */
export function requireDefaultEngine(): Engine {
  defaultEngine ??= createEngine()
  return defaultEngine
}

/** Closes the default engine; the next query makes a new one. */
export async function closeDefaultEngine(): Promise<void> {
  const closing = defaultEngine
  defaultEngine = undefined
  await closing?.close()
}

/** Frames that name no engine look for the default one when they run, so they outlive the closing of one. */
const defaultSession: QuerySession = {
  collect: async (plan, options) => {
    const { table, metrics } = await requireDefaultEngine().collect(plan, options)
    return dataFrameFromTable(table, undefined, metrics)
  },
  collectBatches: (plan, options) => requireDefaultEngine().collectBatches(plan, options),
  sinkParquet: async (plan, path, options) => requireDefaultEngine().sinkParquet(plan, path, options),
  sinkIpc: async (plan, path, options) => requireDefaultEngine().sinkIpc(plan, path, options),
  estimateMemory: async (plan, options) => requireDefaultEngine().estimateMemory(plan, options),
  explain: async (plan, options) => requireDefaultEngine().explain(plan, options),
  runAll: async (outputs, options) => {
    const results = await requireDefaultEngine().runAll(outputs, options)
    return results.map((result) =>
      result instanceof DataFrame ? dataFrameFromTable(result.table, undefined, result.metrics) : result,
    )
  },
  explainAll: async (outputs, options) => requireDefaultEngine().explainAll(outputs, options),
}

setDefaultSession(() => defaultSession)

export type { Field, LeftOutColumn, Schema } from '@spillway/columnar'
export type { PathArgument } from '@spillway/formats'
export type { OperatorMetrics, Progress, QueryMetrics } from '@spillway/engine'
export {
  col,
  count,
  DataType,
  Expr,
  first,
  intRange,
  last,
  len,
  lit,
  max,
  mean,
  min,
  nUnique,
  repeat,
  sum,
  when,
} from '@spillway/plan'
export {
  CancelledError,
  DataError,
  type ErrorCode,
  InternalError,
  MemoryLimitError,
  PlanError,
  ResourceError,
  SpillCorruptionError,
  SpillDiskFullError,
  SpillIoError,
  SpillwayError,
} from '@spillway/stdx'
export { type Collectable, type Collected, collectAll, explainAll } from './collect-all.ts'
export { concat } from './concat.ts'
export { DataFrame, fromArrow } from './data-frame/data-frame.ts'
export { createEngine, Engine, type EngineUsage, setEngineAffinity } from './engine/engine.ts'
export type { JoinKeys, JoinKind, JoinOptions } from './lazy-frame/join-options.ts'
export type { PerKey, SortBy, SortByOptions, SortOptions, TopKOptions } from './lazy-frame/sort-rows.ts'
export { adaptiveChunks, type ChunkFacts, type ChunkOutcome, type ChunkStrategy } from './engine/chunk-strategy.ts'
export type {
  CollectBatchesOptions,
  EngineOptions,
  ExplainOptions,
  QueryOptions,
  SinkIpcOptions,
  SinkParquetOptions,
} from './engine/engine-options.ts'
export { LazySink } from './lazy-frame/lazy-sink.ts'
export { LazyFrame } from './lazy-frame/make-lazy-frame.ts'
export { ParquetFrame } from './parquet-frame.ts'
export { type ScanIpcOptions, scanIpc } from './scan-ipc.ts'
export { type ScanParquetOptions, scanParquet } from './scan-parquet.ts'
export type { MemoryEstimate, QuerySession, SinkResult } from './session.ts'
