/**
 * The column chunks of the row group that a scan reads: one reader per column, positioned together.
 *
 * Columns are read at their own pace: what a filter rules out is skipped, and a run of skipped rows is passed on only
 * when the column is needed again, so that whole pages of it are never decompressed, or never read.
 */
import { closeSync } from 'node:fs'
import {
  ColumnChunkReader,
  openInput,
  fileVersion,
  type PageLocation,
  type ParquetFileMeta,
  type ReadBytes,
  readFully,
  readOpenFileMeta,
  readPageLocations,
  requireRowGroup,
} from '@spillway/formats'
import type { WorkspaceSize } from '@spillway/memory'
import { assert, makeError, SpillwayError } from '@spillway/stdx'
import { type CodeDictionary, newDictionaryId } from '../../pipeline/column-codes.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { PipelineMemory } from '../../pipeline/pipeline-memory.ts'
import type { CodedColumns, FileColumns } from '../scan-file/file-source.ts'
import type { ParquetMorsel, ScanParquetSpec } from './scan-parquet.ts'

export function sizeChunkColumns(spec: ScanParquetSpec, size: WorkspaceSize): void {
  for (const column of spec.columns) ColumnChunkReader.size(column, spec.windowBytes, spec.batchRows, size)
}

interface OpenColumn {
  readonly reader: ColumnChunkReader
  /** Rows that were passed over but not yet skipped in the reader. */
  lag: number
  /** Row that the reader is at, lag included. */
  row: number
  /** Tells its dictionary from all others. */
  dictionaryId: number
  /** Its dictionary, if it has one, is in memory. */
  isLoaded: boolean
  /** Its pages, once a range that does not begin at the first row asked for them; null = no usable index. */
  pages: readonly PageLocation[] | null | undefined
  /** Row behind the pages that are read ahead, and how many pages those were. */
  aheadRow: number
  aheadPages: number
}

export class ChunkColumns implements FileColumns<ParquetMorsel>, CodedColumns {
  readonly codes = this
  readonly #spec: ScanParquetSpec
  readonly #columns: readonly OpenColumn[]
  #descriptor = -1
  #path = ''
  #isOpen = false
  #meta: ParquetFileMeta | undefined
  #rowGroup = 0
  #bytesRead = 0
  /** Read from page indexes. */
  #indexBytes = 0
  /** Row behind the range being read. */
  #end = 0

  constructor(spec: ScanParquetSpec, context: OpenContext) {
    this.#spec = spec
    const { arena, workspace } = context
    const memory = new PipelineMemory(context, 'PARQUET SCAN')
    this.#columns = spec.columns.map((column) => ({
      reader: new ColumnChunkReader({
        kernels: arena.kernels,
        memory: arena.handle.memory,
        chunkMemory: memory,
        take: (bytes) => workspace.take(bytes),
        column,
        windowBytes: spec.windowBytes,
        batchRows: spec.batchRows,
      }),
      lag: 0,
      row: 0,
      dictionaryId: 0,
      isLoaded: false,
      pages: undefined,
      aheadRow: Number.POSITIVE_INFINITY,
      aheadPages: 0,
    }))
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** @throws DataError when the file is not the one that was planned */
  open(morsel: ParquetMorsel): void {
    const path = this.#spec.files[morsel.file] as string
    this.#openFile(path)
    // Of what the path names now: the descriptor may be of a file that was replaced since.
    const found = fileVersion(undefined, path)
    const planned = this.#spec.versions[morsel.file]
    if (found.fileBytes !== planned?.fileBytes || found.modifiedNs !== planned.modifiedNs) throw changed(path, morsel)
    // Once per file that is opened: the many row groups of one that was just written have one footer.
    this.#meta ??= readOpenFileMeta(this.#descriptor, path, found)
    if (this.#meta.footerDigest !== this.#spec.footerDigests[morsel.file]) throw changed(path, morsel)
    this.#isOpen = true
    this.#rowGroup = morsel.rowGroup
    this.#columns.forEach((column, index) => {
      this.#openReader(column, index)
      column.lag = 0
      column.row = 0
      column.dictionaryId = newDictionaryId()
      column.isLoaded = false
      column.pages = undefined
      column.aheadRow = Number.POSITIVE_INFINITY
    })
  }

  /** Row groups of one file that follow one another share a descriptor. */
  #openFile(path: string): void {
    if (this.#descriptor >= 0 && this.#path === path) return
    this.close()
    this.#path = path
    this.#meta = undefined
    this.#descriptor = openInput(path)
  }

  #openReader({ reader }: OpenColumn, index: number): void {
    assert(this.#meta !== undefined, 'a row group is open')
    const column = this.#nameOf(index)
    const place = { file: this.#path, rowGroup: this.#rowGroup, column }
    const read: ReadBytes = (target, offset, page) => readFully(this.#descriptor, target, offset, { ...place, page })
    reader.open(read, this.#meta, this.#rowGroup, column)
  }

  /**
   * Brings the dictionaries of these columns into memory: the one need of a row group whose size is not known before.
   * @returns the refusal when there is no room for one now; nothing is lost then, and it may be asked again
   * @throws DataError
   */
  tryLoad(indices: readonly number[]): SpillwayError | undefined {
    for (const index of indices) {
      const column = this.#column(index)
      if (column.isLoaded) continue
      try {
        if (this.#isPartial(column)) column.pages ??= this.#locate(index) ?? null
        column.reader.loadDictionary(column.lag >= SEEK_ROWS_MIN || (column.pages ?? null) !== null)
        column.isLoaded = true
      } catch (error) {
        if (!(error instanceof SpillwayError) || error.code !== 'MEMORY_LIMIT') throw error
        this.#openReader(column, index)
        return error
      }
    }
    return undefined
  }

  /** Much of the row group is not wanted: knowing its pages saves more than it costs. */
  #isPartial(column: OpenColumn): boolean {
    return column.lag >= SEEK_ROWS_MIN || this.rowsOfGroup - this.#end >= SEEK_ROWS_MIN
  }

  #nameOf(index: number): string {
    const field = this.#spec.schema.fields[index]
    assert(field !== undefined, 'a reader belongs to a field')
    return field.name
  }

  /** Passes over rows up to `row` of the row group; cheap until the column is read. The range to read ends at `end`. */
  moveTo(row: number, end: number): void {
    this.#end = end
    for (const column of this.#columns) {
      column.lag += row - column.row
      column.row = row
    }
  }

  /** Rows of column `index` that the next `read` may take, at most `most`. Catches up with what was passed over. */
  readable(index: number, most: number): number {
    const column = this.#column(index)
    if (column.lag > 0) this.#catchUp(column, index)
    else if (column.row >= column.aheadRow) this.#readAhead(column, column.aheadPages * 4)
    return column.reader.readable(most)
  }

  /** Reads the next rows of a column to `values` and `validity`. Returns its nulls. */
  read(index: number, rows: number, values: number, validity: number): number {
    const column = this.#column(index)
    assert(column.lag === 0, 'a column is asked for what is readable before it is read')
    column.row += rows
    return column.reader.read(rows, values, validity)
  }

  /** The dictionary that the next `rows` rows of a column refer to; undefined when they are not all codes. */
  codedBy(index: number, rows: number): CodeDictionary | undefined {
    const { reader } = this.#column(index)
    return reader.hasCodes(rows) ? reader.dictionary : undefined
  }

  /** As `read`, codes instead of values. */
  readCodes(index: number, rows: number, codes: number, validity: number): number {
    const column = this.#column(index)
    assert(column.lag === 0, 'a column is asked for what is readable before it is read')
    column.row += rows
    return column.reader.readCodes(rows, codes, validity)
  }

  dictionaryId(index: number): number {
    return this.#column(index).dictionaryId
  }

  /** Passes over the next rows of one column. */
  skip(index: number, rows: number): void {
    const column = this.#column(index)
    column.lag += rows
    column.row += rows
  }

  #column(index: number): OpenColumn {
    const column = this.#columns[index]
    assert(column !== undefined, 'a column has a reader')
    return column
  }

  #catchUp(column: OpenColumn, index: number): void {
    const { reader, lag, row } = column
    column.lag = 0
    const at = row - lag
    if (column.pages === undefined && lag >= SEEK_ROWS_MIN) column.pages = this.#locate(index) ?? null
    const page = column.pages?.findLast((candidate) => candidate.firstRow <= row)
    this.#readAhead(column, 1)
    if (page === undefined || page.firstRow <= at) {
      reader.skip(lag)
      return
    }
    reader.seekToPage(page.offset, page.firstRow)
    if (row > page.firstRow) reader.skip(row - page.firstRow)
  }

  /** Limits what is read ahead to some pages from the present row on: more while one page after the other is wanted. */
  #readAhead(column: OpenColumn, count: number): void {
    const { pages, row } = column
    const first = pages?.findLastIndex(({ firstRow }) => firstRow <= row) ?? -1
    const wanted = pages?.slice(Math.max(0, first), first + count).filter(({ firstRow }) => firstRow < this.#end) ?? []
    const last = wanted.at(-1)
    column.aheadPages = count
    column.aheadRow = last === undefined ? Number.POSITIVE_INFINITY : last.firstRow + last.rowCount
    column.reader.readAheadTo(last === undefined ? Number.POSITIVE_INFINITY : last.offset + last.compressedBytes)
  }

  #locate(index: number): readonly PageLocation[] | undefined {
    assert(this.#meta !== undefined, 'a row group is open')
    const name = this.#nameOf(index)
    this.#indexBytes += requireRowGroup(this.#meta, this.#rowGroup).chunks[name]?.offsetIndex?.bytes ?? 0
    return readPageLocations(this.#descriptor, this.#meta, this.#rowGroup, name)
  }

  /** Bytes read from files since the last call. */
  takeBytesRead(): number {
    const total = this.#columns.reduce((sum, { reader }) => sum + reader.bytesRead, this.#indexBytes)
    const fresh = total - this.#bytesRead
    this.#bytesRead = total
    return fresh
  }

  get rowsOfGroup(): number {
    return this.#meta === undefined ? 0 : requireRowGroup(this.#meta, this.#rowGroup).rowCount
  }

  /** Ends the row group: memory beyond the fixed buffers is given back. */
  endMorsel(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const { reader } of this.#columns) reader.close()
  }

  /** Ends the row group, and gives the file back. */
  close(): void {
    this.endMorsel()
    if (this.#descriptor >= 0) closeSync(this.#descriptor)
    this.#descriptor = -1
  }

  get path(): string {
    return this.#path
  }
}

function changed(path: string, { rowGroup }: ParquetMorsel): SpillwayError {
  return makeError(
    'PARQUET_CORRUPT',
    `File changed while the query ran: ${path} is not the version that was planned. Run the query again.`,
    { file: path, rowGroup },
  )
}

/** Fewer rows are skipped page by page: an index read costs as much as some page headers. */
const SEEK_ROWS_MIN = 10_000
