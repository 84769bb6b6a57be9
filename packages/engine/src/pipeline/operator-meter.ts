/** What one operator did on one worker: numbers that add up over workers (peaks: maximum per worker, then summed). */
export interface OperatorCounts {
  rowsIn: number
  rowsOut: number
  timeMs: number
  peakBytes: number
  spilledBytes: number
  spilledFiles: number
  /** Bytes in arena layout of what was spilled or kept: the denominator of amplification. */
  inputBytes: number
  partitionsSpilled: number
  recursionDepth: number
  terminalChunks: number
  /** Partitions, runs or segments that were complete and waited to be read when their memory was asked back. */
  partitionsAskedBack: number
  /** Of a scan: row groups that were ruled out while the query ran, by a top-k's bound or a join's keys. */
  rowGroupsSkipped: number
  /** Rows that were filtered or grouped by their dictionary codes, without looking at values. */
  codedRows: number
  /** Rows that a filter of a join's other side ruled out: they have no match there. */
  filteredRows: number
}

export class OperatorMeter {
  readonly operatorId: number
  counts: OperatorCounts = emptyCounts()
  constructor(operatorId: number) {
    this.operatorId = operatorId
  }

  /** The counts so far; counting starts anew. */
  take(): OperatorCounts {
    const { counts } = this
    this.counts = emptyCounts()
    return counts
  }
}

export function emptyCounts(): OperatorCounts {
  return {
    rowsIn: 0,
    rowsOut: 0,
    timeMs: 0,
    peakBytes: 0,
    spilledBytes: 0,
    spilledFiles: 0,
    inputBytes: 0,
    partitionsSpilled: 0,
    recursionDepth: 0,
    terminalChunks: 0,
    partitionsAskedBack: 0,
    rowGroupsSkipped: 0,
    codedRows: 0,
    filteredRows: 0,
  }
}

/** Adds one worker's counts; depth is a maximum. */
export function mergeCounts(total: OperatorCounts, part: OperatorCounts): void {
  const depth = Math.max(total.recursionDepth, part.recursionDepth)
  for (const name of Object.keys(total) as (keyof OperatorCounts)[]) total[name] += part[name]
  total.recursionDepth = depth
}

/** An operator and what it counts. */
export interface Metered<T> {
  readonly operator: T
  readonly meter: OperatorMeter
}
