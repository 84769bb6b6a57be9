/**
 * The Bloom filter of a column chunk: as large as a full row group of distinct values asks for while rows come, folded
 * to what its values need when the row group ends.
 */
import type { ColumnForm } from './column-form.ts'
import type { BufferCount, BufferSource, EncoderArena } from './encoder-room.ts'
import { bloomFilterHeader } from './page-meta.ts'
import type { EncoderShape } from './page-room.ts'

const BLOCK_BYTES = 32
/** One of a hundred absent values is taken for present. */
const BITS_PER_VALUE = 10.5

/** Booleans have no filters in the format, and a column of type null has no values. */
export function mayHaveBloomFilter({ field }: ColumnForm): boolean {
  return field.type.kind !== 'boolean' && field.type.kind !== 'null'
}

export const hasBloomFilter = (form: ColumnForm, shape: EncoderShape): boolean =>
  mayHaveBloomFilter(form) && shape.bloomFilters.includes(form.field.name)

/** A power of two; under little memory no larger than a page. */
function blockCount({ rowGroupRows, pageBytes }: EncoderShape): number {
  const wanted = Math.min((rowGroupRows * BITS_PER_VALUE) / 8, Math.max(pageBytes, 1024))
  return 2 ** Math.max(0, Math.ceil(Math.log2(wanted / BLOCK_BYTES)))
}

export function sizeChunkBloomFilter(shape: EncoderShape, size: BufferCount): void {
  size.add(blockCount(shape) * BLOCK_BYTES)
}

export class ChunkBloomFilter {
  readonly #arena: EncoderArena
  readonly #address: number
  readonly #blocks: number

  constructor(shape: EncoderShape, arena: EncoderArena, buffers: BufferSource) {
    this.#arena = arena
    this.#blocks = blockCount(shape)
    this.#address = buffers.take(this.#blocks * BLOCK_BYTES)
    this.clear()
  }

  clear(): void {
    this.#arena.u8.fill(0, this.#address, this.#address + this.#blocks * BLOCK_BYTES)
  }

  /** Values as `plainFixed` wrote them. */
  addFixed(values: number, count: number, width: number): void {
    this.#arena.kernels.bloomFixed(values, count, width, this.#address, this.#blocks)
  }

  addText(views: number, validity: number, selection: number, rows: number): void {
    this.#arena.kernels.bloomViews(views, validity, selection, rows, this.#address, this.#blocks)
  }

  /** Header and bits, for the file; only `clear` may follow. */
  finish(): readonly Uint8Array[] {
    const bytes = this.#arena.kernels.bloomShrink(this.#address, this.#blocks) * BLOCK_BYTES
    return [bloomFilterHeader(bytes), this.#arena.u8.subarray(this.#address, this.#address + bytes)]
  }
}
