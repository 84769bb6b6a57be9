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
import type { GroupByExports } from '@spillway/codegen'
import { widthOf } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import {
  blockBytes,
  formatBytes,
  newSpillFile,
  openSpillFile,
  readBlock,
  removeSpillFile,
  type SpillFileState,
  spillTotals,
  type WorkspaceSize,
} from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import { ArrowImporter, sizeImporter } from '../../pipeline/arrow-importer.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { type GroupByOutputSpec, SPLIT_BITS } from './group-by.ts'
import type { PartitionInput } from './group-by.output.ts'
import { GroupTable, type JobStatus } from './group-table.ts'
import { chainBytes, type RowChain } from './row-chain.ts'
import { RowSpiller, rowSpillerRoomBytes, sizeRowSpiller, spillBlockRows } from './row-spiller.ts'

/** A directory of the guaranteed size, always there; larger ones are asked for. */
const GUARANTEED_DIRECTORY_BITS = 13
const LARGEST_DIRECTORY_BITS = 26
const LOAD_FACTOR = 0.7
/** A split that leaves this share of the rows in one part made no progress. */
const NO_PROGRESS_SHARE = 0.95
const LEAST_HASH_BITS_LEFT = 8

function splitSizes(batchRows: number) {
  return { partitionBits: SPLIT_BITS, initialCapacityBits: SPLIT_BITS + 1, maxCapacityBits: SPLIT_BITS + 1, batchRows }
}

function mergeSizes(directoryBits: number) {
  return {
    partitionBits: 0,
    initialCapacityBits: Math.min(directoryBits, 10),
    maxCapacityBits: directoryBits,
    batchRows: 64,
  }
}

export function sizePartitionMerge(spec: GroupByOutputSpec, size: WorkspaceSize): void {
  size.add(GroupTable.workspaceBytes(mergeSizes(GUARANTEED_DIRECTORY_BITS)))
  size.add(GroupTable.workspaceBytes(splitSizes(spec.batchRows)))
  sizeRowSpiller(spec.shape, spec.batchRows, size)
  sizeImporter(spec.shape.spillSchema, spec.batchRows, size)
  size.add(blockBufferBytes(spec))
}

/** Beyond the workspace: a row and a heap page for each part of a split, and some for strings longer than a heap. */
export function mergeFloorPages(_spec: GroupByOutputSpec): number {
  return 2 ** SPLIT_BITS * 2 + 8
}

/** Room for one block of a spill file with strings of ordinary length. */
function blockBufferBytes(spec: GroupByOutputSpec): number {
  const rows = spillBlockRows(spec.batchRows)
  const widths = spec.shape.spillSchema.fields.map(({ type }) => (type.kind === 'utf8' ? 0 : widthOf(type)))
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
  #files = 0

  constructor(spec: GroupByOutputSpec, context: OpenContext, exports: GroupByExports) {
    this.#spec = spec
    this.#context = context
    this.#exports = exports
    this.#guaranteed = context.workspace.take(GroupTable.workspaceBytes(mergeSizes(GUARANTEED_DIRECTORY_BITS)))
    this.#splitArea = context.workspace.take(GroupTable.workspaceBytes(splitSizes(spec.batchRows)))
    this.#spiller = new RowSpiller(context, spec.shape, exports, spec.batchRows)
    this.#importer = new ArrowImporter(context, spec.shape.spillSchema, spec.batchRows, spec.shape.text)
    const bytes = blockBufferBytes(spec)
    this.#block = { address: context.workspace.take(bytes), bytes }
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
    const chains: OwnedChain[] = input.chains.map((chain) => ({ chain, isPublished: input.depth === 0 }))
    const loader = new BlockLoader(this.#context, this.#spec, this.#importer, this.#block, input)
    const fits = yield* this.#mergeInMemory(input, chains, loader)
    if (fits) return
    yield* this.#split(input, chains, loader)
  }

  /** True when the partition fitted and was emitted. Otherwise `chains` holds the rows that are in memory. */
  *#mergeInMemory(
    input: PartitionInput,
    chains: OwnedChain[],
    loader: BlockLoader,
  ): Generator<'working' | RowChain, boolean> {
    const rows = chains.reduce((sum, { chain }) => sum + chain.rowCount, 0) + loader.rows
    const directory = this.#openDirectory(rows)
    try {
      const table = this.#openTable(directory.address, mergeSizes(directory.bits), input.hashBits)
      for (const { chain } of chains) {
        if (table.absorbChain(chain) === 'refused') return false
        yield 'working'
      }
      while (!loader.isDone) {
        const chain = loader.load(this.#openLoadTable(input.hashBits))
        if (chain !== undefined) chains.push({ chain, isPublished: false })
        if (loader.wasRefused) return false
        if (chain !== undefined && table.absorbChain(chain) === 'refused') return false
        yield 'working'
      }
    } finally {
      directory.free()
    }
    loader.finish()
    for (const owned of chains) {
      yield owned.chain
      this.#free(owned)
    }
    chains.length = 0
    return true
  }

  /** The largest directory that the rows could need, if it is granted; else the guaranteed one. */
  #openDirectory(rows: number): { bits: number; address: number; free: () => void } {
    const { reservation } = this.#context
    const wanted = Math.min(LARGEST_DIRECTORY_BITS, Math.ceil(Math.log2(Math.max(1, rows) / LOAD_FACTOR)))
    for (let bits = wanted; bits > GUARANTEED_DIRECTORY_BITS; bits--) {
      if (bits < wanted - 1) break
      const pages = Math.ceil(GroupTable.workspaceBytes(mergeSizes(bits)) / PAGE_BYTES)
      const address = reservation.take(pages)
      if (address !== 0) return { bits, address, free: () => reservation.give(address, pages) }
    }
    return { bits: GUARANTEED_DIRECTORY_BITS, address: this.#guaranteed, free: () => {} }
  }

  #openTable(workspace: number, sizes: ReturnType<typeof mergeSizes>, hashBits: number): GroupTable {
    const { arena, reservation } = this.#context
    return new GroupTable({
      ...sizes,
      memory: arena.handle.memory,
      kernels: arena.kernels,
      exports: this.#exports,
      layout: this.#spec.shape.layout,
      pages: reservation,
      workspace,
      levelShift: hashBits,
      keyCount: this.#spec.shape.keyCount,
      lookupWindowRows: undefined,
    })
  }

  /** A table that only receives loaded rows; it lives in the split area, which is free while a merge still fits. */
  #openLoadTable(hashBits: number): GroupTable {
    const sizes = { partitionBits: 0, initialCapacityBits: 1, maxCapacityBits: 1, batchRows: this.#spec.batchRows }
    return this.#openTable(this.#splitArea, sizes, hashBits)
  }

  /** Moves everything into spill files by the next hash bits, then merges those. */
  *#split(input: PartitionInput, chains: OwnedChain[], loader: BlockLoader): Generator<'working' | RowChain> {
    const { query, meter } = this.#context
    query.requireSpill(this.#spec.shape.text)
    const rows = chains.reduce((sum, { chain }) => sum + chain.rowCount, 0) + loader.rowsLeft
    if (64 - input.hashBits < LEAST_HASH_BITS_LEFT + SPLIT_BITS) throw this.#tooManyEqualHashes(input)
    query.log(`group-by: split partition ${input.label} rows=${rows} depth=${input.depth + 1}`)
    const parts = new SplitParts(this.#context, this.#spec, this.#spiller, input)
    const table = this.#openTable(this.#splitArea, splitSizes(this.#spec.batchRows), input.hashBits)
    const settle = (first: JobStatus): void => {
      for (let status = first; status === 'refused'; status = table.resume()) parts.spillLargest(table)
    }
    for (let owned = chains.pop(); owned !== undefined; owned = chains.pop()) {
      settle(table.transferChain(owned.chain))
      this.#free(owned)
      yield 'working'
    }
    while (!loader.isDone) {
      loader.loadInto(table, settle)
      yield 'working'
    }
    loader.finish()
    const files = parts.spillAll(table)
    const largest = Math.max(0, ...files.map((file) => file?.rows ?? 0))
    meter.counts.partitionsSpilled += files.filter((file) => file !== undefined).length
    const isStuck = largest > NO_PROGRESS_SHARE * rows && input.depth >= 2
    for (const [index, file] of files.entries()) {
      if (file === undefined) continue
      const part: PartitionInput = {
        label: `${input.label}.${index}`,
        depth: input.depth + 1,
        hashBits: input.hashBits + SPLIT_BITS,
        chains: [],
        files: [{ path: file.path, totals: spillTotals(file) }],
        isDistinct: false,
      }
      if (isStuck && file.rows === largest) yield* this.#mergeInChunks(part)
      else yield* this.run(part)
    }
  }

  /**
   * The terminal algorithm: constant memory whatever the hashes. Each pass takes groups until a page or the directory
   * is refused; from then on rows of known groups merge and the others go to a file that the next pass reads.
   */
  *#mergeInChunks(input: PartitionInput): Generator<'working' | RowChain> {
    const { meter, query } = this.#context
    let current: PartitionInput | undefined = input
    while (current !== undefined) {
      meter.counts.terminalChunks += 1
      query.log(`group-by: partition ${current.label} in chunks, pass ${meter.counts.terminalChunks}`)
      const directory = this.#openDirectory(current.files.reduce((sum, file) => sum + file.totals.rows, 0))
      const table = this.#openTable(directory.address, mergeSizes(directory.bits), current.hashBits)
      const loader: BlockLoader = new BlockLoader(this.#context, this.#spec, this.#importer, this.#block, current)
      const kept: OwnedChain[] = []
      this.#files += 1
      let overflow = newSpillFile(
        query.spillPath(`s${this.#spec.sinkId}-w${query.workerIndex}-c${this.#files}`),
        this.#spec.shape.spillSchema,
      )
      // From here on a chain is either linked whole or not at all, so nothing is half merged when a pass is full.
      const keepPages = Math.max(4, this.#context.reservation.maxPages - 2 * mergeFloorPages(this.#spec))
      let roomForGroups = Math.floor(2 ** directory.bits * LOAD_FACTOR)
      while (!loader.isDone) {
        const chain = loader.load(this.#openLoadTable(current.hashBits))
        if (chain === undefined) throw this.#tooManyEqualHashes(current)
        const isFull = roomForGroups < chain.rowCount || this.#context.reservation.usedPages > keepPages
        if (isFull) table.freeze()
        if (table.absorbChain(chain) === 'refused') throw this.#tooManyEqualHashes(current)
        if (isFull) {
          roomForGroups = 0
          overflow = this.#spiller.write(overflow, chain, 0)
          this.#free({ chain, isPublished: false })
        } else {
          roomForGroups -= chain.rowCount
          kept.push({ chain, isPublished: false })
        }
        yield 'working'
      }
      directory.free()
      for (const owned of kept) {
        yield owned.chain
        this.#free(owned)
      }
      loader.finish()
      if (kept.length === 0 && overflow.rows > 0) throw this.#tooManyEqualHashes(current)
      current =
        overflow.rows === 0
          ? undefined
          : { ...current, files: [{ path: overflow.path, totals: spillTotals(overflow) }] }
    }
  }

  #tooManyEqualHashes(input: PartitionInput): Error {
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${this.#spec.shape.text}: partition ${input.label} cannot be split further. Raise memoryLimit.`,
      { operator: this.#spec.shape.text },
    )
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

interface BlockBuffer {
  readonly address: number
  readonly bytes: number
}

interface OwnedChain {
  readonly chain: RowChain
  readonly isPublished: boolean
}

/** Reads the blocks of a partition's spill files, one per call. */
class BlockLoader {
  /** Rows of all files. */
  readonly rows: number
  rowsLeft: number
  /** The last `load` could not take all of its block; the rest waits for `loadInto`. */
  wasRefused = false
  readonly #context: OpenContext
  readonly #spec: GroupByOutputSpec
  readonly #importer: ArrowImporter
  readonly #buffer: BlockBuffer
  readonly #input: PartitionInput
  readonly #pending: { path: string; state: SpillFileState | undefined; block: number }[]
  #rowInBlock = 0

  constructor(
    context: OpenContext,
    spec: GroupByOutputSpec,
    importer: ArrowImporter,
    buffer: BlockBuffer,
    input: PartitionInput,
  ) {
    this.#context = context
    this.#spec = spec
    this.#importer = importer
    this.#buffer = buffer
    this.#input = input
    this.#pending = input.files.map(({ path }) => ({ path, state: undefined, block: 0 }))
    this.rows = input.files.reduce((sum, { totals }) => sum + totals.rows, 0)
    this.rowsLeft = this.rows
    if (this.rows > 0) {
      const bytes = input.files.reduce((sum, { totals }) => sum + totals.bytes, 0)
      context.query.log(`group-by: re-loading partition ${input.label} (${formatBytes(bytes)}, rows=${this.rows})`)
    }
  }

  get isDone(): boolean {
    return this.rowsLeft === 0
  }

  /** Loads the next block into `table`. Returns its chain, or undefined when nothing was taken. */
  load(table: GroupTable): RowChain | undefined {
    this.wasRefused = false
    this.#eachBatch((batch, rows) => {
      if (table.loadBatch(batch) === 'done') {
        this.#rowInBlock += rows
        this.rowsLeft -= rows
        return true
      }
      // The batch is in part in the table: finish it from the start in another table.
      this.wasRefused = true
      return false
    })
    if (this.wasRefused) {
      // Rows of the refused batch that made it into the table would count twice: the batch is read again from its
      // first row, so the table's part of it is dropped with the chain's tail. Chains cannot be cut: drop it whole.
      this.#rewindBlock(table)
      return undefined
    }
    const chain = table.takePartition(0)
    return chain.rowCount === 0 ? undefined : chain
  }

  #rewindBlock(table: GroupTable): void {
    const chain = table.takePartition(0)
    this.#context.reservation.giveChain(chain.rowHead)
    this.#context.reservation.giveChain(chain.heapHead)
    this.rowsLeft += this.#rowInBlock
    this.#rowInBlock = 0
  }

  /** Loads the next block into a table of several partitions; `settle` makes room until each batch is in. */
  loadInto(table: GroupTable, settle: (status: JobStatus) => void): void {
    this.#eachBatch((batch, rows) => {
      settle(table.loadBatch(batch))
      this.#rowInBlock += rows
      this.rowsLeft -= rows
      return true
    })
  }

  /** Reads the current block into pages, offers it batch by batch, and goes on to the next when all were taken. */
  #eachBatch(take: (batch: number, rows: number) => boolean): void {
    const file = this.#pending[0]
    if (file === undefined) return
    const { query, reservation } = this.#context
    const spill = query.requireSpill(this.#spec.shape.text)
    if (file.state === undefined) {
      const totals = this.#input.files.find(({ path }) => path === file.path)?.totals
      if (totals === undefined) return
      file.state = openSpillFile(spill, file.path, totals, this.#spec.shape.spillSchema)
    }
    const state = file.state
    const block = state.blocks[file.block]
    if (block === undefined) {
      this.#pending.shift()
      return
    }
    const fits = blockBytes(block) + 64 <= this.#buffer.bytes
    const pages = fits ? 0 : Math.ceil((blockBytes(block) + 64) / PAGE_BYTES)
    const address = fits ? this.#buffer.address : reservation.take(pages)
    if (address === 0) throw this.#noRoomForBlock(pages, file.path)
    try {
      const { columns } = readBlock(spill, state, file.block, address)
      while (this.#rowInBlock < block.rows) {
        const rows = this.#importer.fill(columns, this.#rowInBlock, block.rows - this.#rowInBlock, 0, 0)
        if (!take(this.#importer.batch.address, rows)) return
      }
      this.#rowInBlock = 0
      file.block += 1
    } finally {
      if (!fits) reservation.give(address, pages)
    }
    if (file.block >= state.blocks.length) this.#pending.shift()
    query.throwIfCancelled()
  }

  #noRoomForBlock(pages: number, path: string): Error {
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${this.#spec.shape.text} to read a spilled block of ${pages * PAGE_BYTES} bytes. Raise memoryLimit.`,
      { operator: this.#spec.shape.text, needBytes: pages * PAGE_BYTES, path },
    )
  }

  /** Removes the files: everything in them stands elsewhere now. */
  finish(): void {
    const spill = this.#input.files.length > 0 ? this.#context.query.requireSpill(this.#spec.shape.text) : undefined
    for (const { path, totals } of this.#input.files)
      if (spill !== undefined) removeSpillFile(spill, path, totals.bytes)
  }
}

/** The files of a split: one per part. */
class SplitParts {
  readonly #context: OpenContext
  readonly #spiller: RowSpiller
  readonly #files: SpillFileState[]

  constructor(context: OpenContext, spec: GroupByOutputSpec, spiller: RowSpiller, input: PartitionInput) {
    this.#context = context
    this.#spiller = spiller
    const { query } = context
    this.#files = Array.from({ length: 2 ** SPLIT_BITS }, (_, part) =>
      newSpillFile(query.spillPath(`s${spec.sinkId}-w${query.workerIndex}-p${input.label}.${part}`), spec.shape.spillSchema),
    )
  }

  spillLargest(table: GroupTable): void {
    const part = table.largestPartition()
    if (part < 0) {
      throw makeError(
        'MEMORY_LIMIT',
        'Not enough memory to split a partition: not one page is free. Raise memoryLimit.',
        {},
      )
    }
    this.#spill(table, part)
  }

  /** Returns the files by part; undefined where a part has no rows. */
  spillAll(table: GroupTable): (SpillFileState | undefined)[] {
    for (let part = 0; part < table.partitionCount; part++) if (table.partitionRows(part) > 0) this.#spill(table, part)
    return this.#files.map((file) => (file.rows > 0 ? file : undefined))
  }

  #spill(table: GroupTable, part: number): void {
    const chain = table.takePartition(part)
    try {
      this.#files[part] = this.#spiller.write(this.#files[part] as SpillFileState, chain, part)
    } finally {
      this.#context.reservation.giveChain(chain.rowHead)
      this.#context.reservation.giveChain(chain.heapHead)
    }
    this.#context.query.log(`group-by: split part ${part} on disk (${formatBytes(chainBytes(chain))})`)
  }
}
