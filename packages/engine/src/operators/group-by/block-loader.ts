/**
 * Reads the blocks of a partition's spill files back into row chains, one block per call.
 *
 * A block that does not fit is taken in part: whole rows, and the next call goes on with the row after them. So a
 * refusal never loses a row, nor counts one twice.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import {
  blockBytes,
  formatBytes,
  openSpillFile,
  readBlock,
  removeSpillFile,
  type SpillFileState,
  type SpillTotals,
} from '@spillway/memory'
import { assert, makeError, SpillwayError } from '@spillway/stdx'
import type { ArrowImporter } from '../../pipeline/arrow-importer.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import type { Refusals } from './refusals.ts'
import { type RowChain, releaseChain } from './row-chain.ts'
import type { RowHolder, RowShape } from './row-shape.ts'

/** Room for one block of a spill file with strings of ordinary length. */
export interface BlockBuffer {
  readonly address: number
  readonly bytes: number
}

export interface SpilledPart {
  readonly path: string
  readonly totals: SpillTotals
}

export class BlockLoader {
  /** Rows of all files. */
  readonly rows: number
  rowsLeft: number
  /** The last `load` left rows of its block for the next one, because memory was refused. */
  wasRefused = false
  readonly #context: OpenContext
  readonly #shape: RowShape
  readonly #importer: ArrowImporter
  readonly #buffer: BlockBuffer
  readonly #files: readonly SpilledPart[]
  readonly #pending: { readonly part: SpilledPart; state: SpillFileState | undefined; block: number }[]
  #rowInBlock = 0

  constructor(
    context: OpenContext,
    shape: RowShape,
    importer: ArrowImporter,
    buffer: BlockBuffer,
    input: { readonly label: string; readonly files: readonly SpilledPart[] },
  ) {
    this.#context = context
    this.#shape = shape
    this.#importer = importer
    this.#buffer = buffer
    this.#files = input.files
    this.#pending = input.files.map((part) => ({ part, state: undefined, block: 0 }))
    this.rows = input.files.reduce((sum, { totals }) => sum + totals.rows, 0)
    this.rowsLeft = this.rows
    if (this.rows > 0) {
      const bytes = input.files.reduce((sum, { totals }) => sum + totals.bytes, 0)
      context.query.log(
        `${shape.logName}: re-loading partition ${input.label} (${formatBytes(bytes)}, rows=${this.rows})`,
      )
    }
  }

  get isDone(): boolean {
    return this.rowsLeft === 0
  }

  /** Loads up to `rowsMax` rows of the next block into `table`, which is empty. Returns them, or undefined: none. */
  load(table: RowHolder, rowsMax: number = Number.POSITIVE_INFINITY): RowChain | undefined {
    this.wasRefused = false
    let loaded = 0
    try {
      this.#eachBatch(rowsMax, (batch, rows) => {
        const before = table.totalRows()
        this.wasRefused = table.loadBatch(batch) === 'refused'
        const taken = this.wasRefused ? table.dropLoad(before) : rows
        this.#advance(taken)
        loaded += taken
        return !this.wasRefused && loaded < rowsMax
      })
    } catch (error) {
      // Room for a block or for a string longer than a heap was refused: nothing of the batch was taken.
      if (!(error instanceof SpillwayError) || error.code !== 'MEMORY_LIMIT' || this.wasRefused) throw error
      this.wasRefused = true
    }
    const chain = table.takePartition(0)
    if (chain.rowCount > 0) return chain
    const { arena, reservation } = this.#context
    releaseChain(arena.kernels, reservation, chain)
    return undefined
  }

  /** Loads the next block into a table of several partitions; `refusals` makes room until each batch is in. */
  loadInto(table: RowHolder, refusals: Refusals): void {
    this.#eachBatch(Number.POSITIVE_INFINITY, (batch, rows) => {
      refusals.settle(table.loadBatch(batch))
      this.#advance(rows)
      return true
    })
  }

  #advance(rows: number): void {
    this.#rowInBlock += rows
    this.rowsLeft -= rows
  }

  /** Reads the current block into pages, offers it batch by batch, and goes on to the next when all were taken. */
  #eachBatch(rowsMax: number, take: (batch: number, rows: number) => boolean): void {
    const file = this.#pending[0]
    if (file === undefined) return
    const { query, reservation } = this.#context
    const spill = query.requireSpill(this.#shape.text)
    const { path, totals } = file.part
    file.state ??= openSpillFile(spill, path, totals, this.#shape.spillSchema)
    const { state } = file
    const block = state.blocks[file.block]
    assert(block !== undefined, 'a pending file has a block left')
    const fits = blockBytes(block) + 64 <= this.#buffer.bytes
    const pages = fits ? 0 : Math.ceil((blockBytes(block) + 64) / PAGE_BYTES)
    const address = fits ? this.#buffer.address : reservation.take(pages)
    if (address === 0) throw this.#noRoomForBlock(pages, path)
    try {
      const { columns } = readBlock(spill, state, file.block, address)
      const end = Math.min(block.rows, this.#rowInBlock + rowsMax)
      while (this.#rowInBlock < end) {
        const rows = this.#importer.fill(columns, this.#rowInBlock, end - this.#rowInBlock, 0, 0)
        if (!take(this.#importer.batch.address, rows)) break
      }
    } finally {
      if (!fits) reservation.give(address, pages)
    }
    query.throwIfCancelled()
    if (this.#rowInBlock < block.rows) return
    this.#rowInBlock = 0
    file.block += 1
    if (file.block >= state.blocks.length) this.#pending.shift()
  }

  #noRoomForBlock(pages: number, path: string): Error {
    const bytes = pages * PAGE_BYTES
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${this.#shape.text} to read a spilled block of ${bytes} bytes. Raise memoryLimit.`,
      { operator: this.#shape.text, needBytes: bytes, path },
    )
  }

  /** Removes the files: everything in them stands elsewhere now. */
  finish(): void {
    if (this.#files.length === 0) return
    const spill = this.#context.query.requireSpill(this.#shape.text)
    for (const { path, totals } of this.#files) removeSpillFile(spill, path, totals.bytes)
  }
}
