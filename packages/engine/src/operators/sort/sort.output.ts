/** Worker side of phase 3: claims ranges of keys and streams their rows in order, a batch per pull. */
import type { SortExports } from '@spillway/codegen'
import { PAGE_BYTES } from '@spillway/kernels'
import { formatBytes, type WorkspaceSize } from '@spillway/memory'
import { assert, makeError } from '@spillway/stdx'
import { type BatchBuffers, batchShape, openBatch, setRows, sizeBatch } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, PullStatus, Source } from '../../pipeline/contracts.ts'
import { HolderPatience } from '../../pipeline/holder-patience.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import { BlockPieces, Places } from './block-pieces.ts'
import { ChunkPieces } from './chunk-pieces.ts'
import { ClaimRuns } from './claim-runs.ts'
import { cutRanges, type KeyRanges } from './key-ranges.ts'
import type { RunMerge } from './run-merge.ts'
import { RunMerger, sizeRunMerger } from './run-merger.ts'
import { type PublishedSort, RANGES_MAX, type SortedChunk, type SortOutputSpec } from './sort.ts'

/** A merge's tree. */
const EXTRA_PAGES = 2
/** So long a worker waits for the place of a single run, which others may give. */
const PATIENCE_MS = 5000
/** Claims per worker: each one reads a block of every run that the claim before it may have read too. */
const CLAIMS_PER_WORKER = 3

/** What a spec of the output and of the sink have in common. */
type Shaped = Pick<SortOutputSpec, 'shape' | 'sizes'>

const boundBytes = (spec: Shaped): number => (spec.shape.layout.keyWords + 1) * 8

export function sizeSortOutput(spec: Shaped, size: WorkspaceSize): void {
  sizeBatch(batchShape(spec.shape.outputSchema, spec.sizes.batchRows), size)
  size.add(spec.sizes.batchRows * 4)
  size.add(spec.shape.layout.order.byteLength)
  size.add(RANGES_MAX * boundBytes(spec))
  sizeRunMerger(spec.shape, spec.sizes, size)
}

export function sortOutputFloorPages(spec: SortOutputSpec): number {
  return spec.sizes.placePages + EXTRA_PAGES
}

export function openSortOutput(spec: SortOutputSpec, context: OpenContext, claims: MorselClaims): Source {
  return new SortOutputSource(spec, context, claims)
}

class SortOutputSource implements Source {
  sequence = 0
  isParked = false
  readonly batch: number
  readonly #spec: SortOutputSpec
  readonly #context: OpenContext
  readonly #claims: MorselClaims
  readonly #exports: SortExports
  readonly #output: BatchBuffers
  readonly #rows: number
  readonly #order: number
  readonly #bounds: number
  readonly #merger: RunMerger
  readonly #merge: RunMerge
  readonly #places: Places
  readonly #chunks: readonly SortedChunk[]
  readonly #runs: ClaimRuns
  readonly #patience: HolderPatience
  #ranges: KeyRanges | undefined
  #pieces: readonly (ChunkPieces | BlockPieces)[] | undefined
  /** The claimed range; -1 = none. */
  #range = -1
  /** The range at whose beginning the merge stands; -1 = none. */
  #mergedTo = -1
  #work: Generator<PullStatus, void> | undefined
  #rowInMorsel = 0

  constructor(spec: SortOutputSpec, context: OpenContext, claims: MorselClaims) {
    this.#spec = spec
    this.#context = context
    this.#claims = claims
    const { arena, workspace, query } = context
    this.#exports = query.instance(spec.shape.moduleKey) as unknown as SortExports
    this.#output = openBatch(arena, workspace, batchShape(spec.shape.outputSchema, spec.sizes.batchRows))
    this.batch = this.#output.address
    this.#rows = workspace.take(spec.sizes.batchRows * 4)
    this.#order = workspace.take(spec.shape.layout.order.byteLength)
    arena.u32.set(spec.shape.layout.order, this.#order >>> 2)
    this.#bounds = workspace.take(RANGES_MAX * boundBytes(spec))
    this.#merger = new RunMerger(context, spec.shape, spec.sizes, this.#exports, this.#order)
    this.#merge = this.#merger.tree
    this.#patience = new HolderPatience(context)
    this.#places = new Places(context)
    const states = query.published(spec.sinkId) as readonly PublishedSort[]
    assert(states.length > 0, 'a sort is published before its rows are read')
    this.#chunks = states.flatMap((state) => state.chunks)
    const runs = states.flatMap((state) => state.runs)
    this.#runs = new ClaimRuns(context, spec, this.#merger, runs)
  }

  pull(): PullStatus {
    if (this.#work !== undefined) {
      const { value, done } = this.#work.next()
      if (done !== true) return value
      this.#work = undefined
    }
    return this.#range < 0 ? this.#claim() : this.#emit()
  }

  #claim(): PullStatus {
    const ranges = this.#requireRanges()
    const { threads } = this.#context.query.setup
    if (this.#claims.isRunEnd)
      this.#claims.setRunLength(Math.ceil(ranges.count / (threads * CLAIMS_PER_WORKER)), threads)
    const index = this.#claims.claim()
    if (index < 0) return 'finished'
    this.sequence = this.#context.sequenceBase + index
    this.#rowInMorsel = 0
    if (index >= ranges.count) return 'morselEnd'
    this.#range = index
    if (index !== this.#mergedTo) this.#work = this.#position(index)
    return 'working'
  }

  #requireRanges(): KeyRanges {
    if (this.#ranges !== undefined) return this.#ranges
    const { arena, query } = this.#context
    const { shape, sinkId, rangeRows } = this.#spec
    const states = query.published(sinkId) as readonly PublishedSort[]
    const ranges = cutRanges(arena, shape.layout, states, rangeRows)
    ranges.bounds.forEach((bound, index) => {
      bound?.forEach((word, position) => {
        arena.view.setBigUint64(this.#boundAddress(index) + position * 8, word, true)
      })
    })
    this.#ranges = ranges
    return ranges
  }

  #boundAddress(range: number): number {
    return this.#bounds + range * boundBytes(this.#spec)
  }

  /** Opens the merge at the beginning of a range. */
  *#position(range: number): Generator<PullStatus, void> {
    if (this.#runs.end >= 0) {
      this.#closeMerge()
      this.#runs.reset()
    }
    this.#pieces ??= yield* this.#open(range)
    const pieces = this.#pieces
    const bound = this.#requireRanges().bounds[range]
    const address = this.#boundAddress(range)
    this.#places.reuse()
    for (const [run, piece] of pieces.entries()) {
      if (bound !== undefined) {
        if (piece instanceof ChunkPieces) piece.seek(this.#context.arena, address, this.#order)
        else piece.seek(bound, address, this.#order)
      }
      this.#merge.start(run)
      if (piece instanceof BlockPieces) yield 'working'
    }
    this.#merge.play()
  }

  /** Takes a place for every run. Waits while others are asked for memory, then makes do with fewer runs. */
  *#open(range: number): Generator<PullStatus, readonly (ChunkPieces | BlockPieces)[]> {
    const { query, reservation, makeRoom } = this.#context
    query.log(
      `sort: merging ${this.#runs.runs.length} runs on disk and ${this.#chunks.length} chunks in memory ` +
        `in ${this.#requireRanges().count} ranges (${formatBytes(this.#runs.pages * PAGE_BYTES)} for blocks)`,
    )
    const started = performance.now()
    for (;;) {
      const pieces = this.#tryOpen()
      if (pieces !== undefined) {
        this.#patience.restore()
        this.#places.addSpares(this.#runs.runs)
        this.#merge.open(pieces)
        return pieces
      }
      this.#places.close()
      if (makeRoom(this.#runs.pages) > 0) continue
      if (this.#patience.mayWait()) yield 'blocked'
      else if (this.#runs.runs.length >= 2) yield* this.#reduceRuns(range)
      else if (performance.now() - started > PATIENCE_MS) throw this.#noRoom(this.#runs.pages)
      else {
        query.askLargestHolder(reservation.usedPages)
        yield 'blocked'
      }
    }
  }

  #tryOpen(): (ChunkPieces | BlockPieces)[] | undefined {
    const pieces: (ChunkPieces | BlockPieces)[] = this.#chunks.map((chunk) => new ChunkPieces(chunk))
    for (const run of this.#runs.runs) {
      const { loader } = this.#merger
      const piece = BlockPieces.tryOpen(this.#context, this.#spec.shape, loader, this.#places, run)
      if (piece === undefined) return undefined
      pieces.push(piece)
    }
    return pieces
  }

  /** The claim's part of the runs becomes fewer ones. @throws MEMORY_LIMIT */
  *#reduceRuns(range: number): Generator<PullStatus, void> {
    const ranges = this.#requireRanges()
    const end = Math.min(this.#claims.end, ranges.count)
    const key = ranges.bounds[range]
    const part = {
      from: key === undefined ? undefined : { key, address: this.#boundAddress(range) },
      to: end < ranges.count ? this.#boundAddress(end) : 0,
    }
    yield* this.#runs.reduce(part, end)
  }

  #closeMerge(): void {
    this.#merge.close()
    this.#places.close()
    this.#pieces = undefined
    this.#mergedTo = -1
  }

  #noRoom(pages: number): Error {
    const { text } = this.#spec.shape
    const needBytes = pages * PAGE_BYTES
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${text} for the longest row of a run: needs ${needBytes} bytes on each worker. ` +
        'Raise memoryLimit or lower threads.',
      { operator: text, needBytes },
    )
  }

  /** The next rows of the range; the ones before have been consumed. */
  #emit(): PullStatus {
    this.#places.reuse()
    const next = this.#range + 1
    const bound = next < this.#requireRanges().count ? this.#boundAddress(next) : 0
    const n = this.#merge.fill(this.#rows, this.#spec.sizes.batchRows, bound)
    if (n > 0) {
      this.#exports.emitRows(this.#rows, n, this.batch)
      setRows(this.#context.arena, this.batch, n, this.sequence, this.#rowInMorsel)
      this.#rowInMorsel += n
      return 'batch'
    }
    // Merged runs that end here are of no use for what follows.
    this.#mergedTo = next === this.#runs.end ? -1 : next
    this.#range = -1
    return 'morselEnd'
  }

  spill(): number {
    return 0
  }

  close(): void {
    this.#work?.return()
    this.#closeMerge()
    this.#runs.reset()
  }
}
