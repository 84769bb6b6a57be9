/** Entry of the worker threads, bundled into one file. Runs the worker loop until the engine closes. */
import { createChecksum } from '@spillway/memory'
import { ControlBlock, WorkerLoop, type WorkerTask } from '@spillway/scheduler'
import { assert } from '@spillway/stdx'
import { EngineHost } from './pipeline-host.ts'
import { WorkerState } from './worker-state.ts'

/** Made by the worker's first task; later tasks go on with it. */
let resumeLoop: (() => 'rested' | 'shutdown') | undefined

async function open(task: WorkerTask): Promise<() => 'rested' | 'shutdown'> {
  const { port, worker, workerCount } = task
  const control = ControlBlock.attach(task.control, workerCount)
  const state = new WorkerState(worker, control, await createChecksum())
  const host = new EngineHost(state, (message, transfer) => port.postMessage(message, transfer))
  const loop = new WorkerLoop(port, control, worker, host)
  return () => loop.run()
}

/** @returns why the loop ended: the pool rests or shuts down */
export default async function runWorker(task: WorkerTask | undefined): Promise<'rested' | 'shutdown'> {
  if (task !== undefined) resumeLoop = await open(task)
  assert(resumeLoop !== undefined, 'the first task of a worker carries its port')
  return resumeLoop()
}
