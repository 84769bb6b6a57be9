/**
 * Worker side of phase 3: joins the batches of a stream with the build side that is in memory. Rows whose partition is
 * on disk are put aside, and written to disk by partition.
 */
import type { JoinProbeExports, JoinRowsExports } from '@spillway/codegen'
import { hasOwnLength, COLUMN_BYTES, DESCRIPTOR_HEADER_BYTES, descriptor } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { newSpillFile, type SpillFileState, type SpillTotals, spillTotals, type WorkspaceSize } from '@spillway/memory'
import { columnAddress, selectedRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, Transform } from '../../pipeline/contracts.ts'
import { spillUntil } from '../../pipeline/spill-until.ts'
import { noRoomError, PAGES_ASKED_OF_OTHERS, Refusals } from '../group-by/refusals.ts'
import { RowSpiller, sizeRowSpiller } from '../group-by/row-spiller.ts'
import { type JoinProbeSpec, keepsProbeRows } from './join.ts'
import { streamMatching } from './match-columns.ts'
import { MatchBuffers, Matcher } from './matcher.ts'
import { PublishedBuild, type SpilledFile } from './published-build.ts'
import { RowStore, rowStoreBytes } from './row-store.ts'
import { type FilterPlace, SpilledFilter } from './spilled-filter.ts'

/** Share of the worker's memory for rows on their way to disk. */
const PENDING_SHARE = 0.08
/** A filter that rules out less than this share of so many rows is not asked any more. */
const WORTH_FILTERING = 0.1
const ROWS_TILL_JUDGED = 65_536
/** What divideFiltered counts, u32 each. */
const FILTER_COUNTS_BYTES = 16

/** Times the least pages: makes blocks of a good size. */
const PENDING_PAGES = 6

/** What is left to joinPairs: plain data for the coordinator. */
export interface PublishedProbe {
  readonly files: readonly { readonly partition: number; readonly path: string; readonly totals: SpillTotals }[]
}

export function sizeJoinProbe(spec: JoinProbeSpec, size: WorkspaceSize): void {
  const { shape, batchRows, partitionBits } = spec
  MatchBuffers.size(shape.outputSchema, batchRows, shape.build.layout.rowBytes, size)
  size.add(rowStoreBytes(partitionBits))
  sizeRowSpiller(shape.probe, batchRows, size)
  size.add(batchRows * 4).add(batchRows * 4)
  size.add(descriptorBytes(spec)).add(descriptorBytes(spec))
  size.add(FILTER_COUNTS_BYTES)
}

/** With less than a row and a heap page per partition, nearly every row would send a partition to disk. */
export function joinProbeFloorPages(spec: JoinProbeSpec): number {
  return pagesAtLeast(spec) + 6
}

function pagesAtLeast({ shape, partitionBits }: JoinProbeSpec): number {
  const hasStrings = shape.probe.layout.fields.some((field) => hasOwnLength(field.type))
  return 2 ** partitionBits * (hasStrings ? 2 : 1)
}

/** Of a batch of the stream with as many columns as the stream has. */
function descriptorBytes(spec: JoinProbeSpec): number {
  return DESCRIPTOR_HEADER_BYTES + COLUMN_BYTES * spec.inputColumns
}

export function openJoinProbe(spec: JoinProbeSpec, context: OpenContext): Transform {
  return new JoinProbeTransform(spec, context)
}

class JoinProbeTransform implements Transform {
  isFinished = false
  readonly #spec: JoinProbeSpec
  readonly #context: OpenContext
  readonly #exports: JoinProbeExports
  readonly #buffers: MatchBuffers
  readonly #matcher: Matcher
  readonly #published: PublishedBuild
  readonly #store: RowStore
  readonly #spiller: RowSpiller
  readonly #refusals: Refusals
  readonly #files: (SpillFileState | undefined)[]
  /** Indices and descriptors of the rows of a batch that are joined now, and of the others. */
  readonly #here: { readonly selection: number; readonly batch: number }
  readonly #away: { readonly selection: number; readonly batch: number }
  readonly #hasSpilled: boolean
  readonly #isAllSpilled: boolean
  /** Tells which rows have no match on disk; undefined: there is none, or it rules out too little. */
  #filter: FilterPlace | undefined
  readonly #counts: number
  #rowsAsked = 0
  #rowsRuledOut = 0
  readonly #pendingPages: number

  constructor(spec: JoinProbeSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    const { query, arena, workspace, reservation } = context
    const { shape, batchRows, partitionBits } = spec
    this.#exports = query.instance(spec.moduleKey) as unknown as JoinProbeExports
    this.#buffers = new MatchBuffers(context, shape.outputSchema, batchRows, shape.build.layout.rowBytes)
    const matching = { exports: this.#exports, ...streamMatching(shape) }
    this.#matcher = new Matcher(context, matching, this.#buffers)
    this.#published = new PublishedBuild(context, spec)
    const rowsExports = query.instance(shape.probe.moduleKey) as unknown as JoinRowsExports
    this.#store = new RowStore({
      memory: arena.handle.memory,
      kernels: arena.kernels,
      exports: rowsExports,
      layout: shape.probe.layout,
      pages: reservation,
      workspace: workspace.take(rowStoreBytes(partitionBits)),
      partitionBits,
      levelShift: 0,
    })
    this.#spiller = new RowSpiller(context, shape.probe, rowsExports, batchRows)
    this.#files = new Array<SpillFileState | undefined>(2 ** partitionBits).fill(undefined)
    this.#refusals = new Refusals(
      this.#store,
      (partition) => void this.#spillPartition(partition),
      () => noRoomError(context, shape.text, 'a row that is to be written to disk fits nowhere'),
      () => context.makeRoom(PAGES_ASKED_OF_OTHERS),
    )
    const place = () => ({ selection: workspace.take(batchRows * 4), batch: workspace.take(descriptorBytes(spec)) })
    this.#here = place()
    this.#away = place()
    this.#counts = workspace.take(FILTER_COUNTS_BYTES)
    const entries = Array.from({ length: 2 ** partitionBits }, (_, partition) => this.#published.entry(partition))
    this.#hasSpilled = entries.some((entry) => entry.isSpilled)
    this.#matcher.setTable({
      address: this.#published.table,
      partitionBits,
      levelShift: partitionBits,
      hasDuplicates: entries.some((entry) => entry.hasDuplicates),
      direct: this.#published.findDirectMap(),
    })
    const least = pagesAtLeast(spec)
    const most = Math.min(Math.floor(reservation.maxPages * PENDING_SHARE), least * PENDING_PAGES)
    this.#pendingPages = Math.max(least * 2, most)
    this.isFinished = this.#isPointless()
    const spilled = entries.filter((entry) => entry.isSpilled).length
    query.log(`equi-join: probe phase start, ${spilled}/${entries.length} partitions on disk`)
    this.#isAllSpilled = spilled === entries.length
    const filter = new SpilledFilter(context, spec.filterCounter)
    if (this.#hasSpilled) this.#filter = filter.find()
    else filter.drop()
  }

  /** Nothing was built, and rows without a match do not come out. */
  #isPointless(): boolean {
    const { shape } = this.#spec
    if (keepsProbeRows(shape) || this.#hasSpilled) return false
    for (let partition = 0; partition < this.#files.length; partition++) {
      if (this.#published.rows(partition) > 0) return false
    }
    return true
  }

  get hasMore(): boolean {
    return this.#matcher.hasMore
  }

  apply(batch: number): number {
    const here = this.#hasSpilled ? this.#putAside(batch) : batch
    return here === 0 ? 0 : this.#matcher.start(here, undefined)
  }

  resume(): number {
    return this.#matcher.resume()
  }

  /** Keeps the rows whose partition is on disk. Returns a batch of the others, 0 without any. */
  #putAside(batch: number): number {
    const { arena } = this.#context
    const rows = selectedRows(arena, batch)
    if (rows === 0) return batch
    if (this.#isAllSpilled && this.#filter === undefined) return this.#keep(batch)
    this.#exports.hash(batch, this.#buffers.hashes)
    const selection = arena.u32[(batch + descriptor.selection) >>> 2] as number
    const { stay, leave } = this.#divide(selection, rows)
    if (stay === rows) return batch
    if (leave === rows) return this.#keep(batch)
    if (leave > 0) {
      this.#select(batch, this.#away, leave)
      this.#keep(this.#away.batch)
    }
    if (stay === 0) return 0
    this.#select(batch, this.#here, stay)
    return this.#here.batch
  }

  /** Rows to join now and rows to keep; by the filter, those are less than all. */
  #divide(selection: number, rows: number): { readonly stay: number; readonly leave: number } {
    const { kernels, u32 } = this.#context.arena
    const { hashes } = this.#buffers
    const { table } = this.#published
    const { partitionBits, shape } = this.#spec
    const [here, away] = [this.#here.selection, this.#away.selection]
    const filter = this.#filter
    if (filter === undefined) {
      const stay = kernels.divideSpilled(hashes, selection, rows, table, partitionBits, here, away) >>> 0
      return { stay, leave: rows - stay }
    }
    const { address, words } = filter
    // A row without a match finds none in memory either, and comes out as such where the kind asks for it.
    const keeps = keepsProbeRows(shape) ? 1 : 0
    const counts = this.#counts
    kernels.divideFiltered(hashes, selection, rows, table, partitionBits, address, words, keeps, here, away, counts)
    const at = counts >>> 2
    const [stay, leave, misses] = [u32[at] as number, u32[at + 1] as number, u32[at + 2] as number]
    this.#judgeFilter(leave + misses, misses)
    return { stay, leave }
  }

  /** A filter that hardly rules anything out costs more than it saves. */
  #judgeFilter(asked: number, ruledOut: number): void {
    this.#context.meter.counts.filteredRows += ruledOut
    this.#rowsAsked += asked
    this.#rowsRuledOut += ruledOut
    if (this.#rowsAsked < ROWS_TILL_JUDGED || this.#rowsRuledOut >= this.#rowsAsked * WORTH_FILTERING) return
    this.#filter = undefined
    this.#logFilter()
  }

  #logFilter(): void {
    const [asked, ruledOut] = [this.#rowsAsked, this.#rowsRuledOut]
    const end = this.#filter === undefined ? ', which is too few: it is not asked any more' : ''
    this.#context.query.log(`equi-join: filter rows=${asked} dropped=${ruledOut}${end}`)
  }

  /** All rows of a batch go to disk. Returns 0: none is left. */
  #keep(batch: number): 0 {
    const { meter, reservation } = this.#context
    this.#refusals.settle(this.#store.append(batch))
    if (this.#store.totalBytes() > this.#pendingPages * PAGE_BYTES) this.#spillLargest()
    meter.counts.peakBytes = Math.max(meter.counts.peakBytes, reservation.peakPages * PAGE_BYTES)
    return 0
  }

  /** Shows the batch under another selection. */
  #select(batch: number, place: { readonly selection: number; readonly batch: number }, count: number): void {
    const { arena } = this.#context
    arena.u8.copyWithin(place.batch, batch, columnAddress(batch, this.#spec.inputColumns))
    arena.u32[(place.batch + descriptor.selection) >>> 2] = place.selection
    arena.u32[(place.batch + descriptor.selectionCount) >>> 2] = count
  }

  /** Returns the pages freed; 0: there are none. */
  #spillLargest(): number {
    const largest = this.#store.largestPartition()
    return largest >= 0 ? this.#spillPartition(largest) : 0
  }

  spill(pages: number): number {
    return spillUntil(pages, () => this.#spillLargest())
  }

  #spillPartition(partition: number): number {
    const { query, reservation, meter } = this.#context
    const chain = this.#store.takePartition(partition)
    const known = this.#files[partition]
    // A stream may have several pipelines, each with a part of its own.
    const name = `j${this.#spec.probeId}-probe-w${query.workerIndex}-b${this.#context.sequenceBase}-p${partition}`
    const file = known ?? newSpillFile(query.spillPath(name), this.#spec.shape.probe.spillSchema)
    try {
      this.#files[partition] = this.#spiller.write(file, chain, partition)
    } finally {
      reservation.giveChain(chain.rowHead)
      reservation.giveChain(chain.heapHead)
    }
    if (known === undefined) meter.counts.partitionsSpilled += 1
    return chain.rowPages + chain.heapPages
  }

  /** Partitions that were put aside go to disk: their pairs are joined later. */
  publish(): { readonly sinkId: number; readonly state: PublishedProbe } {
    for (let partition = 0; partition < this.#files.length; partition++) {
      if (this.#store.partitionBytes(partition) > 0) this.#spillPartition(partition)
    }
    this.#context.meter.counts.inputBytes += this.#store.filledBytes
    if (this.#filter !== undefined) this.#logFilter()
    const files = this.#files.flatMap((file, partition): (SpilledFile & { partition: number })[] =>
      file === undefined ? [] : [{ partition, path: file.path, totals: spillTotals(file) }],
    )
    return { sinkId: this.#spec.probeId, state: { files } }
  }

  close(): void {
    // What a failed query leaves behind goes with its pages.
  }
}
