/** The worker loop without a worker: steps in turn, parking, failures, and letting go of what is cancelled. */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { makeError } from '@spillway/stdx'
import { expect, it } from 'vitest'
import { ControlBlock } from './control-block.ts'
import type { FromWorker, StartPipeline, ToWorker } from './protocol.ts'
import { type PipelineHost, type RunningPipeline, WorkerLoop, type StepStatus } from './worker-loop.ts'

type Step = StepStatus | Error | (() => StepStatus)

/** Pipelines that follow a script of steps; everything that happens is written down. */
class ScriptedHost implements PipelineHost {
  readonly events: string[] = []
  readonly #scripts: Readonly<Record<number, readonly Step[]>>
  /** What `close` of a pipeline throws, by pipeline. */
  readonly closeErrors: Record<number, Error> = {}

  constructor(scripts: Readonly<Record<number, readonly Step[]>>) {
    this.#scripts = scripts
  }

  handle(message: { readonly kind: string }): void {
    this.events.push(message.kind)
  }
  start({ queryId, pipelineId }: StartPipeline): RunningPipeline {
    const script = this.#scripts[pipelineId]
    if (script === undefined) throw makeError('MEMORY_LIMIT', 'no room')
    let next = 0
    return {
      queryId,
      pipelineId,
      step: () => {
        const step = script[next++] ?? 'blocked'
        this.events.push(`step ${pipelineId}`)
        if (step instanceof Error) throw step
        return typeof step === 'function' ? step() : step
      },
      summary: () => `summary ${pipelineId}`,
      describe: () => `q${queryId} pipeline ${pipelineId}, ${next} steps`,
      close: () => {
        this.events.push(`close ${pipelineId}`)
        const error = this.closeErrors[pipelineId]
        if (error !== undefined) throw error
      },
    }
  }
  closeQuery(queryId: number): void {
    this.events.push(`closeQuery ${queryId}`)
  }
}

const startOf = (queryId: number, pipelineId: number): ToWorker => ({
  kind: 'startPipeline',
  queryId,
  slot: queryId,
  pipelineId,
  pulls: true,
  modules: [],
  pipeline: {},
})

/** Runs the loop on this thread until it is told to shut down; gives what it posted. */
function run(
  host: ScriptedHost,
  first: readonly ToWorker[],
  connect: (port: MessagePort) => void = () => {},
): FromWorker[] {
  const { port1, port2 } = new MessageChannel()
  connect(port1)
  for (const message of first) port1.postMessage(message)
  expect(new WorkerLoop(port2, ControlBlock.create(1), 0, host).run()).toBe('shutdown')
  const posted: FromWorker[] = []
  for (let entry = receiveMessageOnPort(port1); entry !== undefined; entry = receiveMessageOnPort(port1)) {
    posted.push(entry.message as FromWorker)
  }
  port1.close()
  return posted
}

it('steps pipelines in turn, parks blocked ones, and posts summaries', () => {
  let port: MessagePort | undefined
  const stop = (): StepStatus => {
    port?.postMessage({ kind: 'shutdown' })
    return 'finished'
  }
  const host = new ScriptedHost({
    1: ['progressed', 'blocked', 'finished'],
    2: ['blocked', 'blocked', 'progressed', stop],
  })
  const posted = run(host, [startOf(7, 1), startOf(8, 2)], (each) => {
    port = each
  })
  expect(host.events).toEqual(['step 1', 'step 2', 'step 1', 'step 2', 'step 1', 'step 2', 'step 2'])
  expect(posted).toEqual([
    { kind: 'pipelineFinished', worker: 0, queryId: 7, pipelineId: 1, summary: 'summary 1' },
    { kind: 'pipelineFinished', worker: 0, queryId: 8, pipelineId: 2, summary: 'summary 2' },
  ])
})

it('a failed pipeline is closed, and only what is not a typed error condemns the arena', () => {
  let port: MessagePort | undefined
  const trap = (): StepStatus => {
    port?.postMessage({ kind: 'shutdown' })
    throw new WebAssembly.RuntimeError('unreachable')
  }
  const host = new ScriptedHost({ 1: [makeError('OVERFLOW', 'too large')], 2: ['progressed', trap] })
  const posted = run(host, [startOf(7, 1), startOf(7, 2), startOf(9, 3)], (each) => {
    port = each
  })
  expect(host.events).toEqual(['step 1', 'close 1', 'step 2', 'step 2', 'close 2'])
  expect(
    posted.map((each) => each.kind === 'pipelineFailed' && [each.pipelineId, each.error.code, each.isTrap]),
  ).toEqual([
    [3, 'MEMORY_LIMIT', false],
    [1, 'OVERFLOW', false],
    [2, 'WORKER_FAILED', true],
  ])
})

it('closing a query closes its pipelines first, whatever closing them throws', () => {
  let port: MessagePort | undefined
  const closeAll = (): StepStatus => {
    for (const message of [{ kind: 'closeQuery', queryId: 7 }, { kind: 'shutdown' }]) port?.postMessage(message)
    return 'progressed'
  }
  const host = new ScriptedHost({ 1: ['blocked'], 2: [closeAll], 3: ['blocked'] })
  host.closeErrors[1] = new Error('a damaged chain')
  const posted = run(host, [startOf(7, 1), startOf(8, 2), startOf(7, 3)], (each) => {
    port = each
  })
  expect(host.events).toEqual(['step 1', 'step 2', 'step 3', 'close 3', 'close 1', 'closeQuery 7'])
  expect(posted).toMatchObject([
    { kind: 'pipelineFailed', queryId: 7, pipelineId: 1, isTrap: true },
    { kind: 'queryClosed', queryId: 7 },
  ])
})

it('rests when nothing can go on, and finds what was parked when it is entered again', () => {
  const host = new ScriptedHost({ 0: ['progressed', 'blocked', 'progressed', 'finished'] })
  const { port1, port2 } = new MessageChannel()
  const loop = new WorkerLoop(port2, ControlBlock.create(1), 0, host)
  for (const message of [startOf(1, 0), { kind: 'rest' } as const]) port1.postMessage(message)
  expect(loop.run()).toBe('rested')
  expect(host.events).toEqual(['step 0', 'step 0'])
  port1.postMessage({ kind: 'rest' } satisfies ToWorker)
  expect(loop.run()).toBe('rested')
  expect(host.events).toHaveLength(4)
  expect(receiveMessageOnPort(port1)?.message).toMatchObject({ kind: 'pipelineFinished', queryId: 1, pipelineId: 0 })
  port1.close()
})
