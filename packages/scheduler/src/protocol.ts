/**
 * Messages between the main thread and the workers: two closed unions of plain data.
 * The scheduler carries a pipeline's description without looking into it.
 */
import type { ArenaHandle } from '@spillway/memory'
import type { ErrorEnvelope } from '@spillway/stdx'

/** A compiled module and the key under which workers keep their instance. */
export interface ModuleRef {
  readonly key: string
  readonly module: WebAssembly.Module
}

/** Starts one worker's part of one pipeline. */
export interface StartPipeline {
  readonly kind: 'startPipeline'
  readonly queryId: number
  /** Slot in the control block. */
  readonly slot: number
  readonly pipelineId: number
  /** False: this worker claims no morsel (serial pipelines run on one), it only publishes its sinks. */
  readonly pulls: boolean
  readonly modules: readonly ModuleRef[]
  /** The pipeline, as the worker's host understands it. */
  readonly pipeline: unknown
}

export type ToWorker =
  | { readonly kind: 'arena'; readonly arena: ArenaHandle }
  /** The compiled Parquet codec: sent once, before the first query that decodes or encodes. */
  | { readonly kind: 'openQuery'; readonly queryId: number; readonly slot: number; readonly query: unknown }
  | StartPipeline
  | { readonly kind: 'closeQuery'; readonly queryId: number }
  | { readonly kind: 'shareTable'; readonly tableId: number; readonly table: unknown }
  | { readonly kind: 'dropTable'; readonly tableId: number }
  /** A file's footer, as the main thread has read it: workers need not parse it again. */
  | { readonly kind: 'shareFooter'; readonly footer: unknown }
  | { readonly kind: 'collectGarbage'; readonly ticket: number }
  /** Answer: whoever does is up. */
  | { readonly kind: 'ping'; readonly ticket: number }
  /** Answer: `described`. */
  | { readonly kind: 'describe'; readonly ticket: number }
  /** Leave the loop until the next task as soon as nothing can go on: nobody waits for what is running. */
  | { readonly kind: 'rest' }
  | { readonly kind: 'shutdown' }

export type FromWorker =
  | {
      readonly kind: 'pipelineFinished'
      readonly worker: number
      readonly queryId: number
      readonly pipelineId: number
      /** What the worker's sinks published. */
      readonly summary: unknown
    }
  | {
      readonly kind: 'pipelineFailed'
      readonly worker: number
      readonly queryId: number
      readonly pipelineId: number
      readonly error: ErrorEnvelope
      /** True: a trap; the arena may be corrupt and is condemned. */
      readonly isTrap: boolean
    }
  | {
      readonly kind: 'output'
      readonly worker: number
      readonly queryId: number
      /** The sink that made it. */
      readonly sinkId: number
      readonly output: unknown
    }
  | { readonly kind: 'queryClosed'; readonly worker: number; readonly queryId: number }
  /** To `collectGarbage` and `ping`. */
  | { readonly kind: 'answered'; readonly worker: number; readonly ticket: number }
  /** One line per pipeline that runs on the worker. */
  | { readonly kind: 'described'; readonly worker: number; readonly ticket: number; readonly lines: readonly string[] }
