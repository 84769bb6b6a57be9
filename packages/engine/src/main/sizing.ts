/**
 * How much room a plan is made for. The floor must fit the budget: fewer partitions and smaller batches first, then
 * fewer threads, down to one, before any error.
 */
import { widthOf } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { childrenOf, type LogicalNode } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import type { Sizing } from '../physical/physical-plan.ts'
import type { TestingOptions } from './query-request.ts'

/** A plan above its floor works better: the floor takes at most this share while a smaller sizing is left. */
const COMFORTABLE_SHARE = 0.5
/** Before a floor takes all: what is published is promised beside the floor. */
const TIGHT_SHARE = 0.75
/** Of directories that are worth their room where rows to be found in them have room too. */
const LARGE_SHARE = 0.25
/** The same for the largest directories. */
const PLENTY_SHARE = 0.15

/**
 * `outputShare`: of a sink that encodes, as a share of what the limit suggests.
 * `share`: the floor may take so much of the budget; left out: `COMFORTABLE_SHARE`.
 */
const levels: readonly Level[] = [
  // A directory for millions of groups, where there is room: rows that miss a smaller one are kept as duplicates.
  { partitionBits: 6, batchRows: 8192, directoryBits: 24, windowBytes: 1 << 20, outputShare: 1, share: PLENTY_SHARE },
  { partitionBits: 6, batchRows: 8192, directoryBits: 22, windowBytes: 1 << 20, outputShare: 1, share: PLENTY_SHARE },
  { partitionBits: 6, batchRows: 8192, directoryBits: 20, windowBytes: 1 << 20, outputShare: 1, share: LARGE_SHARE },
  { partitionBits: 6, batchRows: 8192, directoryBits: 18, windowBytes: 1 << 20, outputShare: 1 },
  { partitionBits: 6, batchRows: 8192, directoryBits: 16, windowBytes: 1 << 20, outputShare: 1 },
  { partitionBits: 6, batchRows: 4096, directoryBits: 15, windowBytes: 1 << 19, outputShare: 1 },
  { partitionBits: 5, batchRows: 4096, directoryBits: 14, windowBytes: 1 << 18, outputShare: 0.5 },
  { partitionBits: 4, batchRows: 4096, directoryBits: 13, windowBytes: 160 << 10, outputShare: 0.25 },
  { partitionBits: 3, batchRows: 2048, directoryBits: 12, windowBytes: 160 << 10, outputShare: 0 },
]
/** Where rows are wide, smaller batches and fewer partitions make a smaller floor. */
const wideLevels: readonly Level[] = [
  ...levels,
  { partitionBits: 2, batchRows: 512, directoryBits: 12, windowBytes: 160 << 10, outputShare: 0 },
]
/** Rows of more bytes are wide: a batch has no more bytes than one of rows of this size. */
const NARROW_ROW_BYTES = 8192
const WIDE_BATCH_ROWS_LEAST = 32
const ROW_GROUP_BYTES = 32e6
const ROW_GROUP_BYTES_MIN = 2e6
/** Under a small limit row groups get smaller: this share of the limit for one thread's row group. */
const ROW_GROUP_SHARE = 1 / 60
/** Share of the limit for the fixed buffers of all encoders. */
const ENCODER_SHARE = 1 / 16

const MORSEL_ROWS = 131_072

interface Level {
  readonly partitionBits: number
  readonly batchRows: number
  readonly directoryBits: number
  readonly windowBytes: number
  readonly outputShare: number
  readonly share?: number
}

export interface SizingTry {
  readonly sizing: Sizing
  /** The floor may take this share of the budget. */
  readonly share: number
}

/** Bytes of a row of the widest table of these plans, without what strings point to. */
export function widestRowBytes(plans: readonly LogicalNode[]): number {
  const seen = new Set<LogicalNode>()
  const visit = (node: LogicalNode): number => {
    if (seen.has(node)) return 0
    seen.add(node)
    const own = node.schema.fields.reduce((bytes, { type }) => bytes + widthOf(type) + 1, 0)
    return childrenOf(node).reduce((widest, child) => Math.max(widest, visit(child)), own)
  }
  return plans.reduce((widest, plan) => Math.max(widest, visit(plan)), 0)
}

/** All sizings for a limit, best first. @param rowBytes of the widest rows */
export function sizingTries(
  threads: number,
  limitBytes: number,
  testing: TestingOptions,
  rowBytes: number,
): SizingTry[] {
  const levelsOfWidth = rowBytes > NARROW_ROW_BYTES ? wideLevels : levels
  const tries: SizingTry[] = []
  const arenaLimit = Math.min(limitBytes, (testing.budgetPages ?? Infinity) * PAGE_BYTES)
  const make = (level: Level, count: number): Sizing => ({
    threads: count,
    batchRows: testing.batchRows ?? batchRowsOf(level, rowBytes),
    morselRows: testing.morselRows ?? MORSEL_ROWS,
    partitionBits: testing.partitionBits ?? level.partitionBits,
    directoryBits: level.directoryBits,
    windowBytes: level.windowBytes,
    output: {
      rowGroupBytes: rowGroupBytes(limitBytes, count, level.outputShare),
      encoderBytes: (arenaLimit * ENCODER_SHARE * level.outputShare) / count,
    },
  })
  for (let count = threads; count >= 1; count = count > 4 ? Math.floor(count / 2) : count - 1) {
    for (const level of levelsOfWidth) {
      tries.push({ sizing: make(level, count), share: level.share ?? COMFORTABLE_SHARE })
    }
    for (const share of [TIGHT_SHARE, 1]) {
      for (const level of levelsOfWidth.filter((each) => each.share === undefined))
        tries.push({ sizing: make(level, count), share })
    }
  }
  return tries
}

function batchRowsOf({ batchRows }: Level, rowBytes: number): number {
  if (rowBytes <= NARROW_ROW_BYTES) return batchRows
  return Math.max(WIDE_BATCH_ROWS_LEAST, Math.floor((batchRows * NARROW_ROW_BYTES) / rowBytes))
}

/** The sizing that needs least: its need is the query's floor. */
export function smallestSizing(testing: TestingOptions, rowBytes: number): Sizing {
  const last = sizingTries(1, 0, testing, rowBytes).at(-1)
  assert(last !== undefined, 'at least one sizing is tried')
  return last.sizing
}

function rowGroupBytes(limitBytes: number, threads: number, share: number): number {
  const wanted = Math.min(ROW_GROUP_BYTES, (limitBytes * ROW_GROUP_SHARE) / Math.sqrt(threads))
  return Math.max(ROW_GROUP_BYTES_MIN, wanted * share)
}
