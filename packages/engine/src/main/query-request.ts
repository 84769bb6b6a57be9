/** What the engine is asked to run, and what it tells while and after. Options are validated before they get here. */
import type { OutputFault } from '@spillway/formats'
import type { FaultPlan } from '@spillway/memory'
import type { TestingSetup } from '../worker/query-context.ts'
import type { LogicalNode } from '@spillway/plan'
import type { ControlBlock } from '@spillway/scheduler'
import type { RootSink } from '../lowering/lower-plan.ts'
import type { PhysicalRoot, Sizing } from '../physical/physical-plan.ts'
import type { Attention } from './attention.ts'
import type { OperatorCounts } from '../pipeline/operator-meter.ts'

/** Bytes that encoding needs on each worker in the JavaScript heap. */
export interface EncoderNeed {
  readonly heapBytes: number
}

/** A query that encodes nothing. */
export function noEncoder(): EncoderNeed {
  return { heapBytes: 0 }
}

/** Settings that only tests use; plain data. */
export interface TestingOptions {
  /** Spill the largest partition after every batch. */
  readonly forceSpill: boolean
  readonly batchRows: number | undefined
  readonly morselRows: number | undefined
  readonly partitionBits: number | undefined
  /** Keep this many bits of group hashes; undefined = all 64. */
  readonly hashBits: number | undefined
  /** Fill freed pages and check red zones. */
  readonly poison: boolean
  /** Names of optimizer rules to leave out; `all` leaves out every rule. */
  readonly disabledRules: readonly string[] | 'all'
  readonly ioFaults: FaultPlan | undefined
  /** A system call of a file sink goes wrong. */
  readonly outputFault: OutputFault | undefined
  readonly reservationFault: TestingSetup['reservationFault']
  readonly refuseProbability: number
  /** Every so many times that a pipeline looks for a request to spill, it finds one: others may ask at any time. */
  readonly spillRequestEvery: number | undefined
  /** A worker dies at the N-th pull, counted over all workers on `counter`. */
  readonly workerFault:
    | { readonly kind: 'trap' | 'throw' | 'exit'; readonly at: number; readonly counter: SharedArrayBuffer }
    | undefined
  /** A sort merges at most so many runs at a time. */
  readonly sortFanIn: number | undefined
  /** False: no filter of a join's build side is used. */
  readonly joinFilters: boolean
  /** Arena pages at most, however high the limit is. */
  readonly budgetPages: number | undefined
}

export const noTesting: TestingOptions = {
  forceSpill: false,
  batchRows: undefined,
  morselRows: undefined,
  partitionBits: undefined,
  hashBits: undefined,
  poison: false,
  disabledRules: [],
  ioFaults: undefined,
  outputFault: undefined,
  reservationFault: undefined,
  refuseProbability: 0,
  spillRequestEvery: undefined,
  workerFault: undefined,
  sortFanIn: undefined,
  joinFilters: true,
  budgetPages: undefined,
}

/** Options of one query, defaults filled in. */
export interface QueryOptions {
  readonly mode: 'streaming' | 'in-memory'
  readonly memoryLimitBytes: number
  readonly threads: number
  readonly tempDir: string | undefined
  readonly allowTmpfs: boolean
  /** Undefined: 90 % of the free disk. */
  readonly maxSpillBytes: number | undefined
  readonly strict: boolean
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: Progress) => void) | undefined
  readonly isVerbose: boolean
  readonly testing: TestingOptions
}

/** One result of a query. */
export interface QueryRoot {
  readonly plan: LogicalNode
  readonly makeSink: RootSink
  /** Called on the main thread for each output of the root's sink. */
  readonly onOutput: (output: unknown) => void
}

/** One or more plans that run as one query: admitted once, within one budget, and what they share runs once. */
export interface QueryRequest {
  readonly roots: readonly QueryRoot[]
  readonly options: QueryOptions
  /** The result leaves the arena and stays with the process until the query returns. */
  readonly keepsResults: boolean
  /** What encoding needs on each worker under a sizing. */
  readonly encoder: (sizing: Sizing) => EncoderNeed
  /** Called once, when the query has its slot and before workers start. */
  readonly onAdmitted: (query: AdmittedQuery) => void
}

/** Handles on a running query for its last sinks. */
export interface AdmittedQuery {
  readonly slot: number
  /** As many as the request has. */
  readonly roots: readonly PhysicalRoot[]
  /** Words through which the result steers the workers that run it. */
  readonly control: ControlBlock
  /** Whether the program waits for the query at present. */
  readonly attention: Pick<Attention, 'set'>
}

export interface Progress {
  /** 0 … 1 over all pipelines; never falls. */
  readonly fraction: number
  /** Such as `PARQUET SCAN → STREAMING_GROUP_BY`. */
  readonly phase: string
  readonly rowsIn: number
  readonly rowsOut: number
  readonly bytesRead: number
  readonly spilledBytes: number
}

export interface OperatorMetrics extends Readonly<OperatorCounts> {
  readonly operatorId: number
  readonly label: string
  /** Spilled bytes ÷ input bytes in arena layout; 0 when nothing was spilled. */
  readonly amplification: number
}

export interface QueryMetrics {
  /** Rows that all pipelines read, those between two pipelines included. */
  readonly rowsIn: number
  readonly rowsOut: number
  readonly timeMs: number
  /** From asking until the first worker was started: waiting for memory and making code. */
  readonly admissionMs: number
  readonly threads: number
  readonly memoryLimitBytes: number
  readonly floorBytes: number
  readonly arenaPeakBytes: number
  readonly bytesRead: number
  readonly spilledBytes: number
  readonly spilledFiles: number
  readonly operators: readonly OperatorMetrics[]
}
