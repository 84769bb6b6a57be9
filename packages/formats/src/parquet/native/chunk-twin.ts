/** For tests: reads columns with ColumnChunkReader in an arena with poisoned surroundings, and gives values as text. */
import { closeSync, openSync } from 'node:fs'
import { createTestArena } from '@spillway/kernels'
import type { TestArena } from '@spillway/kernels'
import type { DataType } from '@spillway/columnar'
import { physicalOf, widthOf } from '@spillway/columnar'
import { assert, makeError } from '@spillway/stdx'
import { readFully } from '../file-access.ts'
import type { ParquetFileMeta } from '../file-meta.ts'
import type { ReadBytes } from './chunk-input.ts'
import { ColumnChunkReader } from './column-chunk-reader.ts'
import type { ChunkMemory } from './reader-context.ts'

const PAGE_BYTES = 65536
const POISON = 0xa5
const ZONE_BYTES = 256

/** Chunk memory whose pieces are counted and surrounded by poison. */
export class PoisonedMemory implements ChunkMemory {
  readonly arena: TestArena
  readonly pieces = new Map<number, { bytes: number; pages: number }>()
  peakBytes = 0
  bytes = 0
  limitBytes = Number.POSITIVE_INFINITY

  constructor(arena: TestArena) {
    this.arena = arena
  }

  take(bytes: number): number {
    if (this.bytes + bytes > this.limitBytes) throw makeError('MEMORY_LIMIT', 'Not enough memory for a chunk.', {})
    const pages = Math.ceil((bytes + 2 * ZONE_BYTES) / PAGE_BYTES)
    const start = this.arena.kernels.pageAlloc(1, pages) >>> 0
    if (start === 0) throw makeError('MEMORY_LIMIT', 'No page of the test arena is free.', {})
    this.arena.u8.fill(POISON, start, start + pages * PAGE_BYTES)
    const address = start + ZONE_BYTES
    this.pieces.set(address, { bytes, pages })
    this.bytes += bytes
    this.peakBytes = Math.max(this.peakBytes, this.bytes)
    return address
  }

  give(address: number, bytes: number): void {
    const piece = this.pieces.get(address)
    assert(piece?.bytes === bytes, 'What was taken is given back.')
    checkZone(this.arena, address - ZONE_BYTES, 'a piece of chunk memory')
    checkZone(this.arena, address + bytes, 'a piece of chunk memory')
    this.pieces.delete(address)
    this.bytes -= bytes
    this.arena.kernels.pageFree(address - ZONE_BYTES, piece.pages)
  }
}

function checkZone(arena: TestArena, address: number, what: string): void {
  for (let at = address; at < address + ZONE_BYTES; at++) {
    assert(arena.u8[at] === POISON, `Nothing is written before or behind ${what}.`)
  }
}

export interface TwinOptions {
  readonly windowBytes?: number
  readonly batchRows?: number
  /** Asked before each batch: rows to skip. */
  readonly skip?: (rowsLeft: number) => number
}

/** A reader of one column in a test arena of its own buffers. */
export class ChunkTwin {
  readonly reader: ColumnChunkReader
  readonly memory: PoisonedMemory
  readonly #arena: TestArena
  readonly #type: DataType
  readonly #batchRows: number
  readonly #zones: number[] = []
  readonly #values: number
  readonly #validity: number
  readonly #pages: { address: number; count: number }

  constructor(arena: TestArena, type: DataType, options: TwinOptions = {}) {
    const { windowBytes = 160 * 1024, batchRows = 1000 } = options
    this.#arena = arena
    this.#type = type
    this.#batchRows = batchRows
    this.memory = new PoisonedMemory(arena)
    const column = { type, codecs: ['snappy', 'zstd', 'gzip', 'lz4', 'lz4Raw', 'brotli', 'uncompressed'] as const }
    const { kernels } = arena
    // A zone before the first buffer, and one behind each.
    const room = { bytes: ZONE_BYTES }
    const padded = (bytes: number): number => Math.ceil((bytes + 64 + ZONE_BYTES) / 64) * 64
    const add = (bytes: number): unknown => (room.bytes += padded(bytes))
    ColumnChunkReader.size(column, windowBytes, batchRows, { add })
    add(batchRows * widthOf(type))
    add(batchRows)
    add(batchRows * 4)
    const count = Math.ceil(room.bytes / PAGE_BYTES)
    const address = kernels.pageAlloc(2, count) >>> 0
    assert(address !== 0, 'The test arena has room for a reader.')
    this.#pages = { address, count }
    arena.u8.fill(POISON, address, address + count * PAGE_BYTES)
    this.#zones.push(address)
    let cursor = address + ZONE_BYTES
    const take = (bytes: number): number => {
      const taken = cursor
      cursor += padded(bytes)
      this.#zones.push(cursor - ZONE_BYTES)
      return taken
    }
    const { memory } = arena
    this.reader = new ColumnChunkReader({
      kernels,
      memory,
      chunkMemory: this.memory,
      column,
      windowBytes,
      batchRows,
      take,
    })
    this.#values = take(batchRows * widthOf(type))
    this.#validity = take(batchRows)
  }

  /** All rows of a column of a file as text, row group after row group; skipped rows are left out. */
  readColumn(meta: ParquetFileMeta, column: string, options: TwinOptions = {}): string[] {
    const descriptor = openSync(meta.path, 'r')
    const texts: string[] = []
    try {
      for (let rowGroup = 0; rowGroup < meta.rowGroups.length; rowGroup++) {
        const place = { file: meta.path, rowGroup, column }
        const read: ReadBytes = (target, offset, page) => readFully(descriptor, target, offset, { ...place, page })
        this.reader.open(read, meta, rowGroup, column)
        this.#readRows(texts, options)
      }
    } finally {
      closeSync(descriptor)
      this.reader.close()
    }
    assert(this.memory.pieces.size === 0, 'A closed reader holds no chunk memory.')
    this.checkZones()
    return texts
  }

  /** Fails when something was written before or behind a fixed buffer. */
  checkZones(): void {
    for (const zone of this.#zones) checkZone(this.#arena, zone, 'a fixed buffer')
  }

  /** The next rows, at most a batch. */
  readRows(rows: number): string[] {
    assert(this.reader.readable(rows) === rows, 'These rows are readable together.')
    const nulls = this.reader.read(rows, this.#values, this.#validity)
    return this.#texts(rows, nulls)
  }

  /** The next rows through their indices into a dictionary of `values`. */
  readCodes(rows: number, values: readonly string[]): string[] {
    const { u8, dataView } = this.#arena
    assert(this.reader.hasCodes(rows), 'These rows are codes.')
    const nulls = this.reader.readCodes(rows, this.#values, this.#validity)
    return Array.from({ length: rows }, (_, row) =>
      nulls > 0 && u8[this.#validity + row] === 0
        ? 'null'
        : (values[dataView.getUint16(this.#values + row * 2, true)] ?? 'none'),
    )
  }

  /** Values of the column's type at an address. */
  textsAt(address: number, count: number): string[] {
    return Array.from({ length: count }, (_, row) =>
      valueText(this.#arena, this.#type, address + row * widthOf(this.#type)),
    )
  }

  #readRows(texts: string[], options: TwinOptions): void {
    const { reader } = this
    while (reader.rowsLeft > 0) {
      const skipped = Math.min(reader.rowsLeft, options.skip?.(reader.rowsLeft) ?? 0)
      if (skipped > 0) {
        reader.skip(skipped)
        texts.push(...Array.from({ length: skipped }, () => 'skipped'))
        continue
      }
      const rows = reader.readable(this.#batchRows)
      assert(rows > 0 && rows <= this.#batchRows, 'Some rows are readable.')
      this.#arena.u8.fill(0xee, this.#values, this.#values + rows * widthOf(this.#type))
      const nulls = reader.read(rows, this.#values, this.#validity)
      texts.push(...this.#texts(rows, nulls))
    }
  }

  #texts(rows: number, nulls: number): string[] {
    const { u8 } = this.#arena
    const width = widthOf(this.#type)
    let seen = 0
    const texts = Array.from({ length: rows }, (_, row) => {
      const at = this.#values + row * width
      if (nulls > 0 && u8[this.#validity + row] === 0) {
        seen++
        assert(
          u8.subarray(at, at + width).every((byte) => byte === 0),
          'The value of a null row is zero.',
        )
        return 'null'
      }
      return valueText(this.#arena, this.#type, at)
    })
    assert(seen === nulls, 'As many rows are null as the reader says.')
    return texts
  }

  free(): void {
    this.#arena.kernels.pageFree(this.#pages.address, this.#pages.count)
  }
}

/** The value at an address as `canonical` of canonical-values.ts prints it; timestamps in nanoseconds. */
function valueText({ dataView, u8 }: TestArena, type: DataType, at: number): string {
  const float = (value: number): string => (Object.is(value, -0) ? '-0' : String(value))
  if (type.kind === 'boolean') return ['false', 'true'][u8[at] as number] ?? 'neither'
  if (type.kind === 'timestamp') {
    const scale = { s: 1_000_000_000n, ms: 1_000_000n, us: 1_000n, ns: 1n }[type.unit]
    return String(dataView.getBigInt64(at, true) * scale)
  }
  const isUnsigned = type.kind.startsWith('uint')
  switch (physicalOf(type)) {
    case 'i8':
      return String(isUnsigned ? dataView.getUint8(at) : dataView.getInt8(at))
    case 'i16':
      return String(isUnsigned ? dataView.getUint16(at, true) : dataView.getInt16(at, true))
    case 'i32':
      return String(isUnsigned ? dataView.getUint32(at, true) : dataView.getInt32(at, true))
    case 'i64':
      return String(isUnsigned ? dataView.getBigUint64(at, true) : dataView.getBigInt64(at, true))
    case 'f32':
      return float(dataView.getFloat32(at, true))
    case 'f64':
      return float(dataView.getFloat64(at, true))
    case 'i128':
      return String((dataView.getBigInt64(at + 8, true) << 64n) | dataView.getBigUint64(at, true))
    default: {
      const length = dataView.getUint32(at, true)
      const from = length <= 12 ? at + 4 : dataView.getUint32(at + 8, true)
      if (length <= 12)
        assert(
          u8.subarray(from + length, at + 16).every((byte) => byte === 0),
          'A view is padded.',
        )
      const bytes = u8.slice(from, from + length)
      return type.kind === 'binary' ? Buffer.from(bytes).toString('hex') : new TextDecoder().decode(bytes)
    }
  }
}

export const makeTwinArena = (): TestArena => createTestArena(2048)
