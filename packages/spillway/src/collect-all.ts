/** `collectAll`: several lazy frames and file sinks as one query. */
import type { SchemaTypes } from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import type { DataFrame } from './data-frame/data-frame.ts'
import { LazyFrame } from './lazy-frame/lazy-frame.ts'
import { LazySink } from './lazy-frame/lazy-sink.ts'
import type { ExplainOptions, PlanOutput, QueryOptions, QuerySession, SinkResult } from './session.ts'

/** What `collectAll` runs. */
// biome-ignore lint/suspicious/noExplicitAny: frames of different schemas stand in one list.
export type Collectable = LazyFrame<any> | LazySink

/** A DataFrame for a lazy frame, a SinkResult for a file sink. */
export type Collected<T extends readonly Collectable[]> = {
  -readonly [K in keyof T]: T[K] extends LazySink
    ? SinkResult
    : T[K] extends LazyFrame<infer S extends SchemaTypes>
      ? DataFrame<S>
      : never
}

/**
 * Runs several lazy frames as one query and gives their results in order. It is admitted once and has one memory limit;
 * what the frames have in common (a scan of one file, an aggregation) runs once. A file sink with `lazy: true` may
 * stand among them. An error in one ends all: no result, no file. Files get their names at the very end, all of them or
 * none; an error names those that could not be taken back.
 *
 * ```ts
 * const [byCity, all] = await collectAll([
 *   orders.groupBy('city').agg(col('price').sum()),
 *   orders.sinkParquet('orders.parquet', { lazy: true }),
 * ])
 * byCity.height
 * all.rowCount
 * ```
 * @throws as `collect` and the sinks; INVALID_PLAN when the frames belong to different engines
 */
export async function collectAll<const T extends readonly Collectable[]>(
  frames: T,
  options: QueryOptions = {},
): Promise<Collected<T>> {
  const session = sessionOf(frames)
  if (session === undefined) return [] as unknown as Collected<T>
  return (await session.runAll(outputsOf(frames), options)) as unknown as Collected<T>
}

/**
 * The plans that `collectAll` runs, as text: what they share is numbered and printed once. `physical: true` adds which
 * pipeline feeds whom.
 *
 * ```ts
 * await explainAll([orders.filter(col('price').gt(10)), orders.select('city')])
 * ```
 * @throws as `explain`; INVALID_PLAN when the frames belong to different engines
 */
export async function explainAll(frames: readonly Collectable[], options: ExplainOptions = {}): Promise<string> {
  return (await sessionOf(frames)?.explainAll(outputsOf(frames), options)) ?? ''
}

function outputsOf(frames: readonly Collectable[]): PlanOutput[] {
  return frames.map((frame) => ({ plan: frame.plan, target: frame instanceof LazySink ? frame.target : undefined }))
}

/** Of all frames; undefined without any. */
function sessionOf(frames: readonly Collectable[]): QuerySession | undefined {
  for (const frame of frames) {
    if (frame instanceof LazyFrame || frame instanceof LazySink) continue
    throw makeError(
      'INVALID_PLAN',
      'collectAll takes lazy frames, and file sinks with lazy: true. Call .lazy() on others.',
    )
  }
  const sessions = new Set(frames.map((frame) => frame.session))
  if (sessions.size <= 1) return [...sessions][0]
  throw makeError(
    'INVALID_PLAN',
    'The frames of collectAll belong to different engines. Make all with the same engine, or collect some first.',
  )
}
