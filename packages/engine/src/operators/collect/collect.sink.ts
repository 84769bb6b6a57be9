/** Worker side of COLLECT. */
import { type ArrowColumn, copyOut } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { RESULT_SLACK_PAGES, type WorkspaceSize } from '@spillway/memory'
import { queryCounter, queryWord } from '@spillway/scheduler'
import { makeError } from '@spillway/stdx'
import { BatchExport, sizeBatchExport } from '../../pipeline/batch-export.ts'
import { selectedRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import type { CollectOutput, CollectSpec } from './collect.ts'

export function sizeCollect(spec: CollectSpec, size: WorkspaceSize): void {
  sizeBatchExport(spec.schema, spec.batchRows, size)
}

export function openCollect(spec: CollectSpec, context: OpenContext): Sink {
  return new CollectSink(spec, context)
}

class CollectSink implements Sink {
  readonly #spec: CollectSpec
  readonly #context: OpenContext
  readonly #export: BatchExport
  /** Bytes that the promised pages cover and have not been used for results yet. */
  #promisedBytes = 0

  constructor(spec: CollectSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    this.#export = new BatchExport(context, spec.schema, spec.batchRows, 'COLLECT')
  }

  setClaims(): void {}

  consume(batch: number, sequence: number): 'taken' | 'blocked' {
    const { arena, query, control, meter } = this.#context
    if (selectedRows(arena, batch) === 0) return 'taken'
    if (this.#spec.mode === 'stream' && !this.#mayStream(sequence)) return 'blocked'
    this.#export.export(batch, (exported, rowCount) => {
      const columns = exported.map((one) => copyOut(arena.handle.memory, one))
      const bytes = columns.reduce((sum, one) => sum + bytesOf(one), 0)
      if (this.#spec.mode === 'all') this.#charge(bytes)
      else control.add(query.slot, queryWord.tokensOut, 1)
      meter.counts.rowsOut += rowCount
      control.count(query.slot, queryCounter.rowsOut, rowCount)
      const output: CollectOutput = { kind: 'batch', sequence, rowCount, columns, bytes }
      query.postOutput(output, buffersOf(columns))
    })
    return 'taken'
  }

  /** The holder of the sequence that the consumer waits for may always go on, or nothing would ever be consumed. */
  #mayStream(sequence: number): boolean {
    const { control, query } = this.#context
    if (control.load(query.slot, queryWord.tokensOut) < this.#spec.tokensMax) return true
    const isNext = control.load(query.slot, queryWord.nextSequence) === sequence
    return isNext && control.load(query.slot, queryWord.starved) === 1
  }

  #charge(bytes: number): void {
    const { arena, query, control } = this.#context
    if (bytes > this.#promisedBytes) {
      const pages = Math.ceil((bytes - this.#promisedBytes) / PAGE_BYTES)
      const results = control.addResultPages(pages)
      // Results lie outside the arena, beside every page that was ever touched.
      const isSmall = results <= RESULT_SLACK_PAGES
      const fits = isSmall || arena.highWaterPages - arena.firstPage + results <= control.residentPages
      if (!fits) {
        control.addResultPages(-pages)
        throw makeError(
          'MEMORY_LIMIT',
          `Not enough memory for the result of collect: ${results * PAGE_BYTES} bytes so far, limit ` +
            `${query.setup.limitText}. Use sinkParquet or collectBatches, or raise memoryLimit.`,
          { operator: 'COLLECT', needBytes: results * PAGE_BYTES },
        )
      }
      control.count(query.slot, queryCounter.resultPages, pages)
      this.#promisedBytes += pages * PAGE_BYTES
    }
    this.#promisedBytes -= bytes
  }

  endMorsel(sequence: number): 'taken' {
    if (this.#spec.mode === 'stream') {
      const output: CollectOutput = { kind: 'morselEnd', sequence }
      this.#context.query.postOutput(output, [])
    }
    return 'taken'
  }

  publish(): undefined {
    return undefined
  }

  spill(): number {
    return 0
  }

  close(): void {}
}

function bytesOf(column: ArrowColumn): number {
  return column.values.byteLength + (column.offsets?.byteLength ?? 0) + (column.validity?.byteLength ?? 0)
}

function buffersOf(columns: readonly ArrowColumn[]): ArrayBuffer[] {
  return [...new Set(columns.map((one) => one.values.buffer as ArrayBuffer))]
}
