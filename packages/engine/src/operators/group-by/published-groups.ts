/**
 * The published state of a group-by as a worker sees it: partitions that are claimed for merging, or spilled while
 * nobody has claimed them, by any worker, under the partition's lock.
 *
 * The lock is one word per partition, in the entry of the first worker that published: free → claimed (for good) when
 * its morsel starts, free → spilling → free when a worker is asked for memory. Nobody waits holding it: whoever finds a
 * partition being spilled comes back later.
 */
import { openSpillFile, type SpillTotals, spillTotals } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import type { OpenContext } from '../../pipeline/contracts.ts'
import type { GroupByOutputSpec, PublishedGroups } from './group-by.ts'
import {
  lockWord,
  PUBLISHED_PARTITION_BYTES,
  partitionLock,
  readPublished,
  writePublished,
} from './published-partition.ts'
import { emptyChain, type RowChain } from './row-chain.ts'
import type { RowSpiller } from './row-spiller.ts'

export interface ClaimedPartition {
  readonly chains: readonly RowChain[]
  readonly files: readonly { readonly path: string; readonly totals: SpillTotals }[]
  /** No two rows have the same key. */
  readonly isDistinct: boolean
}

/** What phases that meet published groups have in common. */
type PublishedSpec = Pick<GroupByOutputSpec, 'sinkId' | 'shape' | 'partitionBits'>

export class PublishedPartitions {
  readonly #context: OpenContext
  readonly #spec: PublishedSpec
  /** By this worker; new ones had no rows on disk before. */
  partitionsSpilled = 0
  newPartitionsSpilled = 0
  readonly #locals: readonly PublishedGroups[]

  constructor(context: OpenContext, spec: PublishedSpec) {
    this.#context = context
    this.#spec = spec
    this.#locals = context.query.published(spec.sinkId) as readonly PublishedGroups[]
    assert(this.#locals.length > 0, 'a group-by is published before its groups are read')
  }

  /** What is to be merged, or undefined while another worker spills it. */
  tryClaim(partition: number): ClaimedPartition | undefined {
    if (!this.#tryLock(partition, partitionLock.claimed)) return undefined
    const chains: RowChain[] = []
    const files: { path: string; totals: SpillTotals }[] = []
    let isDistinct = true
    for (const local of this.#locals) {
      const entry = readPublished(this.#context.arena.view, this.#entry(local, partition))
      if (entry.chain.rowHead !== emptyChain.rowHead) chains.push(entry.chain)
      if (entry.spilled.blockCount > 0) files.push({ path: this.#path(local, partition), totals: entry.spilled })
      isDistinct &&= entry.isDistinct
    }
    return { chains, files, isDistinct: isDistinct && chains.length <= 1 && files.length === 0 }
  }

  /**
   * Spills unclaimed partitions, the last to be claimed first, until about `pages` pages are free. Returns the pages.
   */
  spill(pages: number, spiller: RowSpiller): number {
    let freed = 0
    for (let partition = 2 ** this.#spec.partitionBits - 1; partition >= 0 && freed < pages; partition--) {
      if (!this.#holdsPages(partition) || !this.#tryLock(partition, partitionLock.spilling)) continue
      if (this.#isInMemory(partition)) this.newPartitionsSpilled += 1
      for (const local of this.#locals) freed += this.#spillEntry(local, partition, spiller)
      this.#unlock(partition)
      this.partitionsSpilled += 1
    }
    return freed
  }

  /** Pages of what `spill` would write first; 0 = nothing is left. */
  get nextSpillPages(): number {
    const { view } = this.#context.arena
    for (let partition = 2 ** this.#spec.partitionBits - 1; partition >= 0; partition--) {
      if (!this.#holdsPages(partition)) continue
      const chains = this.#locals.map((local) => readPublished(view, this.#entry(local, partition)).chain)
      return chains.reduce((sum, { rowPages, heapPages }) => sum + rowPages + heapPages, 0)
    }
    return 0
  }

  #spillEntry(local: PublishedGroups, partition: number, spiller: RowSpiller): number {
    const { arena, query } = this.#context
    const address = this.#entry(local, partition)
    const { chain, spilled, isDistinct } = readPublished(arena.view, address)
    if (chain.rowHead === emptyChain.rowHead) return 0
    const context = query.requireSpill(this.#spec.shape.text)
    const file = openSpillFile(context, this.#path(local, partition), spilled, this.#spec.shape.spillSchema)
    const next = spiller.write(file, chain, partition)
    query.freePublished(chain.rowHead)
    query.freePublished(chain.heapHead)
    writePublished(arena.view, address, { chain: emptyChain, spilled: spillTotals(next), isDistinct })
    return chain.rowPages + chain.heapPages
  }

  #isInMemory(partition: number): boolean {
    const { view } = this.#context.arena
    return this.#locals.every((local) => readPublished(view, this.#entry(local, partition)).spilled.blockCount === 0)
  }

  #holdsPages(partition: number): boolean {
    const { view } = this.#context.arena
    return this.#locals.some((local) => readPublished(view, this.#entry(local, partition)).chain.rowPages > 0)
  }

  #entry(local: PublishedGroups, partition: number): number {
    return local.address + partition * PUBLISHED_PARTITION_BYTES
  }

  #path(local: PublishedGroups, partition: number): string {
    return this.#context.query.spillPath(`s${this.#spec.sinkId}-w${local.worker}-p${partition}`)
  }

  #lockIndex(partition: number): number {
    return lockWord(this.#entry(this.#locals[0] as PublishedGroups, partition))
  }

  #tryLock(partition: number, state: number): boolean {
    return (
      Atomics.compareExchange(this.#context.arena.u32, this.#lockIndex(partition), partitionLock.free, state) ===
      partitionLock.free
    )
  }

  #unlock(partition: number): void {
    Atomics.store(this.#context.arena.u32, this.#lockIndex(partition), partitionLock.free)
    this.#context.control.wakeWorkers()
  }
}
