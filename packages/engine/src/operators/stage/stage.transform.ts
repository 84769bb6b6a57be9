/** Worker side of STAGE: calls the generated `filter` and `project`. */
import { descriptor, raiseCode } from '@spillway/columnar'
import type { WorkspaceSize } from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import { type BatchBuffers, batchShape, openBatch, resetHeap, sizeBatch } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, Transform } from '../../pipeline/contracts.ts'
import type { StageSpec } from './stage.ts'

interface StageExports {
  readonly filter: (batch: number, params: number) => number
  readonly project: (batch: number, out: number, params: number) => number
}

function outputShape(spec: StageSpec) {
  if (spec.projected === undefined) return undefined
  const heapBytes = spec.outputs.reduce((sum, output) => sum + output.heapBytesPerRow, 0) * spec.batchRows
  return batchShape(spec.projected, spec.batchRows, heapBytes)
}

export function sizeStage(spec: StageSpec, size: WorkspaceSize): void {
  size.add(spec.paramBytes.byteLength)
  if (spec.hasFilter) size.add(spec.batchRows * 4)
  if (spec.filterHeapBytes > 0) size.add(spec.filterHeapBytes)
  const shape = outputShape(spec)
  if (shape !== undefined) sizeBatch(shape, size)
}

/** A stage with the buffer that its filter writes selections to: u32 × batchRows; 0 without a filter. */
export interface OpenStage extends Transform {
  readonly selectionBuffer: number
}

export function openStage(spec: StageSpec, context: OpenContext): OpenStage {
  return new StageTransform(spec, context)
}

class StageTransform implements OpenStage {
  readonly isFinished = false
  readonly #spec: StageSpec
  readonly #context: OpenContext
  readonly #exports: StageExports
  readonly #params: number
  readonly selectionBuffer: number
  readonly #filterHeap: number
  readonly #output: BatchBuffers | undefined

  constructor(spec: StageSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    const { arena, workspace } = context
    this.#exports = context.query.instance(spec.moduleKey) as unknown as StageExports
    this.#params = workspace.take(spec.paramBytes.byteLength)
    arena.u8.set(spec.paramBytes, this.#params)
    for (const offset of spec.paramRelocations) {
      const address = this.#params + offset
      arena.view.setUint32(address, arena.view.getUint32(address, true) + this.#params, true)
    }
    this.selectionBuffer = spec.hasFilter ? workspace.take(spec.batchRows * 4) : 0
    this.#filterHeap = spec.filterHeapBytes > 0 ? workspace.take(spec.filterHeapBytes) : 0
    const shape = outputShape(spec)
    this.#output = shape === undefined ? undefined : openBatch(arena, workspace, shape)
  }

  apply(batch: number): number {
    const { arena } = this.#context
    const base = batch >>> 2
    arena.u32[base + (descriptor.errorCode >>> 2)] = raiseCode.none
    if (this.#spec.hasFilter) {
      arena.u32[base + (descriptor.selectionBuffer >>> 2)] = this.selectionBuffer
      if (this.#filterHeap !== 0) resetHeap(arena, batch, this.#filterHeap, this.#spec.filterHeapBytes)
      if (this.#exports.filter(batch, this.#params) !== 0) this.#raise(batch)
      if (arena.u32[base + (descriptor.selectionCount >>> 2)] === 0) return 0
    }
    const output = this.#output
    if (output === undefined) return batch
    if (output.heapBytes > 0) resetHeap(arena, output.address, output.heap, output.heapBytes)
    if (this.#exports.project(batch, output.address, this.#params) !== 0) this.#raise(batch)
    return output.address
  }

  #raise(batch: number): never {
    const { arena } = this.#context
    const code = arena.view.getUint32(batch + descriptor.errorCode, true)
    const row = arena.view.getUint32(batch + descriptor.errorRow, true)
    const site = arena.view.getUint32(batch + descriptor.errorSite, true)
    const expression = this.#spec.siteTexts[site] ?? this.#spec.text
    const details = { operator: this.#spec.text, expression, row }
    switch (code) {
      case raiseCode.overflow:
        throw makeError('OVERFLOW', `Arithmetic overflow in ${expression}. Cast to a wider type before.`, details)
      case raiseCode.castFailed: {
        const advice = 'Use cast(type, { strict: false }) to get null instead.'
        throw makeError(
          'CAST_FAILED',
          `A value does not fit the type it is cast to in ${expression}. ${advice}`,
          details,
        )
      }
      default:
        throw makeError('INVARIANT', `Unknown error code ${code} from generated code in ${expression}`, details)
    }
  }

  close(): void {}
}
