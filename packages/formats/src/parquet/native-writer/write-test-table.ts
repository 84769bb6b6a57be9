/** For tests: tables of JavaScript values, laid out as batches in an arena of their own and written as a file. */
import { randomUUID } from 'node:crypto'
import {
  COLUMN_BYTES,
  column,
  DESCRIPTOR_HEADER_BYTES,
  descriptor,
  makeSchema,
  physicalOf,
  type Schema,
  widthOf,
} from '@spillway/columnar'
import { createTestArena, PAGE_BYTES, type TestArena } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import { beginOutputFile, endOutputFile, commitOutputFiles, writeOutputBody } from '../../output/index.ts'
import { PARQUET_HEADER, parquetTail, type PlacedRowGroup } from '../assemble-file.ts'
import { type EncoderShape, type FinishedRowGroup, pageCodec, RowGroupWriter, sizeRowGroupWriter } from './index.ts'

/** Exact values, see `makeExactReader`: numbers, bigints (64 bits and decimals, unscaled), booleans, texts, null. */
export type TestValue = null | boolean | number | bigint | string
export type TestTable = { readonly schema: Schema; readonly columns: readonly (readonly TestValue[])[] }

export interface TestWriting extends EncoderShape {
  readonly batchRows: number
  /** Every other row of a batch is a stranger that the selection leaves out. */
  readonly selects: boolean
  /** Pages that the chains get at most. */
  readonly pages: number
  readonly keyValue: Readonly<Record<string, string>>
  /** Which row group's body comes first in the file, and so on; undefined = the order of the rows. */
  readonly makeRoom: (pages: number) => number
  readonly placing: readonly number[] | undefined
}

export const plainWriting: TestWriting = {
  codec: pageCodec('snappy', undefined),
  statistics: true,
  pageBytes: 1 << 20,
  dictionaryEntries: 16_384,
  dictionaryBytes: 1 << 20,
  bloomFilters: [],
  batchRows: 1000,
  rowGroupRows: 131_072,
  selects: false,
  pages: 1000,
  keyValue: {},
  makeRoom: () => 0,
  placing: undefined,
}

/** A table of one column per entry; all are nullable. */
export function testTable(columns: readonly (readonly [Schema['fields'][number], readonly TestValue[]])[]): TestTable {
  return { schema: makeSchema(columns.map(([field]) => field)), columns: columns.map(([, values]) => values) }
}

/** Buffers one behind the other, each followed by a red zone. */
class TestBuffers {
  readonly #arena: TestArena
  readonly #zones: number[] = []
  #cursor: number

  constructor(arena: TestArena, pages: number) {
    this.#arena = arena
    this.#cursor = arena.kernels.pageAlloc(1, pages) >>> 0
  }
  take(bytes: number): number {
    const address = this.#cursor
    const zone = (address + bytes + 127) & ~63
    this.#arena.u8.fill(0xa5, zone, zone + 64)
    this.#zones.push(zone)
    this.#cursor = zone + 64
    return address
  }
  check(): void {
    for (const zone of this.#zones) {
      const isIntact = this.#arena.u8.subarray(zone, zone + 64).every((byte) => byte === 0xa5)
      assert(isIntact, 'nothing is written behind a buffer')
    }
  }
}

class TestPages {
  readonly #arena: TestArena
  readonly #most: number
  used = 0
  constructor(arena: TestArena, most: number) {
    this.#arena = arena
    this.#most = most
  }
  take(count: number): number {
    if (this.used + count > this.#most) return 0
    const address = this.#arena.kernels.pageAlloc(2, count) >>> 0
    if (address !== 0) this.used += count
    return address
  }
  give(address: number, count: number): void {
    this.#arena.u8.fill(0xdb, address, address + count * PAGE_BYTES)
    this.#arena.kernels.pageFree(address, count)
    this.used -= count
  }
}

/** Writes the rows of a file; returns what the footer lists. */
export function writeTestTable(path: string, table: TestTable, options: Partial<TestWriting> = {}): PlacedRowGroup[] {
  const writing = { ...plainWriting, ...options }
  const arena = createTestArena(6000)
  const size = { bytes: 0, add: (bytes: number) => (size.bytes += bytes + 256) }
  sizeRowGroupWriter(table.schema, writing, size)
  const buffers = new TestBuffers(arena, Math.ceil(size.bytes / PAGE_BYTES) + 1)
  const pages = new TestPages(arena, writing.pages)
  const writer = new RowGroupWriter({
    schema: table.schema,
    shape: writing,
    arena,
    buffers,
    pages,
    makeRoom: writing.makeRoom,
  })
  const temporary = `${path}.${randomUUID()}.tmp`
  beginOutputFile(temporary, PARQUET_HEADER)
  const finished: { body: Uint8Array; footerAt: FinishedRowGroup['footerAt'] }[] = []
  const flush = (): void => {
    if (writer.rows > 0) {
      const { pieces, bytes, footerAt } = writer.finish()
      finished.push({ body: new Uint8Array(Buffer.concat(pieces)), footerAt })
      assert(finished.at(-1)?.body.length === bytes, 'a row group is as long as it says')
    }
    writer.clear()
    assert(pages.used === 0, 'a row group gives all of its pages back')
    buffers.check()
  }
  const rowCount = table.columns[0]?.length ?? 0
  for (let start = 0; start < rowCount; start += writing.batchRows) {
    const rows = Math.min(writing.batchRows, rowCount - start)
    const batch = makeBatch(arena, table, start, rows, writing.selects)
    for (let done = 0; done < rows; ) {
      const taken = writer.append(batch.address, done, Math.min(rows - done, writing.rowGroupRows - writer.rows))
      done += taken
      if (taken === 0 || writer.rows === writing.rowGroupRows) flush()
    }
    arena.kernels.pageFree(batch.first, batch.pages)
  }
  flush()
  const placed: PlacedRowGroup[] = []
  let offset = PARQUET_HEADER.length
  for (const index of writing.placing ?? finished.keys()) {
    const { body, footerAt } = finished[index] ?? { body: new Uint8Array(0), footerAt: undefined }
    assert(footerAt !== undefined, 'a place is given to a row group that is there')
    // In pieces, as the sink writes it; footers come from workers: they survive a structured clone.
    writeOutputBody(temporary, [body.subarray(0, 7), body.subarray(7, 7), body.subarray(7)], offset)
    placed[index] = { offset, footer: structuredClone(footerAt(offset)) }
    offset += body.length
  }
  const { keyValue } = writing
  endOutputFile(temporary, parquetTail({ rowGroups: placed, schema: table.schema, rowCount, keyValue }))
  commitOutputFiles([{ temporary, target: path }])
  return placed
}

interface TestBatch {
  readonly address: number
  readonly first: number
  readonly pages: number
}

function makeBatch(arena: TestArena, table: TestTable, start: number, rows: number, selects: boolean): TestBatch {
  const { u32, u8, dataView } = arena
  const step = selects ? 2 : 1
  const stored = rows * step
  const encoder = new TextEncoder()
  const texts = table.columns.map((values) =>
    values.slice(start, start + rows).map((value) => (typeof value === 'string' ? encoder.encode(value) : undefined)),
  )
  const textBytes = texts.flat().reduce((sum, text) => sum + (text?.length ?? 0), 0)
  const bytes = 8192 + table.columns.length * (stored * 97 + 512) + stored * 4 + textBytes
  const pages = Math.ceil(bytes / PAGE_BYTES)
  const first = arena.kernels.pageAlloc(1, pages) >>> 0
  assert(first !== 0, 'the arena of a test is large enough')
  u8.fill(0x33, first, first + pages * PAGE_BYTES)
  let cursor = first
  const take = (count: number): number => {
    const at = cursor
    cursor = (cursor + count + 79) & ~63
    return at
  }
  const address = take(DESCRIPTOR_HEADER_BYTES + table.columns.length * COLUMN_BYTES)
  const selection = selects ? take(rows * 4) : 0
  for (let row = 0; selects && row < rows; row++) u32[(selection >>> 2) + row] = row * 2 + 1
  u32[(address + descriptor.rowCount) >>> 2] = stored
  u32[(address + descriptor.selectionCount) >>> 2] = rows
  u32[(address + descriptor.selection) >>> 2] = selection
  table.schema.fields.forEach(({ type }, index) => {
    const width = widthOf(type)
    const values = take(stored * width)
    const own = table.columns[index]?.slice(start, start + rows) ?? []
    const hasNulls = own.includes(null)
    const validity = hasNulls ? take(stored) : 0
    const entry = address + DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES
    u32[(entry + column.values) >>> 2] = values
    u32[(entry + column.validity) >>> 2] = validity
    if (hasNulls) u8.fill(1, validity, validity + stored)
    own.forEach((value, k) => {
      const row = selects ? k * 2 + 1 : k
      if (hasNulls) u8[validity + row] = value === null ? 0 : 1
      const at = values + row * width
      const text = texts[index]?.[k]
      if (text !== undefined) {
        u8.fill(0, at, at + 16)
        dataView.setUint32(at, text.length, true)
        u8.set(text.subarray(0, text.length > 12 ? 4 : 12), at + 4)
        if (text.length <= 12) return
        const heap = take(text.length)
        dataView.setUint32(at + 8, heap, true)
        u8.set(text, heap)
      } else if (value !== null) {
        storeValue(dataView, at, physicalOf(type), value)
      }
    })
  })
  return { address, first, pages }
}

function storeValue(view: DataView, at: number, physical: string, value: TestValue): void {
  const whole = typeof value === 'bigint' ? value : 0n
  if (physical === 'i8') view.setInt8(at, Number(value))
  else if (physical === 'i16') view.setInt16(at, Number(value), true)
  else if (physical === 'i32') view.setInt32(at, Number(value), true)
  else if (physical === 'f32') view.setFloat32(at, Number(value), true)
  else if (physical === 'f64') view.setFloat64(at, Number(value), true)
  else view.setBigInt64(at, whole, true)
  if (physical === 'i128') view.setBigInt64(at + 8, whole >> 64n, true)
}
