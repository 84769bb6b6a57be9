/**
 * DELTA_BINARY_PACKED for the pages of a chunk of integers that has no dictionary.
 *
 * A chunk's first page is tried both ways, compressed; what is shorter holds for the chunk and for the next row groups
 * too, so that a column pays for one page in hundreds. Within a chunk that is delta encoded, a page that would get
 * longer than PLAIN is PLAIN.
 */
import { boundKind } from '@spillway/kernels'
import type { ColumnForm } from './column-form.ts'
import type { EncoderArena } from './encoder-room.ts'
import { type EncoderShape, LEVEL_BYTES, pageRoom, type SharedBuffers } from './page-room.ts'

/** Bytes that the kernel may write past its limit. */
const SLACK_BYTES = 1152
/** Row groups without a trial, as the one before them, which had one. */
const ROW_GROUPS_ALIKE = 7
/** Packed differences take longer to read than PLAIN, so they must be shorter by an eighth. */
const worthBytes = (plainBytes: number): number => plainBytes - (plainBytes >>> 3)

export function usesDelta({ bound, field, plainBytes }: ColumnForm): boolean {
  if (field.type.kind === 'null' || (plainBytes !== 4 && plainBytes !== 8)) return false
  return bound !== undefined && bound <= boundKind.uint64
}

/** Bytes of the buffer that the columns share; 0 when none of them has integers. */
export function deltaBytes(forms: readonly ColumnForm[], shape: EncoderShape): number {
  const pages = forms.filter(usesDelta).map((form) => pageRoom(form, shape).rows * form.plainBytes)
  return pages.length === 0 ? 0 : LEVEL_BYTES + Math.max(...pages) + SLACK_BYTES
}

export interface DeltaPage {
  readonly valueStart: number
  readonly end: number
}

export class ChunkDelta {
  readonly #arena: EncoderArena
  readonly #shape: EncoderShape
  readonly #shared: SharedBuffers
  readonly #width: number
  #choice: 'untried' | 'delta' | 'plain' = 'untried'
  #rowGroupsAlike = 0

  constructor(form: ColumnForm, shape: EncoderShape, arena: EncoderArena, shared: SharedBuffers) {
    this.#arena = arena
    this.#shape = shape
    this.#shared = shared
    this.#width = form.plainBytes
  }

  /** Begins a row group. */
  open(): void {
    if (this.#rowGroupsAlike > 0) this.#rowGroupsAlike -= 1
    else this.#choice = 'untried'
  }

  /** The page's values in the shared buffer, valid until the next page; undefined = they stay PLAIN. */
  encodePage(values: number, count: number): DeltaPage | undefined {
    if (this.#choice === 'plain' || count === 0) return undefined
    const { delta, slice } = this.#shared
    const valueStart = delta + LEVEL_BYTES
    const plainBytes = count * this.#width
    const widthLog2 = this.#width === 4 ? 2 : 3
    const limit = worthBytes(plainBytes)
    const bytes = this.#arena.kernels.deltaEncode(values, count, widthLog2, valueStart, limit, slice) >>> 0
    if (this.#choice === 'untried') {
      const isShorter = bytes > 0 && this.#packed(valueStart, bytes) < worthBytes(this.#packed(values, plainBytes))
      this.#choice = isShorter ? 'delta' : 'plain'
      this.#rowGroupsAlike = ROW_GROUPS_ALIKE
      if (!isShorter) return undefined
    }
    return bytes === 0 ? undefined : { valueStart, end: valueStart + bytes }
  }

  /** Bytes once compressed. */
  #packed(source: number, bytes: number): number {
    const { compress } = this.#shape.codec
    const { packed, codecScratch } = this.#shared
    return compress === undefined ? bytes : compress(this.#arena, source, bytes, packed, codecScratch)
  }
}
