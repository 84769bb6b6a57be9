/**
 * Decodes one row group into Arrow columns, on a worker.
 *
 * The wanted column chunks are read with positional reads into a small Parquet file of one row group (mini-file.ts),
 * which parquet-wasm's synchronous reader decodes in its own memory. The columns handed out are views over that
 * memory.
 */
import type { ArrowColumn, DataType } from '@spillway/columnar'
import { assert, makeError, SpillwayError } from '@spillway/stdx'
import { readParquet } from 'parquet-wasm/esm'
import type { FFIStream } from 'parquet-wasm/esm'
import { readArrowColumns } from './arrow-c-data.ts'
import { openParquetWasm } from './codec-memory.ts'
import { corruptError, describePlace, placeDetails } from '../file-access.ts'
import type { FilePlace } from '../file-access.ts'
import type { ParquetFileMeta } from '../file-meta.ts'
import { requireChunk, requireRowGroup } from '../file-meta.ts'
import { readMiniFile } from './mini-file.ts'

/** A run of rows of a row group. */
export interface ParquetBatch {
  readonly rowCount: number
  /** In the order asked for. Views are made again on access when the codec's memory has grown since. */
  readonly columns: readonly ArrowColumn[]
}

export interface DecodedRowGroup {
  readonly rowCount: number
  /** Views over the codec's memory: valid until `free` or the decoder's next `decode`. */
  readonly batches: readonly ParquetBatch[]
  /** Gives the memory back to the codec; may be called twice. */
  free(): void
}

/** Below the 4 GiB that a 32-bit memory can have, so that the codec never runs out of addresses. */
const CODEC_BYTES_MAX = 3_500_000_000

/** One per worker. All codecs of a thread share one instance of parquet-wasm and its memory. */
export class ParquetDecoder {
  readonly #memory: WebAssembly.Memory
  /** Holds a mini-file while it is read; kept, since row groups of a file have like sizes. */
  #scratch = new Uint8Array(0)
  #current: DecodedRowGroup | undefined

  constructor(module: WebAssembly.Module) {
    this.#memory = openParquetWasm(module)
  }

  /** Bytes to reserve before `decode`: the compressed chunks plus twice the decoded columns. */
  static needBytes(meta: ParquetFileMeta, rowGroup: number, columns: readonly string[]): number {
    let need = 0
    for (const column of columns) {
      const chunk = requireChunk(meta, rowGroup, column)
      need += chunk.compressedBytes + 2 * chunk.decodedBytes
    }
    return need
  }

  /**
   * Decodes `columns` of one row group into batches of at most `batchRows` rows. Frees the row group decoded before.
   * Without columns, the batches carry only their row counts and nothing is read.
   * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, PARQUET_CORRUPT, PAGE_CHECKSUM_MISMATCH, UNSUPPORTED_TYPE;
   * MemoryLimitError MEMORY_LIMIT when the row group exceeds what the codec can address
   */
  decode(
    path: string,
    meta: ParquetFileMeta,
    rowGroup: number,
    columns: readonly string[],
    batchRows: number,
  ): DecodedRowGroup {
    assert(Number.isInteger(batchRows) && batchRows > 0, 'A batch has at least one row.')
    this.#current?.free()
    this.#current = undefined
    const { rowCount } = requireRowGroup(meta, rowGroup)
    if (columns.length === 0 || rowCount === 0) return emptyColumns(rowCount, columns, meta, batchRows)
    const place = { file: path, rowGroup }
    requireFits(ParquetDecoder.needBytes(meta, rowGroup, columns), place)
    const types = columns.map((column) => requireChunk(meta, rowGroup, column).type)
    const handle = this.#readColumns(path, meta, rowGroup, columns, batchRows)
    this.#current = new HeldRowGroup(handle, this.#memory, types, rowCount, place)
    return this.#current
  }

  /** Runs the codec; what it throws, traps included, is damage of the input. */
  #readColumns(
    path: string,
    meta: ParquetFileMeta,
    rowGroup: number,
    columns: readonly string[],
    batchRows: number,
  ): FFIStream {
    const mini = readMiniFile(path, meta, rowGroup, columns, this.#scratch)
    this.#scratch = mini.buffer
    try {
      return readParquet(mini.bytes, { batchSize: batchRows }).intoFFI()
    } catch (cause) {
      // The codec does not say which column it failed on: read them one by one, until one fails alone.
      if (columns.length > 1) {
        for (const column of columns) this.#readColumns(path, meta, rowGroup, [column], batchRows).free()
      }
      throw decodeError({ file: path, rowGroup, column: columns.length === 1 ? columns[0] : undefined }, cause)
    }
  }

  /** Bytes held: parquet-wasm's memory, which never shrinks, and the read buffer. */
  memoryBytes(): number {
    return this.#memory.buffer.byteLength + this.#scratch.byteLength
  }
}

/** Row groups are decoded whole, which bounds their size. */
function requireFits(needBytes: number, place: FilePlace): void {
  if (needBytes <= CODEC_BYTES_MAX) return
  const where = describePlace(place)
  const message = `Row group too large to decode: about ${needBytes} bytes for ${where}. Select fewer columns.`
  throw makeError('MEMORY_LIMIT', message, { ...placeDetails(place), needBytes })
}

function decodeError(place: FilePlace, cause: unknown): SpillwayError {
  const reason = reasonOf(cause)
  // A valid encoding that the codec refuses; DuckDB writes it with parquet_version V2.
  if (reason.includes("'min_delta' too large")) {
    const where = describePlace(place)
    const message = `Unsupported encoding: deltas of more than 32 bits in ${where}. Select the other columns.`
    return makeError('UNSUPPORTED_TYPE', message, placeDetails(place), { cause })
  }
  return corruptError(`the pages cannot be decoded (${reason})`, place, cause)
}

function reasonOf(cause: unknown): string {
  if (cause instanceof WebAssembly.RuntimeError) return `the decoder stopped: ${cause.message}`
  return (cause instanceof Error ? cause.message : String(cause)).slice(0, 200)
}

/** A decoded row group in the codec's memory. */
class HeldRowGroup implements DecodedRowGroup {
  readonly rowCount: number
  readonly batches: readonly ParquetBatch[]
  #handle: FFIStream | undefined

  constructor(
    handle: FFIStream,
    memory: WebAssembly.Memory,
    types: readonly DataType[],
    rowCount: number,
    place: FilePlace,
  ) {
    this.#handle = handle
    this.rowCount = rowCount
    try {
      this.batches = this.#openBatches(handle, memory, types)
      const decoded = this.batches.reduce((sum, batch) => sum + batch.rowCount, 0)
      if (decoded !== rowCount)
        throw corruptError(`${decoded} rows were decoded where the footer says ${rowCount}`, place)
    } catch (error) {
      this.free()
      throw error instanceof SpillwayError
        ? error
        : corruptError(`the decoded columns are invalid (${reasonOf(error)})`, place, error)
    }
  }

  #openBatches(handle: FFIStream, memory: WebAssembly.Memory, types: readonly DataType[]): ParquetBatch[] {
    const schemaAddress = handle.schemaAddr()
    const isOpen = (): boolean => this.#handle !== undefined
    return [...handle.arrayAddrs()].map((arrayAddress) => {
      let buffer = memory.buffer
      let read = readArrowColumns(buffer, schemaAddress, arrayAddress, types)
      return {
        rowCount: read.rowCount,
        get columns() {
          assert(isOpen(), 'A decoded row group is not used after it was freed.')
          if (buffer !== memory.buffer) {
            buffer = memory.buffer
            read = readArrowColumns(buffer, schemaAddress, arrayAddress, types)
          }
          return read.columns
        },
      }
    })
  }

  free(): void {
    this.#handle?.free()
    this.#handle = undefined
  }
}

/** Batches of a row group from which no column is wanted, or that has no row. */
function emptyColumns(
  rowCount: number,
  columns: readonly string[],
  meta: ParquetFileMeta,
  batchRows: number,
): DecodedRowGroup {
  for (const column of columns) requireChunk(meta, 0, column)
  const batches: ParquetBatch[] = []
  for (let start = 0; start < rowCount; start += batchRows) {
    batches.push({ rowCount: Math.min(batchRows, rowCount - start), columns: [] })
  }
  return { rowCount, batches, free: () => {} }
}
