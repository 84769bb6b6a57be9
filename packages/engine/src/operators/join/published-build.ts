/**
 * The published build side in the arena: per worker one entry per partition (see published-partition.ts of group-by),
 * and, behind the entries of the worker that published first, the table that probing reads:
 *
 *   entries of the worker: PUBLISHED_PARTITION_BYTES each │ joinTable: JOIN_TABLE_ENTRY_BYTES each │ 64 zero bytes │
 *   direct map: u32 state, u32 address, u32 pages, u32 partitions left, u32 keys │ padding
 *
 * A partition is in memory as a whole (chains of all workers, one directory) or on disk as a whole once its directory
 * was to be made. The zero bytes are the directory of partitions without rows.
 */
import { JOIN_TABLE_ENTRY_BYTES, joinTable } from '@spillway/codegen'
import { PAGE_BYTES } from '@spillway/kernels'
import { openSpillFile, type SpillTotals, spillTotals } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import type { OpenContext } from '../../pipeline/contracts.ts'
import {
  lockWord,
  PUBLISHED_PARTITION_BYTES,
  partitionLock,
  readPublished,
  writePublished,
} from '../group-by/published-partition.ts'
import { emptyChain, type RowChain } from '../group-by/row-chain.ts'
import type { RowSpiller } from '../group-by/row-spiller.ts'
import { leaveDirectoryPage } from './directory-page.ts'
import type { JoinShape } from './join.ts'
import type { KeyRange } from './row-store.ts'
import type { SpilledFilter } from './spilled-filter.ts'

const ZERO_BYTES = 64
const DIRECT_BYTES = 64
/** An array by key may have this many times more keys than there are rows. */
const DIRECT_KEYS_PER_ROW = 4
const DIRECT_KEYS_LEAST = 16_384

/** The map is made by the first worker that comes to it. */
const directState = { none: 0, beingMade: 1, ready: 2, refused: 3 } as const
/** 64 - log2 of the two slots of an empty directory. */
const EMPTY_SHIFT = 63

/** What a worker publishes: where its entries are. */
export interface PublishedRows {
  readonly worker: number
  readonly address: number
  /** In memory and on disk. */
  readonly rows: number
  /** Of the keys that have one (see rangedKeys), over all rows of the worker that can match. */
  readonly ranges: readonly KeyRange[]
}

/** An array of rows by key. */
export interface DirectMap {
  readonly address: number
  readonly leastKey: bigint
  readonly slots: number
}

export interface SpilledFile {
  readonly path: string
  readonly totals: SpillTotals
}

/** Pages of the published state of one worker. */
export function publishedPages(partitionBits: number): number {
  const bytes = (PUBLISHED_PARTITION_BYTES + JOIN_TABLE_ENTRY_BYTES) * 2 ** partitionBits + ZERO_BYTES + DIRECT_BYTES
  return Math.ceil(bytes / PAGE_BYTES)
}

/** Keys of an array for rows with keys from `leastKey` to `greatestKey`; 0: they are not dense enough. */
export function directSlots(leastKey: bigint, greatestKey: bigint, rows: number): number {
  if (leastKey > greatestKey) return 0
  const slots = greatestKey - leastKey + 1n
  return slots <= BigInt(Math.max(DIRECT_KEYS_LEAST, rows * DIRECT_KEYS_PER_ROW)) ? Number(slots) : 0
}

/** The range of a key over what all workers published. */
export function rangeOf(locals: readonly PublishedRows[], index: number): KeyRange {
  let [leastKey, greatestKey] = [2n ** 63n - 1n, -(2n ** 63n)]
  for (const { ranges } of locals) {
    const range = ranges[index]
    assert(range !== undefined, 'every worker publishes the same ranges')
    if (range.leastKey < leastKey) leastKey = range.leastKey
    if (range.greatestKey > greatestKey) greatestKey = range.greatestKey
  }
  return { leastKey, greatestKey }
}

/** Name of the spill file of a worker's part of a partition. */
export function buildFileName(sinkId: number, worker: number, partition: number): string {
  return `j${sinkId}-build-w${worker}-p${partition}`
}

export class PublishedBuild {
  readonly #context: OpenContext
  readonly #spec: { readonly sinkId: number; readonly partitionBits: number; readonly shape: JoinShape }
  readonly #locals: readonly PublishedRows[]
  /** Address of the table. */
  readonly table: number
  readonly partitionCount: number

  constructor(
    context: OpenContext,
    spec: { readonly sinkId: number; readonly partitionBits: number; readonly shape: JoinShape },
  ) {
    this.#context = context
    this.#spec = spec
    this.#locals = context.query.published(spec.sinkId) as readonly PublishedRows[]
    const [first] = this.#locals
    assert(first !== undefined, 'a build side is published before it is read')
    this.partitionCount = 2 ** spec.partitionBits
    this.table = first.address + PUBLISHED_PARTITION_BYTES * this.partitionCount
  }

  chains(partition: number): RowChain[] {
    return this.#locals
      .map((local) => readPublished(this.#context.arena.view, this.#entry(local, partition)).chain)
      .filter((chain) => chain.rowCount > 0)
  }

  files(partition: number): SpilledFile[] {
    return this.#locals.flatMap((local) => {
      const { spilled } = readPublished(this.#context.arena.view, this.#entry(local, partition))
      return spilled.blockCount === 0 ? [] : [{ path: this.#path(local, partition), totals: spilled }]
    })
  }

  /** Rows in memory and on disk. */
  rows(partition: number): number {
    const inMemory = this.chains(partition).reduce((sum, chain) => sum + chain.rowCount, 0)
    return this.files(partition).reduce((sum, { totals }) => sum + totals.rows, inMemory)
  }

  totalRows(): number {
    return this.#locals.reduce((sum, { rows }) => sum + rows, 0)
  }

  /** Writes what is in memory of a partition to disk. Returns the pages freed. */
  spill(partition: number, spiller: RowSpiller, filter: SpilledFilter): number {
    const { arena, query } = this.#context
    let freed = this.#freeDirectory(partition)
    for (const local of this.#locals) {
      const address = this.#entry(local, partition)
      const { chain, spilled } = readPublished(arena.view, address)
      if (chain.rowHead === 0) continue
      const spill = query.requireSpill(this.#spec.shape.text)
      const { spillSchema } = this.#spec.shape.build
      const file = openSpillFile(spill, this.#path(local, partition), spilled, spillSchema)
      filter.add(chain, this.#spec.shape.build.layout)
      const next = spiller.write(file, chain, partition)
      this.#free(chain)
      writePublished(arena.view, address, { chain: emptyChain, spilled: spillTotals(next), isDistinct: false })
      freed += chain.rowPages + chain.heapPages
    }
    this.#setEntry(partition, { directory: this.#zeroes(), shift: EMPTY_SHIFT, isSpilled: 1, hasDuplicates: 1 })
    return freed
  }

  /** Frees chains and directory of a partition; its files are the caller's. */
  free(partition: number): void {
    const { arena } = this.#context
    for (const local of this.#locals) {
      const address = this.#entry(local, partition)
      const { chain, spilled } = readPublished(arena.view, address)
      this.#free(chain)
      writePublished(arena.view, address, { chain: emptyChain, spilled, isDistinct: false })
    }
    this.#freeDirectory(partition)
    this.leaveDirectMap()
    this.setEmpty(partition)
  }

  /** Pages of the partition's directory; one that is not a whole page counts as none. */
  #directoryPages(partition: number): number {
    const { directory, shift } = this.entry(partition)
    return directory === 0 || directory === this.#zeroes() ? 0 : Math.floor((8 * 2 ** (64 - shift)) / PAGE_BYTES)
  }

  /** Returns the pages freed. */
  #freeDirectory(partition: number): number {
    const { directory } = this.entry(partition)
    if (directory === 0 || directory === this.#zeroes()) return 0
    const pages = this.#directoryPages(partition)
    if (pages === 0) return leaveDirectoryPage(this.#context, directory)
    this.#context.query.freePublishedPages(directory, pages)
    return pages
  }

  /** Pages that spilling the partition would free, about. */
  pagesOf(partition: number): number {
    const chains = this.chains(partition)
    return chains.reduce((sum, chain) => sum + chain.rowPages + chain.heapPages, this.#directoryPages(partition))
  }

  /** Takes a partition that nobody reads yet, for good. False: somebody else has. */
  tryClaim(partition: number): boolean {
    const { free, claimed } = partitionLock
    return Atomics.compareExchange(this.#context.arena.u32, this.#lockWord(partition), free, claimed) === free
  }

  /** Whether nobody has claimed the partition. */
  isFree(partition: number): boolean {
    return Atomics.load(this.#context.arena.u32, this.#lockWord(partition)) === partitionLock.free
  }

  #lockWord(partition: number): number {
    return lockWord(this.#entry(this.#locals[0] as PublishedRows, partition))
  }

  #free(chain: RowChain): void {
    this.#context.query.freePublished(chain.rowHead)
    this.#context.query.freePublished(chain.heapHead)
  }

  /** The partition has no rows in memory and none on disk. */
  setEmpty(partition: number): void {
    this.#setEntry(partition, { directory: this.#zeroes(), shift: EMPTY_SHIFT, isSpilled: 0, hasDuplicates: 0 })
  }

  /** The partition's rows are in the direct map. */
  setDirect(partition: number, hasDuplicates: boolean): void {
    const duplicates = hasDuplicates ? 1 : 0
    this.#setEntry(partition, {
      directory: this.#zeroes(),
      shift: EMPTY_SHIFT,
      isSpilled: 0,
      hasDuplicates: duplicates,
    })
  }

  setDirectory(partition: number, directory: number, bits: number, hasDuplicates: boolean): void {
    this.#setEntry(partition, { directory, shift: 64 - bits, isSpilled: 0, hasDuplicates: hasDuplicates ? 1 : 0 })
  }

  entry(partition: number): { directory: number; shift: number; isSpilled: boolean; hasDuplicates: boolean } {
    const { u32 } = this.#context.arena
    const base = this.table + partition * JOIN_TABLE_ENTRY_BYTES
    const field = (offset: number): number => u32[(base + offset) >>> 2] as number
    return {
      directory: field(joinTable.directory),
      shift: field(joinTable.shift),
      isSpilled: field(joinTable.isSpilled) !== 0,
      hasDuplicates: field(joinTable.hasDuplicates) !== 0,
    }
  }

  #setEntry(partition: number, entry: { readonly [K in keyof typeof joinTable]: number }): void {
    const { u32 } = this.#context.arena
    const base = this.table + partition * JOIN_TABLE_ENTRY_BYTES
    u32[(base + joinTable.directory) >>> 2] = entry.directory
    u32[(base + joinTable.shift) >>> 2] = entry.shift
    u32[(base + joinTable.hasDuplicates) >>> 2] = entry.hasDuplicates
    u32[(base + joinTable.isSpilled) >>> 2] = entry.isSpilled
  }

  /**
   * Dense integer keys are found through an array; rows of spilled partitions are not in it. Makes it, or finds what
   * another worker made; `wait` while that one is at it.
   */
  directMap(context: OpenContext): DirectMap | 'none' | 'wait' {
    if (!this.#spec.shape.build.hasDirectKey) return 'none'
    const { arena, query, control } = this.#context
    const base = this.#direct() >>> 2
    const state = Atomics.compareExchange(arena.u32, base, directState.none, directState.beingMade)
    if (state === directState.beingMade) return 'wait'
    if (state !== directState.none) return this.findDirectMap() ?? 'none'
    const slots = this.#directSlots()
    const pages = Math.ceil((slots * 4) / PAGE_BYTES)
    const address = slots === 0 ? 0 : query.takePublishedPages(context.reservation, pages)
    if (address !== 0) {
      arena.u8.fill(0, address, address + pages * PAGE_BYTES)
      query.log(`equi-join: rows are found by key, keys=${slots}`)
    }
    arena.u32.set([address, pages, this.partitionCount, slots], base + 1)
    Atomics.store(arena.u32, base, address === 0 ? directState.refused : directState.ready)
    control.wakeWorkers()
    return this.findDirectMap() ?? 'none'
  }

  /** The map, if there is one. */
  findDirectMap(): DirectMap | undefined {
    const { u32 } = this.#context.arena
    const base = this.#direct() >>> 2
    if (Atomics.load(u32, base) !== directState.ready) return undefined
    return { address: u32[base + 1] as number, leastKey: this.#keyRange().leastKey, slots: u32[base + 4] as number }
  }

  #keyRange(): KeyRange {
    return rangeOf(this.#locals, 0)
  }

  /** Keys of the map; 0: it would have too many for the rows in memory, or there are none. */
  #directSlots(): number {
    const { leastKey, greatestKey } = this.#keyRange()
    let rows = 0
    for (let partition = 0; partition < this.partitionCount; partition++) {
      if (this.files(partition).length === 0) rows += this.rows(partition)
    }
    return rows === 0 ? 0 : directSlots(leastKey, greatestKey, rows)
  }

  /** A partition is done with the map; the last one frees it. */
  leaveDirectMap(): void {
    const { u32 } = this.#context.arena
    const base = this.#direct() >>> 2
    if (Atomics.load(u32, base) !== directState.ready || Atomics.sub(u32, base + 3, 1) !== 1) return
    this.#context.query.freePublishedPages(u32[base + 1] as number, u32[base + 2] as number)
    Atomics.store(u32, base, directState.refused)
  }

  #direct(): number {
    return this.#zeroes() + ZERO_BYTES
  }

  #zeroes(): number {
    return this.table + JOIN_TABLE_ENTRY_BYTES * this.partitionCount
  }

  #entry(local: PublishedRows, partition: number): number {
    return local.address + partition * PUBLISHED_PARTITION_BYTES
  }

  #path(local: PublishedRows, partition: number): string {
    return this.#context.query.spillPath(buildFileName(this.#spec.sinkId, local.worker, partition))
  }
}
