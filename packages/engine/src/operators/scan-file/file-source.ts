/**
 * Worker side of all scans of files: reads a morsel batch by batch, straight into the batch's columns.
 *
 * With a filter, its columns are read first. The others are read only where rows survive: rows without survivors are
 * passed over, which costs as little as the format allows.
 */
import { column } from '@spillway/columnar'
import type { WorkspaceSize } from '@spillway/memory'
import { assert, type SpillwayError } from '@spillway/stdx'
import { queryCounter } from '@spillway/scheduler'
import {
  type BatchBuffers,
  batchShape,
  columnAddress,
  openBatch,
  setColumn,
  setRows,
  sizeBatch,
} from '../../pipeline/batch-buffers.ts'
import {
  CODE_BYTES,
  CODE_COMBINATIONS_MAX,
  type CodeDictionary,
  clearCodes,
  codesAddress,
  decodeCodes,
  setCodes,
} from '../../pipeline/column-codes.ts'
import type { OpenContext, PullStatus, Source } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import { SelectionParts, SourceFilter } from '../../pipeline/source-filter.ts'
import { sharedBound } from '../sort/top-bound.ts'
import { sizeStage } from '../stage/stage.transform.ts'
import { CodeFilter, sizeCodeFilter, VERDICTS_MAX } from './code-filter.ts'
import type { FileMorsel, ScanFileSpec } from './scan-file.ts'

/** Columns that may be read as dictionary codes. */
export interface CodedColumns {
  /** The dictionary that the next `rows` rows of a column refer to; undefined when they are not all codes. */
  codedBy(index: number, rows: number): CodeDictionary | undefined
  dictionaryId(index: number): number
  /** As `read`, codes instead of values. */
  readCodes(index: number, rows: number, codes: number, validity: number): number
}

/** The columns of the morsel that a scan reads, positioned together. `M` is a morsel of the format. */
export interface FileColumns<M> {
  readonly isOpen: boolean
  /** @throws DataError when the file is not the one that was planned */
  open(morsel: M): void
  /** Passes over rows up to `row`; the range to read ends at `end`. */
  moveTo(row: number, end: number): void
  /**
   * Brings what these columns demand beyond their fixed buffers into memory.
   * @returns the refusal when there is no room for it now; nothing is lost then, and it may be asked again
   * @throws DataError
   */
  tryLoad(indices: readonly number[]): SpillwayError | undefined
  /** Rows of a column that the next `read` may take, at least 1 and at most `most`. */
  readable(index: number, most: number): number
  /** Reads the next rows of a column. Returns its nulls. */
  read(index: number, rows: number, values: number, validity: number): number
  /** Passes over the next rows of one column. */
  skip(index: number, rows: number): void
  /** For columns that may be dictionary codes; undefined: the format has none. */
  readonly codes: CodedColumns | undefined
  /** Bytes read from files since the last call. */
  takeBytesRead(): number
  endMorsel(): void
  /** Gives back files and memory. */
  close(): void
}

/** Counts the buffers of a scan, those of its columns aside. */
export function sizeFileSource(spec: ScanFileSpec<FileMorsel>, size: WorkspaceSize): void {
  sizeBatch(batchShape(spec.schema, spec.batchRows), size)
  if (spec.filter !== undefined) sizeStage(spec.filter, size)
  if (spec.codeConditions.length > 0) sizeCodeFilter(spec.codeConditions, spec.widths.length, size)
}

/** Holders serve a request within some batches; whoever still holds the memory then will not give it. */
const PATIENCE_MS = 5000

export class FileSource<M extends FileMorsel> implements Source {
  sequence = 0
  isParked = false
  readonly batch: number
  readonly filter: SourceFilter | undefined
  readonly #codeFilter: CodeFilter | undefined
  readonly #spec: ScanFileSpec<M>
  readonly #context: OpenContext
  readonly #claims: MorselClaims
  readonly #buffers: BatchBuffers
  readonly #columns: FileColumns<M>
  /** Columns that the filter reads, and the others. */
  readonly #first: readonly number[]
  readonly #others: readonly number[]
  #morsel: M | undefined
  /** Rows of the file's part (row group, record batch) before the next row, and the row after the present range. */
  #next = 0
  #end = 0
  #range = 0
  /** When memory for what a file demands was first refused. */
  #refusedAt: number | undefined
  /** A filtered batch whose other columns are not read to its end. */
  readonly #parts: SelectionParts

  /** @param openColumns cuts the columns' buffers, after those of the batch */
  constructor(spec: ScanFileSpec<M>, context: OpenContext, claims: MorselClaims, openColumns: () => FileColumns<M>) {
    this.#spec = spec
    this.#context = context
    this.#claims = claims
    this.#buffers = openBatch(context.arena, context.workspace, batchShape(spec.schema, spec.batchRows))
    this.batch = this.#buffers.address
    this.#columns = openColumns()
    this.filter = spec.filter === undefined ? undefined : new SourceFilter(spec.filter, context)
    const { codeConditions, widths } = spec
    this.#codeFilter = codeConditions.length === 0 ? undefined : new CodeFilter(codeConditions, widths, context)
    this.#parts = new SelectionParts(context.arena, this.batch)
    this.#first = spec.filterColumns
    this.#others = spec.schema.fields.map((_, index) => index).filter((index) => !spec.filterColumns.includes(index))
  }

  pull(): PullStatus {
    if (this.#morsel === undefined) return this.#claimMorsel()
    if (this.#parts.isOpen) return this.#readPart()
    if (this.#next >= this.#end && !this.#nextRange()) {
      this.#closeMorsel()
      return 'morselEnd'
    }
    if (this.#spec.schema.fields.length === 0) return this.#countRows()
    if (!this.#columns.isOpen) {
      this.#columns.open(this.#morsel)
      this.#columns.moveTo(this.#next, this.#end)
      return 'working'
    }
    return this.filter === undefined ? this.#readAll() : this.#readFiltered(this.filter)
  }

  #claimMorsel(): PullStatus {
    let index = this.#claims.claim()
    while (index >= 0 && this.#isBeyondTop(index)) {
      this.#context.meter.counts.rowGroupsSkipped += 1
      index = this.#claims.claim()
    }
    if (index < 0) return 'finished'
    const morsel = this.#spec.morsels[index]
    assert(morsel !== undefined, 'a claimed morsel exists')
    this.#morsel = morsel
    this.sequence = this.#context.sequenceBase + (this.#spec.top?.sequences[index] ?? index)
    this.#range = -1
    this.#next = 0
    this.#end = 0
    return 'working'
  }

  /** A top-k above has better rows already than this row group can have. */
  #isBeyondTop(index: number): boolean {
    const { top } = this.#spec
    if (top === undefined) return false
    const { control, query } = this.#context
    return (top.leastWords[index] as bigint) > sharedBound(control, query.slot, top.boundCounter)
  }

  /** Goes on to the morsel's next range of rows, if there is one. */
  #nextRange(): boolean {
    const range = this.#morsel?.ranges[++this.#range]
    if (range === undefined) return false
    this.#next = range.start
    this.#end = range.start + range.rows
    if (this.#columns.isOpen) this.#columns.moveTo(this.#next, this.#end)
    return true
  }

  /** A scan without columns only counts. */
  #countRows(): PullStatus {
    const rows = Math.min(this.#spec.batchRows, this.#end - this.#next)
    setRows(this.#context.arena, this.batch, rows, this.sequence, this.#next)
    this.#next += rows
    return 'batch'
  }

  #readAll(): PullStatus {
    if (!this.#load(this.#others)) return 'blocked'
    const rows = this.#readable(this.#others, Math.min(this.#spec.batchRows, this.#end - this.#next))
    this.#readColumns(rows, 0)
    setRows(this.#context.arena, this.batch, rows, this.sequence, this.#next)
    this.#next += rows
    return 'batch'
  }

  #readFiltered(filter: SourceFilter): PullStatus {
    if (!this.#load(this.#first)) return 'blocked'
    const { arena } = this.#context
    const rows = this.#readable(this.#first, Math.min(this.#spec.batchRows, this.#end - this.#next))
    const codeFilter = this.#codeFilterFor(rows)
    for (const index of this.#first) {
      if (codeFilter === undefined) this.#readColumn(index, rows, 0)
      else this.#readCodes(index, rows, 0)
    }
    setRows(arena, this.batch, rows, this.sequence, this.#next)
    this.#next += rows
    const selected =
      codeFilter === undefined ? filter.apply(this.batch, rows) : this.#applyCodes(codeFilter, filter, rows)
    const { meter, control, query } = this.#context
    // The pull loop counts what survives; what was read is more.
    meter.counts.rowsOut += rows - selected
    control.count(query.slot, queryCounter.rowsIn, rows - selected)
    if (selected === 0) {
      for (const index of this.#others) this.#columns.skip(index, rows)
      return 'working'
    }
    if (this.#others.length === 0) return 'batch'
    this.#parts.open(rows)
    return this.#readPart()
  }

  /** The filter by codes, if the next rows of all its columns are codes of small dictionaries; it has judged them. */
  #codeFilterFor(rows: number): CodeFilter | undefined {
    const codeFilter = this.#codeFilter
    const { codes } = this.#columns
    if (codeFilter === undefined || codes === undefined) return undefined
    for (const index of this.#first) {
      const dictionary = codes.codedBy(index, rows)
      if (dictionary === undefined || dictionary.count > VERDICTS_MAX) return undefined
      codeFilter.judge(index, dictionary, codes.dictionaryId(index))
    }
    return codeFilter
  }

  /** Filters the batch by codes, and looks up what is read behind the filter. Returns the rows that survive. */
  #applyCodes(codeFilter: CodeFilter, filter: SourceFilter, rows: number): number {
    const { arena } = this.#context
    filter.meter.counts.codedRows += rows
    const selected = filter.measure(rows, () => codeFilter.apply(this.batch, rows, filter.selectionBuffer))
    if (selected === 0) return 0
    const { filterOnlyColumns, widths } = this.#spec
    for (const index of this.#first) {
      if (filterOnlyColumns.includes(index)) continue
      decodeCodes(arena, arena.u32, this.batch, index, widths[index] as number)
    }
    return selected
  }

  /** Reads the other columns for the rest of a filtered batch, or for as much of it as stays valid together. */
  #readPart(): PullStatus {
    const parts = this.#parts
    if (!parts.skipsTo((rows) => this.#skipOthers(rows))) return 'working'
    if (!this.#load(this.#others)) return 'blocked'
    const from = parts.position
    const rows = this.#readable(this.#others, parts.rowsWanted)
    const first = this.#next - parts.rowsLeft
    const isDense = parts.isDense
    this.#readColumns(rows, isDense ? 0 : from)
    if (isDense) {
      for (const index of this.#first) this.#shiftColumn(index, from)
      setRows(this.#context.arena, this.batch, rows, this.sequence, first)
    }
    return parts.take(rows) > 0 ? 'batch' : 'working'
  }

  /** Row 0 of the batch is the column's row `from` now. */
  #shiftColumn(index: number, from: number): void {
    if (from === 0) return
    const buffers = this.#buffers.columns[index]
    assert(buffers !== undefined, 'a scanned column has buffers')
    const { arena } = this.#context
    const nulls = arena.u32[(columnAddress(this.batch, index) + column.nullCount) >>> 2] as number
    const values = buffers.values + from * (this.#spec.widths[index] as number)
    setColumn(arena, this.batch, index, { values, validity: buffers.validity + from }, nulls)
  }

  /**
   * Has in memory what these columns demand, such as dictionaries. False while there is no room: others are asked to
   * spill, and the floor is kept, so that waiting is safe. @throws MemoryLimitError when nobody gives enough
   */
  #load(indices: readonly number[]): boolean {
    const refusal = this.#columns.tryLoad(indices)
    if (refusal === undefined) {
      this.#refusedAt = undefined
      return true
    }
    const now = performance.now()
    this.#refusedAt ??= now
    if (now - this.#refusedAt > PATIENCE_MS) throw refusal
    this.#context.query.askLargestHolder(this.#context.reservation.usedPages)
    return false
  }

  #skipOthers(rows: number): void {
    for (const index of this.#others) this.#columns.skip(index, rows)
  }

  #readable(indices: readonly number[], most: number): number {
    let rows = most
    for (const index of indices) rows = this.#columns.readable(index, rows)
    return rows
  }

  /** Reads rows of the columns that the filter does not read into the batch, from its row `from` on. */
  #readColumns(rows: number, from: number): void {
    const hasCodes = this.#hasCodes(rows)
    for (const index of this.#others) {
      if (hasCodes && this.#spec.codedColumns.includes(index)) this.#readCodes(index, rows, from)
      else this.#readColumn(index, rows, from)
    }
  }

  /** The next rows of the coded columns are codes, of few enough combinations that it pays to hand them on. */
  #hasCodes(rows: number): boolean {
    const { codedColumns } = this.#spec
    let combinations = codedColumns.length === 0 ? Number.POSITIVE_INFINITY : 1
    for (const index of codedColumns) {
      combinations *= (this.#columns.codes?.codedBy(index, rows)?.count ?? Number.POSITIVE_INFINITY) + 1
      if (combinations > CODE_COMBINATIONS_MAX) return false
    }
    return combinations <= CODE_COMBINATIONS_MAX
  }

  #readCodes(index: number, rows: number, from: number): void {
    const buffers = this.#buffers.columns[index]
    assert(buffers !== undefined, 'a scanned column has buffers')
    const { arena } = this.#context
    const address = codesAddress(buffers, this.#spec.widths[index] as number, this.#spec.batchRows)
    const { codes } = this.#columns
    const dictionary = codes?.codedBy(index, rows)
    assert(codes !== undefined && dictionary !== undefined, 'codes are read where there are some')
    const nulls = codes.readCodes(index, rows, address + from * CODE_BYTES, buffers.validity + from)
    setColumn(arena, this.batch, index, buffers, nulls)
    setCodes(arena, this.batch, index, address, dictionary, codes.dictionaryId(index))
  }

  /** Reads rows of a column into the batch, from its row `from` on. */
  #readColumn(index: number, rows: number, from: number): void {
    const buffers = this.#buffers.columns[index]
    assert(buffers !== undefined, 'a scanned column has buffers')
    const values = buffers.values + from * (this.#spec.widths[index] as number)
    const nulls = this.#columns.read(index, rows, values, buffers.validity + from)
    setColumn(this.#context.arena, this.batch, index, buffers, nulls)
    clearCodes(this.#context.arena, this.batch, index)
  }

  #closeMorsel(): void {
    const { control, query } = this.#context
    control.count(query.slot, queryCounter.bytesRead, this.#columns.takeBytesRead())
    this.#columns.endMorsel()
    this.#morsel = undefined
  }

  spill(): number {
    return 0
  }

  close(): void {
    this.#columns.close()
  }
}
