/**
 * How much room a plan is made for. The floor must fit the budget: fewer partitions and smaller batches first, then
 * fewer threads, down to one, before any error.
 */
import { assert } from '@spillway/stdx'
import type { Sizing } from '../physical/physical-plan.ts'
import type { TestingOptions } from './query-request.ts'

const KIB = 1024
const wideOutput = { share: 1, pageBytes: 1024 * KIB, dictionaryEntries: 16_384, dictionaryBytes: 1024 * KIB } as const
const smallOutput = { share: 1, pageBytes: 256 * KIB, dictionaryEntries: 4096, dictionaryBytes: 128 * KIB } as const

/** `output`: of a sink that encodes; share of the row group that the limit suggests, and sizes per column. */
const levels = [
  { partitionBits: 6, batchRows: 8192, directoryBits: 18, windowBytes: 1024 * KIB, output: wideOutput },
  { partitionBits: 6, batchRows: 8192, directoryBits: 16, windowBytes: 1024 * KIB, output: wideOutput },
  { partitionBits: 6, batchRows: 4096, directoryBits: 15, windowBytes: 512 * KIB, output: smallOutput },
  { partitionBits: 5, batchRows: 4096, directoryBits: 14, windowBytes: 256 * KIB, output: smallOutput },
  {
    ...{ partitionBits: 4, batchRows: 4096, directoryBits: 13, windowBytes: 160 * KIB },
    output: { share: 0.5, pageBytes: 64 * KIB, dictionaryEntries: 1024, dictionaryBytes: 32 * KIB },
  },
  {
    ...{ partitionBits: 3, batchRows: 2048, directoryBits: 12, windowBytes: 160 * KIB },
    output: { share: 0, pageBytes: 32 * KIB, dictionaryEntries: 256, dictionaryBytes: 8 * KIB },
  },
] as const
const ROW_GROUP_BYTES = 32e6
const ROW_GROUP_BYTES_MIN = 2e6
/** Under a small limit row groups get smaller: this share of the limit for one thread's row group. */
const ROW_GROUP_SHARE = 1 / 60

const MORSEL_ROWS = 131_072

/** A plan above its floor works better: the floor takes at most this share while a smaller sizing is left. */
const COMFORTABLE_SHARE = 0.5

export interface SizingTry {
  readonly sizing: Sizing
  /** The floor may take this share of the budget. */
  readonly share: number
}

/** All sizings for a limit, best first. */
export function sizingTries(threads: number, limitBytes: number, testing: TestingOptions): SizingTry[] {
  const tries: SizingTry[] = []
  const make = (level: (typeof levels)[number], count: number): Sizing => ({
    threads: count,
    batchRows: testing.batchRows ?? level.batchRows,
    morselRows: testing.morselRows ?? MORSEL_ROWS,
    partitionBits: testing.partitionBits ?? level.partitionBits,
    directoryBits: level.directoryBits,
    windowBytes: level.windowBytes,
    output: { ...level.output, rowGroupBytes: rowGroupBytes(limitBytes, count, level.output.share) },
  })
  for (let count = threads; count >= 1; count = count > 4 ? Math.floor(count / 2) : count - 1) {
    for (const level of levels) tries.push({ sizing: make(level, count), share: COMFORTABLE_SHARE })
    for (const level of levels) tries.push({ sizing: make(level, count), share: 1 })
  }
  return tries
}

/** The sizing that needs least: its need is the query's floor. */
export function smallestSizing(testing: TestingOptions): Sizing {
  const last = sizingTries(1, 0, testing).at(-1)
  assert(last !== undefined, 'at least one sizing is tried')
  return last.sizing
}

function rowGroupBytes(limitBytes: number, threads: number, share: number): number {
  const wanted = Math.min(ROW_GROUP_BYTES, (limitBytes * ROW_GROUP_SHARE) / Math.sqrt(threads))
  return Math.max(ROW_GROUP_BYTES_MIN, wanted * share)
}
