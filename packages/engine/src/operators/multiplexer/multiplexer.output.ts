/** Worker side of reading a multiplexer: claims morsels and gives their batches again, under their old sequences. */
import type { ArrowColumn } from '@spillway/columnar'
import {
  blockBytes,
  openSpillFile,
  readBlock,
  removeSpillFile,
  type SpillFileState,
  type WorkspaceSize,
} from '@spillway/memory'
import { assert } from '@spillway/stdx'
import { ArrowImporter, sizeImporter } from '../../pipeline/arrow-importer.ts'
import { exportRoomOf } from '../../pipeline/batch-export.ts'
import type { OpenContext, PullStatus, Source } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import { PipelineMemory } from '../../pipeline/pipeline-memory.ts'
import { blockRows, nextBlock, readableColumns } from './column-block.ts'
import { type MultiplexerOutputSpec, type PublishedSegments, storedRows } from './multiplexer.ts'
import { segmentPath } from './multiplexer.sink.ts'
import { entryAt, type SegmentEntry, segmentLock } from './segment-entry.ts'

const OPERATOR = 'MULTIPLEXER OUTPUT'
/** Message around a block in a file: a head, and so much per column. */
const MESSAGE_BYTES = 1024
const MESSAGE_BYTES_PER_COLUMN = 384

/** Room for one block of a spill file with strings of ordinary length. */
function bufferBytes({ schema, batchRows }: MultiplexerOutputSpec): number {
  return exportRoomOf(schema, storedRows(batchRows)) + MESSAGE_BYTES + schema.fields.length * MESSAGE_BYTES_PER_COLUMN
}

export function sizeMultiplexerOutput(spec: MultiplexerOutputSpec, size: WorkspaceSize): void {
  sizeImporter(spec.schema, spec.batchRows, size)
  size.add(bufferBytes(spec))
}

export function openMultiplexerOutput(spec: MultiplexerOutputSpec, context: OpenContext, claims: MorselClaims): Source {
  return new MultiplexerSource(spec, context, claims)
}

/** A segment being read, by this worker only. */
interface OpenSegment {
  readonly entry: SegmentEntry
  /** Undefined: it lies in pages. */
  readonly file: SpillFileState | undefined
  /** The next block: its address, or its number in the file. */
  next: number
  columns: readonly ArrowColumn[]
  rows: number
  done: number
  /** Pages for a block that passes the buffer. */
  extra: { readonly address: number; readonly bytes: number } | undefined
}

class MultiplexerSource implements Source {
  sequence = 0
  isParked = false
  readonly batch: number
  readonly #spec: MultiplexerOutputSpec
  readonly #context: OpenContext
  readonly #claims: MorselClaims
  readonly #importer: ArrowImporter
  readonly #memory: PipelineMemory
  readonly #buffer: number
  readonly #bufferBytes: number
  /** Segments of each stored morsel, in order. */
  readonly #morsels = new Map<number, SegmentEntry[]>()
  /** What is left of the claimed morsel. */
  #waiting: SegmentEntry[] | undefined
  #segment: OpenSegment | undefined
  #rowInMorsel = 0

  constructor(spec: MultiplexerOutputSpec, context: OpenContext, claims: MorselClaims) {
    this.#spec = spec
    this.#context = context
    this.#claims = claims
    this.#importer = new ArrowImporter(context, spec.schema, spec.batchRows, OPERATOR)
    this.batch = this.#importer.batch.address
    this.#memory = new PipelineMemory(context, OPERATOR)
    this.#bufferBytes = bufferBytes(spec)
    this.#buffer = context.workspace.take(this.#bufferBytes)
    const { arena, query } = context
    for (const { pages, count } of query.published(spec.sinkId) as readonly PublishedSegments[]) {
      for (let index = 0; index < count; index++) {
        const entry = entryAt(arena, pages, index)
        const sequence = entry.get('sequence')
        const segments = this.#morsels.get(sequence)
        if (segments === undefined) this.#morsels.set(sequence, [entry])
        else segments.push(entry)
      }
    }
  }

  pull(): PullStatus {
    if (this.#waiting === undefined) {
      const index = this.#claims.claim()
      if (index < 0) return 'finished'
      this.sequence = this.#context.sequenceBase + index
      this.#rowInMorsel = 0
      this.#waiting = [...(this.#morsels.get(index) ?? [])]
    }
    if (this.#segment === undefined) {
      const [entry] = this.#waiting
      if (entry === undefined) {
        this.#waiting = undefined
        return 'morselEnd'
      }
      // Somebody spills it at the moment.
      if (!entry.tryLock(segmentLock.reading)) return 'blocked'
      this.#waiting.shift()
      this.#segment = this.#openSegment(entry)
    }
    const segment = this.#segment
    if (segment.done === segment.rows && !this.#nextBlock(segment)) {
      this.#segment = undefined
      this.#leave(segment)
      return 'working'
    }
    const { columns, done, rows: blockSize } = segment
    const rows = this.#importer.fill(columns, done, blockSize - done, this.sequence, this.#rowInMorsel)
    segment.done += rows
    this.#rowInMorsel += rows
    return 'batch'
  }

  #openSegment(entry: SegmentEntry): OpenSegment {
    const { query } = this.#context
    const head = entry.get('head')
    const state = { entry, columns: [], rows: 0, done: 0, extra: undefined }
    if (head !== 0) return { ...state, file: undefined, next: head }
    const path = segmentPath(this.#context, this.#spec.sinkId, entry)
    const file = openSpillFile(query.requireSpill(OPERATOR), path, entry.totals, this.#spec.schema)
    return { ...state, file, next: 0 }
  }

  /** False at the segment's end. */
  #nextBlock(segment: OpenSegment): boolean {
    const { arena, query } = this.#context
    this.#giveExtra(segment)
    segment.done = 0
    segment.rows = 0
    const { file } = segment
    if (file === undefined) {
      if (segment.next === 0) return false
      segment.columns = readableColumns(arena, segment.next, this.#spec.schema)
      segment.rows = blockRows(arena, segment.next)
      segment.next = nextBlock(arena, segment.next)
      return true
    }
    const block = file.blocks[segment.next]
    if (block === undefined) return false
    const bytes = blockBytes(block) + 64
    let address = this.#buffer
    if (bytes > this.#bufferBytes) {
      address = this.#memory.take(bytes)
      segment.extra = { address, bytes }
    }
    segment.columns = readBlock(query.requireSpill(OPERATOR), file, segment.next, address).columns
    segment.rows = block.rows
    segment.next += 1
    return true
  }

  #giveExtra(segment: OpenSegment): void {
    if (segment.extra !== undefined) this.#memory.give(segment.extra.address, segment.extra.bytes)
    segment.extra = undefined
  }

  /** The last reader frees the pages or deletes the file. */
  #leave({ entry, file }: OpenSegment): void {
    const { query } = this.#context
    const readsLeft = entry.get('readsLeft') - 1
    assert(readsLeft >= 0, 'a segment is read once by each consumer')
    entry.set('readsLeft', readsLeft)
    if (readsLeft === 0) {
      query.freePublished(entry.get('head'))
      entry.set('head', 0)
      entry.set('pages', 0)
      if (file !== undefined) removeSpillFile(query.requireSpill(OPERATOR), file.path, file.bytes)
    }
    entry.unlock()
  }

  /** The workers that stored the segments spill them. */
  spill(): number {
    return 0
  }

  close(): void {
    if (this.#segment !== undefined) this.#giveExtra(this.#segment)
    this.#importer.close()
  }
}
