/** Streams spill files as batches, without keeping a row: the side of a pair that passes by. May be done repeatedly. */
import type { ArrowColumn } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { blockBytes, openSpillFile, readBlock, type SpillFileState } from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import type { ArrowImporter } from '../../pipeline/arrow-importer.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import type { BlockBuffer } from '../group-by/block-loader.ts'
import type { RowShape } from '../group-by/row-shape.ts'
import type { SpilledFile } from './published-build.ts'

export class SpillReader {
  readonly #context: OpenContext
  readonly #shape: RowShape
  readonly #importer: ArrowImporter
  readonly #buffer: BlockBuffer
  readonly #files: readonly SpilledFile[]
  #file = 0
  #state: SpillFileState | undefined
  #block = 0
  #columns: readonly ArrowColumn[] | undefined
  #rowInBlock = 0
  /** Pages of a block that is larger than the buffer. */
  #extra: { readonly address: number; readonly pages: number } | undefined
  /** Rows given so far. */
  rowsGiven = 0

  constructor(
    context: OpenContext,
    shape: RowShape,
    importer: ArrowImporter,
    buffer: BlockBuffer,
    files: readonly SpilledFile[],
  ) {
    this.#context = context
    this.#shape = shape
    this.#importer = importer
    this.#buffer = buffer
    this.#files = files
  }

  /** The next batch of at most `rowsMax` rows (see `batch`); returns its rows, 0 at the end. */
  next(rowsMax: number): number {
    const columns = this.#openBlock()
    if (columns === undefined) return 0
    const block = this.#state?.blocks[this.#block]
    const left = (block?.rows ?? 0) - this.#rowInBlock
    const rows = this.#importer.fill(columns, this.#rowInBlock, Math.min(left, rowsMax), 0, 0)
    this.#rowInBlock += rows
    this.rowsGiven += rows
    if (rows === left) this.#closeBlock()
    return rows
  }

  /** Descriptor of the last batch; valid until the next one. */
  get batch(): number {
    return this.#importer.batch.address
  }

  #openBlock(): readonly ArrowColumn[] | undefined {
    if (this.#columns !== undefined) return this.#columns
    const { query, reservation } = this.#context
    const file = this.#files[this.#file]
    if (file === undefined) return undefined
    query.throwIfCancelled()
    const spill = query.requireSpill(this.#shape.text)
    this.#state ??= openSpillFile(spill, file.path, file.totals, this.#shape.spillSchema)
    const block = this.#state.blocks[this.#block]
    if (block === undefined) return undefined
    const bytes = blockBytes(block) + 64
    let { address } = this.#buffer
    if (bytes > this.#buffer.bytes) {
      const pages = Math.ceil(bytes / PAGE_BYTES)
      address = reservation.take(pages)
      if (address === 0) throw this.#noRoom(bytes, file.path)
      this.#extra = { address, pages }
    }
    this.#columns = readBlock(spill, this.#state, this.#block, address).columns
    return this.#columns
  }

  #closeBlock(): void {
    this.#freeExtra()
    this.#columns = undefined
    this.#rowInBlock = 0
    this.#block += 1
    if (this.#block < (this.#state?.blocks.length ?? 0)) return
    this.#state = undefined
    this.#block = 0
    this.#file += 1
  }

  #freeExtra(): void {
    if (this.#extra !== undefined) this.#context.reservation.give(this.#extra.address, this.#extra.pages)
    this.#extra = undefined
  }

  #noRoom(bytes: number, path: string): Error {
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${this.#shape.text} to read a spilled block of ${bytes} bytes. Raise memoryLimit.`,
      { operator: this.#shape.text, needBytes: bytes, path },
    )
  }
}
