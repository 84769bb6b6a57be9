/**
 * Merges one partition of a group-by: chains that workers published, and spill files.
 *
 *   fits      load the files, link all rows into one directory (equal keys merge in place), stream the live rows
 *   does not  split everything on the next SPLIT_BITS hash bits into spill files, then merge those one by one
 *   no split  (all hashes equal) chunks: take groups until memory is full, merge what matches, spill the rest, repeat
 *
 * `run` is a generator: it yields `working` after each bounded piece of work, and a chain whenever merged rows are
 * ready to be emitted; the chain is freed when the generator is resumed.
 */
import { type GroupByExports, rowBlockPages, type RowLayout } from '@spillway/codegen'
import { hasOwnLength, widthOf } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { newSpillFile, type SpillFileState, spillTotals, type WorkspaceSize } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import { ArrowImporter, sizeImporter } from '../../pipeline/arrow-importer.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { setPagesAside } from '../../pipeline/pages-aside.ts'
import { type BlockBuffer, BlockLoader } from './block-loader.ts'
import { type GroupByOutputSpec, SPLIT_BITS } from './group-by.ts'
import type { PartitionInput } from './group-by.output.ts'
import { GroupTable } from './group-table.ts'
import { noRoomError } from './refusals.ts'
import type { PageSource, RowChain } from './row-chain.ts'
import { RowSpiller, rowSpillerRoomBytes, sizeRowSpiller, spillBlockRows } from './row-spiller.ts'
import { SplitParts } from './split-parts.ts'
import { CACHE_BYTES } from './touch-ahead.ts'

const LEAST_DIRECTORY_BITS = 10
/** Of directories that are asked for beyond the guaranteed one. */
const LARGEST_DIRECTORY_BITS = 26
const LOAD_FACTOR = 0.7
/** A directory is made for this many rows more than there are: those that are there must all find room, even one. */
const SLOTS_SPARE = 2
/** A split that leaves this share of the rows in one part made no progress. */
const NO_PROGRESS_SHARE = 0.95
const LEAST_HASH_BITS_LEFT = 8
/** Guaranteed pages that a merge leaves alone, so that what follows when it does not fit has room to begin. */
const pagesSetAside = (layout: RowLayout): number => 8 * rowBlockPages(layout)
/**
 * Part of a merge's pages that it takes when strings need runs of pages, or other queries do: a copy of such a string,
 * or another pipeline's buffers, must find a run between the pages of this merge.
 */
const CAUTIOUS_SHARE = 5 / 9

function splitSizes(batchRows: number) {
  return { partitionBits: SPLIT_BITS, initialCapacityBits: SPLIT_BITS + 1, maxCapacityBits: SPLIT_BITS + 1, batchRows }
}

const slotBits = (groups: number): number => Math.ceil(Math.log2((groups + SLOTS_SPARE) / LOAD_FACTOR))

/** @param groups that there are about: a directory that is made for them need not grow */
function mergeSizes(directoryBits: number, groups = 0) {
  return {
    partitionBits: 0,
    initialCapacityBits: Math.min(directoryBits, Math.max(LEAST_DIRECTORY_BITS, slotBits(groups))),
    maxCapacityBits: directoryBits,
    batchRows: 256,
  }
}

export function sizePartitionMerge(spec: GroupByOutputSpec, size: WorkspaceSize): void {
  size.add(GroupTable.workspaceBytes(mergeSizes(spec.mergeBits)))
  size.add(GroupTable.workspaceBytes(splitSizes(spec.batchRows)))
  sizeRowSpiller(spec.shape, spec.batchRows, size)
  sizeImporter(spec.shape.spillSchema, spec.batchRows, size)
  size.add(blockBufferBytes(spec))
}

/** Beyond the workspace: rows and a heap page for each part of a split, and some for strings longer than a heap. */
export function mergeFloorPages({ shape }: GroupByOutputSpec): number {
  return 2 ** SPLIT_BITS * (rowBlockPages(shape.layout) + 1) + pagesSetAside(shape.layout)
}

/** Room for one block of a spill file with strings of ordinary length. */
function blockBufferBytes(spec: GroupByOutputSpec): number {
  const rows = spillBlockRows(spec.shape, spec.batchRows)
  const widths = spec.shape.spillSchema.fields.map(({ type }) => (hasOwnLength(type) ? 0 : widthOf(type)))
  return rowSpillerRoomBytes(spec.shape, rows) + rows * widths.reduce((sum, width) => sum + width, 0) + 65_536
}

export class PartitionMerge {
  readonly #spec: GroupByOutputSpec
  readonly #context: OpenContext
  readonly #exports: GroupByExports
  readonly #guaranteed: number
  readonly #splitArea: number
  readonly #spiller: RowSpiller
  readonly #importer: ArrowImporter
  readonly #block: BlockBuffer
  /** The rows being merged take no more pages than leave room for runs of pages. */
  readonly #cautiousPages: PageSource
  #hasLongStrings = false
  #files = 0
  /** Groups per row in the last partition: those of a query are alike. */
  #groupShare = 0

  constructor(spec: GroupByOutputSpec, context: OpenContext, exports: GroupByExports) {
    this.#spec = spec
    this.#context = context
    this.#exports = exports
    this.#guaranteed = context.workspace.take(GroupTable.workspaceBytes(mergeSizes(spec.mergeBits)))
    this.#splitArea = context.workspace.take(GroupTable.workspaceBytes(splitSizes(spec.batchRows)))
    this.#spiller = new RowSpiller(context, spec.shape, exports, spec.batchRows)
    this.#importer = new ArrowImporter(context, spec.shape.spillSchema, spec.batchRows, spec.shape.text)
    const bytes = blockBufferBytes(spec)
    this.#block = { address: context.workspace.take(bytes), bytes }
    this.#cautiousPages = {
      take: (count) => (this.#mayKeep(count) ? context.reservation.take(count) : 0),
      give: (address, count) => context.reservation.give(address, count),
    }
  }

  /** A streamed query keeps so little that nothing is left to save. */
  #mayKeep(count: number): boolean {
    const { reservation, query } = this.#context
    this.#hasLongStrings ||= count > 1
    if (query.setup.isStreamed || (!this.#hasLongStrings && query.worker.openQueries <= 1)) return true
    const most = Math.max(reservation.guaranteedPages, Math.floor(reservation.maxPages * CAUTIOUS_SHARE))
    return reservation.usedPages + count <= most
  }

  #setAside(): number {
    return setPagesAside(this.#context, pagesSetAside(this.#spec.shape.layout), mergeFloorPages(this.#spec))
  }

  /** Its buffers are free whenever `run` has yielded. */
  get spiller(): RowSpiller {
    return this.#spiller
  }

  /** Yields merged chains; see the file's header. */
  *run(input: PartitionInput): Generator<'working' | RowChain> {
    const { meter } = this.#context
    meter.counts.recursionDepth = Math.max(meter.counts.recursionDepth, input.depth)
    if (input.files.length === 0 && input.isDistinct) {
      for (const chain of input.chains) {
        yield chain
        this.#freePublished(chain)
      }
      return
    }
    this.#hasLongStrings = false
    const chains: OwnedChain[] = input.chains.map((chain) => ({ chain, isPublished: input.depth === 0 }))
    const loader = this.#openLoader(input)
    const { reservation } = this.#context
    const aside = this.#setAside()
    let fits: boolean
    try {
      fits = yield* this.#mergeInMemory(input, chains, loader)
    } finally {
      reservation.takeBack(aside)
    }
    if (!fits) {
      yield* this.#split(input, chains, loader)
      return
    }
    loader.finish()
    // With all that the operators behind this one are guaranteed: a join may gather rows on their way to disk.
    for (const owned of chains) {
      yield owned.chain
      this.#free(owned)
    }
    reservation.endAside()
  }

  /** True when the partition fits: `chains` are its groups. Otherwise they hold the rows that are in memory. */
  *#mergeInMemory(input: PartitionInput, chains: OwnedChain[], loader: BlockLoader): Generator<'working', boolean> {
    const rows = chains.reduce((sum, { chain }) => sum + chain.rowCount, 0) + loader.rows
    const directory = this.#openDirectory(rows)
    try {
      const sizes = mergeSizes(directory.bits, rows * this.#groupShare)
      const table = this.#openTable(directory.address, sizes, input.hashBits, this.#cautiousPages)
      for (const { chain } of chains) {
        if (table.absorbChain(chain) === 'refused') return false
        yield 'working'
      }
      while (!loader.isDone) {
        const chain = loader.load(this.#openLoadTable(input.hashBits, this.#cautiousPages))
        if (chain !== undefined) chains.push({ chain, isPublished: false })
        if (chain === undefined || loader.wasRefused) return false
        if (table.absorbChain(chain) === 'refused') return false
        yield 'working'
      }
      this.#groupShare = table.entries / Math.max(1, rows)
    } finally {
      directory.free()
    }
    return true
  }

  /**
   * The largest directory that the rows could need: the guaranteed one, in buffers of other pipelines, or if it is
   * granted; else as large as is guaranteed. Among the pages of published rows there are hardly any in a row.
   */
  #openDirectory(rows: number): { bits: number; address: number; free: () => void } {
    const { reservation, query } = this.#context
    const spare = query.spareArea
    const wanted = Math.min(LARGEST_DIRECTORY_BITS, slotBits(rows))
    const { mergeBits } = this.#spec
    for (let bits = wanted; bits > mergeBits; bits--) {
      if (bits < wanted - 1) break
      const pages = Math.ceil(GroupTable.workspaceBytes(mergeSizes(bits)) / PAGE_BYTES)
      if (pages <= spare.pages) return { bits, address: spare.address, free: () => {} }
      const address = reservation.take(pages)
      if (address !== 0) return { bits, address, free: () => reservation.give(address, pages) }
    }
    return { bits: Math.min(wanted, mergeBits), address: this.#guaranteed, free: () => {} }
  }

  #openTable(
    workspace: number,
    sizes: ReturnType<typeof mergeSizes>,
    hashBits: number,
    pages: PageSource = this.#context.reservation,
  ): GroupTable {
    const { arena } = this.#context
    return new GroupTable({
      ...sizes,
      memory: arena.handle.memory,
      kernels: arena.kernels,
      exports: this.#exports,
      layout: this.#spec.shape.layout,
      pages,
      workspace,
      levelShift: hashBits,
      keyCount: this.#spec.shape.keyCount,
      codedKeys: [],
      stringColumns: [],
      cacheBytes: CACHE_BYTES,
      lookupWindowRows: undefined,
    })
  }

  /** A table that only receives loaded rows; it lives in the split area, which is free while a merge still fits. */
  #openLoadTable(hashBits: number, pages: PageSource): GroupTable {
    const sizes = { partitionBits: 0, initialCapacityBits: 1, maxCapacityBits: 1, batchRows: this.#spec.batchRows }
    return this.#openTable(this.#splitArea, sizes, hashBits, pages)
  }

  /** Moves everything into spill files by the next hash bits, then merges those. */
  *#split(input: PartitionInput, chains: OwnedChain[], loader: BlockLoader): Generator<'working' | RowChain> {
    const { query, meter } = this.#context
    query.requireSpill(this.#spec.shape.text)
    const rows = chains.reduce((sum, { chain }) => sum + chain.rowCount, 0) + loader.rowsLeft
    query.log(`group-by: split partition ${input.label} rows=${rows} depth=${input.depth + 1}`)
    const table = this.#openTable(this.#splitArea, splitSizes(this.#spec.batchRows), input.hashBits)
    const stem = `s${this.#spec.sinkId}-w${query.workerIndex}`
    const parts = new SplitParts(this.#context, this.#spec.shape, stem, this.#spiller, table, input.label)
    // In the order in which they were linked: a row's strings may lie in the heaps of later chains, never of earlier
    // ones.
    for (let owned = chains.shift(); owned !== undefined; owned = chains.shift()) {
      parts.refusals.settle(table.transferChain(owned.chain))
      this.#free(owned)
      yield 'working'
    }
    while (!loader.isDone) {
      loader.loadInto(table, parts.refusals)
      yield 'working'
    }
    loader.finish()
    const files = parts.spillAll()
    this.#context.reservation.endAside()
    const largest = Math.max(0, ...files.map((file) => file?.rows ?? 0))
    meter.counts.partitionsSpilled += files.filter((file) => file !== undefined).length
    const hashBits = input.hashBits + SPLIT_BITS
    const isStuck = largest > NO_PROGRESS_SHARE * rows && input.depth >= 2
    const isLastSplit = 64 - hashBits < LEAST_HASH_BITS_LEFT + SPLIT_BITS
    for (const [index, file] of files.entries()) {
      if (file === undefined) continue
      const label = `${input.label}.${index}`
      const spilled = [{ path: file.path, totals: spillTotals(file) }]
      const part = { label, depth: input.depth + 1, hashBits, chains: [], files: spilled, isDistinct: false }
      if (isLastSplit || (isStuck && file.rows === largest)) yield* this.#mergeInChunks(part)
      else yield* this.run(part)
    }
  }

  #openLoader(input: PartitionInput): BlockLoader {
    return new BlockLoader(this.#context, this.#spec.shape, this.#importer, this.#block, input)
  }

  /** The terminal algorithm: constant memory whatever the hashes. Passes over the rows, until no row is left over. */
  *#mergeInChunks(input: PartitionInput): Generator<'working' | RowChain> {
    const { meter, query, reservation } = this.#context
    meter.counts.recursionDepth = Math.max(meter.counts.recursionDepth, input.depth)
    let current: PartitionInput | undefined = input
    while (current !== undefined) {
      meter.counts.terminalChunks += 1
      query.log(`group-by: partition ${current.label} in chunks, pass ${meter.counts.terminalChunks}`)
      const loader = this.#openLoader(current)
      const aside = this.#setAside()
      const directory = this.#openDirectory(loader.rows)
      const pass: ChunkPass = new ChunkPass({
        context: this.#context,
        spec: this.#spec,
        spiller: this.#spiller,
        label: current.label,
        overflowName: `s${this.#spec.sinkId}-w${query.workerIndex}-c${this.#files++}`,
        roomForGroups: Math.floor(2 ** directory.bits * LOAD_FACTOR) - SLOTS_SPARE + 1,
        openTable: () => this.#openTable(directory.address, mergeSizes(directory.bits), input.hashBits),
      })
      while (!loader.isDone && !pass.isFull) {
        const load = this.#openLoadTable(input.hashBits, this.#cautiousPages)
        const chain = loader.load(load, pass.roomForGroups)
        if (chain !== undefined) pass.keep(chain)
        if (loader.wasRefused || pass.roomForGroups === 0) pass.freeze()
        yield 'working'
      }
      reservation.takeBack(aside)
      while (!loader.isDone) {
        const isFirst = pass.kept.length === 0
        const load = this.#openLoadTable(input.hashBits, reservation)
        const chain = loader.load(load, isFirst ? pass.roomForGroups : undefined)
        if (chain === undefined) pass.evictOne()
        else if (isFirst) pass.keepFirst(chain)
        else pass.mergeOrPutOff(chain)
        yield 'working'
      }
      for (const chain of pass.kept) {
        yield chain
        pass.free(chain)
      }
      loader.finish()
      const overflow: SpillFileState = pass.end()
      directory.free()
      reservation.endAside()
      current =
        overflow.rows === 0
          ? undefined
          : { ...current, files: [{ path: overflow.path, totals: spillTotals(overflow) }] }
    }
  }

  #free({ chain, isPublished }: OwnedChain): void {
    if (isPublished) {
      this.#freePublished(chain)
      return
    }
    this.#context.reservation.giveChain(chain.rowHead)
    this.#context.reservation.giveChain(chain.heapHead)
  }

  #freePublished(chain: RowChain): void {
    const { query } = this.#context
    query.freePublished(chain.rowHead)
    query.freePublished(chain.heapHead)
  }

  close(): void {
    this.#importer.close()
    this.#context.workspace.check(this.#spec.shape.text)
  }
}

interface OwnedChain {
  readonly chain: RowChain
  readonly isPublished: boolean
}

interface ChunkPassOptions {
  readonly context: OpenContext
  readonly spec: GroupByOutputSpec
  readonly spiller: RowSpiller
  readonly label: string
  readonly overflowName: string
  /** Groups that the directory takes. */
  readonly roomForGroups: number
  readonly openTable: () => GroupTable
}

/**
 * One pass of the terminal algorithm. It keeps the groups it meets until memory or the directory is full ("frozen");
 * from then on rows of kept groups merge and all others go to a file that the next pass reads. When even merging is
 * refused (longer strings), kept groups go to that file too, the oldest first. At least one group stays per pass.
 */
class ChunkPass {
  readonly #options: ChunkPassOptions
  #table: GroupTable
  /** In the order in which they were linked: rows may point into the heaps of later chains. */
  #kept: RowChain[] = []
  /** Heaps of former tables, into which kept rows may point. */
  readonly #heaps: RowChain[] = []
  #overflow: SpillFileState
  roomForGroups: number
  isFull = false

  constructor(options: ChunkPassOptions) {
    this.#options = options
    this.#table = options.openTable()
    this.roomForGroups = options.roomForGroups
    const path = options.context.query.spillPath(options.overflowName)
    this.#overflow = newSpillFile(path, options.spec.shape.spillSchema)
  }

  get kept(): readonly RowChain[] {
    return this.#kept
  }

  /** Links the groups of a chain of at most `roomForGroups` rows. */
  keep(chain: RowChain): void {
    const status = this.#table.absorbChain(chain)
    assert(status === 'done', 'the directory has room for the rows that were asked for')
    this.roomForGroups -= chain.rowCount
    this.#kept.push(chain)
  }

  /**
   * Keeps a chain after all, when `freeze` came before any group could be kept: a pass that keeps none would leave the
   * next one the same rows, for ever.
   */
  keepFirst(chain: RowChain): void {
    assert(this.#kept.length === 0, 'the first chain is kept when there is none')
    this.#heaps.push(this.#table.takePartition(0))
    this.#table = this.#options.openTable()
    this.keep(chain)
    this.#table.freeze()
  }

  /** From here on no group is added. */
  freeze(): void {
    this.#table.freeze()
    this.isFull = true
  }

  /** Merges the rows of kept groups, and leaves the others to the next pass. */
  mergeOrPutOff(chain: RowChain): void {
    // Rows that were merged before a refusal are dead, so the chain can be offered from its start again.
    while (this.#table.absorbChain(chain) === 'refused') this.evictOne()
    this.#putOff(chain)
  }

  /** Moves the oldest kept chain to the next pass. @throws MemoryLimitError when it is the only one */
  evictOne(): void {
    const { context, spec, label } = this.#options
    const oldest = this.#kept.length > 1 ? this.#kept.shift() : undefined
    if (oldest === undefined) {
      throw noRoomError(context, spec.shape.text, `partition ${label} cannot be split, one of its rows fits nowhere`)
    }
    this.#heaps.push(this.#table.takePartition(0))
    this.#putOff(oldest)
    this.#table = this.#options.openTable()
    for (const chain of this.#kept) this.#table.absorbChain(chain)
    this.#table.freeze()
  }

  #putOff(chain: RowChain): void {
    this.#overflow = this.#options.spiller.write(this.#overflow, chain, 0)
    this.free(chain)
  }

  free(chain: RowChain): void {
    const { reservation } = this.#options.context
    reservation.giveChain(chain.rowHead)
    reservation.giveChain(chain.heapHead)
  }

  /** After the kept chains were emitted: frees what they pointed to. Returns the file of the rows left over. */
  end(): SpillFileState {
    this.#heaps.push(this.#table.takePartition(0))
    for (const heap of this.#heaps) this.free(heap)
    return this.#overflow
  }
}
