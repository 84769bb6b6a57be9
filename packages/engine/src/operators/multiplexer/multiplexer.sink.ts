/** Worker side of MULTIPLEXER: stores batches in segments, and spills those that nobody reads at the moment. */
import type { ExportedColumn } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import {
  appendBlock,
  formatBytes,
  newSpillFile,
  type SpillFileState,
  spillTotals,
  type WorkspaceSize,
} from '@spillway/memory'
import { assert, makeError } from '@spillway/stdx'
import { selectedRows } from '../../pipeline/batch-buffers.ts'
import { BatchExport, sizeBatchExport } from '../../pipeline/batch-export.ts'
import { BatchGather, sizeBatchGather } from '../../pipeline/batch-gather.ts'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import { blockColumns, blockPages, blockRows, lastPage, nextBlock, writeBlock } from './column-block.ts'
import { type MultiplexerSpec, type PublishedSegments, storedRows } from './multiplexer.ts'
import { ENTRIES_PER_PAGE, entryAt, type SegmentEntry, segmentLock } from './segment-entry.ts'

const OPERATOR = 'MULTIPLEXER'
/** Batches below this share of a block are gathered. */
const SMALL_SHARE = 1 / 4
/** Blocks of one segment: footers of spill files stay small, and a reader keeps little from being spilled. */
const SEGMENT_BLOCKS = 32
/** Share of the budget that a complete store may keep while it waits for its readers. */
const KEPT_SHARE = 0.3
const KEPT_SHARE_STREAMED = 0.15

export function sizeMultiplexer(spec: MultiplexerSpec, size: WorkspaceSize): void {
  const rows = storedRows(spec.batchRows)
  sizeBatchGather(spec.schema, rows, size)
  sizeBatchExport(spec.schema, rows, size)
}

/** The first page of entries: with it everything can go to disk. */
export function firstEntryPages(): number {
  return 1
}

export function openMultiplexer(spec: MultiplexerSpec, context: OpenContext): Sink {
  return new MultiplexerLocal(spec, context)
}

/** Where a segment's spill file lies. */
export function segmentPath(context: OpenContext, sinkId: number, entry: SegmentEntry): string {
  return context.query.spillPath(`m${sinkId}-q${entry.get('sequence')}-${entry.get('part')}`)
}

class MultiplexerLocal implements Sink {
  readonly #spec: MultiplexerSpec
  readonly #context: OpenContext
  readonly #gather: BatchGather
  readonly #export: BatchExport
  readonly #blockRows: number
  readonly #entryPages: number[] = []
  #count = 0
  /** The segment being filled: in pages up to `#tail`, or in `#file`. */
  #open: SegmentEntry | undefined
  #tail = 0
  #file: SpillFileState | undefined
  #sequence = -1
  #part = 0
  #isPublished = false

  constructor(spec: MultiplexerSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    this.#blockRows = storedRows(spec.batchRows)
    this.#gather = new BatchGather(context, spec.schema, this.#blockRows)
    const makeRoom = (pages: number): number => this.spill(pages) + context.makeRoom(pages)
    this.#export = new BatchExport({ ...context, makeRoom }, spec.schema, this.#blockRows, OPERATOR)
    this.#entryPages.push(context.resident)
  }

  setClaims(): void {}

  get keepsSpilling(): boolean {
    return this.#isPublished
  }

  consume(batch: number, sequence: number): 'taken' {
    const { arena, meter, reservation } = this.#context
    const rows = selectedRows(arena, batch)
    if (rows === 0) return 'taken'
    if (sequence !== this.#sequence) {
      this.#sequence = sequence
      this.#part = 0
    }
    if (rows >= this.#blockRows * SMALL_SHARE || !this.#gather.tryAppend(batch)) {
      this.#flush()
      if (rows >= this.#blockRows * SMALL_SHARE || !this.#gather.tryAppend(batch)) this.#store(batch)
    }
    meter.counts.rowsOut += rows
    meter.counts.peakBytes = Math.max(meter.counts.peakBytes, reservation.peakPages * PAGE_BYTES)
    return 'taken'
  }

  #flush(): void {
    if (this.#gather.rows === 0) return
    this.#store(this.#gather.batch)
    this.#gather.clear()
  }

  endMorsel(): 'taken' {
    this.#flush()
    this.#closeSegment()
    return 'taken'
  }

  #store(batch: number): void {
    this.#export.exportBounded(batch, (columns, rows) => this.#storeBlock(columns, rows))
  }

  #storeBlock(columns: readonly ExportedColumn[], rows: number): void {
    const { meter } = this.#context
    meter.counts.inputBytes += columns.reduce(
      (sum, { validity, offsets, values }) => sum + validity.bytes + offsets.bytes + values.bytes,
      0,
    )
    const entry = this.#keepBlock(columns, rows) ?? this.#writeNewBlock(columns, rows)
    entry.set('blocks', entry.get('blocks') + 1)
    if (entry.get('blocks') >= SEGMENT_BLOCKS) this.#closeSegment()
  }

  /** Into pages; undefined: refused, or the segment is on disk already. */
  #keepBlock(columns: readonly ExportedColumn[], rows: number): SegmentEntry | undefined {
    const { arena, query, reservation } = this.#context
    if (this.#file !== undefined || query.setup.testing.forceSpill) return undefined
    const entry = this.#open ?? this.#newEntry()
    const pages = blockPages(columns)
    const address = reservation.take(pages)
    if (address === 0) {
      if (entry.get('blocks') > 0) this.#closeSegment()
      return undefined
    }
    writeBlock(arena, address, pages, columns, rows)
    if (this.#tail === 0) entry.set('head', address)
    else arena.kernels.pageNextSet(lastPage(arena, this.#tail), address)
    this.#tail = address
    entry.set('pages', entry.get('pages') + pages)
    return entry
  }

  #writeNewBlock(columns: readonly ExportedColumn[], rows: number): SegmentEntry {
    const { query } = this.#context
    const spill = query.requireSpill(OPERATOR)
    const entry = this.#open ?? this.#newEntry()
    const before = this.#file ?? newSpillFile(segmentPath(this.#context, this.#spec.sinkId, entry), this.#spec.schema)
    this.#file = appendBlock(spill, before, columns, rows)
    entry.totals = spillTotals(this.#file)
    this.#countWritten(before, this.#file)
    return entry
  }

  #newEntry(): SegmentEntry {
    const { arena, query } = this.#context
    if (this.#count === this.#entryPages.length * ENTRIES_PER_PAGE) this.#entryPages.push(this.#takeEntryPage())
    const entry = entryAt(arena, this.#entryPages, this.#count)
    this.#count += 1
    entry.clear()
    entry.set('sequence', this.#sequence)
    entry.set('part', this.#part)
    entry.set('readsLeft', this.#spec.consumers)
    this.#part += 1
    this.#open = entry
    query.throwIfCancelled()
    return entry
  }

  #takeEntryPage(): number {
    const { reservation, makeRoom } = this.#context
    for (;;) {
      const page = reservation.take(1)
      if (page !== 0) return page
      if (this.spill(1) === 0 && makeRoom(1) === 0) break
    }
    throw this.#noRoom()
  }

  #noRoom(): Error {
    const { query } = this.#context
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${OPERATOR} within ${query.setup.limitText}: a page that lists what was stored was ` +
        `refused. The query needs at least ${query.setup.floorText}. Raise memoryLimit.`,
      { operator: OPERATOR, needBytes: PAGE_BYTES },
    )
  }

  #closeSegment(): void {
    this.#open = undefined
    this.#tail = 0
    this.#file = undefined
  }

  /** What will be read last goes first. Returns the pages freed. */
  spill(pages: number): number {
    const { arena, query } = this.#context
    if (!query.canSpill) return 0
    let freed = 0
    for (let index = this.#count - 1; index >= 0 && freed < pages; index--) {
      const entry = entryAt(arena, this.#entryPages, index)
      if (entry.get('head') === 0 || !entry.tryLock(segmentLock.spilling)) continue
      if (entry.get('head') !== 0) freed += this.#spillSegment(entry)
      entry.unlock()
      query.control.wakeWorkers()
    }
    return freed
  }

  #spillSegment(entry: SegmentEntry): number {
    const { arena, query, reservation } = this.#context
    const spill = query.requireSpill(OPERATOR)
    if (this.#open?.address === entry.address) this.#closeSegment()
    const empty = newSpillFile(segmentPath(this.#context, this.#spec.sinkId, entry), this.#spec.schema)
    let state = empty
    const head = entry.get('head')
    for (let block = head; block !== 0; block = nextBlock(arena, block)) {
      state = appendBlock(spill, state, blockColumns(arena, block, this.#spec.schema), blockRows(arena, block))
    }
    const pages = entry.get('pages')
    entry.totals = spillTotals(state)
    entry.set('head', 0)
    entry.set('pages', 0)
    if (this.#isPublished) query.freePublished(head)
    else reservation.giveChain(head)
    this.#countWritten(empty, state)
    query.log(
      `memory: pressure=${query.pressureText()} evict segment ${entry.get('sequence')}.${entry.get('part')} ` +
        `(${formatBytes(pages * PAGE_BYTES)}) -> ${state.path}`,
    )
    return pages
  }

  #countWritten(before: SpillFileState, after: SpillFileState): void {
    const { meter, query } = this.#context
    const written = after.bytes - before.bytes
    if (before.blocks.length === 0) {
      meter.counts.spilledFiles += 1
      meter.counts.partitionsSpilled += 1
      query.countSpillFile()
    }
    meter.counts.spilledBytes += written
    query.countSpilled(written)
  }

  publish(): PublishedSegments {
    assert(!this.#isPublished, 'a local is published once')
    const { query, reservation, workspace } = this.#context
    this.endMorsel()
    const share = query.setup.isStreamed ? KEPT_SHARE_STREAMED : KEPT_SHARE
    const most = workspace.pages + (reservation.maxPages * share) / query.setup.threads
    const excess = Math.ceil(reservation.usedPages - most)
    if (excess > 0) this.spill(excess)
    while (!query.tryPublish(reservation, workspace)) {
      if (this.spill(1) === 0) throw this.#noRoom()
    }
    this.#isPublished = true
    workspace.check(OPERATOR)
    return { worker: query.workerIndex, pages: this.#entryPages, count: this.#count }
  }

  close(): void {
    if (!this.#isPublished) this.#context.workspace.check(OPERATOR)
  }
}
