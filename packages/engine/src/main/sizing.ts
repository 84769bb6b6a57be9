/**
 * How much room a plan is made for. The floor must fit the budget: fewer partitions and smaller batches first, then
 * fewer threads, down to one, before any error.
 */
import type { Sizing } from '../physical/physical-plan.ts'
import type { TestingOptions } from './query-request.ts'

const levels = [
  { partitionBits: 6, batchRows: 8192, directoryBits: 18 },
  { partitionBits: 6, batchRows: 8192, directoryBits: 16 },
  { partitionBits: 5, batchRows: 4096, directoryBits: 15 },
  { partitionBits: 4, batchRows: 4096, directoryBits: 13 },
  { partitionBits: 3, batchRows: 2048, directoryBits: 12 },
] as const

const MORSEL_ROWS = 131_072

/** A plan above its floor works better: the floor takes at most this share while a smaller sizing is left. */
const COMFORTABLE_SHARE = 0.5

export interface SizingTry {
  readonly sizing: Sizing
  /** The floor may take this share of the budget. */
  readonly share: number
}

/** All sizings, best first. */
export function sizingTries(threads: number, testing: TestingOptions): SizingTry[] {
  const tries: SizingTry[] = []
  const make = (level: (typeof levels)[number], count: number): Sizing => ({
    threads: count,
    batchRows: testing.batchRows ?? level.batchRows,
    morselRows: testing.morselRows ?? MORSEL_ROWS,
    partitionBits: testing.partitionBits ?? level.partitionBits,
    directoryBits: level.directoryBits,
  })
  for (let count = threads; count >= 1; count = count > 4 ? Math.floor(count / 2) : count - 1) {
    for (const level of levels) tries.push({ sizing: make(level, count), share: COMFORTABLE_SHARE })
    for (const level of levels) tries.push({ sizing: make(level, count), share: 1 })
  }
  return tries
}
