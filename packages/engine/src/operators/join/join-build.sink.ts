/** Worker side of phase 1: keeps the rows of the build side, spills when refused, publishes. */
import { hasOwnLength } from '@spillway/columnar'
import type { JoinRowsExports } from '@spillway/codegen'
import { PAGE_BYTES } from '@spillway/kernels'
import { formatBytes, newSpillFile, type SpillFileState, spillTotals, type WorkspaceSize } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import { HolderPatience } from '../../pipeline/holder-patience.ts'
import { spillUntil } from '../../pipeline/spill-until.ts'
import { PUBLISHED_PARTITION_BYTES, writePublished } from '../group-by/published-partition.ts'
import { noRoomError, PAGES_ASKED_OF_OTHERS, Refusals } from '../group-by/refusals.ts'
import type { RowChain } from '../group-by/row-chain.ts'
import { RowSpiller, sizeRowSpiller } from '../group-by/row-spiller.ts'
import { IdleBuild, sizeIdleBuild } from './idle-build.ts'
import type { JoinBuildSpec } from './join.ts'
import { buildFileName, directSlots, publishedPages, type PublishedRows } from './published-build.ts'
import { RowStore, rowStoreBytes } from './row-store.ts'
import { SpilledFilter } from './spilled-filter.ts'

/** Share of the budget that the build side may keep in memory, directories included. */
const KEPT_SHARE = 0.7
const KEPT_SHARE_AFTER_SPILLING = 0.55
/**
 * Where what follows gathers rows, too. It gets on better with memory of its own, and pairs from disk come partition by
 * partition: groups of their keys meet while they are in memory.
 */
const KEPT_SHARE_BESIDE_GATHERING = 0.2
const KEPT_SHARE_STREAMED = 0.3
/** Share of the budget that stays free beside all that is promised: for later builds, and for what follows the join. */
const FREE_SHARE = 0.12
/** Of the memory: rows that stay whatever is free. */
const SMALL_SHARE = 0.01
/** Bytes of directory per row: one to two slots of 8 bytes. */
const DIRECTORY_BYTES_PER_ROW = 12
/** Rows of a partition that is on disk in part are written in blocks of this size, if memory allows. */
const WORTH_A_WRITE_BYTES = 256 * 1024
/** With this share of the budget in the hands of all workers spilling is likely, and there is room for a filter yet. */
const FORESEEN_SHARE = 1 / 4
/** Rows expected at that point, of an input whose size is unknown, for each row that is there. */
const UNKNOWN_ROWS_RATIO = 4
/** Partitions with this share of the largest one's bytes are as good to spill: the last of them is. */
const LARGE_SHARE = 0.5

export function sizeJoinBuild(spec: JoinBuildSpec, size: WorkspaceSize): void {
  size.add(rowStoreBytes(spec.partitionBits))
  sizeRowSpiller(spec.shape.build, spec.batchRows, size)
}

/** Pages beyond the workspace that make progress certain: a row and a heap page per partition. */
export function joinBuildFloorPages(spec: JoinBuildSpec): number {
  const hasStrings = spec.shape.build.layout.fields.some((field) => hasOwnLength(field.type))
  return 2 ** spec.partitionBits * (hasStrings ? 2 : 1) + 5
}

/** The table of the published partitions. */
export function joinBuildResidentPages(spec: JoinBuildSpec): number {
  return publishedPages(spec.partitionBits)
}

export const sizeJoinBuildStore = sizeIdleBuild

export function openJoinBuild(spec: JoinBuildSpec, context: OpenContext): Sink {
  return new JoinBuildLocal(spec, context)
}

class JoinBuildLocal implements Sink {
  readonly #spec: JoinBuildSpec
  readonly #context: OpenContext
  readonly #store: RowStore
  readonly #spiller: RowSpiller
  readonly #files: (SpillFileState | undefined)[]
  readonly #refusals: Refusals
  #isPublished = false
  /** The batch being offered was refused in part: the store goes on with it when it is offered again. */
  #isWaiting = false
  readonly #patience: HolderPatience
  readonly #filter: SpilledFilter
  #rowsSpilled = 0
  #rowsKept = 0

  constructor(spec: JoinBuildSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    this.#patience = new HolderPatience(context)
    const { arena, workspace, reservation, query } = context
    const { build } = spec.shape
    const exports = query.instance(build.moduleKey) as unknown as JoinRowsExports
    this.#store = new RowStore({
      memory: arena.handle.memory,
      kernels: arena.kernels,
      exports,
      layout: build.layout,
      pages: reservation,
      workspace: workspace.take(rowStoreBytes(spec.partitionBits)),
      partitionBits: spec.partitionBits,
      levelShift: 0,
    })
    this.#spiller = new RowSpiller(context, build, exports, spec.batchRows)
    this.#filter = new SpilledFilter(context, spec.filterCounter)
    this.#files = new Array<SpillFileState | undefined>(2 ** spec.partitionBits).fill(undefined)
    const store = this.#store
    const chosen = {
      get jobProgress() {
        return store.jobProgress
      },
      resume: () => store.resume(),
      largestPartition: () => this.#nextToSpill(),
    }
    this.#refusals = new Refusals(
      chosen,
      (partition) => void this.#spillPartition(partition),
      () => this.#noRoom(),
      () => context.makeRoom(PAGES_ASKED_OF_OTHERS),
    )
  }

  setClaims(): void {}

  consume(batch: number): 'taken' | 'blocked' {
    const { meter, query, reservation } = this.#context
    const before = this.#store.jobProgress
    let status = this.#isWaiting ? this.#store.resume() : this.#store.append(batch)
    while (status === 'refused' && this.#askBack() > 0) status = this.#store.resume()
    this.#isWaiting = status === 'refused' && this.#patience.mayWait()
    if (!this.#isWaiting) {
      this.#refusals.settle(status)
      this.#patience.restore()
    }
    this.#rowsKept += this.#store.jobProgress - before
    if (this.#isWaiting) return 'blocked'
    if (reservation.usedPages * query.setup.threads > reservation.maxPages * FORESEEN_SHARE) this.#makeFilter()
    if (query.setup.testing.forceSpill && this.#store.totalBytes() > 0) this.#spillLarge()
    meter.counts.peakBytes = Math.max(meter.counts.peakBytes, reservation.peakPages * PAGE_BYTES)
    return 'taken'
  }

  endMorsel(): 'taken' {
    return 'taken'
  }

  #makeFilter(): void {
    if (!this.#context.query.canSpill || !this.#filter.isOpen) return
    const seen = this.#rowsKept * this.#context.query.setup.threads
    this.#filter.make(Math.max(seen, this.#spec.estimatedRows ?? seen * UNKNOWN_ROWS_RATIO))
  }

  #noRoom(): Error {
    const what = 'one more page was refused and nothing is left to spill'
    return noRoomError(this.#context, this.#spec.shape.text, what)
  }

  /**
   * A partition that is on disk in part goes on to gather rows, which must follow: it is next as soon as that is worth
   * a write. Otherwise another large one, all workers choosing alike. -1 = all are empty.
   */
  #nextToSpill(): number {
    const store = this.#store
    const fresh = store.lastOfLarge(LARGE_SHARE)
    let fullest = -1
    let most = fresh < 0 ? 0 : Math.min(WORTH_A_WRITE_BYTES, store.partitionBytes(fresh) / 2)
    for (let partition = 0; partition < this.#files.length; partition++) {
      const bytes = store.partitionBytes(partition)
      if (this.#files[partition] === undefined || bytes === 0 || bytes < most) continue
      most = bytes
      fullest = partition
    }
    return fullest < 0 ? fresh : fullest
  }

  /** Published partitions that nobody reads yet go before smaller ones of the same share of the rows here. */
  #askBack(): number {
    const next = this.#nextToSpill()
    const bytes = next < 0 ? 0 : this.#store.partitionBytes(next)
    return this.#context.askBack((bytes * this.#context.query.setup.threads) / PAGE_BYTES)
  }

  /** Returns the pages freed. */
  #spillLarge(): number {
    const partition = this.#nextToSpill()
    return partition < 0 ? 0 : this.#spillPartition(partition)
  }

  #spillPartition(partition: number): number {
    const { query, meter } = this.#context
    query.requireSpill(this.#spec.shape.text)
    this.#makeFilter()
    const chain = this.#store.takePartition(partition)
    this.#rowsSpilled += chain.rowCount
    const known = this.#files[partition]
    const name = buildFileName(this.#spec.sinkId, query.workerIndex, partition)
    const file = known ?? newSpillFile(query.spillPath(name), this.#spec.shape.build.spillSchema)
    try {
      this.#filter.add(chain, this.#spec.shape.build.layout)
      this.#files[partition] = this.#spiller.write(file, chain, partition)
    } finally {
      this.#freeChain(chain)
    }
    if (known === undefined) meter.counts.partitionsSpilled += 1
    return chain.rowPages + chain.heapPages
  }

  #freeChain(chain: RowChain): void {
    this.#context.reservation.giveChain(chain.rowHead)
    this.#context.reservation.giveChain(chain.heapHead)
  }

  get keepsSpilling(): boolean {
    const { query } = this.#context
    return this.#isPublished && query.canSpill && query.isIdle(this.#spec.sinkId)
  }

  get nextSpillPages(): number {
    return new IdleBuild(this.#context, this.#spec).nextSpillPages
  }

  spill(pages: number): number {
    if (this.keepsSpilling) return new IdleBuild(this.#context, this.#spec).spill(pages)
    if (this.#isPublished || !this.#context.query.canSpill) return 0
    return spillUntil(pages, () => this.#spillLarge())
  }

  publish(): PublishedRows {
    assert(!this.#isPublished, 'a local is published once')
    this.#isPublished = true
    const { arena, query, reservation, meter, workspace } = this.#context
    this.#leaveRoomForProbing()
    const rows = this.#rowsSpilled + this.#store.totalRows()
    for (let partition = 0; partition < this.#files.length; partition++) {
      // What is left in memory of a spilled partition would lie idle until its pair is joined.
      if (this.#files[partition] !== undefined && this.#store.partitionBytes(partition) > 0) {
        this.#spillPartition(partition)
      }
    }
    while (!query.tryPublish(reservation, workspace)) {
      if (this.#askBack() === 0 && this.#spillLarge() === 0) throw this.#noRoom()
    }
    const published = this.#context.resident
    arena.u8.fill(0, published, published + publishedPages(this.#spec.partitionBits) * PAGE_BYTES)
    for (let partition = 0; partition < this.#files.length; partition++) {
      // A partition that was never spilled has totals of zero and no file, so its path is never asked for.
      const file = this.#files[partition] ?? newSpillFile('', this.#spec.shape.build.spillSchema)
      const chain = this.#store.takePartition(partition)
      const address = published + partition * PUBLISHED_PARTITION_BYTES
      writePublished(arena.view, address, { chain, spilled: spillTotals(file), isDistinct: false })
    }
    meter.counts.inputBytes = this.#store.filledBytes
    this.#logComplete()
    meter.counts.peakBytes = Math.max(meter.counts.peakBytes, reservation.peakPages * PAGE_BYTES)
    const ranges = this.#spec.shape.build.rangedKeys.map((_, index) => this.#store.keyRange(index))
    workspace.check(this.#spec.shape.text)
    return { worker: query.workerIndex, address: published, rows, ranges }
  }

  #logComplete(): void {
    const { query } = this.#context
    const spilled = this.#files.filter((file) => file !== undefined)
    const bytes = spilled.reduce((sum, file) => sum + (file?.bytes ?? 0), 0)
    query.log(`equi-join: build rows=${this.#rowsKept} estimated=${this.#spec.estimatedRows ?? 'unknown'}`)
    query.log(
      `equi-join: build complete, ${spilled.length}/${this.#files.length} partitions spilled, ` +
        `on-disk=${formatBytes(bytes)}`,
    )
  }

  /** Directories, probing and what follows need memory beside the rows that stay. */
  #leaveRoomForProbing(): void {
    const { arena, query, reservation, workspace } = this.#context
    if (!query.canSpill) return
    if (query.setup.testing.forceSpill) while (this.#spillLarge() > 0);
    const hasSpilled = this.#files.some((file) => file !== undefined)
    const afterSpilling = this.#spec.probeGathers ? KEPT_SHARE_BESIDE_GATHERING : KEPT_SHARE_AFTER_SPILLING
    const share = hasSpilled ? afterSpilling : KEPT_SHARE
    const kept = query.setup.isStreamed ? Math.min(share, KEPT_SHARE_STREAMED) : share
    const most = (reservation.maxPages * kept) / query.setup.threads
    const free = reservation.maxPages * FREE_SHARE
    const directories = (): number => this.#directoryBytes() / PAGE_BYTES
    while (reservation.usedPages + directories() > most && this.#spillLarge() > 0);
    // A small table would gain the others nothing, and cost the probe side a way to disk.
    const isWorthIt = (): boolean => this.#store.totalBytes() > reservation.maxPages * PAGE_BYTES * SMALL_SHARE
    // What is published is promised beside the floor, which later pipelines need.
    const freeSoon = (): number =>
      arena.reservablePages - arena.reservedPages - query.publishNeed(reservation, workspace)
    while (isWorthIt() && freeSoon() < directories() + free && (this.#askBack() > 0 || this.#spillLarge() > 0));
  }

  /** What finding the rows in memory will take, as far as this worker knows. */
  #directoryBytes(): number {
    const rows = this.#store.totalRows()
    const { leastKey, greatestKey } = this.#store.keyRange(0)
    const { threads } = this.#context.query.setup
    const slots = this.#spec.shape.build.hasDirectKey ? directSlots(leastKey, greatestKey, rows * threads) : 0
    return slots === 0 ? rows * DIRECTORY_BYTES_PER_ROW : (slots * 4) / threads
  }

  close(): void {
    if (!this.#isPublished) this.#context.workspace.check(this.#spec.shape.text)
  }
}
