/**
 * Brings rows of Arrow-layout columns (a decoded row group, an in-memory table, a spilled block) into the arena, one
 * batch at a time. The batch's buffers are reused: it is valid until the next `fill`.
 */
import {
  hasOwnLength,
  type ArrowColumn,
  type ImportedDictionary,
  importDictionary,
  importHeapBytes,
  importRows,
  importScratchBytes,
  rowsThatFit,
  type Schema,
  widthOf,
} from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import type { WorkspaceSize } from '@spillway/memory'
import { type BatchBuffers, batchShape, openBatch, setColumn, setRows, sizeBatch } from './batch-buffers.ts'
import type { OpenContext } from './contracts.ts'
import { PipelineMemory } from './pipeline-memory.ts'

/** String bytes of one column that a batch holds by default; longer rows make shorter batches. */
const HEAP_BYTES_PER_ROW = 32
const HEAP_BYTES_MIN = 16_384

interface StringHeap {
  readonly address: number
  readonly bytes: number
}

export function heapBytesOf(rows: number): number {
  return Math.max(HEAP_BYTES_MIN, rows * HEAP_BYTES_PER_ROW)
}

/** Counts the buffers that an importer takes. */
export function sizeImporter(schema: Schema, rows: number, size: WorkspaceSize): void {
  sizeBatch(batchShape(schema, rows), size)
  size.add(scratchBytes(schema, rows))
  for (const field of schema.fields) if (hasOwnLength(field.type)) size.add(heapBytesOf(rows))
}

function scratchBytes(schema: Schema, rows: number): number {
  return Math.max(64, ...schema.fields.map((field) => importScratchBytes(field.type, rows)))
}

export class ArrowImporter {
  readonly batch: BatchBuffers
  readonly #context: OpenContext
  readonly #schema: Schema
  readonly #rows: number
  readonly #scratch: number
  readonly #scratchBytes: number
  readonly #heaps: (StringHeap | undefined)[]
  readonly #memory: PipelineMemory
  /** Pages for a row longer than a heap, freed at the next fill. */
  readonly #oversized: { address: number; bytes: number }[] = []
  /** Dictionary values as views, by column; imported once per chunk. */
  readonly #dictionaries = new Map<
    number,
    { source: ArrowColumn; imported: ImportedDictionary; address: number; bytes: number }
  >()

  constructor(context: OpenContext, schema: Schema, rows: number, operator: string) {
    this.#context = context
    this.#schema = schema
    this.#rows = rows
    this.#memory = new PipelineMemory(context, operator)
    this.batch = openBatch(context.arena, context.workspace, batchShape(schema, rows))
    this.#scratchBytes = scratchBytes(schema, rows)
    this.#scratch = context.workspace.take(this.#scratchBytes)
    this.#heaps = schema.fields.map((field) =>
      hasOwnLength(field.type)
        ? { address: context.workspace.take(heapBytesOf(rows)), bytes: heapBytesOf(rows) }
        : undefined,
    )
  }

  /**
   * Imports up to `maxRows` rows from `start`; fewer when their strings do not fit the heaps. Returns the rows taken.
   * @throws MemoryLimitError when a single row's strings fit nowhere.
   */
  fill(columns: readonly ArrowColumn[], start: number, maxRows: number, sequence: number, rowInMorsel: number): number {
    this.#freeOversized()
    let rows = Math.min(maxRows, this.#rows)
    for (let index = 0; index < columns.length; index++) {
      const heap = this.#heaps[index]
      const source = columns[index] as ArrowColumn
      if (heap === undefined || source.dictionary !== undefined) continue
      rows = Math.min(rows, Math.max(1, rowsThatFit(source, start, rows, heap.bytes)))
    }
    for (let index = 0; index < columns.length; index++)
      this.#fillColumn(columns[index] as ArrowColumn, index, start, rows)
    setRows(this.#context.arena, this.batch.address, rows, sequence, rowInMorsel)
    return rows
  }

  #fillColumn(source: ArrowColumn, index: number, start: number, rows: number): void {
    const { arena } = this.#context
    const buffers = this.batch.columns[index]
    if (buffers === undefined) return
    const heap = this.#heaps[index]
    if (source.dictionary !== undefined) {
      this.#importDictionary(source, index)
    }
    const room = heap === undefined ? { address: 0, bytes: 0 } : this.#heapFor(source, start, rows, heap)
    const nullCount = importRows(arena.kernels, arena.handle.memory, source, start, rows, {
      values: buffers.values,
      validity: buffers.validity,
      heap: room.address,
      heapBytes: room.bytes,
      scratch: this.#scratch,
      scratchBytes: this.#scratchBytes,
      dictionary: this.#dictionaries.get(index)?.imported,
    })
    setColumn(arena, this.batch.address, index, buffers, nullCount)
  }

  #heapFor(source: ArrowColumn, start: number, rows: number, heap: StringHeap): StringHeap {
    if (source.dictionary !== undefined || rows > 1 || rowsThatFit(source, start, 1, heap.bytes) === 1) return heap
    let pages = 2
    while (rowsThatFit(source, start, 1, pages * PAGE_BYTES - 64) === 0) pages *= 2
    const bytes = pages * PAGE_BYTES
    const address = this.#memory.take(bytes, `a string of up to ${bytes} bytes`)
    this.#oversized.push({ address, bytes })
    return { address, bytes: bytes - 64 }
  }

  #importDictionary(source: ArrowColumn, index: number): void {
    const dictionary = source.dictionary as ArrowColumn
    const known = this.#dictionaries.get(index)
    if (known?.source === dictionary) return
    if (known !== undefined) this.#memory.give(known.address, known.bytes)
    this.#dictionaries.delete(index)
    const { arena } = this.#context
    const rows = dictionary.length
    const valuesBytes = roundUp(rows * widthOf(dictionary.type) + 64)
    const heapBytes = roundUp(importHeapBytes(dictionary, 0, rows) + 64)
    const scratch = roundUp(importScratchBytes(dictionary.type, rows) + 64)
    const bytes = valuesBytes + roundUp(rows + 64) + heapBytes + scratch
    const address = this.#memory.take(bytes, 'a dictionary')
    const imported = importDictionary(arena.kernels, arena.handle.memory, dictionary, {
      values: address,
      heap: address + valuesBytes,
      heapBytes,
      scratch: address + valuesBytes + heapBytes,
      scratchBytes: scratch,
      validity: address + valuesBytes + heapBytes + scratch,
      dictionary: undefined,
    })
    this.#dictionaries.set(index, { source: dictionary, imported, address, bytes })
  }

  #freeOversized(): void {
    for (const { address, bytes } of this.#oversized) this.#memory.give(address, bytes)
    this.#oversized.length = 0
  }

  close(): void {
    this.#freeOversized()
    for (const { address, bytes } of this.#dictionaries.values()) this.#memory.give(address, bytes)
    this.#dictionaries.clear()
  }

  get schema(): Schema {
    return this.#schema
  }
}

const roundUp = (bytes: number): number => Math.ceil(bytes / 64) * 64
