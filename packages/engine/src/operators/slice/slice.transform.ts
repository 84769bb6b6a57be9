/** Worker side of SLICE. The rows seen so far are one shared counter, so that concat's pipelines and workers agree. */
import { COLUMN_BYTES, DESCRIPTOR_HEADER_BYTES, descriptor } from '@spillway/columnar'
import type { WorkspaceSize } from '@spillway/memory'
import { columnAddress, selectedRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, Transform } from '../../pipeline/contracts.ts'
import type { SliceSpec } from './slice.ts'

export function sizeSlice(spec: SliceSpec, size: WorkspaceSize): void {
  size.add(DESCRIPTOR_HEADER_BYTES + spec.widths.length * COLUMN_BYTES)
}

export function openSlice(spec: SliceSpec, context: OpenContext): Transform {
  return new SliceTransform(spec, context)
}

class SliceTransform implements Transform {
  isFinished = false
  readonly #spec: SliceSpec
  readonly #context: OpenContext
  readonly #output: number

  constructor(spec: SliceSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    this.#output = context.workspace.take(DESCRIPTOR_HEADER_BYTES + spec.widths.length * COLUMN_BYTES)
  }

  apply(batch: number): number {
    const { arena, query } = this.#context
    const { offset, length, counter } = this.#spec
    const rows = selectedRows(arena, batch)
    const seen = query.countSliced(counter, rows)
    if (seen + rows >= offset + length) this.isFinished = true
    const start = Math.max(0, offset - seen)
    const end = Math.min(rows, offset + length - seen)
    if (start >= end) return 0
    if (start === 0 && end === rows) return batch
    return this.#narrow(batch, start, end - start)
  }

  /** A descriptor of its own that shows rows start … start+count of the batch's selected rows. */
  #narrow(batch: number, start: number, count: number): number {
    const { arena } = this.#context
    const { widths } = this.#spec
    const output = this.#output
    arena.u8.copyWithin(output, batch, columnAddress(batch, widths.length))
    const selection = arena.u32[(batch + descriptor.selection) >>> 2] as number
    const base = output >>> 2
    arena.u32[base + (descriptor.selectionCount >>> 2)] = count
    if (selection !== 0) {
      arena.u32[base + (descriptor.selection >>> 2)] = selection + start * 4
      return output
    }
    arena.u32[base + (descriptor.rowCount >>> 2)] = count
    arena.u32[base + (descriptor.ordinal >>> 2)] = (arena.u32[base + (descriptor.ordinal >>> 2)] as number) + start
    widths.forEach((width, index) => {
      const entry = columnAddress(output, index) >>> 2
      arena.u32[entry] = (arena.u32[entry] as number) + start * width
      const validity = arena.u32[entry + 1] as number
      if (validity !== 0) arena.u32[entry + 1] = validity + start
    })
    return output
  }

  close(): void {}
}
