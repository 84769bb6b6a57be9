/**
 * How large the arena may be: the limit bounds the process, so what the process holds already and what workers will
 * still need outside the arena is taken off first.
 *
 *   limit = base (measured: resident - touched arena) + growth still to come (heaps) + arena
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { type Arena, readResidentBytes } from '@spillway/memory'

/**
 * Heap of the main thread while a query runs: plan, messages, results being moved. Measured, see docs/topics/memory.md.
 */
export const MAIN_GROWTH_BYTES = 23e6
/** Heap, code and stacks of one worker beyond what it has after its start. Measured, see docs/topics/memory.md. */
export const WORKER_GROWTH_BYTES = 6e6
/** What one more query takes in the main thread's heap while others run: their growth covers the rest. Measured. */
export const BESIDE_GROWTH_BYTES = 4e6

export interface BudgetFacts {
  readonly limitBytes: number
  readonly threads: number
  /** Bytes each worker needs in its JavaScript heap for encoding: what Node's own codecs work in. */
  readonly encoderHeapBytesPerWorker: number
}

/** Bytes of the process that are not arena pages. */
export function baseBytes(arena: Arena | undefined): number {
  return readResidentBytes() - (arena?.highWaterBytes ?? 0)
}

/** Bytes that the workers are still going to take outside the arena. */
export function growthBytes(facts: BudgetFacts): number {
  const perWorker = WORKER_GROWTH_BYTES + facts.encoderHeapBytesPerWorker + heapSlackBytes(facts.limitBytes)
  return MAIN_GROWTH_BYTES + perWorker * facts.threads
}

/** Limits up to this one have no memory to give away. */
const SCARCE_LIMIT_BYTES = 1e9
const SLACK_SHARE = 0.02
const SLACK_BYTES_MAX = 24e6

/**
 * By how much more a worker's heap may grow before it is collected. A forced collection forgets compiled code, so it is
 * rare where memory is plenty. Grows with the limit slowly: a larger limit never leaves a smaller budget.
 */
export function heapSlackBytes(limitBytes: number): number {
  return Math.min(SLACK_BYTES_MAX, Math.max(0, limitBytes - SCARCE_LIMIT_BYTES) * SLACK_SHARE)
}

/**
 * What the process will hold outside the arena with one more query beside running ones, which brought it to `expected`
 * at most. Heaps and compiled code are the process's, so they are not counted a second time.
 */
export function besideBytes(facts: BudgetFacts, base: number, expected: number): number {
  return Math.max(expected, base + ownBytes(facts)) + BESIDE_GROWTH_BYTES
}

/** What a query needs outside the arena for itself, whatever else runs. */
export function ownBytes(facts: BudgetFacts): number {
  return facts.encoderHeapBytesPerWorker * facts.threads
}

/** Arena pages, its own fixed ones included, that fit below the limit beside `outside` bytes. May be negative. */
export function budgetPages(outside: number, limitBytes: number): number {
  return Math.floor((limitBytes - outside) / PAGE_BYTES)
}
