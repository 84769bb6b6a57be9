/** Worker side of phase 2: a directory for each partition of the complete build side, or the rest of it to disk. */
import type { JoinRowsExports } from '@spillway/codegen'
import { PAGE_BYTES } from '@spillway/kernels'
import type { WorkspaceSize } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import type { OpenContext, PullStatus, Source } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import { forEachRowRun, type RowChain } from '../group-by/row-chain.ts'
import { RowSpiller, sizeRowSpiller } from '../group-by/row-spiller.ts'
import { DirectoryPages } from './directory-page.ts'
import type { JoinTableSpec } from './join.ts'
import { type DirectMap, PublishedBuild } from './published-build.ts'
import { SpilledFilter } from './spilled-filter.ts'

const LEAST_BITS = 4
const LARGEST_BITS = 28
/** A directory may have this many times fewer slots than rows (log2) before the partition is rather spilled. */
const SMALLER_BITS_MAX = 3
/** Runs of rows, at most a page each, that are linked per pull. */
const RUNS_PER_PULL = 64

export function sizeJoinTable(spec: JoinTableSpec, size: WorkspaceSize): void {
  sizeRowSpiller(spec.shape.build, spec.batchRows, size)
}

/** A page for small directories. */
export function joinTableFloorPages(): number {
  return 2
}

export function openJoinTable(spec: JoinTableSpec, context: OpenContext, claims: MorselClaims): Source {
  return new JoinTableSource(spec, context, claims)
}

class JoinTableSource implements Source {
  readonly batch = 0
  sequence = 0
  isParked = false
  readonly #spec: JoinTableSpec
  readonly #context: OpenContext
  readonly #claims: MorselClaims
  readonly #exports: JoinRowsExports
  readonly #spiller: RowSpiller
  readonly #published: PublishedBuild
  readonly #filter: SpilledFilter
  #work: Generator<'working'> | undefined
  readonly #pages: DirectoryPages

  constructor(spec: JoinTableSpec, context: OpenContext, claims: MorselClaims) {
    this.#spec = spec
    this.#context = context
    this.#claims = claims
    this.#exports = context.query.instance(spec.shape.build.moduleKey) as unknown as JoinRowsExports
    this.#spiller = new RowSpiller(context, spec.shape.build, this.#exports, spec.batchRows)
    this.#published = new PublishedBuild(context, spec)
    this.#pages = new DirectoryPages(context)
    this.#filter = new SpilledFilter(context, spec.filterCounter)
  }

  pull(): PullStatus {
    if (this.#work === undefined) {
      const direct = this.#published.directMap(this.#context)
      if (direct === 'wait') return 'blocked'
      const partition = this.#claims.claim()
      if (partition < 0) return 'finished'
      this.sequence = partition
      if (this.#published.files(partition).length > 0) {
        this.#spill(partition)
        return 'morselEnd'
      }
      this.#work = direct === 'none' ? this.#makeDirectory(partition) : this.#enterDirectly(partition, direct)
    }
    if (this.#work.next().done !== true) return 'working'
    this.#work = undefined
    return 'morselEnd'
  }

  *#makeDirectory(partition: number): Generator<'working'> {
    const published = this.#published
    const chains = published.chains(partition)
    const rows = chains.reduce((sum, chain) => sum + chain.rowCount, 0)
    if (rows === 0) {
      published.setEmpty(partition)
      return
    }
    const directory = this.#takeDirectory(rows)
    if (directory === undefined) {
      this.#spill(partition)
      return
    }
    const { address, bits } = directory
    this.#context.arena.u8.fill(0, address, address + 8 * 2 ** bits)
    let hasDuplicates = false
    for (const chain of chains) {
      for (const [index, { first, count }] of this.#runs(chain).entries()) {
        if (index % RUNS_PER_PULL === RUNS_PER_PULL - 1) yield 'working'
        const levelShift = this.#spec.partitionBits
        const found = this.#exports.link(first, count, address, 64 - bits, levelShift, hasDuplicates ? 0 : 1)
        hasDuplicates ||= found === 1
      }
      yield 'working'
    }
    published.setDirectory(partition, address, bits, hasDuplicates)
  }

  *#enterDirectly(partition: number, { address, leastKey }: DirectMap): Generator<'working'> {
    const { linkDirect } = this.#exports
    assert(linkDirect !== undefined, 'rows that are found by key can be entered by key')
    let hasDuplicates = false
    for (const chain of this.#published.chains(partition)) {
      for (const [index, { first, count }] of this.#runs(chain).entries()) {
        if (index % RUNS_PER_PULL === RUNS_PER_PULL - 1) yield 'working'
        const found = linkDirect(first, count, address, leastKey)
        hasDuplicates ||= found === 1
      }
      yield 'working'
    }
    this.#published.setDirect(partition, hasDuplicates)
  }

  #runs(chain: RowChain): { first: number; count: number }[] {
    const runs: { first: number; count: number }[] = []
    forEachRowRun(this.#context.arena.kernels, this.#spec.shape.build.layout, chain, (first, count) => {
      runs.push({ first, count })
      return true
    })
    return runs
  }

  #spill(partition: number): void {
    const { meter } = this.#context
    meter.counts.partitionsSpilled += this.#published.files(partition).length === 0 ? 1 : 0
    this.#filter.make(this.#published.totalRows())
    this.#published.spill(partition, this.#spiller, this.#filter)
  }

  /** Slots for the rows, or somewhat fewer; undefined = refused. */
  #takeDirectory(rows: number): { readonly address: number; readonly bits: number } | undefined {
    const { query, reservation } = this.#context
    const wanted = Math.min(LARGEST_BITS, Math.max(LEAST_BITS, Math.ceil(Math.log2(rows))))
    for (let bits = wanted; bits >= Math.max(LEAST_BITS, wanted - SMALLER_BITS_MAX); bits--) {
      const bytes = 8 * 2 ** bits
      if (bytes >= PAGE_BYTES) {
        const address = query.takePublishedPages(reservation, bytes / PAGE_BYTES)
        if (address !== 0) return { address, bits }
        continue
      }
      const address = this.#pages.take(bytes)
      if (address !== 0) return { address, bits }
    }
    // The query may not spill: this says so.
    if (!query.canSpill) query.requireSpill(this.#spec.shape.text)
    return undefined
  }

  spill(): number {
    return 0
  }

  close(): void {
    this.#pages.close()
    this.#context.workspace.check(this.#spec.shape.text)
  }
}
