/**
 * A pipeline that is about to open on a worker. The first one of a query takes the region for all its buffers, whose
 * pages are promised, but may be held by other queries for the moment: then it is parked like any other, the others are
 * asked to spill, and it tries again.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import type { RunningPipeline, StepStatus } from '@spillway/scheduler'
import { makeError } from '@spillway/stdx'
import type { QueryContext } from './query-context.ts'

export interface OpeningParts {
  readonly queryId: number
  readonly pipelineId: number
  readonly context: QueryContext
  readonly open: () => RunningPipeline
}

/** Others serve a request within a batch; whoever still holds the memory then will not give it. */
const GIVE_UP_AFTER_MS = 10_000
/** Without others only this query's other workers can free anything, and they do so within a few batches. */
const GIVE_UP_ALONE_AFTER_MS = 600

export class OpeningPipeline implements RunningPipeline {
  readonly queryId: number
  readonly pipelineId: number
  readonly #parts: OpeningParts
  readonly #started = performance.now()
  #opened: RunningPipeline | undefined

  constructor(parts: OpeningParts) {
    this.#parts = parts
    this.queryId = parts.queryId
    this.pipelineId = parts.pipelineId
  }

  step(): StepStatus {
    if (this.#opened !== undefined) return this.#opened.step()
    this.#parts.context.throwIfCancelled()
    if (!this.#parts.context.tryTakeRegion()) return this.#wait()
    this.#opened = this.#parts.open()
    return 'progressed'
  }

  #wait(): StepStatus {
    const { context } = this.#parts
    const pages = context.setup.floor.regionPages
    const patienceMs = context.control.askOthers(context.slot, pages) > 0 ? GIVE_UP_AFTER_MS : GIVE_UP_ALONE_AFTER_MS
    if (performance.now() - this.#started < patienceMs) return 'blocked'
    throw makeError(
      'MEMORY_LIMIT',
      `Not enough contiguous memory for the buffers of a pipeline: ${pages * PAGE_BYTES} bytes within ` +
        `${context.setup.limitText}. Raise memoryLimit or lower threads.`,
      { operator: 'pipeline', needBytes: pages * PAGE_BYTES },
    )
  }

  summary(): unknown {
    return this.#opened?.summary()
  }

  describe(): string {
    if (this.#opened !== undefined) return this.#opened.describe()
    const { queryId, context } = this.#parts
    const waitedMs = Math.round(performance.now() - this.#started)
    const pages = context.setup.floor.regionPages
    return `q${queryId} pipeline ${this.pipelineId} is opening: waits for ${pages} pages since ${waitedMs} ms`
  }

  close(): void {
    this.#opened?.close()
  }
}
