/** `estimateMemoryRequired`: with which memory limit `collect` is going to succeed. */
import { bytesOfRows, type EngineCore, estimateOutput, noEncoder, type QueryOptions } from '@spillway/engine'
import type { LogicalNode } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import { collectAll } from './collect-sinks.ts'

/** Buffers of a result are padded, and each has its views. */
const RESULT_PADDING = 1.02
const RESULT_SLACK_BYTES = 1e6
/**
 * Beside results, operators that hold rows may touch 60 % of the engine's memory, and others no more than 30 %: what
 * is left has to hold the result.
 */
const SHARE_BESIDE_HELD_ROWS = 0.4
const SHARE_BESIDE_STREAMS = 0.7

/**
 * Bytes of resident memory that the process needs for `collect`, an estimate from above: what it has now, what the
 * query takes at least, and the result.
 */
export async function estimateCollect(core: EngineCore, plan: LogicalNode, options: QueryOptions): Promise<number> {
  const [optimized] = core.optimize([plan], options)
  assert(optimized !== undefined, 'every plan is optimised')
  const output = estimateOutput(optimized)
  const resultBytes = bytesOfRows(optimized.schema, output) * RESULT_PADDING + RESULT_SLACK_BYTES
  const { floorBytes } = await core.plan({
    roots: [{ plan, makeSink: collectAll, onOutput: () => {} }],
    // The floor does not depend on the limit, which must not be too small to ask for it.
    options: { ...options, memoryLimitBytes: Math.max(options.memoryLimitBytes, PLAN_LIMIT_BYTES) },
    keepsResults: true,
    encoder: noEncoder,
    onAdmitted: () => {},
  })
  const streaming = resultBytes / SHARE_BESIDE_STREAMS
  const held = output.heldBytes === 0 ? streaming : resultBytes / SHARE_BESIDE_HELD_ROWS
  return Math.ceil(floorBytes + Math.min(held, streaming + output.heldBytes))
}

const PLAN_LIMIT_BYTES = 4e9
