/**
 * A pipeline that is about to open on a worker. Its floor is promised, but the contiguous regions for its buffers may
 * be held by other queries for the moment: then it is parked like any other, the others are asked to spill, and it
 * tries again. All regions are taken or none, so two opening pipelines never wait for each other's parts.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { type Reservation, Workspace } from '@spillway/memory'
import type { RunningPipeline, StepStatus } from '@spillway/scheduler'
import { makeError } from '@spillway/stdx'
import type { QueryContext } from './query-context.ts'

/** A region of the arena for one owner of buffers. */
export interface Area {
  readonly reservation: Reservation
  readonly pages: number
  workspace: Workspace | undefined
}

export interface OpeningParts {
  readonly queryId: number
  readonly pipelineId: number
  readonly context: QueryContext
  readonly areas: readonly Area[]
  /** Asks other queries on this worker to spill; returns how many there are. */
  readonly askOthers: (pages: number) => number
  /** Spills published state of this query that nobody reads now; returns the pages freed. */
  readonly spillIdle: (pages: number) => number
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
    if (!this.#takeAreas()) return this.#freesIdle() ? 'progressed' : this.#wait()
    this.#opened = this.#parts.open()
    return 'progressed'
  }

  #takeAreas(): boolean {
    const { areas, context } = this.#parts
    for (const area of areas) {
      area.workspace = Workspace.tryOpen(context.arena, area.reservation, area.pages, context.setup.testing.poison)
      if (area.workspace !== undefined) continue
      for (const { reservation, workspace } of areas) {
        if (workspace !== undefined) reservation.give(workspace.address, workspace.pages)
      }
      for (const each of areas) each.workspace = undefined
      return false
    }
    return true
  }

  /** What this query published lies across its own next buffers. */
  #freesIdle(): boolean {
    return this.#parts.context.canSpill && this.#parts.spillIdle(this.#pages()) > 0
  }

  #pages(): number {
    return this.#parts.areas.reduce((sum, area) => sum + area.pages, 0)
  }

  #wait(): StepStatus {
    const { context, askOthers } = this.#parts
    const pages = this.#pages()
    const patienceMs = askOthers(pages) > 0 ? GIVE_UP_AFTER_MS : GIVE_UP_ALONE_AFTER_MS
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

  close(): void {
    this.#opened?.close()
  }
}
