/**
 * What a frame needs from an engine: run a plan, stream it, write it, explain it. Frames hold a session, never an
 * engine, so that they can be built and tested without one.
 */
import type { PathArgument } from '@spillway/formats'
import type { LogicalNode, SchemaTypes } from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import type { RecordBatch } from 'apache-arrow'
import type { QueryMetrics } from '@spillway/engine'
import type { DataFrame } from './data-frame/data-frame.ts'
import type {
  CollectBatchesOptions,
  ExplainOptions,
  QueryOptions,
  SinkIpcOptions,
  SinkParquetOptions,
} from './engine/engine-options.ts'

/** What a file sink wrote. */
export interface SinkResult {
  readonly path: string
  readonly rowCount: number
  readonly bytes: number
  readonly metrics: QueryMetrics
}

/** A file that a plan is to be written to. `options` are checked when the query runs. */
export type SinkTarget =
  | { readonly format: 'parquet'; readonly path: string; readonly options: SinkParquetOptions }
  | { readonly format: 'ipc'; readonly path: string; readonly options: SinkIpcOptions }

/** One of several results of a query: rows, or a file. */
export interface PlanOutput {
  readonly plan: LogicalNode
  readonly target: SinkTarget | undefined
}

export type { CollectBatchesOptions, ExplainOptions, QueryOptions, SinkIpcOptions, SinkParquetOptions }

/** What `collect` needs, and what the limit is. */
export interface MemoryEstimate {
  readonly requiredBytes: number
  readonly limitBytes: number
}

/** Runs plans. All promises reject with a SpillwayError. */
export interface QuerySession {
  collect<S extends SchemaTypes>(plan: LogicalNode, options: QueryOptions): Promise<DataFrame<S>>
  /** Pulls the query as batches are taken; `break` cancels it. */
  collectBatches(plan: LogicalNode, options: CollectBatchesOptions): AsyncIterableIterator<RecordBatch>
  sinkParquet(plan: LogicalNode, path: PathArgument, options: SinkParquetOptions): Promise<SinkResult>
  sinkIpc(plan: LogicalNode, path: PathArgument, options: SinkIpcOptions): Promise<SinkResult>
  estimateMemory(plan: LogicalNode, options: QueryOptions): Promise<MemoryEstimate>
  explain(plan: LogicalNode, options: ExplainOptions): Promise<string>
  /** Runs all as one query; results in order: a DataFrame, or a SinkResult for a file. */
  runAll(outputs: readonly PlanOutput[], options: QueryOptions): Promise<(DataFrame | SinkResult)[]>
  explainAll(outputs: readonly PlanOutput[], options: ExplainOptions): Promise<string>
}

let makeDefaultSession: (() => QuerySession) | undefined
let knownDefault: QuerySession | undefined

/** Says how the session of frames that name no engine is made; it is made when the first such frame is. */
export function setDefaultSession(make: () => QuerySession): void {
  makeDefaultSession = make
  knownDefault = undefined
}

/** The session of frames that name no engine. */
export function requireDefaultSession(): QuerySession {
  if (knownDefault !== undefined) return knownDefault
  if (makeDefaultSession === undefined) {
    throw makeError('INVARIANT', 'Invariant broken: the default session is set when the package is loaded')
  }
  knownDefault = makeDefaultSession()
  return knownDefault
}
