/**
 * `collectBatches`: an async iterator with back-pressure. Workers stop when a bounded number of batches is on its way;
 * each batch that the program takes lets one more go. `break` cancels the query.
 */
import { hasOwnLength, PackedChunk, type Schema, widthOf } from '@spillway/columnar'
import { arrowLibrary, toArrowTable } from '@spillway/columnar/arrow'
import {
  type AdmittedQuery,
  type CollectOutput,
  type EngineCore,
  noEncoder,
  type QueryOptions,
  trimAfterBatch,
} from '@spillway/engine'
import { readResidentBytes } from '@spillway/memory'
import type { LogicalNode } from '@spillway/plan'
import { type ControlBlock, queryWord } from '@spillway/scheduler'
import type { RecordBatch } from 'apache-arrow'
import { type ChunkOutcome, type ChunkStrategy, rowsOfStrategy } from './chunk-strategy.ts'
import { collectStream } from './collect-sinks.ts'

type Batch = CollectOutput & { readonly kind: 'batch' }

/** Batches on their way, per thread. */
const TOKENS_PER_THREAD = 3

/** Puts batches in order and gives them out; knows nothing of the engine. */
class BatchQueue {
  readonly ready: Batch[] = []
  /** Batches of later morsels, by sequence. */
  readonly #later = new Map<number, Batch[]>()
  readonly #ended = new Set<number>()
  readonly #isOrdered: () => boolean
  #next = 0

  constructor(isOrdered: () => boolean) {
    this.#isOrdered = isOrdered
  }

  get nextSequence(): number {
    return this.#next
  }

  add(output: CollectOutput): void {
    if (output.kind === 'batch') {
      if (!this.#isOrdered() || output.sequence === this.#next) {
        this.ready.push(output)
        return
      }
      const waiting = this.#later.get(output.sequence) ?? []
      waiting.push(output)
      this.#later.set(output.sequence, waiting)
      return
    }
    this.#ended.add(output.sequence)
    while (this.#ended.delete(this.#next)) {
      this.#next += 1
      this.ready.push(...(this.#later.get(this.#next) ?? []))
      this.#later.delete(this.#next)
    }
  }
}

class BatchStream implements AsyncIterableIterator<RecordBatch> {
  readonly #core: EngineCore
  readonly #plan: LogicalNode
  readonly #options: QueryOptions
  readonly #abort = new AbortController()
  readonly #queue: BatchQueue
  #isOrdered = true
  #control: ControlBlock | undefined
  #slot = -1
  #running: Promise<void> | undefined
  #isDone = false
  #error: unknown
  #attention: AdmittedQuery['attention'] | undefined
  /** Calls of `next` and `return` that are not answered. */
  #callers = 0
  /** Calls of `next` that wait; a program may make several before the first one is answered. */
  readonly #waiting: (() => void)[] = []

  readonly #chunks: ChunkOptions
  /** What the strategy asked for last. */
  #rowsAsked = 0
  #rowsGiven = 0
  #bytesGiven = 0
  /** Of a batch that is given out in parts: what is left. */
  #rest: { readonly batch: RecordBatch; readonly rowBytes: number } | undefined
  /** The batch that the program is busy with. */
  #chunk: (Omit<ChunkOutcome, 'processingMs'> & { readonly givenAt: number }) | undefined

  constructor(core: EngineCore, plan: LogicalNode, options: QueryOptions, chunks: ChunkOptions) {
    this.#chunks = chunks
    this.#core = core
    this.#plan = plan
    this.#options = options
    this.#queue = new BatchQueue(() => this.#isOrdered)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<RecordBatch>> {
    this.#attend(1)
    try {
      return await this.#next()
    } finally {
      this.#attend(-1)
    }
  }

  /** Between two batches nobody waits for the query: a program that never asks again may end. */
  #attend(change: 1 | -1): void {
    this.#callers += change
    this.#attention?.set(this.#callers > 0)
  }

  async #next(): Promise<IteratorResult<RecordBatch>> {
    if (this.#running === undefined) this.#askForRows()
    this.#running ??= this.#run()
    this.#endChunk()
    const started = performance.now()
    for (;;) {
      const given = this.#give(started)
      if (given !== undefined) return { done: false, value: given }
      if (this.#error !== undefined) {
        const error = this.#error
        this.#error = undefined
        throw error
      }
      if (this.#isDone) return { done: true, value: undefined }
      this.#setStarved(1)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
  }

  /** The next batch, if there is one: of the one that is at hand, or the next that came. */
  #give(started: number): RecordBatch | undefined {
    if (this.#rest === undefined) {
      const batch = this.#queue.ready.shift()
      if (batch === undefined) return undefined
      this.#returnToken()
      trimAfterBatch(batch.packed.buffer.byteLength)
      const { rowCount, buffer } = batch.packed
      this.#rest = { batch: this.#toArrow(batch), rowBytes: buffer.byteLength / Math.max(1, rowCount) }
    }
    const { batch, rowBytes } = this.#rest
    // Batches that were on their way may be longer than what is asked for now: they are cut without a copy.
    const rows = Math.min(batch.numRows, this.#rowsAsked)
    this.#rest = rows === batch.numRows ? undefined : { batch: batch.slice(rows), rowBytes }
    const bytes = Math.round(rows * rowBytes)
    const now = performance.now()
    this.#chunk = { rowsAsked: this.#rowsAsked, rows, bytes, waitMs: now - started, givenAt: now }
    this.#rowsGiven += rows
    this.#bytesGiven += bytes
    return rows === batch.numRows ? batch : batch.slice(0, rows)
  }

  /** The program asks again: tells the strategy how the last batch went, and the workers what it wants next. */
  #endChunk(): void {
    if (this.#chunk === undefined) return
    const { givenAt, ...outcome } = this.#chunk
    this.#chunk = undefined
    this.#guardStrategy(() =>
      this.#chunks.strategy.chunkDone?.({ ...outcome, processingMs: performance.now() - givenAt }),
    )
    this.#askForRows()
  }

  #askForRows(): void {
    const { strategy, maxBatchBytes } = this.#chunks
    const rowBytes = this.#rowsGiven === 0 ? typicalRowBytes(this.#plan.schema) : this.#bytesGiven / this.#rowsGiven
    const availableBytes = Math.max(0, this.#options.memoryLimitBytes - readResidentBytes())
    this.#guardStrategy(() => {
      this.#rowsAsked = rowsOfStrategy(strategy, { availableBytes, maxBatchBytes, rowBytes, rows: this.#rowsGiven })
    })
    if (this.#slot >= 0) this.#control?.store(this.#slot, queryWord.chunkRows, this.#rowsAsked)
  }

  /** An error in the program's strategy ends the query, as an error in its loop does. */
  #guardStrategy(use: () => void): void {
    try {
      use()
    } catch (error) {
      this.#error ??= error
      this.#isDone = true
      this.#queue.ready.length = 0
      this.#rest = undefined
      this.#abort.abort()
    }
  }

  /** `break`, or an error in the loop's body. */
  async return(): Promise<IteratorResult<RecordBatch>> {
    this.#isDone = true
    this.#queue.ready.length = 0
    this.#abort.abort()
    this.#attend(1)
    await this.#running
    this.#attend(-1)
    return { done: true, value: undefined }
  }

  async #run(): Promise<void> {
    const { signal } = this.#options
    const both = signal === undefined ? this.#abort.signal : AbortSignal.any([signal, this.#abort.signal])
    const tokensMax = Math.max(2, TOKENS_PER_THREAD * this.#options.threads)
    const makeSink = collectStream(tokensMax, this.#chunks.maxBatchBytes)
    try {
      // Before the query is sized: what the library takes would come on top of what is foreseen.
      arrowLibrary()
      await this.#core.execute({
        roots: [{ plan: this.#plan, makeSink, onOutput: (output) => this.#receive(output as CollectOutput) }],
        options: { ...this.#options, signal: both },
        keepsResults: false,
        encoder: noEncoder,
        onAdmitted: ({ slot, roots, control, attention }) => {
          this.#control = control
          this.#attention = attention
          attention.set(this.#callers > 0)
          this.#slot = slot
          this.#isOrdered = roots.every((root) => root.isOrdered)
          control.store(slot, queryWord.chunkRows, this.#rowsAsked)
          // The first call of `next` came before there was a slot to say so in.
          if (this.#waiting.length > 0) this.#setStarved(1)
        },
      })
    } catch (error) {
      if (!this.#isDone) this.#error = error
    } finally {
      this.#slot = -1
      this.#isDone = true
      this.#wakeWaiting()
    }
  }

  #receive(output: CollectOutput): void {
    this.#queue.add(output)
    this.#control?.store(this.#slot, queryWord.nextSequence, this.#queue.nextSequence)
    if (this.#queue.ready.length > 0) {
      this.#setStarved(0)
      this.#wakeWaiting()
    } else if (output.kind === 'morselEnd') {
      // The sequence that may pass the limit changed.
      this.#control?.wakeWorkers()
    }
  }

  #wakeWaiting(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #returnToken(): void {
    if (this.#slot < 0) return
    this.#control?.add(this.#slot, queryWord.tokensOut, -1)
    this.#control?.wakeWorkers()
  }

  #setStarved(value: number): void {
    if (this.#slot < 0) return
    this.#control?.store(this.#slot, queryWord.starved, value)
    if (value === 1) this.#control?.wakeWorkers()
  }

  #toArrow(batch: Batch): RecordBatch {
    const table = toArrowTable(this.#plan.schema, [new PackedChunk(this.#plan.schema, batch.packed)])
    return table.batches[0] as RecordBatch
  }
}

export interface ChunkOptions {
  readonly strategy: ChunkStrategy
  /** Infinity = not bounded. */
  readonly maxBatchBytes: number
}

export function streamBatches(
  core: EngineCore,
  plan: LogicalNode,
  options: QueryOptions,
  chunks: ChunkOptions,
): AsyncIterableIterator<RecordBatch> {
  return new BatchStream(core, plan, options, chunks)
}

/** Bytes of text that a row is taken to have before one was seen. */
const TEXT_BYTES = 20

function typicalRowBytes(schema: Schema): number {
  return schema.fields.reduce((sum, { type }) => sum + (hasOwnLength(type) ? TEXT_BYTES : widthOf(type)), 0)
}
