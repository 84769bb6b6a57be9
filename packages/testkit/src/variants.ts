/**
 * The variants under which the query suite runs again. Each is a plain option object for `createEngine` plus a check
 * that the mode was reached: a variant that silently runs the ordinary path proves nothing.
 */

/** Faults of spill I/O: the operation with this number (from 1, over all workers) fails in this way. */
export interface FaultPlan {
  readonly failAt: number
  readonly kind: 'enospc' | 'eio-write' | 'eio-read' | 'short-write' | 'short-read'
}

/** Options below `testing`: never documented to users, accepted by `createEngine` for tests only. */
export interface TestingOptions {
  /** Sinks spill every partition as soon as they hold one row. */
  readonly forceSpill?: boolean
  /** Rows per batch inside a worker; 1 finds state that is lost between batches. */
  readonly batchRows?: number
  /** 'none': all rows share one hash. 'two-bits': four hashes. Collisions, skew and recursion at their worst. */
  readonly hashMask?: 'none' | 'two-bits'
  /** Freed arena pages are filled with a pattern, so that a use after free gives a wrong answer at once. */
  readonly poison?: boolean
  readonly noOptimizer?: boolean
  readonly faults?: FaultPlan
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
  readonly engine: VariantOptions
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

/** All variants; `default` first. */
export const variants: readonly Variant[] = [
  {
    name: 'default',
    purpose: 'What users run.',
    engine: { threads: 2 },
    needsSink: false,
    missed: always,
    mayFail: false,
  },
  {
    name: 'force-spill',
    purpose: 'Every blocking sink writes all its partitions and reads them back.',
    engine: { threads: 2, testing: { forceSpill: true } },
    needsSink: true,
    missed: spilled,
    mayFail: false,
  },
  {
    name: 'tiny-budget',
    purpose: 'A limit near the floor: refusals, shrinking and spilling by need. Too small a limit is a typed error.',
    engine: { threads: 2, memoryLimit: '320MB' },
    needsSink: true,
    missed: always,
    mayFail: true,
  },
  {
    name: 'one-row-batches',
    purpose: 'State that must survive from batch to batch.',
    engine: { threads: 2, testing: { batchRows: 1 } },
    needsSink: false,
    missed: always,
    mayFail: false,
  },
  {
    name: 'one-worker',
    purpose: 'No concurrency: failures that remain are not races.',
    engine: { threads: 1 },
    needsSink: false,
    missed: always,
    mayFail: false,
  },
  {
    name: 'many-workers',
    purpose: 'More workers than cores and than morsels: empty locals, contention, late starters.',
    engine: { threads: 7 },
    needsSink: false,
    missed: always,
    mayFail: false,
  },
  {
    name: 'no-optimizer',
    purpose: 'The plan as written: the optimizer may not change an answer.',
    engine: { threads: 2, testing: { noOptimizer: true } },
    needsSink: false,
    missed: always,
    mayFail: false,
  },
  {
    name: 'failing-disk',
    purpose: 'The second spill operation fails: a typed error, nothing left behind, the next query is right.',
    engine: { threads: 2, testing: { forceSpill: true, faults: { failAt: 2, kind: 'enospc' } } },
    needsSink: true,
    missed: always,
    mayFail: true,
  },
  {
    name: 'hash-low-entropy',
    purpose: 'Four different hashes: long probe chains, and partitions that no further split makes smaller.',
    engine: { threads: 2, testing: { hashMask: 'two-bits', forceSpill: true } },
    needsSink: true,
    missed: spilled,
    mayFail: false,
  },
  {
    name: 'hash-no-entropy',
    purpose: 'One hash for all rows: the terminal algorithm.',
    engine: { threads: 2, testing: { hashMask: 'none' } },
    needsSink: true,
    missed: always,
    mayFail: false,
  },
  {
    name: 'poisoned-arena',
    purpose: 'Use of freed pages shows as a wrong answer.',
    engine: { threads: 2, testing: { poison: true } },
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
