/**
 * A small result in one buffer. A program may keep a thousand results, each of some chunks of a few rows; then what
 * describes the rows takes more memory than the rows. So all chunks lie in one buffer, with a directory of numbers in
 * front, and chunk objects are made when they are asked for.
 *
 *   ┌ chunk 0: rows, byte offset, 7 numbers per column ┬ chunk 1 … ┬ bytes of chunk 0 ┬ bytes of chunk 1 … ┐   u32 each
 *
 * Large results keep their buffers: copying them would need the memory twice.
 */
import { assert } from '@spillway/stdx'
import { NUMBERS_PER_COLUMN, PackedChunk, type PackedColumns, PIECE_ALIGNMENT } from './packed-chunk.ts'
import type { Schema } from './schema.ts'
import { makeTable, type SharedTable, type TableChunk } from './shared-table.ts'

/** Copying so much takes a tenth of a millisecond. */
const SMALL_BYTES_MAX = 1 << 20
/** Numbers in front of a chunk's columns: its rows, and where its bytes begin. */
const NUMBERS_PER_CHUNK = 2

/** A table of chunks in row order, in one buffer when they are small. The given buffers may be kept or copied. */
export function packTable(schema: Schema, chunks: readonly PackedColumns[]): SharedTable {
  const bytes = chunks.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
  if (chunks.length === 0 || bytes > SMALL_BYTES_MAX) {
    return makeTable(
      schema,
      chunks.map((packed) => new PackedChunk(schema, packed)),
    )
  }
  return new PackedTable(schema, chunks)
}

class PackedTable implements SharedTable {
  readonly schema: Schema
  readonly rowCount: number
  readonly #buffer: ArrayBuffer
  readonly #chunkCount: number

  constructor(schema: Schema, chunks: readonly PackedColumns[]) {
    this.schema = schema
    this.rowCount = chunks.reduce((rows, chunk) => rows + chunk.rowCount, 0)
    this.#chunkCount = chunks.length
    const numbers = numbersPerChunk(schema)
    const start = align(chunks.length * numbers * Uint32Array.BYTES_PER_ELEMENT)
    this.#buffer = new ArrayBuffer(chunks.reduce((end, { buffer }) => end + align(buffer.byteLength), start))
    const directory = new Uint32Array(this.#buffer, 0, chunks.length * numbers)
    const bytes = new Uint8Array(this.#buffer)
    let offset = start
    chunks.forEach(({ rowCount, buffer, offset: from, layout }, index) => {
      assert(from === 0, 'a chunk is packed when it comes from its worker')
      assert(layout.length === numbers - NUMBERS_PER_CHUNK, 'a packed chunk has the columns of its schema')
      directory.set([rowCount, offset, ...layout], index * numbers)
      bytes.set(new Uint8Array(buffer), offset)
      offset += align(buffer.byteLength)
    })
  }

  /** Made anew at each access. */
  get chunks(): readonly TableChunk[] {
    const numbers = numbersPerChunk(this.schema)
    const directory = new Uint32Array(this.#buffer, 0, this.#chunkCount * numbers)
    return Array.from({ length: this.#chunkCount }, (_, index) => {
      const [rowCount = 0, offset = 0, ...layout] = directory.subarray(index * numbers, (index + 1) * numbers)
      return new PackedChunk(this.schema, { rowCount, buffer: this.#buffer, offset, layout })
    })
  }
}

const align = (bytes: number): number => Math.ceil(bytes / PIECE_ALIGNMENT) * PIECE_ALIGNMENT

function numbersPerChunk(schema: Schema): number {
  return NUMBERS_PER_CHUNK + schema.fields.length * NUMBERS_PER_COLUMN
}

/** All rows of the first table, then of the second …; its chunks are asked of the tables when they are wanted. */
export function joinTables(schema: Schema, tables: readonly SharedTable[]): SharedTable {
  return {
    schema,
    rowCount: tables.reduce((rows, table) => rows + table.rowCount, 0),
    get chunks() {
      return tables.flatMap((table) => table.chunks)
    },
  }
}
