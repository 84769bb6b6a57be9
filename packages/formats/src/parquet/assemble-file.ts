/**
 * Assembles one Parquet file from row groups that workers encode independently.
 *
 *   PAR1 | body of row group b | body of row group a | ... | page indexes | footer | length | PAR1
 *
 * Workers append bodies wherever a shared counter tells them to, so bodies lie in any order; the footer lists the row
 * groups in the order of the result. The file has a temporary name until it is complete.
 */
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Schema } from '@spillway/columnar'
import { assert, makeError } from '@spillway/stdx'
import { encodeFooter } from './footer.ts'
import { type OutputCalls, systemOutput } from './output-calls.ts'
import { schemaElementsOf } from './schema-elements.ts'
import { i32Field, i64Field, listField, structsOf, ThriftType } from './thrift.ts'
import type { ThriftStruct } from './thrift.ts'

/** The page indexes of a column chunk, as bytes of the format. */
export interface ChunkPageIndexes {
  /** Undefined when a page has no bounds. */
  readonly column: Uint8Array | undefined
  readonly offset: Uint8Array
}

/** The footer's part for one row group; offsets are places in the file. Plain data: it crosses threads. */
export interface RowGroupFooter {
  readonly rowCount: number
  readonly bodyBytes: number
  readonly rowGroup: ThriftStruct
  /** By column. */
  readonly pageIndexes: readonly ChunkPageIndexes[]
}

export interface PlacedRowGroup {
  /** Where the body begins in the file. */
  readonly offset: number
  readonly footer: RowGroupFooter
}

/** Offset of the first body: after the magic bytes. */
export const PARQUET_BODY_START = 4

/** `<target>.spillway-<uuid>.tmp`, beside the target so that the final rename stays within one file system. */
export const temporaryParquetPath = (target: string): string => `${target}.spillway-${randomUUID()}.tmp`

/** Creates the temporary file with the magic bytes. Main thread, before workers append. @throws OUTPUT_FAILED */
export function beginParquetFile(temporary: string, calls = systemOutput): void {
  onOutput(temporary, () => {
    const descriptor = calls.open(temporary, 'wx')
    try {
      writeFully(calls, descriptor, new TextEncoder().encode('PAR1'), 0)
    } finally {
      calls.close(descriptor)
    }
  })
}

/** Views that one system call takes at most. */
const VIEWS_PER_CALL = 512

/** Writes a body, given in pieces, at its place. Worker. @throws OUTPUT_FAILED */
export function writeRowGroupBody(
  temporary: string,
  pieces: readonly Uint8Array[],
  offset: number,
  calls = systemOutput,
): void {
  onOutput(temporary, () => {
    const descriptor = calls.open(temporary, 'r+')
    try {
      let position = offset
      for (let first = 0; first < pieces.length; first += VIEWS_PER_CALL) {
        position += writeViews(calls, descriptor, pieces.slice(first, first + VIEWS_PER_CALL), position)
      }
    } finally {
      calls.close(descriptor)
    }
  })
}

/** Returns the bytes written: all of them. */
function writeViews(calls: OutputCalls, descriptor: number, views: readonly Uint8Array[], position: number): number {
  const total = views.reduce((sum, { length }) => sum + length, 0)
  const done = calls.writev(descriptor, views, position)
  if (done === total) return total
  // The system took a part: the rest goes view by view.
  let start = 0
  for (const view of views) {
    const skipped = Math.min(view.length, Math.max(0, done - start))
    writeFully(calls, descriptor, view.subarray(skipped), position + start + skipped)
    start += view.length
  }
  return total
}

export interface ParquetFileParts {
  /** In the order of the result. May be empty: the file then has the schema and no rows. */
  readonly rowGroups: readonly PlacedRowGroup[]
  readonly schema: Schema
  /** Rows that the query produced; the row groups must hold as many. */
  readonly rowCount: number
  readonly keyValue: Readonly<Record<string, string>>
}

/**
 * Writes the footer behind the last body and syncs the file. Main thread, after all bodies are written.
 * @returns the file's size in bytes.
 * @throws OUTPUT_FAILED when writing fails or rows are missing
 */
export function writeParquetFooter(temporary: string, parts: ParquetFileParts, calls = systemOutput): number {
  const { rowGroups, schema, rowCount, keyValue } = parts
  const written = rowGroups.reduce((sum, { footer }) => sum + footer.rowCount, 0)
  if (written !== rowCount) {
    const message = `Parquet file is incomplete: ${written} of ${rowCount} rows were encoded. Please report it.`
    throw makeError('OUTPUT_FAILED', message, { file: temporary })
  }
  assertDisjoint(rowGroups)
  const end = rowGroups.reduce(
    (max, { offset, footer }) => Math.max(max, offset + footer.bodyBytes),
    PARQUET_BODY_START,
  )
  const indexes = new IndexArea(end)
  const footer = encodeFooter({
    schemaElements: schemaElementsOf(schema),
    rowCount,
    rowGroups: rowGroups.map(({ footer: { rowGroup, pageIndexes } }) => indexes.add(rowGroup, pageIndexes)),
    keyValue,
  })
  onOutput(temporary, () => {
    const descriptor = calls.open(temporary, 'r+')
    try {
      let position = end
      for (const piece of [...indexes.pieces, footer]) {
        writeFully(calls, descriptor, piece, position)
        position += piece.length
      }
      calls.sync(descriptor)
    } finally {
      calls.close(descriptor)
    }
  })
  return indexes.end + footer.length
}

/** The page indexes, one behind the other after the last body. */
class IndexArea {
  readonly pieces: Uint8Array[] = []
  end: number

  constructor(start: number) {
    this.end = start
  }

  /** Places the indexes of a row group; returns it with their places. */
  add(rowGroup: ThriftStruct, pageIndexes: readonly ChunkPageIndexes[]): ThriftStruct {
    const columns = structsOf(rowGroup, 1).map((column, index) => {
      const own = pageIndexes[index]
      assert(own !== undefined, 'a row group has page indexes for all of its columns')
      const fields = [...column, ...this.#place(4, 5, own.offset)]
      return own.column === undefined ? fields : [...fields, ...this.#place(6, 7, own.column)]
    })
    return [listField(1, ThriftType.STRUCT, columns), ...rowGroup.filter(({ id }) => id !== 1)]
  }

  #place(offsetId: number, lengthId: number, bytes: Uint8Array): ThriftStruct {
    const fields = [i64Field(offsetId, this.end), i32Field(lengthId, bytes.length)]
    this.pieces.push(bytes)
    this.end += bytes.length
    return fields
  }
}

/** Gives the complete file its name. @throws OUTPUT_FAILED */
export function finishParquetFile(temporary: string, target: string, calls = systemOutput): void {
  onOutput(target, () => {
    calls.rename(temporary, target)
    syncDirectory(dirname(target), calls)
  })
}

/** Removes the temporary file of a query that failed or was cancelled; nothing happens when there is none. */
export function discardParquetFile(temporary: string): void {
  try {
    rmSync(temporary, { force: true })
  } catch {
    // It never came to be (a path below a file); what failed before says more.
  }
}

function assertDisjoint(rowGroups: readonly PlacedRowGroup[]): void {
  let end = PARQUET_BODY_START
  for (const { offset, footer } of [...rowGroups].sort((a, b) => a.offset - b.offset)) {
    assert(offset >= end || footer.bodyBytes === 0, 'Bodies of row groups do not overlap.')
    end = Math.max(end, offset + footer.bodyBytes)
  }
}

function onOutput(path: string, write: () => void): void {
  try {
    write()
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'
    const message = `Output file cannot be written: ${path} (${errno}). Check the output directory.`
    throw makeError('OUTPUT_FAILED', message, { file: path, errno }, { cause })
  }
}

function writeFully(calls: OutputCalls, descriptor: number, bytes: Uint8Array, position: number): void {
  let done = 0
  while (done < bytes.length) done += calls.writev(descriptor, [bytes.subarray(done)], position + done)
}

/** Makes the rename durable; some systems do not let a directory be opened, and then it is left to them. */
function syncDirectory(directory: string, calls: OutputCalls): void {
  try {
    const descriptor = calls.open(directory, 'r')
    try {
      calls.sync(descriptor)
    } finally {
      calls.close(descriptor)
    }
  } catch {
    // The file itself is synced and complete under its name.
  }
}
