/**
 * Batches for tests: JavaScript values laid out in an arena as batch-layout.ts says, and read back.
 *
 * Values: boolean, number for integers to 32 bits, floats and dates, bigint for int64, uint64, timestamps and scaled
 * decimals, string, null. Built row by row, so it is for tests only.
 */
import {
  COLUMN_BYTES,
  column,
  type DataType,
  DESCRIPTOR_HEADER_BYTES,
  descriptor,
  isUnsignedInteger,
  physicalBytes,
  physicalOf,
  type Schema,
  STRING_INLINE_MAX,
} from '@spillway/columnar'
import { PAGE_BYTES, type TestArena } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import type { ParamBlock } from './param-block.ts'

export type CellValue = null | boolean | number | bigint | string

/** Hands out room in pages of the test arena. */
export class ArenaRoom {
  readonly arena: TestArena
  #cursor = 0
  #end = 0
  readonly #pages: [address: number, count: number][] = []

  constructor(arena: TestArena) {
    this.arena = arena
  }

  /** Room of `byteCount` bytes, 16-byte aligned, with 16 spare bytes behind it. */
  take(byteCount: number): number {
    const need = (byteCount + 31) & ~15
    if (this.#cursor + need > this.#end) {
      const count = Math.max(4, Math.ceil(need / PAGE_BYTES))
      this.#cursor = this.arena.kernels.pageAlloc(7, count) >>> 0
      assert(this.#cursor !== 0, 'the test arena is large enough')
      this.#end = this.#cursor + count * PAGE_BYTES
      this.#pages.push([this.#cursor, count])
    }
    const address = this.#cursor
    this.#cursor += need
    return address
  }

  /** Gives all pages back. */
  release(): void {
    for (const [address, count] of this.#pages) this.arena.kernels.pageFree(address, count)
    this.#pages.length = 0
    this.#cursor = this.#end = 0
  }
}

/** Copies a parameter block into the arena and adds its address to the relocated words. */
export function placeParams(room: ArenaRoom, params: ParamBlock): number {
  const address = room.take(params.bytes.length)
  room.arena.u8.set(params.bytes, address)
  for (const offset of params.relocations) {
    const word = room.arena.dataView.getUint32(address + offset, true)
    room.arena.dataView.setUint32(address + offset, word + address, true)
  }
  return address
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export function writeCell(room: ArenaRoom, address: number, type: DataType, value: CellValue): void {
  const { dataView, u8 } = room.arena
  const physical = physicalOf(type)
  if (physical === 'view') {
    const bytes = encoder.encode(String(value))
    u8.fill(0, address, address + 16)
    dataView.setUint32(address, bytes.length, true)
    u8.set(bytes.subarray(0, STRING_INLINE_MAX), address + 4)
    if (bytes.length > STRING_INLINE_MAX) {
      const heap = room.take(bytes.length)
      u8.set(bytes, heap)
      dataView.setUint32(address + 8, heap, true)
      dataView.setUint32(address + 12, 0, true)
    }
    return
  }
  if (physical === 'f64') {
    dataView.setFloat64(address, Number(value), true)
    return
  }
  if (physical === 'f32') {
    dataView.setFloat32(address, Number(value), true)
    return
  }
  const whole = BigInt(value as bigint)
  for (let k = 0; k < physicalBytes[physical]; k++) u8[address + k] = Number((whole >> BigInt(8 * k)) & 0xffn)
}

export function readCell(arena: TestArena, address: number, type: DataType): CellValue {
  const { dataView, u8 } = arena
  const physical = physicalOf(type)
  if (physical === 'view') {
    const length = dataView.getUint32(address, true)
    const start = length <= STRING_INLINE_MAX ? address + 4 : dataView.getUint32(address + 8, true)
    return decoder.decode(u8.slice(start, start + length))
  }
  if (physical === 'f64') return dataView.getFloat64(address, true)
  if (physical === 'f32') return dataView.getFloat32(address, true)
  let whole = 0n
  const width = physicalBytes[physical]
  for (let k = 0; k < width; k++) whole |= BigInt(u8[address + k] ?? 0) << BigInt(8 * k)
  if (type.kind === 'boolean') return whole !== 0n
  const signed = isUnsignedInteger(type) ? whole : BigInt.asIntN(8 * width, whole)
  return width >= 8 ? signed : Number(signed)
}

/** The least value that a null row's bytes may hold: any will do. */
const filler = (type: DataType): CellValue => (type.kind === 'utf8' ? 'null!' : type.kind === 'boolean' ? true : 1)

/** An input batch with one JavaScript array per column. @param selection row indices, or undefined for all rows */
export function makeBatch(
  room: ArenaRoom,
  schema: Schema,
  columns: readonly (readonly CellValue[])[],
  rowCount: number,
  selection: readonly number[] | undefined,
): number {
  const { dataView, u8 } = room.arena
  const batch = makeEmptyBatch(
    room,
    schema.fields.map((field) => field.type),
    rowCount,
    4096,
  )
  dataView.setUint32(batch + descriptor.rowCount, rowCount, true)
  dataView.setUint32(batch + descriptor.selectionCount, selection?.length ?? rowCount, true)
  if (selection !== undefined) {
    const address = room.take(selection.length * 4)
    selection.forEach((row, k) => {
      dataView.setUint32(address + 4 * k, row, true)
    })
    dataView.setUint32(batch + descriptor.selection, address, true)
  }
  schema.fields.forEach((field, c) => {
    const cells = columns[c] ?? []
    const width = physicalBytes[physicalOf(field.type)]
    const entry = batch + DESCRIPTOR_HEADER_BYTES + c * COLUMN_BYTES
    const values = room.take(rowCount * width)
    cells.forEach((cell, k) => {
      writeCell(room, values + k * width, field.type, cell ?? filler(field.type))
    })
    dataView.setUint32(entry + column.values, values, true)
    const nullCount = cells.filter((cell) => cell === null).length
    dataView.setUint32(entry + column.nullCount, nullCount, true)
    const validity = nullCount === 0 ? 0 : room.take(rowCount)
    cells.forEach((cell, k) => {
      if (validity !== 0) u8[validity + k] = cell === null ? 0 : 1
    })
    dataView.setUint32(entry + column.validity, validity, true)
  })
  return batch
}

/** A batch with output buffers for up to `rowCount` rows and a string heap. */
export function makeEmptyBatch(
  room: ArenaRoom,
  types: readonly DataType[],
  rowCount: number,
  heapBytes: number,
): number {
  const { dataView, u8 } = room.arena
  const byteCount = DESCRIPTOR_HEADER_BYTES + types.length * COLUMN_BYTES
  const batch = room.take(byteCount)
  u8.fill(0, batch, batch + byteCount)
  const heap = room.take(heapBytes)
  dataView.setUint32(batch + descriptor.columnCount, types.length, true)
  dataView.setUint32(batch + descriptor.selectionBuffer, room.take(rowCount * 4), true)
  dataView.setUint32(batch + descriptor.heapCursor, heap, true)
  dataView.setUint32(batch + descriptor.heapEnd, heap + heapBytes, true)
  types.forEach((type, c) => {
    const pair = room.take(8)
    dataView.setUint32(pair, room.take(rowCount * physicalBytes[physicalOf(type)]), true)
    dataView.setUint32(pair + 4, room.take(rowCount), true)
    dataView.setUint32(batch + DESCRIPTOR_HEADER_BYTES + c * COLUMN_BYTES + column.buffers, pair, true)
  })
  return batch
}

/** The selected rows of a batch, or undefined for all rows. */
export function readSelection(arena: TestArena, batch: number): number[] | undefined {
  const selection = arena.dataView.getUint32(batch + descriptor.selection, true)
  if (selection === 0) return undefined
  const count = arena.dataView.getUint32(batch + descriptor.selectionCount, true)
  return Array.from({ length: count }, (_, k) => arena.dataView.getUint32(selection + 4 * k, true))
}

/** Column `index` of a dense batch as JavaScript values. */
export function readColumn(arena: TestArena, batch: number, index: number, type: DataType): CellValue[] {
  const { dataView, u8 } = arena
  const rowCount = dataView.getUint32(batch + descriptor.rowCount, true)
  const entry = batch + DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES
  const values = dataView.getUint32(entry + column.values, true)
  const validity = dataView.getUint32(entry + column.validity, true)
  const width = physicalBytes[physicalOf(type)]
  return Array.from({ length: rowCount }, (_, k) =>
    validity !== 0 && u8[validity + k] === 0 ? null : readCell(arena, values + k * width, type),
  )
}
