/**
 * The variants under which the query suite runs again. Each is an option object for `createEngine` plus a check
 * that the mode was reached: a variant that silently runs the ordinary path proves nothing.
 */

/** One failing spill operation. Plain data that crosses threads: all workers count on one counter. */
export interface FaultPlan {
  readonly kind: 'enospc' | 'eio-write' | 'short-write' | 'eacces' | 'eio-read' | 'short-read' | 'corrupt-byte'
  /** Index, from 0, of the operation that fails, among the writes (or reads) of all workers. */
  readonly operation: number
  /** All later operations fail too. */
  readonly sticky: boolean
  /** One Int32: operations so far. */
  readonly counter: SharedArrayBuffer
}

/** Options below `testing`: never documented to users, accepted by `createEngine` for tests only. */
export interface TestingOptions {
  /** Sinks spill their largest partition after every batch. */
  readonly forceSpill?: boolean
  /** Rows per batch inside a worker; 1 finds state that is lost between batches. */
  readonly batchRows?: number
  /** Bits kept of each hash. 0: all rows share one hash. 2: four hashes. Collisions and recursion at their worst. */
  readonly hashBits?: number
  /** Freed arena pages are filled with a pattern, so that a use after free gives a wrong answer at once. */
  readonly poison?: boolean
  /** Optimizer rules to leave out. */
  readonly disabledRules?: readonly string[] | 'all'
  readonly ioFaults?: FaultPlan
  /** Every so many times that a pipeline looks for a request to spill, it finds one. */
  readonly spillRequestEvery?: number
  /** Arena pages at most. */
  readonly budgetPages?: number
}

export interface VariantOptions {
  readonly threads?: number
  readonly memoryLimit?: string
  readonly testing?: TestingOptions
}

/** What a finished query reports; the part that variants look at. */
export interface VariantMetrics {
  readonly spilledBytes: number
}

export interface Variant {
  readonly name: string
  readonly purpose: string
  /** Options of a new engine; made anew each time, because a fault plan counts. */
  readonly engineOptions: () => VariantOptions
  /** Only queries with a blocking sink reach this mode; others run but need not. */
  readonly needsSink: boolean
  /** Why the mode was not reached, or undefined. Asked after queries that should have reached it. */
  readonly missed: (metrics: VariantMetrics) => string | undefined
  /** The query may end with a ResourceError instead of rows. */
  readonly mayFail: boolean
}

const always = (): undefined => undefined
const spilled = (metrics: VariantMetrics): string | undefined =>
  metrics.spilledBytes > 0 ? undefined : 'nothing was spilled'

const secondWriteFails = (): FaultPlan => ({
  kind: 'enospc',
  operation: 1,
  sticky: false,
  counter: new SharedArrayBuffer(4),
})

/** All variants; `default` first. */
export const variants: readonly Variant[] = [
  {
    name: 'default',
    purpose: 'What users run.',
    engineOptions: () => ({ threads: 2 }),
    needsSink: false,
    missed: always,
    mayFail: false,
  },
  {
    name: 'force-spill',
    purpose: 'Every blocking sink writes all its partitions and reads them back.',
    engineOptions: () => ({ threads: 2, testing: { forceSpill: true } }),
    needsSink: true,
    missed: spilled,
    mayFail: false,
  },
  {
    name: 'asked-to-spill',
    purpose: 'Another query asks for memory all the time: spilling begins at any moment, also while sinks settle.',
    engineOptions: () => ({ threads: 2, testing: { spillRequestEvery: 2 } }),
    needsSink: true,
    missed: spilled,
    mayFail: false,
  },
  {
    name: 'tiny-budget',
    purpose: 'A limit near the floor: refusals, shrinking and spilling by need. Too small a limit is a typed error.',
    // Of pages: under a limit of the process what the tests themselves hold would count.
    engineOptions: () => ({ threads: 2, memoryLimit: '3GB', testing: { budgetPages: 256 } }),
    needsSink: true,
    missed: always,
    mayFail: true,
  },
  {
    name: 'one-row-batches',
    purpose: 'State that must survive from batch to batch.',
    engineOptions: () => ({ threads: 2, testing: { batchRows: 1 } }),
    needsSink: false,
    missed: always,
    mayFail: false,
  },
  {
    name: 'one-worker',
    purpose: 'No concurrency: failures that remain are not races.',
    engineOptions: () => ({ threads: 1 }),
    needsSink: false,
    missed: always,
    mayFail: false,
  },
  {
    name: 'many-workers',
    purpose: 'More workers than cores and than morsels: empty locals, contention, late starters.',
    engineOptions: () => ({ threads: 7 }),
    needsSink: false,
    missed: always,
    mayFail: false,
  },
  {
    name: 'no-optimizer',
    purpose: 'The plan as written: the optimizer may not change an answer.',
    engineOptions: () => ({ threads: 2, testing: { disabledRules: 'all' } }),
    needsSink: false,
    missed: always,
    mayFail: false,
  },
  {
    name: 'failing-disk',
    purpose: 'The second write of a spill file fails: a typed error, nothing left behind, the next query is right.',
    engineOptions: () => ({ threads: 2, testing: { forceSpill: true, ioFaults: secondWriteFails() } }),
    needsSink: true,
    missed: always,
    mayFail: true,
  },
  {
    name: 'hash-low-entropy',
    purpose: 'Four different hashes: long probe chains, and partitions that no further split makes smaller.',
    engineOptions: () => ({ threads: 2, testing: { hashBits: 2, forceSpill: true } }),
    needsSink: true,
    missed: spilled,
    mayFail: false,
  },
  {
    name: 'hash-no-entropy',
    purpose: 'One hash for all rows: the terminal algorithm.',
    engineOptions: () => ({ threads: 2, testing: { hashBits: 0 } }),
    needsSink: true,
    missed: always,
    mayFail: false,
  },
  {
    name: 'poisoned-arena',
    purpose: 'Use of freed pages shows as a wrong answer.',
    engineOptions: () => ({ threads: 2, testing: { poison: true } }),
    needsSink: false,
    missed: always,
    mayFail: false,
  },
]

/** The variant of that name. @throws when there is none, so that a typing error cannot skip a mode. */
export function requireVariant(name: string): Variant {
  const variant = variants.find((each) => each.name === name)
  if (variant === undefined) throw new RangeError(`Unknown variant: "${name}"`)
  return variant
}
