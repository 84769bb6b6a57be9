/**
 * How large the arena may be: the limit bounds the process, so what the process holds already and what workers will
 * still need outside the arena is taken off first.
 *
 *   limit = base (measured: resident - touched arena) + growth still to come (codec, heaps) + arena
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { type Arena, readResidentBytes } from '@spillway/memory'
import type { ControlBlock } from '@spillway/scheduler'

/**
 * Heap of the main thread while a query runs: plan, messages, results being moved. Measured, see docs/topics/memory.md.
 */
export const MAIN_GROWTH_BYTES = 12e6
/** Heap, code and stacks of one worker beyond what it has after its start. Measured, see docs/topics/memory.md. */
export const WORKER_GROWTH_BYTES = 5e6
/** What making the codec's code fast leaves behind, whatever the number of threads. Measured. */
export const CODEC_COMPILE_BYTES = 16e6
/** The codec's instance and its scratch before it decodes anything. */
export const CODEC_BASE_BYTES = 6e6

export interface BudgetFacts {
  readonly limitBytes: number
  readonly threads: number
  /** Bytes each worker needs for decoding and encoding; 0 = no codec. */
  readonly codecBytesPerWorker: number
  /** Bytes each worker needs in its JavaScript heap for encoding: the stream and the file being written. */
  readonly encoderHeapBytesPerWorker: number
}

/** Bytes of the process that are not arena pages. */
export function baseBytes(arena: Arena | undefined): number {
  return readResidentBytes() - (arena?.highWaterBytes ?? 0)
}

/** Bytes that the workers are still going to take outside the arena. */
export function growthBytes(control: ControlBlock, facts: BudgetFacts): number {
  let growth = MAIN_GROWTH_BYTES + (WORKER_GROWTH_BYTES + facts.encoderHeapBytesPerWorker) * facts.threads
  if (facts.codecBytesPerWorker === 0) return growth
  growth += CODEC_COMPILE_BYTES
  const wanted = CODEC_BASE_BYTES + facts.codecBytesPerWorker
  const held = Array.from({ length: control.workerCount }, (_, worker) => control.decoderBytes(worker))
  // Which workers run the query is decided later: the ones that hold least still have to grow.
  for (const bytes of held.sort((a, b) => a - b).slice(0, facts.threads)) growth += Math.max(0, wanted - bytes)
  return growth
}

/** Arena pages that fit below the limit, the arena's own fixed pages included. May be negative. */
export function budgetPages(base: number, growth: number, limitBytes: number): number {
  return Math.floor((limitBytes - base - growth) / PAGE_BYTES)
}
