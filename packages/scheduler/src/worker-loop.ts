/**
 * The loop that a worker runs for the engine's whole life, as one Piscina task.
 *
 * It owns a list of running pipelines and gives each a step in turn. A step ends at a morsel boundary or after a few
 * milliseconds; a pipeline that cannot go on says `blocked` and is parked as state, never as a blocked thread. With
 * nothing to do the worker sleeps on the control block's wake word. Messages are read between steps with
 * receiveMessageOnPort, so the worker's event loop is not needed.
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
  /** Lets go of what it holds. Called once when it will not be stepped again, unless it finished. */
  close(): void
}

/** What the scheduler does not know: arenas, queries, operators. */
export interface PipelineHost {
  handle(message: Exclude<ToWorker, StartPipeline | { kind: 'shutdown' | 'rest' }>): void
  start(message: StartPipeline): RunningPipeline
  /** Frees what the worker holds for a query. Called once per query, after its pipelines stopped on this worker. */
  closeQuery(queryId: number): void
}

/** A parked pipeline is asked again after this time even if nobody woke the worker. */
const BLOCKED_WAIT_MS = 5
const IDLE_WAIT_MS = 60_000

/** @returns why the loop ended */
export function runWorkerLoop(
  port: MessagePort,
  control: ControlBlock,
  worker: number,
  host: PipelineHost,
): 'rested' | 'shutdown' {
  const running: RunningPipeline[] = []
  const post = (message: FromWorker): void => port.postMessage(message)

  const fail = (queryId: number, pipelineId: number, error: unknown): void => {
    const isTrap = !(error instanceof SpillwayError) || error.code === 'INVARIANT'
    post({ kind: 'pipelineFailed', worker, queryId, pipelineId, error: toEnvelope(error), isTrap })
  }

  /** A pipeline that failed or was cancelled; what fails while it lets go condemns the arena. */
  const drop = (pipeline: RunningPipeline): void => {
    try {
      pipeline.close()
    } catch (error) {
      fail(pipeline.queryId, pipeline.pipelineId, error)
    }
  }

  const receive = (message: Exclude<ToWorker, { kind: 'shutdown' | 'rest' }>): void => {
    switch (message.kind) {
      case 'startPipeline':
        try {
          running.push(host.start(message))
        } catch (error) {
          fail(message.queryId, message.pipelineId, error)
        }
        return
      case 'closeQuery':
        for (let index = running.length - 1; index >= 0; index--) {
          const pipeline = running[index]
          if (pipeline?.queryId !== message.queryId) continue
          running.splice(index, 1)
          drop(pipeline)
        }
        host.closeQuery(message.queryId)
        post({ kind: 'queryClosed', worker, queryId: message.queryId })
        return
      default:
        host.handle(message)
        return
    }
  }

  for (;;) {
    const epoch = control.wakeEpoch
    for (let entry = receiveMessageOnPort(port); entry !== undefined; entry = receiveMessageOnPort(port)) {
      const message = entry.message as ToWorker
      if (message.kind === 'shutdown') return 'shutdown'
      if (message.kind === 'rest') return 'rested'
      receive(message)
    }
    let progressed = false
    for (let index = 0; index < running.length; index++) {
      const pipeline = running[index] as RunningPipeline
      let status: StepStatus | 'failed'
      try {
        status = pipeline.step()
        if (status === 'finished') {
          const { queryId, pipelineId } = pipeline
          post({ kind: 'pipelineFinished', worker, queryId, pipelineId, summary: pipeline.summary() })
        }
      } catch (error) {
        status = 'failed'
        fail(pipeline.queryId, pipeline.pipelineId, error)
        drop(pipeline)
      }
      if (status !== 'blocked') progressed = true
      if (status === 'finished' || status === 'failed') running.splice(index--, 1)
    }
    if (!progressed) control.waitForWake(epoch, running.length > 0 ? BLOCKED_WAIT_MS : IDLE_WAIT_MS)
  }
}
