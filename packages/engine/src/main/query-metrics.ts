/** What is told of a query: its metrics, and lines on standard error under SPILLWAY_VERBOSE=1. */
import { PAGE_BYTES } from '@spillway/kernels'
import { queryCounter } from '@spillway/scheduler'
import type { Crew } from './crew.ts'
import type { QueryMetrics, QueryOptions, QueryRequest } from './query-request.ts'
import type { QueryRun } from './query-run.ts'
import { megabytes } from './query-sizer.ts'

export function metricsOf(
  crew: Crew,
  run: QueryRun,
  request: QueryRequest,
  timeMs: number,
  admissionMs: number,
): QueryMetrics {
  const counted = (counter: number): number => crew.control.counted(run.slot, counter)
  const operators = run.operatorMetrics()
  return {
    rowsIn: counted(queryCounter.rowsIn),
    rowsOut: counted(queryCounter.rowsOut),
    timeMs,
    admissionMs,
    threads: run.facts.physical.sizing.threads,
    memoryLimitBytes: request.options.memoryLimitBytes,
    floorBytes: run.facts.floorBytes,
    arenaPeakBytes: crew.keeper.arena?.highWaterBytes ?? 0,
    bytesRead: counted(queryCounter.bytesRead),
    spilledBytes: counted(queryCounter.spilledBytes),
    spilledFiles: counted(queryCounter.spillFiles),
    operators,
  }
}

/** How well the need outside the arena was foreseen. */
export function logBase(crew: Crew, run: QueryRun, options: QueryOptions): void {
  const foreseen = options.memoryLimitBytes - (run.facts.budgetPages + (crew.keeper.arena?.firstPage ?? 0)) * PAGE_BYTES
  const most = megabytes(crew.keeper.peakBaseBytes)
  logLine(
    options,
    `memory: outside the arena most=${most} foreseen=${megabytes(foreseen)} ` +
      `arena=${megabytes(crew.keeper.arena?.highWaterBytes ?? 0)}`,
  )
}

/** One grep-able line on stderr under SPILLWAY_VERBOSE=1. */
export function logLine(options: QueryOptions, line: string): void {
  if (options.isVerbose) process.stderr.write(`[spillway] ${line}\n`)
}
