/**
 * Arrow into the arena: rows of an ArrowColumn become the values, validity bytes and string views of a batch column.
 *
 *   bitmap            ──copy──▶ scratch ──bitmapToBytes──▶ validity, boolean values
 *   fixed-width       ──copy──▶ values
 *   offsets           ──copy──▶ scratch ──utf8ToViews───▶ values (views) ──point to──▶ heap
 *   string bytes      ──copy──────────────────────────────────────────────────────────▶ heap
 *   dictionary index  ──copy──▶ scratch ──gather─────────▶ values, from an imported dictionary
 *
 * JavaScript only copies whole ranges; rows are touched by kernels. What already lies in the arena (a block read back
 * from a spill file) is read in place, without the copy: views of long strings then point into the source.
 */
import type { KernelExports } from '@spillway/kernels'
import { assert, makeError } from '@spillway/stdx'
import type { ArrowColumn } from './arrow-column.ts'
import { copyBytes } from './copy-bytes.ts'
import { hasOwnLength, type DataType, widthOf } from './data-type.ts'

/** Where the rows go; all are addresses in the arena or counts of bytes. */
export interface ImportTarget {
  /** rowCount × widthOf(type) bytes, 16-byte aligned. */
  readonly values: number
  /** rowCount bytes; untouched when there is no null. */
  readonly validity: number
  /** Room for string bytes; see `rowsThatFit`. Unused for other types, dictionaries and sources in the arena. */
  readonly heap: number
  readonly heapBytes: number
  /** At least `importScratchBytes(type, rowCount)`, 16-byte aligned; free again when `importRows` returns. */
  readonly scratch: number
  readonly scratchBytes: number
  /** Required for a column with a dictionary: what `importDictionary` returned for it. */
  readonly dictionary: ImportedDictionary | undefined
}

/** The values of a dictionary in the arena. They must live as long as the batches that were imported with them. */
export interface ImportedDictionary {
  readonly length: number
  readonly values: number
  /** One byte per value, or 0 when no value is null. */
  readonly validity: number
}

/** Kernels read up to this many bytes past the end of their sources. */
const OVER_READ_BYTES = 16
/** What copies between shared buffers are made of when both sides are aligned alike. */
const WORD_BYTES = 8

const alignTo16 = (bytes: number): number => (bytes + 15) & ~15
const bitmapBytes = (rowCount: number): number => ((rowCount + 7 + 7) >>> 3) + OVER_READ_BYTES

/** Scratch that importing `rowCount` rows of `type` may need, whatever the source's encoding. */
export function importScratchBytes(type: DataType, rowCount: number): number {
  const indices = alignTo16(rowCount * 4 + OVER_READ_BYTES) + alignTo16(rowCount + OVER_READ_BYTES)
  const offsets = alignTo16((rowCount + 1) * 8 + OVER_READ_BYTES)
  return alignTo16(bitmapBytes(rowCount)) + (hasOwnLength(type) ? Math.max(offsets, indices) : indices)
}

/** String bytes of rows [start, start + rowCount) of a utf8 column without dictionary; 0 for any other column. */
export function importHeapBytes(column: ArrowColumn, start: number, rowCount: number): number {
  if (!hasOwnStrings(column) || rowCount === 0) return 0
  const offsetAt = offsetReader(column)
  return offsetAt(start + rowCount) - offsetAt(start)
}

/**
 * The most rows from `start`, up to `maxRows` and the column's end, whose string bytes fit into `heapBytes`.
 * 0 when even one row does not fit. Columns that need no heap always fit.
 */
export function rowsThatFit(column: ArrowColumn, start: number, maxRows: number, heapBytes: number): number {
  assert(start >= 0 && start <= column.length, 'The first row lies within the column.')
  const rowCount = Math.min(maxRows, column.length - start)
  if (!hasOwnStrings(column) || rowCount === 0) return rowCount
  const offsetAt = offsetReader(column)
  const limit = offsetAt(start) + heapBytes
  if (offsetAt(start + rowCount) <= limit) return rowCount
  // Invariant: `fits` rows fit, `tooMany` rows do not.
  let fits = 0
  let tooMany = rowCount
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >>> 1
    if (offsetAt(start + middle) <= limit) fits = middle
    else tooMany = middle
  }
  return fits
}

/**
 * Imports rows [start, start + rowCount) of `column`.
 * @returns the number of nulls; when it is 0 the validity buffer was not written and the column's validity pointer is 0
 * @throws DataError ARROW_INVALID when an index lies outside the dictionary
 */
export function importRows(
  kernels: KernelExports,
  memory: WebAssembly.Memory,
  column: ArrowColumn,
  start: number,
  rowCount: number,
  target: ImportTarget,
): number {
  assert(start >= 0 && start + rowCount <= column.length, 'The rows to import lie within the column.')
  assert(target.scratchBytes >= importScratchBytes(column.type, rowCount), 'The scratch holds what importing needs.')
  const arena = bytesOf(memory)
  if (column.type.kind === 'null') {
    arena.fill(0, target.values, target.values + rowCount)
    arena.fill(0, target.validity, target.validity + rowCount)
    return rowCount
  }
  const run: ImportRun = { kernels, arena, column, firstRow: column.offset + start, rowCount, target }
  const nullCount = importValidity(run)
  if (column.dictionary !== undefined) return importIndexed(run, nullCount)
  if (hasOwnLength(column.type)) importStrings(run)
  else if (column.type.kind === 'boolean') importBits(run, column.values, target.values)
  else importFixed(run, widthOf(column.type))
  return nullCount
}

/**
 * Imports all values of a dictionary, once for all batches that use it.
 * @param target values: length × widthOf(type) bytes; heap: all string bytes (`importHeapBytes`)
 */
export function importDictionary(
  kernels: KernelExports,
  memory: WebAssembly.Memory,
  dictionary: ArrowColumn,
  target: ImportTarget,
): ImportedDictionary {
  assert(dictionary.dictionary === undefined, 'The values of a dictionary are not dictionary-encoded themselves.')
  const nullCount = importRows(kernels, memory, dictionary, 0, dictionary.length, target)
  return { length: dictionary.length, values: target.values, validity: nullCount === 0 ? 0 : target.validity }
}

/** By memory, weakly: a strong reference would keep a replaced arena resident. */
const bytesByMemory = new WeakMap<WebAssembly.Memory, Buffer>()

/** The memory's bytes. Reading `memory.buffer` of a shared memory takes about a microsecond; an arena never grows. */
function bytesOf(memory: WebAssembly.Memory): Buffer {
  const known = bytesByMemory.get(memory)
  if (known !== undefined) return known
  const bytes = Buffer.from(memory.buffer)
  bytesByMemory.set(memory, bytes)
  return bytes
}

/** What the steps of one import share. */
interface ImportRun {
  readonly kernels: KernelExports
  readonly arena: Buffer
  readonly column: ArrowColumn
  /** First row, counted from the start of the source's buffers. */
  readonly firstRow: number
  readonly rowCount: number
  readonly target: ImportTarget
}

const hasOwnStrings = (column: ArrowColumn): boolean => hasOwnLength(column.type) && column.dictionary === undefined

/** Reads offsets by row, counted from the column's first row. */
function offsetReader(column: ArrowColumn): (row: number) => number {
  const { offsets, offset, offsetBytes } = column
  assert(offsets !== undefined, 'A utf8 column has offsets.')
  const view = new DataView(offsets.buffer, offsets.byteOffset, offsets.byteLength)
  if (offsetBytes === 4) return (row) => view.getUint32((offset + row) * 4, true)
  return (row) => Number(view.getBigUint64((offset + row) * 8, true))
}

/**
 * Address of source bytes [from, to): where they are if that is the arena, else in the room at `copyAddress` (8-byte
 * aligned) after copying them. With room for 7 bytes more, the copy is aligned as the source is: short copies between
 * shared buffers go in words only then.
 */
function bringIn(
  arena: Buffer,
  source: Uint8Array,
  from: number,
  to: number,
  copyAddress: number,
  roomBytes: number,
): number {
  assert(from <= to && to <= source.byteLength, 'The source holds the bytes of the rows to import.')
  const start = source.byteOffset + from
  if (source.buffer === arena.buffer) return start
  const phase = start % WORD_BYTES
  const address = phase + to - from <= roomBytes ? copyAddress + phase : copyAddress
  copyBytes(arena, address, source, from, to)
  return address
}

/** Bits of a source bitmap → bytes at `address`; returns zeroes. Uses the first part of the scratch. */
function importBits(run: ImportRun, bitmap: Uint8Array, address: number): number {
  const from = run.firstRow >>> 3
  const to = (run.firstRow + run.rowCount + 7) >>> 3
  const bits = bringIn(run.arena, bitmap, from, Math.max(from, to), run.target.scratch, bitmapBytes(run.rowCount))
  return run.kernels.bitmapToBytes(bits, run.firstRow & 7, run.rowCount, address) >>> 0
}

function importValidity(run: ImportRun): number {
  const { validity, nullCount } = run.column
  if (validity === undefined || nullCount === 0 || run.rowCount === 0) return 0
  return importBits(run, validity, run.target.validity)
}

function importFixed(run: ImportRun, width: number): void {
  const from = run.firstRow * width
  const to = from + run.rowCount * width
  assert(to <= run.column.values.byteLength, 'The source holds the values of the rows to import.')
  copyBytes(run.arena, run.target.values, run.column.values, from, to)
}

function importStrings(run: ImportRun): void {
  const { kernels, arena, column, target, rowCount } = run
  if (rowCount === 0) return
  const start = run.firstRow - column.offset
  const offsetAt = offsetReader(column)
  const firstByte = offsetAt(start)
  const endByte = offsetAt(start + rowCount)
  const { offsetBytes, offsets } = column
  assert(offsets !== undefined, 'A utf8 column has offsets.')
  const from = run.firstRow * offsetBytes
  const secondScratch = target.scratch + alignTo16(bitmapBytes(rowCount))
  const offsetsEnd = from + (rowCount + 1) * offsetBytes
  const offsetsRoom = offsetsEnd - from + OVER_READ_BYTES
  const offsetAddress = bringIn(arena, offsets, from, offsetsEnd, secondScratch, offsetsRoom)
  const isInArena = column.values.buffer === arena.buffer
  assert(isInArena || endByte - firstByte <= target.heapBytes, 'The heap holds the string bytes of the rows.')
  const bytes = bringIn(arena, column.values, firstByte, endByte, target.heap, target.heapBytes)
  kernels.utf8ToViews(offsetAddress, offsetBytes, rowCount, bytes - (firstByte % 2 ** 32), target.values)
}

/** Gathers dictionary values by index; nulls of the rows and nulls among the dictionary's values both count. */
function importIndexed(run: ImportRun, rowNulls: number): number {
  const { kernels, arena, column, target, rowCount } = run
  const { dictionary } = target
  assert(dictionary !== undefined, 'A dictionary-encoded column is imported with its imported dictionary.')
  const { indexBytes } = column
  const width = widthOf(column.type)
  const indices = target.scratch + alignTo16(bitmapBytes(rowCount))
  const from = run.firstRow * indexBytes
  // Always a copy: indices of null rows may be anything and are replaced.
  copyBytes(arena, indices, column.values, from, from + rowCount * indexBytes)
  const rowValidity = rowNulls === 0 ? 0 : target.validity
  const outside = kernels.sanitizeIndices(indices, indexBytes, rowValidity, rowCount, dictionary.length) >>> 0
  if (dictionary.length === 0 && rowNulls === rowCount) {
    arena.fill(0, target.values, target.values + rowCount * width)
    return rowNulls
  }
  if (outside > 0) {
    throw makeError('ARROW_INVALID', `Dictionary index out of range in ${outside} rows. Write the data again.`, {
      dictionaryLength: dictionary.length,
    })
  }
  kernels.gather(dictionary.values, indices, indexBytes, width, rowCount, target.values)
  if (dictionary.validity === 0) return rowNulls
  const gathered = indices + alignTo16(rowCount * 4 + OVER_READ_BYTES)
  kernels.gather(dictionary.validity, indices, indexBytes, 1, rowCount, gathered)
  if (rowNulls === 0) return kernels.andValidity(gathered, gathered, rowCount, target.validity) >>> 0
  return kernels.andValidity(gathered, target.validity, rowCount, target.validity) >>> 0
}
