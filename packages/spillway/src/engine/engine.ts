/**
 * Engine: workers, memory and temp directory behind the frames. The default engine is made with the first query; more
 * can be made for other limits. An idle engine does not keep the process alive.
 */
import { type PathArgument, pathOf, resolveOutputTarget } from '@spillway/formats'
import { EngineCore, type QueryMetrics, type QueryRequest, workerFile } from '@spillway/engine'
import { parseByteSize } from '@spillway/memory'
import { explainPlans, type LogicalNode, type SchemaTypes } from '@spillway/plan'
import { OUTPUT_COUNTERS } from '@spillway/scheduler'
import { makeError } from '@spillway/stdx'
import type { RecordBatch } from 'apache-arrow'
import type { DataFrame } from '../data-frame/data-frame.ts'
import type { LazyFrame } from '../lazy-frame/lazy-frame.ts'
import { type ScanIpcOptions, scanIpc } from '../scan-ipc.ts'
import type { ParquetFrame } from '../parquet-frame.ts'
import { type ScanParquetOptions, scanParquet } from '../scan-parquet.ts'
import type { MemoryEstimate, PlanOutput, QuerySession, SinkResult } from '../session.ts'
import { frameOutput } from './collect-result.ts'
import { streamBatches } from './batch-stream.ts'
import { adaptiveChunks } from './chunk-strategy.ts'
import {
  batchesSchema,
  type CollectBatchesOptions,
  type EngineOptions,
  type ExplainOptions,
  engineSchema,
  explainSchema,
  parseOptions,
  type QueryOptions,
  queryOptionNames,
  querySchema,
  resolveOptions,
  resolveThreads,
  type SinkIpcOptions,
  type SinkParquetOptions,
  sinkIpcSchema,
  sinkParquetSchema,
} from './engine-options.ts'
import { type ExplainedPlan, explainPhysical } from './explain-physical.ts'
import { type QueryOutput, runOutput, runOutputs } from './query-outputs.ts'
import { warnOfLeftOut } from './left-out-warning.ts'
import { ipcOutput } from './sink-ipc-file.ts'
import { parquetOutput } from './sink-parquet-file.ts'
import { estimateCollect } from './memory-estimate.ts'

/** What an engine holds at this moment; all zero when no query runs. */
export interface EngineUsage {
  readonly runningQueries: number
  readonly reservedPages: number
  readonly usedPages: number
  readonly arenaBytes: number
}

/** Made by `createEngine`. All promises reject with a SpillwayError; after `close` with ENGINE_CLOSED. */
export class Engine implements QuerySession, AsyncDisposable {
  readonly #options: EngineOptions
  readonly #core: EngineCore

  /** @throws PlanError INVALID_OPTION */
  constructor(options: EngineOptions = {}) {
    this.#options = parseOptions(engineSchema, options, 'createEngine')
    if (options.memoryLimit !== undefined) parseByteSize(options.memoryLimit, 'memoryLimit')
    this.#core = new EngineCore({ threads: resolveThreads(this.#options, process.env), workerFile })
  }

  async collect<S extends SchemaTypes>(plan: LogicalNode, options: QueryOptions = {}): Promise<DataFrame<S>> {
    const resolved = resolveOptions(this.#query(options, 'collect'), this.#options, process.env)
    warnOfLeftOut(plan)
    return runOutput(this.#core, frameOutput<S>(plan, this), resolved)
  }

  collectBatches(plan: LogicalNode, options: CollectBatchesOptions = {}): AsyncIterableIterator<RecordBatch> {
    const parsed = parseOptions(batchesSchema, withEngine(options), 'collectBatches')
    const { maxBatchBytes, chunkStrategy, ...query } = parsed
    warnOfLeftOut(plan)
    return streamBatches(this.#core, plan, resolveOptions(query, this.#options, process.env), {
      strategy: chunkStrategy ?? adaptiveChunks(),
      maxBatchBytes:
        maxBatchBytes === undefined ? Number.POSITIVE_INFINITY : parseByteSize(maxBatchBytes, 'maxBatchBytes'),
    })
  }

  async sinkParquet(plan: LogicalNode, path: PathArgument, options: SinkParquetOptions = {}): Promise<SinkResult> {
    const parsed = parseOptions(sinkParquetSchema, withEngine(options), 'sinkParquet')
    const resolved = resolveOptions(queryPart(parsed), this.#options, process.env)
    warnOfLeftOut(plan)
    return runOutput(this.#core, parquetOutput(plan, pathOf(path, 'sinkParquet'), parsed, resolved), resolved)
  }

  async sinkIpc(plan: LogicalNode, path: PathArgument, options: SinkIpcOptions = {}): Promise<SinkResult> {
    const { recordBatchSize, ...query } = parseOptions(sinkIpcSchema, withEngine(options), 'sinkIpc')
    const resolved = resolveOptions(query, this.#options, process.env)
    warnOfLeftOut(plan)
    return runOutput(this.#core, ipcOutput(plan, pathOf(path, 'sinkIpc'), { recordBatchSize }, resolved), resolved)
  }

  async estimateMemory(plan: LogicalNode, options: QueryOptions = {}): Promise<MemoryEstimate> {
    const resolved = resolveOptions(this.#query(options, 'estimateMemoryRequired'), this.#options, process.env)
    const requiredBytes = await estimateCollect(this.#core, plan, resolved)
    return { requiredBytes, limitBytes: resolved.memoryLimitBytes }
  }

  async explain(plan: LogicalNode, options: ExplainOptions = {}): Promise<string> {
    const parsed = parseOptions(explainSchema, withEngine(options), 'explain')
    return this.#explain([{ plan, sink: parsed.sink ?? 'batches' }], parsed)
  }

  async explainAll(outputs: readonly PlanOutput[], options: ExplainOptions = {}): Promise<string> {
    const parsed = parseOptions(explainSchema, withEngine(options), 'explainAll')
    const plans = outputs.map(({ plan, target }) => ({ plan, sink: target?.format ?? ('collect' as const) }))
    return this.#explain(plans, parsed)
  }

  async #explain(explained: readonly ExplainedPlan[], options: ExplainOptions): Promise<string> {
    const { optimized, physical, sink: _sink, ...query } = options
    const resolved = resolveOptions(query, this.#options, process.env)
    const plans = explained.map(({ plan }) => plan)
    const text = explainPlans(optimized === false ? plans : this.#core.optimize(plans, resolved))
    if (physical !== true) return text
    return `${text}\n\n${await explainPhysical(this.#core, explained, resolved)}`
  }

  /** One query for all outputs; see `collectAll`. */
  async runAll(outputs: readonly PlanOutput[], options: QueryOptions = {}): Promise<(DataFrame | SinkResult)[]> {
    const resolved = resolveOptions(this.#query(options, 'collectAll'), this.#options, process.env)
    checkTargets(outputs)
    const running = outputs.map(({ plan, target }): QueryOutput<DataFrame | SinkResult> => {
      if (target === undefined) return frameOutput(plan, this)
      if (target.format === 'ipc') {
        const { recordBatchSize, ...rest } = parseOptions(sinkIpcSchema, target.options, 'sinkIpc')
        refuseQueryOptions(rest, 'sinkIpc')
        return ipcOutput(plan, target.path, { recordBatchSize }, resolved)
      }
      const parsed = parseOptions(sinkParquetSchema, target.options, 'sinkParquet')
      refuseQueryOptions(queryPart(parsed), 'sinkParquet')
      return parquetOutput(plan, target.path, parsed, resolved)
    })
    for (const { plan } of outputs) warnOfLeftOut(plan)
    return runOutputs(this.#core, running, resolved)
  }

  #query(options: QueryOptions, where: string): QueryOptions {
    return parseOptions(querySchema, withEngine(options), where)
  }

  /** `scanParquet` on this engine. */
  scanParquet<const S extends SchemaTypes = SchemaTypes>(
    paths: PathArgument | readonly PathArgument[],
    options: Omit<ScanParquetOptions<S>, 'session'> = {},
  ): ParquetFrame<S> {
    return scanParquet<S>(paths, { ...options, session: this })
  }

  /** `scanIpc` on this engine. */
  scanIpc<const S extends SchemaTypes = SchemaTypes>(
    paths: PathArgument | readonly PathArgument[],
    options: Omit<ScanIpcOptions<S>, 'session'> = {},
  ): LazyFrame<S> {
    return scanIpc<S>(paths, { ...options, session: this })
  }

  /** What the engine holds at this moment. */
  usage(): Promise<EngineUsage> {
    return this.#core.inspect()
  }

  /**
   * What runs at this moment and what it waits for, as text of several lines, when a query seems to stand still: its
   * phase, the workers it waits for, who holds which memory, and where each worker stands.
   *
   * ```ts
   * const engine = createEngine()
   * console.error(await engine.report())
   * await engine.close()
   * ```
   */
  report(): Promise<string> {
    return this.#core.report()
  }

  /** Cancels what runs, ends the workers and removes the temp directory. Settles within a quarter of a second. */
  close(): Promise<void> {
    return this.#core.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Makes an engine of its own: other limit, other threads, other temp directory. Close it when done, or declare it with
 * `await using`. Frames use the engine they came from; `session` gives it to the other sources.
 *
 * ```ts
 * const engine = createEngine({ memoryLimit: '512MB', threads: 1 })
 * const frame = LazyFrame({ n: intRange(0, 10) }, { session: engine })
 * const { height } = await frame.collect()
 * await engine.close()
 * ```
 * @throws PlanError INVALID_OPTION
 */
export function createEngine(options: EngineOptions = {}): Engine {
  return new Engine(options)
}

type Affinity = 'auto' | 'streaming' | 'in-memory'
let affinity: Affinity = 'auto'

/**
 * The mode of queries that name none: `auto` and `streaming` spill, `in-memory` fails with MEMORY_LIMIT instead.
 *
 * ```ts
 * setEngineAffinity('auto')
 * ```
 * @throws PlanError INVALID_OPTION
 */
export function setEngineAffinity(engine: Affinity): void {
  if (engine !== 'auto' && engine !== 'streaming' && engine !== 'in-memory') {
    throw makeError(
      'INVALID_OPTION',
      `Invalid engine: "${String(engine)}". Use "auto", "streaming" or "in-memory".`,
      {},
    )
  }
  affinity = engine
}

function withEngine<T extends { readonly engine?: Affinity | undefined }>(options: T): T {
  return options?.engine === undefined ? { ...options, engine: affinity } : options
}

/** Two sinks of one query must not write the same file. @throws INVALID_OPTION */
function checkTargets(outputs: readonly PlanOutput[]): void {
  const paths = new Set<string>()
  for (const { target } of outputs) {
    if (target === undefined) continue
    const { path } = resolveOutputTarget(target.path)
    if (paths.has(path)) {
      throw makeError('INVALID_OPTION', `Two sinks of collectAll write the same file: "${path}". Give each its own.`, {
        path,
      })
    }
    paths.add(path)
  }
  if (paths.size <= OUTPUT_COUNTERS && outputs.length <= OUTPUT_COUNTERS) return
  const text = `Too many results in one collectAll: ${outputs.length}, at most ${OUTPUT_COUNTERS}.`
  throw makeError('INVALID_OPTION', `${text} Use several calls.`, {})
}

/** A lazy sink runs with the options of the whole query. @throws INVALID_OPTION */
function refuseQueryOptions(query: QueryOptions, where: string): void {
  const [name] = Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [key]))
  if (name === undefined) return
  const text = `Invalid option of ${where} with lazy: ${name} belongs to the query that runs it.`
  throw makeError('INVALID_OPTION', `${text} Give it to collectAll.`, { option: name })
}

/** Without what belongs to the file. */
function queryPart(options: SinkParquetOptions): QueryOptions {
  const names = queryOptionNames()
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.has(name)))
}

export type { QueryMetrics, QueryRequest }
