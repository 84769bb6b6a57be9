/** Worker side of GENERATE: kernels fill ranges; repeated values are filled once and stay. */
import { physicalOf, STRING_INLINE_MAX, STRING_VIEW_BYTES, widthOf } from '@spillway/columnar'
import type { WorkspaceSize } from '@spillway/memory'
import type { GeneratedColumn } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import {
  type BatchBuffers,
  batchShape,
  openBatch,
  setColumn,
  setRows,
  sizeBatch,
} from '../../pipeline/batch-buffers.ts'
import type { OpenContext, PullStatus, Source } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import type { GenerateSpec } from './generate.ts'

const repeatedText = (column: GeneratedColumn): Uint8Array | undefined =>
  column.kind === 'repeat' && typeof column.value === 'string' ? new TextEncoder().encode(column.value) : undefined

export function sizeGenerate(spec: GenerateSpec, size: WorkspaceSize): void {
  sizeBatch(batchShape(spec.schema, spec.batchRows), size)
  for (const column of spec.columns) size.add(repeatedText(column)?.byteLength ?? 0)
  size.add(STRING_VIEW_BYTES)
}

export function openGenerate(spec: GenerateSpec, context: OpenContext, claims: MorselClaims): Source {
  return new GenerateSource(spec, context, claims)
}

class GenerateSource implements Source {
  sequence = 0
  isParked = false
  readonly batch: number
  readonly #spec: GenerateSpec
  readonly #context: OpenContext
  readonly #claims: MorselClaims
  readonly #buffers: BatchBuffers
  #row = 0
  #end = -1
  #start = 0

  constructor(spec: GenerateSpec, context: OpenContext, claims: MorselClaims) {
    this.#spec = spec
    this.#context = context
    this.#claims = claims
    this.#buffers = openBatch(context.arena, context.workspace, batchShape(spec.schema, spec.batchRows))
    this.batch = this.#buffers.address
    const texts = spec.columns.map((column) => {
      const text = repeatedText(column)
      const address = context.workspace.take(text?.byteLength ?? 0)
      if (text !== undefined) context.arena.u8.set(text, address)
      return address
    })
    const value = context.workspace.take(STRING_VIEW_BYTES)
    for (const [index, column] of spec.columns.entries()) {
      this.#fillRepeated(column, index, texts[index] as number, value)
    }
  }

  #fillRepeated(column: GeneratedColumn, index: number, text: number, value: number): void {
    if (column.kind !== 'repeat') return
    const { arena } = this.#context
    const buffers = this.#buffers.columns[index]
    assert(buffers !== undefined, 'a generated column has buffers')
    const rows = this.#spec.batchRows
    arena.u8.fill(0, value, value + STRING_VIEW_BYTES)
    if (column.value === null) {
      arena.u8.fill(0, buffers.values, buffers.values + rows * widthOf(column.type))
      arena.u8.fill(0, buffers.validity, buffers.validity + rows)
      return
    }
    writeValue(arena.view, value, column, text)
    if (typeof column.value === 'string') {
      const length = arena.u32[value >>> 2] as number
      const head = arena.u8.subarray(text, text + (length > STRING_INLINE_MAX ? 4 : length))
      arena.u8.set(head, value + 4)
      if (length > STRING_INLINE_MAX) arena.u32[(value + 8) >>> 2] = text
    }
    arena.kernels.fillValue(value, widthOf(column.type), rows, buffers.values)
  }

  pull(): PullStatus {
    if (this.#end < 0) {
      const index = this.#claims.claim()
      if (index < 0) return 'finished'
      this.sequence = this.#context.sequenceBase + index
      this.#start = index * this.#spec.morselRows
      this.#row = this.#start
      this.#end = Math.min(this.#start + this.#spec.morselRows, this.#spec.rowCount)
    }
    if (this.#row >= this.#end) {
      this.#end = -1
      return 'morselEnd'
    }
    const rows = Math.min(this.#spec.batchRows, this.#end - this.#row)
    const { arena } = this.#context
    const first = BigInt(this.#spec.offset + this.#row)
    this.#spec.columns.forEach((column, index) => {
      const buffers = this.#buffers.columns[index]
      assert(buffers !== undefined, 'a generated column has buffers')
      if (column.kind === 'intRange') {
        arena.kernels.iota64(column.start + first * column.step, column.step, rows, buffers.values)
        setColumn(arena, this.batch, index, buffers, 0)
      } else {
        setColumn(arena, this.batch, index, buffers, column.value === null ? rows : 0)
      }
    })
    setRows(arena, this.batch, rows, this.sequence, this.#row - this.#start)
    this.#row += rows
    return 'batch'
  }

  spill(): number {
    return 0
  }

  close(): void {}
}

/** Writes one literal in its arena form; for strings only the length (the caller places the bytes). */
function writeValue(
  view: DataView,
  address: number,
  column: GeneratedColumn & { kind: 'repeat' },
  _text: number,
): void {
  const { type, value } = column
  if (typeof value === 'string') {
    view.setUint32(address, new TextEncoder().encode(value).byteLength, true)
    return
  }
  switch (physicalOf(type)) {
    case 'i8':
      view.setInt8(address, Number(value))
      return
    case 'i16':
      view.setInt16(address, Number(value), true)
      return
    case 'i32':
      view.setInt32(address, Number(value), true)
      return
    case 'f32':
      view.setFloat32(address, Number(value), true)
      return
    case 'f64':
      view.setFloat64(address, Number(value), true)
      return
    case 'i64':
      view.setBigInt64(address, BigInt.asIntN(64, BigInt(value as bigint | number)), true)
      return
    default: {
      const wide = BigInt(value as bigint | number)
      view.setBigUint64(address, BigInt.asUintN(64, wide), true)
      view.setBigInt64(address + 8, BigInt.asIntN(64, wide >> 64n), true)
    }
  }
}
