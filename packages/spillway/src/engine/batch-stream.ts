/**
 * `collectBatches`: an async iterator with back-pressure. Workers stop when a bounded number of batches is on its way;
 * each batch that the program takes lets one more go. `break` cancels the query.
 */
import { PackedChunk } from '@spillway/columnar'
import { toArrowTable } from '@spillway/columnar/arrow'
import {
  type CollectOutput,
  type EngineCore,
  noEncoder,
  type QueryOptions,
  type RootSink,
  trimAfterBatch,
} from '@spillway/engine'
import type { LogicalNode } from '@spillway/plan'
import { type ControlBlock, queryWord } from '@spillway/scheduler'
import type { RecordBatch } from 'apache-arrow'

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
  /** Calls of `next` that wait; a program may make several before the first one is answered. */
  readonly #waiting: (() => void)[] = []

  constructor(core: EngineCore, plan: LogicalNode, options: QueryOptions) {
    this.#core = core
    this.#plan = plan
    this.#options = options
    this.#queue = new BatchQueue(() => this.#isOrdered)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<RecordBatch>> {
    this.#running ??= this.#run()
    for (;;) {
      const batch = this.#queue.ready.shift()
      if (batch !== undefined) {
        this.#returnToken()
        trimAfterBatch(batch.packed.buffer.byteLength)
        return { done: false, value: this.#toArrow(batch) }
      }
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

  /** `break`, or an error in the loop's body. */
  async return(): Promise<IteratorResult<RecordBatch>> {
    this.#isDone = true
    this.#queue.ready.length = 0
    this.#abort.abort()
    await this.#running
    return { done: true, value: undefined }
  }

  async #run(): Promise<void> {
    const { signal } = this.#options
    const both = signal === undefined ? this.#abort.signal : AbortSignal.any([signal, this.#abort.signal])
    const makeSink: RootSink = (facts) => ({
      kind: 'collect',
      operatorId: facts.operatorId,
      sinkId: facts.sinkId,
      schema: facts.schema,
      mode: 'stream',
      tokensMax: Math.max(2, TOKENS_PER_THREAD * this.#options.threads),
      batchRows: facts.batchRows,
    })
    try {
      await this.#core.execute({
        roots: [{ plan: this.#plan, makeSink, onOutput: (output) => this.#receive(output as CollectOutput) }],
        options: { ...this.#options, signal: both },
        keepsResults: false,
        encoder: noEncoder,
        onAdmitted: ({ slot, roots, control }) => {
          this.#control = control
          this.#slot = slot
          this.#isOrdered = roots.every((root) => root.isOrdered)
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

export function streamBatches(
  core: EngineCore,
  plan: LogicalNode,
  options: QueryOptions,
): AsyncIterableIterator<RecordBatch> {
  return new BatchStream(core, plan, options)
}
