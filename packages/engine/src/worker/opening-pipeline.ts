/** A pipeline that opens at its first step, so that what fails then fails its query as any step does. */
import type { RunningPipeline, StepStatus } from '@spillway/scheduler'
import type { QueryContext } from './query-context.ts'

export interface OpeningParts {
  readonly queryId: number
  readonly pipelineId: number
  readonly context: QueryContext
  readonly open: () => RunningPipeline
}

export class OpeningPipeline implements RunningPipeline {
  readonly queryId: number
  readonly pipelineId: number
  readonly #parts: OpeningParts
  #opened: RunningPipeline | undefined

  constructor(parts: OpeningParts) {
    this.#parts = parts
    this.queryId = parts.queryId
    this.pipelineId = parts.pipelineId
  }

  step(): StepStatus {
    if (this.#opened !== undefined) return this.#opened.step()
    this.#parts.context.throwIfCancelled()
    this.#opened = this.#parts.open()
    return 'progressed'
  }

  summary(): unknown {
    return this.#opened?.summary()
  }

  describe(): string {
    return this.#opened?.describe() ?? `q${this.queryId} pipeline ${this.pipelineId} is opening`
  }

  close(): void {
    this.#opened?.close()
  }
}
