/**
 * Joins batches of one side with kept rows of the other: looks the matches up (generated code), and makes output
 * batches of them.
 *
 * The first match of each row is put out without moving a probe column: the output shows the input's columns under a
 * selection, and the build columns are written at the same row numbers. Further matches of the batch follow as dense
 * batches, a bounded number of pairs per call.
 */
import type { JoinProbeExports, RowLayout } from '@spillway/codegen'
import { column, descriptor, type Schema, widthOf } from '@spillway/columnar'
import type { WorkspaceSize } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import {
  type BatchBuffers,
  batchShape,
  columnAddress,
  openBatch,
  selectedRows,
  setColumn,
  setRows,
  sizeBatch,
} from '../../pipeline/batch-buffers.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import type { JoinEmits, MatchColumn } from './join.ts'
import type { DirectMap } from './published-build.ts'

const NEVER_NULL = -1

/** Buffers that the matchers of one operator share: one joins at a time. */
export class MatchBuffers {
  readonly rowsMax: number
  readonly output: BatchBuffers
  readonly hashes: number
  readonly candidates: number
  readonly rows: number
  readonly indices: number
  readonly state: number
  /** A row of zeroes: all its fields are null. */
  readonly nullRow: number

  constructor(context: OpenContext, schema: Schema, rows: number, rowBytes: number) {
    const { arena, workspace } = context
    this.rowsMax = rows
    this.output = openBatch(arena, workspace, batchShape(schema, rows))
    this.hashes = workspace.take(rows * 8)
    this.candidates = workspace.take(rows * 4)
    this.rows = workspace.take(rows * 4)
    this.indices = workspace.take(rows * 4)
    this.state = workspace.take(8)
    this.nullRow = workspace.take(rowBytes)
    arena.u8.fill(0, this.nullRow, this.nullRow + rowBytes)
  }

  static size(schema: Schema, rows: number, rowBytes: number, size: WorkspaceSize): void {
    sizeBatch(batchShape(schema, rows), size)
    size.add(rows * 8)
    for (let vector = 0; vector < 3; vector++) size.add(rows * 4)
    size.add(8)
    size.add(rowBytes)
  }
}

export interface MatcherOptions {
  readonly exports: JoinProbeExports
  /** Of the kept rows. */
  readonly layout: RowLayout
  readonly emits: JoinEmits
  readonly keepsProbe: boolean
  /** Kept rows note that they had a match. */
  readonly marks: boolean
  /** One per output column. */
  readonly columns: readonly MatchColumn[]
}

/** Where the kept rows are found. */
export interface MatchTable {
  /** Entries of joinTable, one per partition. */
  readonly address: number
  readonly partitionBits: number
  /** Hash bits used up by partitioning. */
  readonly levelShift: number
  /** A probe row may have more than one match. */
  readonly hasDuplicates: boolean
  /** The rows by key; the table is not read then. */
  readonly direct: DirectMap | undefined
}

/** Of a batch that is joined with one chunk of the kept side after the other. */
export interface Replay {
  /** u8 per row: it had a match in an earlier chunk. Brought up to date. */
  readonly seen: number
  readonly isLastChunk: boolean
}

export class Matcher {
  readonly #context: OpenContext
  readonly #options: MatcherOptions
  readonly #buffers: MatchBuffers
  #table: MatchTable | undefined
  #batch = 0
  /** Further pairs of the batch may follow. */
  hasMore = false

  constructor(context: OpenContext, options: MatcherOptions, buffers: MatchBuffers) {
    this.#context = context
    this.#options = options
    this.#buffers = buffers
  }

  setTable(table: MatchTable): void {
    this.#table = table
  }

  /**
   * Joins a batch, which must stay as it is until `hasMore` is false.
   * @returns the first output batch, or 0
   */
  start(batch: number, replay: Replay | undefined): number {
    const { exports, emits } = this.#options
    const { hashes, candidates } = this.#buffers
    const table = this.#table
    assert(table !== undefined, 'a matcher has a table before it is given batches')
    this.hasMore = false
    this.#batch = batch
    if (selectedRows(this.#context.arena, batch) === 0) return 0
    const found = table.direct === undefined ? undefined : this.#lookupDirect(table.direct)
    if (found === undefined) {
      exports.lookup(batch, table.address, table.partitionBits, table.levelShift, hashes, candidates)
    }
    if (emits === 'buildMatched' || emits === 'buildUnmatched') {
      exports.mark(batch, hashes, found === undefined ? candidates : this.#buffers.rows)
      return 0
    }
    const matched = found ?? exports.match(batch, hashes, candidates, this.#buffers.rows)
    return emits === 'pairs' ? this.#startPairs(table, matched, replay) : this.#probeRows(emits, replay)
  }

  /** The next output batch of the same input, or 0: none yet, or none any more. */
  resume(): number {
    const { exports, marks, layout } = this.#options
    const { hashes, candidates, state, indices, rows, rowsMax } = this.#buffers
    const { arena } = this.#context
    const n = exports.expand(this.#batch, hashes, candidates, state, indices, rows, rowsMax) >>> 0
    this.hasMore = (arena.u32[state >>> 2] as number) < selectedRows(arena, this.#batch)
    if (n === 0) return 0
    if (marks) arena.kernels.markRows(rows, n, layout.deadOffset)
    return this.#putDense(n)
  }

  /** Heads of the chains of the batch's keys; returns how many rows have one. */
  #lookupDirect({ address, leastKey, slots }: DirectMap): number {
    const { lookupDirect } = this.#options.exports
    assert(lookupDirect !== undefined, 'rows that are found by key can be looked up by key')
    return lookupDirect(this.#batch, address, leastKey, slots, this.#buffers.rows) >>> 0
  }

  #startPairs(table: MatchTable, matched: number, replay: Replay | undefined): number {
    const { marks, keepsProbe, layout } = this.#options
    const { rows, indices, state, nullRow, candidates } = this.#buffers
    const { arena } = this.#context
    const { kernels } = arena
    const n = selectedRows(arena, this.#batch)
    const selection = this.#selection()
    if (marks && matched > 0) kernels.markRows(rows, n, layout.deadOffset)
    this.hasMore = table.hasDuplicates && matched > 0
    if (this.hasMore) {
      arena.u8.fill(0, state, state + 8)
      if (table.direct !== undefined) kernels.loadLinks(rows, n, layout.linkOffset ?? 0, candidates)
    }
    if (replay !== undefined) {
      // A batch that is replayed has no selection. A row without any match comes once, with the last chunk.
      kernels.noteSeen(rows, n, replay.seen, 0)
      if (keepsProbe && replay.isLastChunk) kernels.fillUnseen(rows, n, replay.seen, nullRow)
    } else if (keepsProbe) {
      if (matched < n) kernels.fillMissing(rows, n, nullRow)
      return this.#putSelected(selection, n, matched < n)
    }
    if (matched === n) return this.#putSelected(selection, n, false)
    const kept = kernels.keepMatched(rows, selection, n, indices) >>> 0
    return kept === 0 ? 0 : this.#putSelected(indices, kept, keepsProbe)
  }

  /** Rows of the probe side that have a match, or none. */
  #probeRows(emits: 'probeMatched' | 'probeUnmatched', replay: Replay | undefined): number {
    const { rows, indices } = this.#buffers
    const { kernels } = this.#context.arena
    const n = selectedRows(this.#context.arena, this.#batch)
    const selection = this.#selection()
    if (emits === 'probeMatched') {
      if (replay !== undefined) kernels.noteSeen(rows, n, replay.seen, 1)
      const kept = kernels.keepMatched(rows, selection, n, indices) >>> 0
      return kept === 0 ? 0 : this.#putSelected(kept === n ? selection : indices, kept, false)
    }
    if (replay !== undefined) kernels.noteSeen(rows, n, replay.seen, 0)
    if (replay?.isLastChunk === false) return 0
    const kept =
      (replay === undefined
        ? kernels.keepUnmatched(rows, selection, n, indices)
        : kernels.keepUnseen(replay.seen, n, indices)) >>> 0
    return kept === 0 ? 0 : this.#putSelected(kept === n ? selection : indices, kept, false)
  }

  #selection(): number {
    return this.#context.arena.u32[(this.#batch + descriptor.selection) >>> 2] as number
  }

  /**
   * The input's rows of a selection (0 = all), with the kept rows in `rows`.
   * @param hasMissing some of those are the row of nulls
   */
  #putSelected(selection: number, n: number, hasMissing: boolean): number {
    const { arena } = this.#context
    const { output } = this.#buffers
    const base = output.address >>> 2
    const source = this.#batch >>> 2
    arena.u32[base + (descriptor.rowCount >>> 2)] = arena.u32[source + (descriptor.rowCount >>> 2)] as number
    arena.u32[base + (descriptor.selectionCount >>> 2)] = n
    arena.u32[base + (descriptor.selection >>> 2)] = selection
    arena.u32[base + (descriptor.ordinal >>> 2)] = arena.u32[source + (descriptor.ordinal >>> 2)] as number
    arena.u32[base + (descriptor.ordinal >>> 2) + 1] = arena.u32[source + (descriptor.ordinal >>> 2) + 1] as number
    this.#options.columns.forEach((each, index) => {
      if (each.field !== undefined) this.#gatherBuild(each, index, selection, n, hasMissing)
      else {
        const from = columnAddress(this.#batch, each.column) >>> 2
        const to = columnAddress(output.address, index) >>> 2
        arena.u32[to] = arena.u32[from] as number
        arena.u32[to + 1] = arena.u32[from + 1] as number
        arena.u32[to + 2] = arena.u32[from + 2] as number
      }
    })
    return output.address
  }

  /** n pairs: `indices` of the input's rows, and `rows`. */
  #putDense(n: number): number {
    const { arena } = this.#context
    const { output, indices } = this.#buffers
    const ordinal = (this.#batch + descriptor.ordinal) >>> 2
    setRows(arena, output.address, n, arena.u32[ordinal + 1] as number, arena.u32[ordinal] as number)
    this.#options.columns.forEach((each, index) => {
      if (each.field !== undefined) {
        this.#gatherBuild(each, index, 0, n, false)
        return
      }
      const own = output.columns[index]
      if (own === undefined) return
      const from = columnAddress(this.#batch, each.column)
      const values = arena.u32[(from + column.values) >>> 2] as number
      const validity = arena.u32[(from + column.validity) >>> 2] as number
      arena.kernels.gather(values, indices, 4, widthOf(each.type), n, own.values)
      if (validity !== 0) arena.kernels.gather(validity, indices, 4, 1, n, own.validity)
      setColumn(arena, output.address, index, own, validity === 0 ? 0 : 1)
    })
    return output.address
  }

  /** Kept rows alone, beside nulls for the columns of the other side. @param rows u32 × n */
  putBuildRows(rows: number, n: number, sequence: number, rowInMorsel: number): number {
    const { arena } = this.#context
    const { output } = this.#buffers
    setRows(arena, output.address, n, sequence, rowInMorsel)
    this.#options.columns.forEach((each, index) => {
      const own = output.columns[index]
      if (own === undefined) return
      if (each.field !== undefined) {
        this.#gatherFrom(rows, each, index, 0, n, false)
        return
      }
      arena.u8.fill(0, own.values, own.values + n * widthOf(each.type))
      arena.u8.fill(0, own.validity, own.validity + n)
      setColumn(arena, output.address, index, own, n)
    })
    return output.address
  }

  #gatherBuild(each: MatchColumn, index: number, indices: number, n: number, hasMissing: boolean): void {
    this.#gatherFrom(this.#buffers.rows, each, index, indices, n, hasMissing)
  }

  #gatherFrom(
    rows: number,
    { field, type }: MatchColumn,
    index: number,
    indices: number,
    n: number,
    hasMissing: boolean,
  ): void {
    const { arena } = this.#context
    const own = this.#buffers.output.columns[index]
    if (own === undefined || field === undefined) return
    arena.kernels.gatherField(rows, indices, n, field.offset, widthOf(type), own.values)
    const flags = field.nullOffset ?? NEVER_NULL
    const nulls =
      hasMissing || flags !== NEVER_NULL
        ? arena.kernels.gatherFlags(rows, indices, n, flags, this.#buffers.nullRow, own.validity) >>> 0
        : 0
    setColumn(arena, this.#buffers.output.address, index, own, nulls)
  }
}
