/**
 * Fits a query's plan to memory: tries sizings from the best to the smallest until the floor has room, in the whole
 * budget, or, beside queries that will not give more, in the pages that are free at the moment.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { RESULT_SLACK_PAGES } from '@spillway/memory'
import type { LogicalNode } from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import { type LoweringContext, lowerPlans } from '../lowering/lower-plan.ts'
import { PlannedFiles } from '../lowering/planned-files.ts'
import type { PhysicalPlan, PlannedModule, Sizing } from '../physical/physical-plan.ts'
import { ARENA_SHARE_BESIDE_RESULTS } from './arena-keeper.ts'
import type { Crew } from './crew.ts'
import { type BudgetFacts, baseBytes, growthBytes, ownBytes } from './memory-budget.ts'
import type { QueryRequest } from './query-request.ts'
import { sizingTries, smallestSizing, widestRowBytes } from './sizing.ts'

export interface SizedPlan {
  readonly physical: PhysicalPlan
  /** Arena pages for the query. */
  readonly budget: number
  /** What the process will hold outside the arena, running queries included. */
  readonly outsideBytes: number
}

/**
 * The base differs by some megabytes between two runs of one program: a floor that was told has to hold in the next.
 */
const FLOOR_MARGIN_BYTES = 4e6

type CrewContext = Omit<LoweringContext, 'canSpill' | 'hashMask' | 'sortFanIn' | 'joinFilters'>

function lowerFor(plans: readonly LogicalNode[], { options, roots }: QueryRequest, context: CrewContext): PhysicalPlan {
  const { hashBits, sortFanIn, joinFilters } = options.testing
  const hashMask = hashBits === undefined ? undefined : lowBitsMask(hashBits)
  const targets = roots.map(({ makeSink }, index) => ({ plan: plans[index] as LogicalNode, makeSink }))
  const canSpill = options.mode === 'streaming'
  return lowerPlans(targets, { ...context, canSpill, hashMask, sortFanIn, joinFilters })
}

/**
 * The modules that a query will need, in all likelihood, before there are workers: they are made while those start.
 * Nothing is decided and nothing fails here; the query is lowered again.
 */
export function foreseeModules(
  plans: readonly LogicalNode[],
  request: QueryRequest,
  threads: number,
): readonly PlannedModule[] {
  const { memoryLimitBytes, testing } = request.options
  const [first] = sizingTries(threads, memoryLimitBytes, testing, widestRowBytes(plans))
  if (first === undefined) return []
  try {
    const context = { sizing: first.sizing, files: new PlannedFiles(), tableIdOf: () => 0, shareFooters: () => {} }
    return lowerFor(plans, request, context).modules
  } catch {
    return []
  }
}

export class QuerySizer {
  readonly #crew: Crew
  readonly #plans: readonly LogicalNode[]
  readonly #request: QueryRequest
  readonly #engineThreads: number
  readonly #rowBytes: number
  readonly #files = new PlannedFiles()
  /** By sizing: the same ones are tried again, for other shares and while the query waits. */
  readonly #lowered = new Map<string, PhysicalPlan>()

  constructor(crew: Crew, plans: readonly LogicalNode[], request: QueryRequest, engineThreads: number) {
    this.#crew = crew
    this.#plans = plans
    this.#request = request
    this.#engineThreads = engineThreads
    this.#rowBytes = widestRowBytes(plans)
  }

  /**
   * Tries sizings until the floor fits the budget.
   * @param expected what running queries will have brought the process to outside the arena; undefined: none runs
   * @throws MemoryLimitError with the floor of the smallest one
   */
  size(expected: number | undefined): SizedPlan {
    for (const { sizing, share } of this.#tries()) {
      const sized = this.#sized(sizing, expected)
      const need = sized.physical.floorPages / share
      if (need > pagesForFloors(sized.budget, this.#request)) continue
      // Pages that are still to be touched are taken off, but for what the sizing needs: it fitted in the first query.
      const facts = this.#facts(sized.physical)
      const isGiven = this.#request.options.testing.budgetPages !== undefined
      const spared = sized.budget - (isGiven ? 0 : this.#crew.keeper.pagesToSpare(facts))
      return { ...sized, budget: Math.min(sized.budget, Math.max(spared, budgetForFloor(need, this.#request))) }
    }
    throw this.tooSmall()
  }

  /**
   * The best sizing whose floor has room in `freePages`, which are resident already or may become so. What encoding
   * takes must fit under the limit beside all that was touched; a query that needs no growth costs no memory at all.
   */
  sizeToFree(freePages: number, expected: number | undefined): SizedPlan | undefined {
    const { keeper } = this.#crew
    for (const { sizing, share } of this.#tries()) {
      const sized = this.#sized(sizing, expected)
      if (sized.physical.floorPages > freePages * share) continue
      const facts = this.#facts(sized.physical)
      const growth = ownBytes(facts)
      const held = Math.max(expected ?? 0, baseBytes(keeper.arena) + growth) + (keeper.arena?.highWaterBytes ?? 0)
      if (growth > 0 && held > facts.limitBytes) continue
      return { ...sized, budget: Math.max(sized.budget, freePages) }
    }
    return undefined
  }

  #tries() {
    const { options } = this.#request
    const threads = Math.min(options.threads, this.#engineThreads)
    return sizingTries(threads, options.memoryLimitBytes, options.testing, this.#rowBytes)
  }

  #sized(sizing: Sizing, expected: number | undefined): SizedPlan {
    const { keeper } = this.#crew
    const { testing } = this.#request.options
    const physical = this.#lower(sizing)
    const facts = this.#facts(physical)
    const outsideBytes = keeper.outsideBytes(facts, expected)
    const budget = Math.min(keeper.budget(facts, outsideBytes), testing.budgetPages ?? Number.POSITIVE_INFINITY)
    return { physical, budget, outsideBytes }
  }

  #lower(sizing: Sizing): PhysicalPlan {
    const key = JSON.stringify(sizing)
    const known = this.#lowered.get(key)
    if (known !== undefined) return known
    const { tables, footers } = this.#crew
    const physical = lowerFor(this.#plans, this.#request, {
      sizing,
      files: this.#files,
      tableIdOf: (table) => tables.idOf(table),
      shareFooters: (metas) => footers.share(metas),
    })
    this.#lowered.set(key, physical)
    return physical
  }

  #facts(physical: PhysicalPlan): BudgetFacts {
    const { memoryLimitBytes: limitBytes } = this.#request.options
    const { heapBytes: encoderHeapBytesPerWorker } = this.#request.encoder(physical.sizing)
    return { encoderHeapBytesPerWorker, limitBytes, threads: physical.sizing.threads }
  }

  /** Bytes that the plan's workers and the main thread are going to take outside the arena. */
  growthBytes(physical: PhysicalPlan): number {
    return growthBytes(this.#facts(physical))
  }

  #smallest(): Sizing {
    return smallestSizing(this.#request.options.testing, this.#rowBytes)
  }

  /** Process memory that the query needs at least on this engine, whatever the limit is. */
  smallestFloorBytes(): number {
    return this.floorBytes(this.#lower(this.#smallest()))
  }

  /** Arena pages of the smallest sizing's floor. */
  smallestFloorPages(): number {
    return this.#lower(this.#smallest()).floorPages
  }

  /** The same, if it is known: nothing is read for it, so nothing fails. */
  knownFloorPages(): number | undefined {
    return this.#lowered.get(JSON.stringify(this.#smallest()))?.floorPages
  }

  /** Process memory that a sizing needs at least. */
  floorBytes(physical: PhysicalPlan): number {
    const facts = { ...this.#facts(physical), limitBytes: 0 }
    const pages = budgetForFloor(physical.floorPages, this.#request) - this.#crew.keeper.budget(facts)
    return pages * PAGE_BYTES + FLOOR_MARGIN_BYTES
  }

  tooSmall(): Error {
    const floorBytes = this.smallestFloorBytes()
    const limit = this.#request.options.memoryLimitBytes
    return makeError(
      'MEMORY_LIMIT',
      `Memory limit is below the query's floor: it needs ${megabytes(floorBytes)} with one thread, the limit is ` +
        `${megabytes(limit)}. Raise memoryLimit to at least that.`,
      { operator: 'admission', floorBytes, limitBytes: limit },
    )
  }

  /** The error of a query that waited while the only running ones wait for programs that take none of their batches. */
  heldByStreams(stalledMs: number): Error {
    const floorBytes = this.smallestFloorBytes()
    const limit = this.#request.options.memoryLimitBytes
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory beside queries that are streamed: from none of them a batch was taken for ` +
        `${Math.round(stalledMs / 1000)} s, and the query needs ${megabytes(floorBytes)} of ${megabytes(limit)}. ` +
        'Take their batches or leave their loops before you run more, or raise memoryLimit.',
      { operator: 'admission', floorBytes, limitBytes: limit },
    )
  }
}

/** Pages of a budget that floors may take: the rest is for results, which leave the arena. */
function pagesForFloors(budget: number, request: QueryRequest): number {
  return request.keepsResults ? budget * ARENA_SHARE_BESIDE_RESULTS : budget - RESULT_SLACK_PAGES
}

/** The budget in which floors of `pages` have room: the inverse of `pagesForFloors`. */
function budgetForFloor(pages: number, request: QueryRequest): number {
  return Math.ceil(request.keepsResults ? pages / ARENA_SHARE_BESIDE_RESULTS : pages + RESULT_SLACK_PAGES)
}

/** A mask that keeps `bits` of the highest hash bits; 0 keeps none. */
function lowBitsMask(bits: number): bigint {
  return bits === 0 ? 0n : ((1n << BigInt(bits)) - 1n) << BigInt(64 - bits)
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
