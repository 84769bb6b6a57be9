/**
 * The loop that a worker runs for the engine's whole life, as one Piscina task.
 *
 * It owns a list of running pipelines and gives each a step in turn. A step ends at a morsel boundary or after a few
 * milliseconds; a pipeline that cannot go on says `blocked` and is parked as state, never as a blocked thread. With
 * nothing to do the worker sleeps on the control block's wake word. Messages are read between steps with
 * receiveMessageOnPort, so the worker's event loop is not needed. A worker that is asked to rest leaves the loop when
 * nothing can go on; what is parked stays, and goes on when the loop is entered again.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { SpillwayError, toEnvelope } from '@spillway/stdx'
import type { ControlBlock } from './control-block.ts'
import type { FromWorker, StartPipeline, ToWorker } from './protocol.ts'

export type StepStatus = 'progressed' | 'blocked' | 'finished'

/** One worker's part of one pipeline. */
export interface RunningPipeline {
  readonly queryId: number
  readonly pipelineId: number
  /** Runs for at most a few milliseconds or one morsel. */
  step(): StepStatus
  /** After `finished`: what this worker published. */
  summary(): unknown
  /** Where it stands and what it waits for, on one line. */
  describe(): string
  /** Lets go of what it holds. Called once when it will not be stepped again, unless it finished. */
  close(): void
}

/** What the scheduler does not know: arenas, queries, operators. */
export interface PipelineHost {
  handle(message: Exclude<ToWorker, StartPipeline | { kind: 'shutdown' | 'rest' | 'describe' }>): void
  start(message: StartPipeline): RunningPipeline
  /** Frees what the worker holds for a query. Called once per query, after its pipelines stopped on this worker. */
  closeQuery(queryId: number): void
}

/** A parked pipeline is asked again after this time even if nobody woke the worker. */
const BLOCKED_WAIT_MS = 5
const IDLE_WAIT_MS = 60_000

type HostedMessage = Exclude<ToWorker, { kind: 'shutdown' | 'rest' }>

/** Its pipelines outlive a rest: `run` may be called again. */
export class WorkerLoop {
  readonly #port: MessagePort
  readonly #control: ControlBlock
  readonly #worker: number
  readonly #host: PipelineHost
  readonly #running: RunningPipeline[] = []
  #restIsAsked = false

  constructor(port: MessagePort, control: ControlBlock, worker: number, host: PipelineHost) {
    this.#port = port
    this.#control = control
    this.#worker = worker
    this.#host = host
  }

  /** @returns why the loop ended */
  run(): 'rested' | 'shutdown' {
    this.#restIsAsked = false
    for (;;) {
      // Read before the messages: what is posted after them changes it, and the wait ends at once.
      const epoch = this.#control.wakeEpoch
      for (let entry = receiveMessageOnPort(this.#port); entry !== undefined; ) {
        const message = entry.message as ToWorker
        if (message.kind === 'shutdown') return 'shutdown'
        if (message.kind === 'rest') this.#restIsAsked = true
        else this.#receive(message)
        entry = receiveMessageOnPort(this.#port)
      }
      if (this.#stepAll()) continue
      if (this.#restIsAsked) return 'rested'
      this.#control.waitForWake(epoch, this.#running.length > 0 ? BLOCKED_WAIT_MS : IDLE_WAIT_MS)
    }
  }

  #receive(message: HostedMessage): void {
    switch (message.kind) {
      case 'startPipeline':
        try {
          this.#running.push(this.#host.start(message))
        } catch (error) {
          this.#fail(message.queryId, message.pipelineId, error)
        }
        return
      case 'closeQuery': {
        const { queryId } = message
        for (let index = this.#running.length - 1; index >= 0; index--) {
          const pipeline = this.#running[index]
          if (pipeline?.queryId !== queryId) continue
          this.#running.splice(index, 1)
          this.#drop(pipeline)
        }
        this.#host.closeQuery(queryId)
        this.#post({ kind: 'queryClosed', worker: this.#worker, queryId })
        return
      }
      case 'describe': {
        const lines = this.#running.map((pipeline) => pipeline.describe())
        this.#post({ kind: 'described', worker: this.#worker, ticket: message.ticket, lines })
        return
      }
      default:
        this.#host.handle(message)
    }
  }

  /** One step of every pipeline; true when any of them got on. */
  #stepAll(): boolean {
    let progressed = false
    for (let index = 0; index < this.#running.length; index++) {
      const status = this.#step(this.#running[index] as RunningPipeline)
      if (status !== 'blocked') progressed = true
      if (status === 'finished' || status === 'failed') this.#running.splice(index--, 1)
    }
    return progressed
  }

  #step(pipeline: RunningPipeline): StepStatus | 'failed' {
    const { queryId, pipelineId } = pipeline
    try {
      const status = pipeline.step()
      if (status === 'finished') {
        const summary = pipeline.summary()
        this.#post({ kind: 'pipelineFinished', worker: this.#worker, queryId, pipelineId, summary })
      }
      return status
    } catch (error) {
      this.#fail(queryId, pipelineId, error)
      this.#drop(pipeline)
      return 'failed'
    }
  }

  /** A pipeline that failed or was cancelled; what fails while it lets go condemns the arena. */
  #drop(pipeline: RunningPipeline): void {
    try {
      pipeline.close()
    } catch (error) {
      this.#fail(pipeline.queryId, pipeline.pipelineId, error)
    }
  }

  #fail(queryId: number, pipelineId: number, error: unknown): void {
    const isTrap = !(error instanceof SpillwayError) || error.code === 'INVARIANT'
    this.#post({ kind: 'pipelineFailed', worker: this.#worker, queryId, pipelineId, error: toEnvelope(error), isTrap })
  }

  #post(message: FromWorker): void {
    this.#port.postMessage(message)
  }
}
