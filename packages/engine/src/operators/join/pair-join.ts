/**
 * Joins a spilled pair of partitions: files of build rows and files of probe rows with the same hash bits.
 *
 *   fits      load the smaller side, make a directory, stream the other side past it
 *   does not  split both sides on the next hash bits into spill files, then join those pairs one by one
 *   no split  (one key, or no keys) chunks: load as much of the kept side as fits, stream the other side past it,
 *             repeat with the next chunk; flags tell which rows of the streamed side had a match so far
 *
 * `run` is a generator: it yields `working` after each bounded piece of work, and the address of each output batch.
 */
import { JOIN_TABLE_ENTRY_BYTES, type JoinProbeExports, type JoinRowsExports, rowBlockPages } from '@spillway/codegen'
import { hasOwnLength, widthOf } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { formatBytes, removeSpillFile, type SpillFileState, spillTotals, type WorkspaceSize } from '@spillway/memory'
import { ArrowImporter, sizeImporter } from '../../pipeline/arrow-importer.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { setPagesAside } from '../../pipeline/pages-aside.ts'
import { type BlockBuffer, BlockLoader } from '../group-by/block-loader.ts'
import { noRoomError } from '../group-by/refusals.ts'
import { forEachRowRun, type PageSource, type RowChain, RowCursor } from '../group-by/row-chain.ts'
import { RowSpiller, rowSpillerRoomBytes, sizeRowSpiller, spillBlockRows } from '../group-by/row-spiller.ts'
import { SplitParts } from '../group-by/split-parts.ts'
import { buildRest, JOIN_SPLIT_BITS, type JoinPairsSpec, type JoinRole, keepsProbeRows } from './join.ts'
import { pairMatching, rolesOf } from './match-columns.ts'
import { MatchBuffers, Matcher } from './matcher.ts'
import type { SpilledFile } from './published-build.ts'
import { RowStore, rowStoreBytes } from './row-store.ts'
import { SeenFlags, sizeSeenFlags } from './seen-flags.ts'
import { SpillReader } from './spill-reader.ts'

/** A directory of this size is always there; larger ones are asked for. */
const GUARANTEED_DIRECTORY_BITS = 13
const LARGEST_DIRECTORY_BITS = 26
/** A directory may have this many times fewer slots than wanted (log2) before the guaranteed one is taken. */
const SMALLER_BITS_MAX = 2
/** A split that leaves this share of the rows in one part makes no progress. */
const NO_PROGRESS_SHARE = 0.9
const LEAST_HASH_BITS_LEFT = 8
/** Guaranteed pages that loading leaves alone, so that a split or a stream of long strings has room to begin: so
 * many times what a block of rows takes. */
const PAGES_SET_ASIDE = 8
/** Part of a worker's pages for rows that are held: what follows the join needs memory too. */
const HELD_SHARE = 0.6
/** So much is asked of the sinks at once, at least. */
const PAGES_ASKED_LEAST = 16
/** Bytes of rows in pages ÷ bytes of the same rows as Arrow columns. */
const ROWS_PER_SPILLED_BYTE = 1.35

export interface PairInput {
  /** `17`, or `17.3` after a split: for logs and file names. */
  readonly label: string
  readonly depth: number
  /** Hash bits used up by partitioning so far. */
  readonly hashBits: number
  readonly build: readonly SpilledFile[]
  readonly probe: readonly SpilledFile[]
  /** The split before this one left nearly all rows of the larger part together. */
  readonly isStuck: boolean
}

/** What one side needs to be loaded, streamed and spilled. */
interface SideTools {
  readonly exports: JoinRowsExports
  readonly spiller: RowSpiller
  readonly importer: ArrowImporter
  readonly block: BlockBuffer
  /** Keeps rows of this side. */
  readonly matcher: Matcher
}

export function sizePairJoin(spec: JoinPairsSpec, size: WorkspaceSize): void {
  const { shape, batchRows } = spec
  MatchBuffers.size(shape.outputSchema, batchRows, rowBytesMax(spec), size)
  for (const side of [shape.build, shape.probe]) {
    sizeRowSpiller(side, batchRows, size)
    sizeImporter(side.spillSchema, batchRows, size)
    size.add(blockBufferBytes(spec, side))
  }
  size.add(8 * 2 ** GUARANTEED_DIRECTORY_BITS)
  size.add(rowStoreBytes(JOIN_SPLIT_BITS)).add(JOIN_TABLE_ENTRY_BYTES).add(64)
  sizeSeenFlags(size)
}

/** Beyond the workspace: rows and a heap page for each part of a split, and some for strings longer than a heap. */
export function pairJoinFloorPages(spec: JoinPairsSpec): number {
  return 2 ** JOIN_SPLIT_BITS * (blockPagesMax(spec) + 1) + 2 * pagesSetAside(spec)
}

const blockPagesMax = (spec: JoinPairsSpec): number => rowBlockPages({ rowBytes: rowBytesMax(spec) })
const pagesSetAside = (spec: JoinPairsSpec): number => PAGES_SET_ASIDE * blockPagesMax(spec)

const rowBytesMax = ({ shape }: JoinPairsSpec): number =>
  Math.max(shape.build.layout.rowBytes, shape.probe.layout.rowBytes)

/** Room for one block of a spill file with strings of ordinary length. */
function blockBufferBytes(spec: JoinPairsSpec, side: JoinPairsSpec['shape'][JoinRole]): number {
  const rows = spillBlockRows(side, spec.batchRows)
  const widths = side.spillSchema.fields.map(({ type }) => (hasOwnLength(type) ? 0 : widthOf(type)))
  return rowSpillerRoomBytes(side, rows) + rows * widths.reduce((sum, width) => sum + width, 0) + 16_384
}

export class PairJoin {
  readonly #spec: JoinPairsSpec
  readonly #context: OpenContext
  readonly #sides: { readonly [K in JoinRole]: SideTools }
  readonly #buffers: MatchBuffers
  readonly #directory: number
  readonly #storeArea: number
  readonly #tableEntry: number
  readonly #counts: number
  readonly #seen: SeenFlags
  readonly #heldPages: PageSource
  #sequence = 0
  #rowInMorsel = 0
  #files = 0

  constructor(spec: JoinPairsSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    const { workspace, reservation } = context
    const { shape, batchRows } = spec
    this.#buffers = new MatchBuffers(context, shape.outputSchema, batchRows, rowBytesMax(spec))
    this.#sides = { build: this.#openSide('build'), probe: this.#openSide('probe') }
    this.#directory = workspace.take(8 * 2 ** GUARANTEED_DIRECTORY_BITS)
    this.#storeArea = workspace.take(rowStoreBytes(JOIN_SPLIT_BITS))
    this.#tableEntry = workspace.take(JOIN_TABLE_ENTRY_BYTES)
    this.#counts = workspace.take(64)
    this.#seen = new SeenFlags(context)
    this.#heldPages = {
      take: (count) => this.#takeHeld(count),
      give: (address, count) => reservation.give(address, count),
    }
  }

  #openSide(role: JoinRole): SideTools {
    const { query, workspace } = this.#context
    const { shape, batchRows } = this.#spec
    const side = shape[role]
    const other = shape[role === 'build' ? 'probe' : 'build']
    const exports = query.instance(side.moduleKey) as unknown as JoinRowsExports
    const probe = query.instance(other.probeModuleKey) as unknown as JoinProbeExports
    const spiller = new RowSpiller(this.#context, side, exports, batchRows)
    const importer = new ArrowImporter(this.#context, side.spillSchema, batchRows, side.text)
    const bytes = blockBufferBytes(this.#spec, side)
    const block = { address: workspace.take(bytes), bytes }
    const matching = { exports: probe, ...pairMatching(shape, role) }
    return { exports, spiller, importer, block, matcher: new Matcher(this.#context, matching, this.#buffers) }
  }

  #mostPages(): number {
    const { reservation } = this.#context
    return Math.max(reservation.guaranteedPages, Math.floor(reservation.maxPages * HELD_SHARE))
  }

  /**
   * Pages for rows that are held. When they are refused, the sinks behind the join spill first: a pair that is loaded
   * is done with, a pair that is split is written once more.
   */
  #takeHeld(count: number): number {
    const { reservation, makeRoom } = this.#context
    while (reservation.usedPages + count <= this.#mostPages()) {
      const address = reservation.take(count)
      if (address !== 0) return address
      if (makeRoom(Math.max(count, PAGES_ASKED_LEAST)) === 0) break
    }
    return 0
  }

  startMorsel(sequence: number): void {
    this.#sequence = sequence
    this.#rowInMorsel = 0
  }

  /** Output batches of a pair. Its files are removed when they were joined. */
  *run(input: PairInput): Generator<'working' | number> {
    const { meter, query } = this.#context
    meter.counts.recursionDepth = Math.max(meter.counts.recursionDepth, input.depth)
    if (this.#isFruitless(input)) {
      this.#remove([...input.build, ...input.probe])
      return
    }
    const [build, probe] = [bytesOf(input.build), bytesOf(input.probe)]
    const kept: JoinRole = !this.#spec.shape.isForced && probe < build ? 'probe' : 'build'
    const roles = kept === 'probe' ? ', roles reversed' : ''
    query.log(
      `equi-join: re-loading partition ${input.label} ` +
        `(build=${formatBytes(build)}, probe=${formatBytes(probe)}${roles})`,
    )
    yield* this.#join(input, kept)
  }

  /** One side is empty, and the rows of the other one do not come out alone. */
  #isFruitless({ build, probe }: PairInput): boolean {
    const { shape } = this.#spec
    const probeAlone = keepsProbeRows(shape)
    const buildAlone = buildRest(shape) === 'unmatched'
    return (build.length === 0 && !probeAlone) || (probe.length === 0 && !buildAlone)
  }

  *#join(input: PairInput, kept: JoinRole): Generator<'working' | number> {
    const side = this.#sides[kept]
    const shape = this.#spec.shape[kept]
    const loader = new BlockLoader(this.#context, shape, side.importer, side.block, {
      label: `${input.label} of ${kept} rows`,
      files: input[kept],
    })
    const chains: RowChain[] = []
    const directory = yield* this.#load(input, kept, loader, chains)
    if (!loader.isDone && this.#maySplit(input, kept, chains)) {
      directory.free()
      // Read again while splitting: what was loaded would leave the parts no room, and each row would cost a write.
      this.#freeAll(chains)
      this.#context.reservation.endAside()
      yield* this.#split(input, kept)
      return
    }
    yield* this.#joinChunks(input, kept, { loader, directory, chains })
    this.#context.reservation.endAside()
    loader.finish()
    this.#remove(input[otherRole(kept)])
  }

  /** Loads rows until there is no more room, or none is left. Returns a directory for them. */
  *#load(input: PairInput, kept: JoinRole, loader: BlockLoader, chains: RowChain[]): Generator<'working', Directory> {
    const { reservation } = this.#context
    const aside = setPagesAside(this.#context, pagesSetAside(this.#spec), pairJoinFloorPages(this.#spec))
    try {
      const directory = this.#openDirectory(loader.rowsLeft, bytesOf(input[kept]) / Math.max(1, loader.rows))
      while (!loader.isDone) {
        const chain = loader.load(this.#openStore(kept, 0, 0, this.#heldPages))
        if (chain !== undefined) chains.push(chain)
        if (chain === undefined || loader.wasRefused) break
        yield 'working'
      }
      return directory
    } finally {
      reservation.takeBack(aside)
    }
  }

  #openStore(role: JoinRole, partitionBits: number, levelShift: number, pages: PageSource): RowStore {
    const { arena } = this.#context
    return new RowStore({
      memory: arena.handle.memory,
      kernels: arena.kernels,
      exports: this.#sides[role].exports,
      layout: this.#spec.shape[role].layout,
      pages,
      workspace: this.#storeArea,
      partitionBits,
      levelShift,
    })
  }

  /** Slots for the rows that may be held at once, if they are granted; else the guaranteed directory. */
  #openDirectory(rows: number, spilledBytesPerRow: number): Directory {
    const { reservation } = this.#context
    const bytesPerRow = Math.max(16, spilledBytesPerRow * ROWS_PER_SPILLED_BYTE) + 8
    const held = ((this.#mostPages() - reservation.usedPages) * PAGE_BYTES) / bytesPerRow
    const slots = Math.max(1, Math.min(rows, held))
    const wanted = Math.min(LARGEST_DIRECTORY_BITS, Math.ceil(Math.log2(slots)))
    for (let bits = wanted; bits > Math.max(GUARANTEED_DIRECTORY_BITS, wanted - SMALLER_BITS_MAX - 1); bits--) {
      const pages = (8 * 2 ** bits) / PAGE_BYTES
      const address = this.#heldPages.take(pages)
      if (address !== 0) return { bits, address, free: () => reservation.give(address, pages) }
    }
    return { bits: GUARANTEED_DIRECTORY_BITS, address: this.#directory, free: () => {} }
  }

  #maySplit(input: PairInput, kept: JoinRole, chains: readonly RowChain[]): boolean {
    const { query } = this.#context
    if (input.isStuck || this.#spec.shape.build.keyCount === 0) return false
    if (64 - input.hashBits < LEAST_HASH_BITS_LEFT + JOIN_SPLIT_BITS) return false
    if (!this.#isOneSided(input, kept, chains)) return true
    query.log(
      `equi-join: partition ${input.label} is skewed: most of its rows have one hash. It is joined in chunks ` +
        'of constant memory instead of being split.',
    )
    return false
  }

  /** Nearly all of the loaded rows would go to one part of a split. */
  #isOneSided(input: PairInput, kept: JoinRole, chains: readonly RowChain[]): boolean {
    const { arena } = this.#context
    const { layout } = this.#spec.shape[kept]
    arena.u8.fill(0, this.#counts, this.#counts + 64)
    let rows = 0
    for (const chain of chains) {
      rows += chain.rowCount
      forEachRowRun(arena.kernels, layout, chain, (first, count) => {
        arena.kernels.countHashBits(first, count, layout.rowBytes, input.hashBits, this.#counts)
        return true
      })
    }
    const base = this.#counts >>> 2
    const largest = Math.max(...arena.u32.subarray(base, base + 2 ** JOIN_SPLIT_BITS))
    return rows > 0 && largest > NO_PROGRESS_SHARE * rows
  }

  /** Moves both sides into spill files by the next hash bits, then joins those pairs. */
  *#split(input: PairInput, kept: JoinRole): Generator<'working' | number> {
    const { query, meter } = this.#context
    const other = otherRole(kept)
    const rows = input[kept].reduce((sum, { totals }) => sum + totals.rows, 0)
    query.log(`equi-join: split partition ${input.label} rows=${rows} depth=${input.depth + 1}`)
    const keptFiles = yield* this.#splitSide(input, kept)
    const otherFiles = yield* this.#splitSide(input, other)
    const largest = Math.max(0, ...keptFiles.map((file) => file?.rows ?? 0))
    const isStuck = largest > NO_PROGRESS_SHARE * rows
    meter.counts.partitionsSpilled += [...keptFiles, ...otherFiles].filter((file) => file !== undefined).length
    for (let part = 0; part < 2 ** JOIN_SPLIT_BITS; part++) {
      const files = { [kept]: listOf(keptFiles[part]), [other]: listOf(otherFiles[part]) }
      if (keptFiles[part] === undefined && otherFiles[part] === undefined) continue
      yield* this.run({
        label: `${input.label}.${part}`,
        depth: input.depth + 1,
        hashBits: input.hashBits + JOIN_SPLIT_BITS,
        build: files['build'] ?? [],
        probe: files['probe'] ?? [],
        isStuck: isStuck && keptFiles[part]?.rows === largest,
      })
    }
  }

  *#splitSide(input: PairInput, role: JoinRole): Generator<'working', (SpillFileState | undefined)[]> {
    const { query, reservation, meter } = this.#context
    const { spiller, importer, block } = this.#sides[role]
    const shape = this.#spec.shape[role]
    const label = `${input.label} of ${role} rows`
    const loader = new BlockLoader(this.#context, shape, importer, block, { label, files: input[role] })
    const store = this.#openStore(role, JOIN_SPLIT_BITS, input.hashBits, reservation)
    const stem = `j${this.#spec.probeId}-split-${role}-w${query.workerIndex}`
    const parts = new SplitParts(this.#context, shape, stem, spiller, store, input.label)
    while (!loader.isDone) {
      loader.loadInto(store, parts.refusals)
      yield 'working'
    }
    loader.finish()
    const files = parts.spillAll()
    meter.counts.inputBytes += store.filledBytes
    return files
  }

  /** Joins chunk by chunk; a pair that fits is a single one. */
  *#joinChunks(input: PairInput, kept: JoinRole, held: Held): Generator<'working' | number> {
    const { loader, chains } = held
    const { shape } = this.#spec
    const { meter, query, reservation } = this.#context
    const other = otherRole(kept)
    const roles = rolesOf(shape, kept)
    const isChunked = !loader.isDone
    const streamed = input[other].reduce((sum, { totals }) => sum + totals.rows, 0)
    const needsFlags = isChunked && (roles.keepsProbe || roles.emits.startsWith('probe'))
    const path = query.spillPath(`j${this.#spec.probeId}-w${query.workerIndex}-seen${this.#files++}`)
    if (needsFlags) this.#seen.open(streamed, path)
    let { directory } = held
    for (;;) {
      if (isChunked) {
        if (chains.length === 0) {
          throw noRoomError(this.#context, shape.text, `a row of partition ${input.label} fits nowhere`)
        }
        meter.counts.terminalChunks += 1
        query.log(`equi-join: partition ${input.label} in chunks, chunk ${meter.counts.terminalChunks}`)
      }
      yield* this.#link(input, kept, chains, directory)
      yield* this.#stream(input, kept, needsFlags ? { isLastChunk: loader.isDone } : undefined)
      const rest = buildRest(roles)
      if (rest !== undefined) {
        for (const chain of chains) yield* this.putBuildRows(kept, this.#cursor(kept, chain, rest))
      }
      this.#freeAll(chains)
      directory.free()
      if (loader.isDone) break
      reservation.endAside()
      directory = yield* this.#load(input, kept, loader, chains)
    }
    if (needsFlags) this.#seen.close()
  }

  #cursor(kept: JoinRole, chain: RowChain, rest: 'matched' | 'unmatched'): RowCursor {
    const { layout } = this.#spec.shape[kept]
    return new RowCursor(this.#context.arena.kernels, layout, chain, rest === 'matched' ? 'marked' : 'live')
  }

  *#link(input: PairInput, kept: JoinRole, chains: readonly RowChain[], directory: Directory): Generator<'working'> {
    const { arena } = this.#context
    const { exports, matcher } = this.#sides[kept]
    const { address, bits } = directory
    arena.u8.fill(0, address, address + 8 * 2 ** bits)
    let hasDuplicates = false
    for (const chain of chains) {
      forEachRowRun(arena.kernels, this.#spec.shape[kept].layout, chain, (first, count) => {
        const found = exports.link(first, count, address, 64 - bits, input.hashBits, hasDuplicates ? 0 : 1)
        hasDuplicates ||= found === 1
        return true
      })
      yield 'working'
    }
    const entry = this.#tableEntry >>> 2
    arena.u32[entry] = address
    arena.u32[entry + 1] = 64 - bits
    matcher.setTable({
      address: this.#tableEntry,
      partitionBits: 0,
      levelShift: input.hashBits,
      hasDuplicates,
      direct: undefined,
    })
  }

  /** The rows of the other side pass by. */
  *#stream(
    input: PairInput,
    kept: JoinRole,
    chunk: { readonly isLastChunk: boolean } | undefined,
  ): Generator<'working' | number> {
    const other = otherRole(kept)
    const { importer, block } = this.#sides[other]
    const { matcher } = this.#sides[kept]
    const { batchRows, shape } = this.#spec
    const reader = new SpillReader(this.#context, shape[other], importer, block, input[other])
    if (chunk !== undefined) this.#seen.beginPass()
    for (;;) {
      const row = reader.rowsGiven
      const rows = reader.next(chunk === undefined ? batchRows : Math.min(batchRows, this.#seen.room(row)))
      if (rows === 0) break
      const replay = chunk === undefined ? undefined : { seen: this.#seen.at(row), ...chunk }
      const first = matcher.start(reader.batch, replay)
      yield first === 0 ? 'working' : first
      while (matcher.hasMore) {
        const next = matcher.resume()
        yield next === 0 ? 'working' : next
      }
    }
    if (chunk !== undefined) this.#seen.endPass()
  }

  /** Rows of a side that come out without a partner. */
  *putBuildRows(kept: JoinRole, cursor: RowCursor): Generator<'working' | number> {
    const { rows } = this.#buffers
    for (;;) {
      const n = cursor.next(rows, this.#spec.batchRows)
      if (n === 0) return
      const batch = this.#sides[kept].matcher.putBuildRows(rows, n, this.#sequence, this.#rowInMorsel)
      this.#rowInMorsel += n
      yield batch
    }
  }

  /** Frees the rows of chains, and forgets the chains. */
  #freeAll(chains: RowChain[]): void {
    const { reservation } = this.#context
    for (let chain = chains.shift(); chain !== undefined; chain = chains.shift()) {
      reservation.giveChain(chain.rowHead)
      reservation.giveChain(chain.heapHead)
    }
  }

  #remove(files: readonly SpilledFile[]): void {
    if (files.length === 0) return
    const spill = this.#context.query.requireSpill(this.#spec.shape.text)
    for (const { path, totals } of files) removeSpillFile(spill, path, totals.bytes)
  }

  close(): void {
    for (const { importer } of Object.values(this.#sides)) importer.close()
    this.#context.workspace.check(this.#spec.shape.text)
  }
}

interface Directory {
  readonly bits: number
  readonly address: number
  readonly free: () => void
}

/** A first chunk. */
interface Held {
  readonly loader: BlockLoader
  readonly directory: Directory
  readonly chains: RowChain[]
}

const otherRole = (role: JoinRole): JoinRole => (role === 'build' ? 'probe' : 'build')

const bytesOf = (files: readonly SpilledFile[]): number => files.reduce((sum, { totals }) => sum + totals.dataBytes, 0)

const listOf = (file: SpillFileState | undefined): SpilledFile[] =>
  file === undefined ? [] : [{ path: file.path, totals: spillTotals(file) }]
