/** Worker side of phase 1: consume, spill when refused, publish. */
import { hasOwnLength } from '@spillway/columnar'
import type { GroupByExports } from '@spillway/codegen'
import { PAGE_BYTES } from '@spillway/kernels'
import { newSpillFile, type SpillFileState, spillTotals, type WorkspaceSize } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import { selectedRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import { HolderPatience } from '../../pipeline/holder-patience.ts'
import { spillUntil } from '../../pipeline/spill-until.ts'
import type { GroupBySinkSpec, PublishedGroups } from './group-by.ts'
import { GroupTable } from './group-table.ts'
import type { GroupTableSizes } from './group-table-options.ts'
import { PUBLISHED_PARTITION_BYTES, writePublished } from './published-partition.ts'
import { PublishedPartitions } from './published-groups.ts'
import { noRoomError, PAGES_ASKED_OF_OTHERS, Refusals } from './refusals.ts'
import { chainBytes, type RowChain } from './row-chain.ts'
import { RowSpiller, sizeRowSpiller } from './row-spiller.ts'
import { CACHE_BYTES } from './touch-ahead.ts'

const INITIAL_DIRECTORY_BITS = 12
/** Share of the budget that published partitions may keep, when nothing was spilled and when something was. */
const KEPT_SHARE = 0.65
const KEPT_SHARE_AFTER_SPILLING = 0.4
const KEPT_SHARE_LEAST = 0.03
const KEPT_SHARE_STREAMED = 0.15
/** What merging needs ÷ bytes of the partition's rows: the directory comes on top. */
const MERGE_FACTOR = 1.25
/** Share of the budget for merging and what is kept; the rest holds the floors. */
const MERGING_SHARE = 0.75
/** Bytes of rows in pages ÷ bytes of the same rows as Arrow columns. */
const ROWS_PER_SPILLED_BYTE = 1.35

function tableSizes(spec: GroupBySinkSpec): GroupTableSizes {
  const least = Math.max(INITIAL_DIRECTORY_BITS, spec.partitionBits + 3)
  return {
    partitionBits: spec.partitionBits,
    initialCapacityBits: least,
    maxCapacityBits: Math.max(least, spec.directoryBits),
    batchRows: spec.batchRows,
  }
}

export function sizeGroupBySink(spec: GroupBySinkSpec, size: WorkspaceSize): void {
  size.add(GroupTable.workspaceBytes(tableSizes(spec)))
  sizeRowSpiller(spec.shape, spec.batchRows, size)
}

/** Pages beyond the workspace that make progress certain: one row page and one heap page per partition. */
export function groupBySinkFloorPages(spec: GroupBySinkSpec): number {
  const hasStrings = spec.shape.layout.fields.some((field) => hasOwnLength(field.type))
  return 2 ** spec.partitionBits * (hasStrings ? 2 : 1) + 5
}

/** The table of the published partitions. */
export function groupByResidentPages(spec: GroupBySinkSpec): number {
  return Math.ceil((PUBLISHED_PARTITION_BYTES * 2 ** spec.partitionBits) / PAGE_BYTES)
}

export function sizeGroupByStore(spec: GroupBySinkSpec, size: WorkspaceSize): void {
  sizeRowSpiller(spec.shape, spec.batchRows, size)
}

export function openGroupBySink(spec: GroupBySinkSpec, context: OpenContext): Sink {
  return new GroupBySinkLocal(spec, context)
}

class GroupBySinkLocal implements Sink {
  readonly #spec: GroupBySinkSpec
  readonly #context: OpenContext
  readonly #table: GroupTable
  readonly #spiller: RowSpiller
  readonly #files: (SpillFileState | undefined)[]
  readonly #refusals: Refusals
  #isPublished = false
  /** The batch being offered was refused in part: the table goes on with it when it is offered again. */
  #isWaiting = false
  readonly #patience: HolderPatience

  constructor(spec: GroupBySinkSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    this.#patience = new HolderPatience(context)
    const { arena, workspace, reservation, query } = context
    const sizes = tableSizes(spec)
    const exports = query.instance(spec.shape.moduleKey) as unknown as GroupByExports
    this.#table = new GroupTable({
      ...sizes,
      memory: arena.handle.memory,
      kernels: arena.kernels,
      exports,
      layout: spec.shape.layout,
      pages: reservation,
      workspace: workspace.take(GroupTable.workspaceBytes(sizes)),
      levelShift: 0,
      keyCount: spec.shape.keyCount,
      codedKeys: spec.codedKeys,
      stringColumns: spec.stringColumns,
      cacheBytes: CACHE_BYTES,
      lookupWindowRows: undefined,
    })
    this.#spiller = new RowSpiller(context, spec.shape, exports, spec.batchRows)
    this.#files = new Array<SpillFileState | undefined>(2 ** spec.partitionBits).fill(undefined)
    this.#refusals = new Refusals(
      this.#table,
      (partition) => void this.#spillPartition(partition),
      () => this.#noRoom(),
      () => context.makeRoom(PAGES_ASKED_OF_OTHERS),
    )
  }

  setClaims(): void {
    this.#table.restartLookups()
  }

  consume(batch: number, _sequence: number, inputKind: number): 'taken' | 'blocked' {
    const { meter, query, arena, reservation } = this.#context
    let status = this.#isWaiting ? this.#table.resume() : this.#table.consume(batch, inputKind)
    while (status === 'refused' && this.#askBack() > 0) status = this.#table.resume()
    this.#isWaiting = status === 'refused' && this.#patience.mayWait()
    if (this.#isWaiting) return 'blocked'
    this.#refusals.settle(status)
    this.#patience.restore()
    meter.counts.inputBytes += selectedRows(arena, batch) * this.#spec.shape.layout.rowBytes
    if (query.setup.testing.forceSpill && this.#table.totalBytes() > 0) this.#spillLargest()
    meter.counts.peakBytes = Math.max(meter.counts.peakBytes, reservation.peakPages * PAGE_BYTES)
    return 'taken'
  }

  endMorsel(): 'taken' {
    return 'taken'
  }

  #noRoom(): Error {
    const what = 'one more page was refused and nothing is left to spill'
    return noRoomError(this.#context, this.#spec.shape.text, what)
  }

  /** Published partitions that nobody reads yet go before smaller ones of the same share of the groups here. */
  #askBack(): number {
    const largest = this.#table.largestPartition()
    const bytes = largest < 0 ? 0 : this.#table.partitionBytes(largest)
    return this.#context.askBack((bytes * this.#context.query.setup.threads) / PAGE_BYTES)
  }

  /** Returns the pages freed. */
  #spillLargest(): number {
    const partition = this.#table.largestPartition()
    if (partition < 0) return 0
    return this.#spillPartition(partition)
  }

  #spillPartition(partition: number): number {
    const { query, meter } = this.#context
    query.requireSpill(this.#spec.shape.text)
    const chain = this.#takePartition(partition)
    const known = this.#files[partition]
    const file = known ?? newSpillFile(this.#path(partition), this.#spec.shape.spillSchema)
    try {
      this.#files[partition] = this.#spiller.write(file, chain, partition)
    } finally {
      this.#freeChain(chain)
    }
    if (known === undefined) meter.counts.partitionsSpilled += 1
    return chain.rowPages + chain.heapPages
  }

  /** Strings are counted as input when their rows leave: how many bytes they are, no batch tells. */
  #takePartition(partition: number): RowChain {
    this.#context.meter.counts.inputBytes += this.#table.partitionStringBytes(partition)
    return this.#table.takePartition(partition)
  }

  #freeChain(chain: RowChain): void {
    this.#context.reservation.giveChain(chain.rowHead)
    this.#context.reservation.giveChain(chain.heapHead)
  }

  #path(partition: number): string {
    const { query } = this.#context
    return query.spillPath(`s${this.#spec.sinkId}-w${query.workerIndex}-p${partition}`)
  }

  get keepsSpilling(): boolean {
    const { query } = this.#context
    return this.#isPublished && query.canSpill && query.isIdle(this.#spec.sinkId)
  }

  get nextSpillPages(): number {
    return new PublishedPartitions(this.#context, this.#spec).nextSpillPages
  }

  /** Of published partitions that nobody reads yet. */
  #spillPublished(pages: number): number {
    const { query, meter } = this.#context
    const { shape, batchRows } = this.#spec
    const workspace = query.openStoreArea()
    const exports = query.instance(shape.moduleKey) as unknown as GroupByExports
    const spiller = new RowSpiller({ ...this.#context, workspace }, shape, exports, batchRows)
    const published = new PublishedPartitions(this.#context, this.#spec)
    const freed = published.spill(pages, spiller)
    meter.counts.partitionsAskedBack += published.partitionsSpilled
    meter.counts.partitionsSpilled += published.newPartitionsSpilled
    workspace.check(shape.text)
    return freed
  }

  spill(pages: number): number {
    if (this.keepsSpilling) return this.#spillPublished(pages)
    if (this.#isPublished || !this.#context.query.canSpill) return 0
    return spillUntil(pages, () => this.#spillLargest())
  }

  publish(): PublishedGroups {
    assert(!this.#isPublished, 'a local is published once')
    this.#isPublished = true
    const { arena, query, reservation, meter, workspace } = this.#context
    if (this.#spec.shape.keyCount === 0 && query.workerIndex === query.setup.firstWorker) this.#ensureSingle()
    meter.counts.codedRows += this.#table.codedRows
    this.#leaveRoomForMerging()
    const isDistinct = this.#table.abandonedRanges === 0 && this.#table.appendedRows === 0
    while (!query.tryPublish(reservation, workspace)) {
      if (this.#askBack() === 0 && this.#spillLargest() === 0) throw this.#noRoom()
    }
    const published = this.#context.resident
    arena.u8.fill(0, published, published + PUBLISHED_PARTITION_BYTES * this.#files.length)
    for (let partition = 0; partition < this.#files.length; partition++) {
      // A partition that was never spilled has totals of zero and no file, so its path is never asked for.
      const file = this.#files[partition] ?? newSpillFile('', this.#spec.shape.spillSchema)
      const chain = this.#takePartition(partition)
      const address = published + partition * PUBLISHED_PARTITION_BYTES
      writePublished(arena.view, address, { chain, spilled: spillTotals(file), isDistinct })
      if (file.blocks.length > 0 && chain.rowCount > 0) {
        query.log(
          `group-by: partition ${partition} published with ${chainBytes(chain)} bytes in memory, ${file.bytes} on disk`,
        )
      }
    }
    meter.counts.peakBytes = Math.max(meter.counts.peakBytes, reservation.peakPages * PAGE_BYTES)
    workspace.check(this.#spec.shape.text)
    return { worker: query.workerIndex, address: published }
  }

  /**
   * Merging needs memory beside what is published: a partition's spilled part is loaded and a directory built. Without
   * room every partition would be split and written again, which costs more than evicting some of them now.
   */
  #leaveRoomForMerging(): void {
    const { query, reservation } = this.#context
    if (!query.canSpill) return
    const { threads } = query.setup
    const budget = reservation.maxPages
    // Every worker merges one partition, which is made of every worker's part of it.
    const merging = (this.#largestPartitionBytes() / PAGE_BYTES) * MERGE_FACTOR * threads * threads
    const hasSpilled = this.#files.some((file) => file !== undefined)
    const kept = hasSpilled
      ? Math.max(
          budget * KEPT_SHARE_LEAST,
          Math.min(budget * KEPT_SHARE_AFTER_SPILLING, budget * MERGING_SHARE - merging),
        )
      : budget * KEPT_SHARE
    // A streamed query stands still while the program runs others: what it kept would lie across their memory.
    const keptStreamed = hasSpilled ? 0 : Math.min(kept, budget * KEPT_SHARE_STREAMED)
    const most = query.setup.isStreamed ? keptStreamed : kept
    while (reservation.usedPages > most / threads && this.#spillLargest() > 0);
  }

  /** In memory, of this worker's part of the largest partition, when its spilled rows are loaded again. */
  #largestPartitionBytes(): number {
    let largest = 0
    this.#files.forEach((file, partition) => {
      const spilled = (file?.dataBytes ?? 0) * ROWS_PER_SPILLED_BYTE
      largest = Math.max(largest, spilled + this.#table.partitionBytes(partition))
    })
    return largest
  }

  #ensureSingle(): void {
    this.#refusals.settle(this.#table.ensureSingle())
  }

  close(): void {
    if (!this.#isPublished) this.#context.workspace.check(this.#spec.shape.text)
  }
}
