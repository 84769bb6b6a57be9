/** Worker side of ORDINAL. */
import { COLUMN_BYTES, DESCRIPTOR_HEADER_BYTES, descriptor, widthOf } from '@spillway/columnar'
import type { WorkspaceSize } from '@spillway/memory'
import { assert, makeError } from '@spillway/stdx'
import { columnAddress, selectedRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, Transform } from '../../pipeline/contracts.ts'
import type { OrdinalSpec } from './ordinal.ts'

const VALUE_BYTES = widthOf({ kind: 'int64' })
/** Numbers of one morsel. */
const MORSEL_ROWS_MAX = 2 ** 32

const descriptorBytes = (spec: OrdinalSpec): number => DESCRIPTOR_HEADER_BYTES + (spec.inputColumns + 1) * COLUMN_BYTES

export function sizeOrdinal(spec: OrdinalSpec, size: WorkspaceSize): void {
  size.add(descriptorBytes(spec))
  size.add(spec.batchRows * VALUE_BYTES)
}

export function openOrdinal(spec: OrdinalSpec, context: OpenContext): Transform {
  return new OrdinalTransform(spec, context)
}

class OrdinalTransform implements Transform {
  readonly isFinished = false
  readonly #spec: OrdinalSpec
  readonly #context: OpenContext
  readonly #output: number
  readonly #values: number
  #sequence = -1
  /** Rows of this morsel so far; a worker reads a morsel from its first to its last row. */
  #morselRows = 0

  constructor(spec: OrdinalSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    this.#output = context.workspace.take(descriptorBytes(spec))
    this.#values = context.workspace.take(spec.batchRows * VALUE_BYTES)
  }

  apply(batch: number, sequence: number): number {
    const { arena } = this.#context
    const { inputColumns, batchRows } = this.#spec
    const rows = arena.u32[(batch + descriptor.rowCount) >>> 2] as number
    assert(rows <= batchRows, 'a batch has no more rows than the plan says')
    this.#number(batch, rows, sequence)
    const output = this.#output
    arena.u8.copyWithin(output, batch, columnAddress(batch, inputColumns))
    arena.u32[(output + descriptor.columnCount) >>> 2] = inputColumns + 1
    const entry = columnAddress(output, inputColumns) >>> 2
    arena.u32.fill(0, entry, entry + (COLUMN_BYTES >>> 2))
    arena.u32[entry] = this.#values
    return output
  }

  /** Writes the numbers of all rows that the batch has, or of those that count. */
  #number(batch: number, rows: number, sequence: number): void {
    const { arena, query } = this.#context
    const { dense } = this.#spec
    if (dense === undefined) {
      arena.kernels.iota64(this.#nextOrdinal(sequence, rows), 1n, rows, this.#values)
      return
    }
    const count = selectedRows(arena, batch)
    const first = BigInt(dense.from) + BigInt(query.countSliced(dense.counter, count))
    const selection = arena.u32[(batch + descriptor.selection) >>> 2] as number
    if (selection === 0) {
      arena.kernels.iota64(first, 1n, rows, this.#values)
    } else {
      // Rows that a filter removed keep a number that nobody reads.
      arena.u8.fill(0, this.#values, this.#values + rows * VALUE_BYTES)
      arena.kernels.iotaSelected64(first, selection, count, this.#values)
    }
  }

  #nextOrdinal(sequence: number, rows: number): bigint {
    if (sequence !== this.#sequence) {
      this.#sequence = sequence
      this.#morselRows = 0
    }
    const first = (BigInt(sequence) << 32n) | BigInt(this.#morselRows)
    this.#morselRows += rows
    if (this.#morselRows > MORSEL_ROWS_MAX) {
      const advice = 'Give fewer rows to maintainOrder, or sort by columns of your own.'
      throw makeError('OVERFLOW', `Too many rows to number in one morsel: ${this.#morselRows}. ${advice}`)
    }
    return first
  }

  close(): void {}
}
