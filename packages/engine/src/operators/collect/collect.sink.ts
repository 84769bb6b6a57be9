/** Worker side of COLLECT. */
import { packColumns } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { RESULT_SLACK_PAGES } from '@spillway/memory'
import { queryCounter, queryWord } from '@spillway/scheduler'
import { makeError } from '@spillway/stdx'
import { selectedRows } from '../../pipeline/batch-buffers.ts'
import { BatchExport, type BatchPart } from '../../pipeline/batch-export.ts'
import { BatchGather } from '../../pipeline/batch-gather.ts'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import type { CollectOutput, CollectSpec } from './collect.ts'
import { gatheredRows } from './size-collect.ts'

/** Batches below this share of a full one are gathered before they leave. */
const SMALL_SHARE = 1 / 4
/** Rows of this share of a batch of a stream leave at once: putting more to them is not worth the copy. */
const LARGE_SHARE = 3 / 4

export function openCollect(spec: CollectSpec, context: OpenContext): Sink {
  return new CollectSink(spec, context)
}

class CollectSink implements Sink {
  readonly #spec: CollectSpec
  readonly #context: OpenContext
  readonly #export: BatchExport
  /** Small batches of the present run of morsels, or of the present morsel when they are streamed. */
  readonly #gather: BatchGather | undefined
  #gatheredSequence = 0
  #claims: MorselClaims | undefined
  /** Bytes that the promised pages cover and have not been used for results yet. */
  #promisedBytes = 0

  constructor(spec: CollectSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    this.#export = new BatchExport(context, spec.schema, Math.max(spec.batchRows, spec.gatherRows), 'COLLECT')
    const rows = gatheredRows(spec)
    this.#gather = rows === 0 ? undefined : new BatchGather(context, spec.schema, rows)
  }

  setClaims(claims: MorselClaims): void {
    this.#claims = claims
  }

  consume(batch: number, sequence: number): 'taken' | 'blocked' {
    const rows = selectedRows(this.#context.arena, batch)
    if (rows === 0) return 'taken'
    if (this.#spec.mode === 'stream') {
      if (!this.#mayStream(sequence)) return 'blocked'
      this.#stream(batch, sequence, rows)
    } else if (!this.#tryGather(batch, sequence, rows)) this.#send({ batch, start: 0, rows }, sequence)
    return 'taken'
  }

  /** Cuts and puts together rows of a morsel, so that batches have as many as are asked for. */
  #stream(batch: number, sequence: number, count: number): void {
    const gather = this.#gather
    this.#gatheredSequence = sequence
    for (let start = 0; start < count; ) {
      const most = this.#chunkRows()
      const gathered = gather?.rows ?? 0
      const rows = Math.min(count - start, most - gathered)
      // Rows that fill a batch alone are not copied.
      if (gathered === 0 && (gather === undefined || rows >= most * LARGE_SHARE)) {
        this.#send({ batch, start, rows }, sequence)
        start += rows
      } else if (rows > 0 && gather?.tryAppend(batch, start, rows) === true) {
        start += rows
        if (gather.rows >= most) this.#sendGathered()
      } else if (gathered > 0) {
        this.#sendGathered()
      } else {
        this.#send({ batch, start, rows }, sequence)
        start += rows
      }
    }
  }

  #chunkRows(): number {
    const { control, query } = this.#context
    const wanted = control.load(query.slot, queryWord.chunkRows)
    const most = Math.max(this.#spec.batchRows, this.#spec.gatherRows)
    return wanted === 0 ? most : Math.min(wanted, most)
  }

  /** True when the batch's rows wait for more; otherwise nothing waits any more, so that rows stay in order. */
  #tryGather(batch: number, sequence: number, rows: number): boolean {
    const gather = this.#gather
    if (gather === undefined) return false
    if (rows < this.#spec.batchRows * SMALL_SHARE) {
      if (gather.rows === 0) this.#gatheredSequence = sequence
      if (gather.tryAppend(batch)) return true
      this.#sendGathered()
      this.#gatheredSequence = sequence
      return gather.tryAppend(batch)
    }
    this.#sendGathered()
    return false
  }

  #sendGathered(): void {
    const gather = this.#gather
    if (gather === undefined || gather.rows === 0) return
    this.#send({ batch: gather.batch, start: 0, rows: gather.rows }, this.#gatheredSequence)
    gather.clear()
  }

  /** In parts, when the bytes of a batch are bounded. */
  #send({ batch, start, rows }: BatchPart, sequence: number): void {
    const { batchBytesMax } = this.#spec
    for (let done = 0; done < rows; ) {
      let part = { batch, start: start + done, rows: rows - done }
      while (batchBytesMax < Number.POSITIVE_INFINITY && part.rows > 1) {
        const bytes = this.#export.bytesOf(part)
        if (bytes <= batchBytesMax) break
        // As many as fit on the average, but always fewer than before.
        const fitting = Math.floor((part.rows * batchBytesMax) / bytes)
        part = { ...part, rows: Math.max(1, Math.min(fitting, part.rows - 1)) }
      }
      this.#sendPart(part, sequence)
      done += part.rows
    }
  }

  #sendPart(part: BatchPart, sequence: number): void {
    const { arena, query, control, meter } = this.#context
    this.#export.exportPart(part, (exported, rowCount) => {
      const packed = packColumns(arena.handle.memory, exported, rowCount)
      if (this.#spec.mode === 'all') this.#charge(packed.buffer.byteLength)
      else control.add(query.slot, queryWord.tokensOut, 1)
      meter.counts.rowsOut += rowCount
      control.count(query.slot, queryCounter.rowsOut, rowCount)
      const output: CollectOutput = { kind: 'batch', sequence, packed }
      query.postOutput(this.#spec.sinkId, output, [packed.buffer])
    })
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
      this.#sendGathered()
      const output: CollectOutput = { kind: 'morselEnd', sequence }
      this.#context.query.postOutput(this.#spec.sinkId, output, [])
      return 'taken'
    }
    const claims = this.#claims
    if (this.#gather === undefined || claims === undefined || !claims.isRunEnd) return 'taken'
    const isSparse = this.#gather.rows > 0 && this.#gather.rows < this.#spec.batchRows * SMALL_SHARE
    this.#sendGathered()
    if (isSparse) claims.lengthenRun(this.#context.query.setup.threads)
    return 'taken'
  }

  publish(): undefined {
    this.#sendGathered()
    return undefined
  }

  spill(): number {
    return 0
  }

  close(): void {}
}
