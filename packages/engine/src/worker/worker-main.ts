/** Entry of the worker threads, bundled into one file. Runs the worker loop until the engine closes. */
import { createChecksum } from '@spillway/memory'
import { ControlBlock, runWorkerLoop, type WorkerTask } from '@spillway/scheduler'
import { EngineHost } from './pipeline-host.ts'
import { WorkerState } from './worker-state.ts'

export interface WorkerSetup {
  readonly parquetModule: WebAssembly.Module
}

export default async function runWorker(task: WorkerTask): Promise<void> {
  const { port, worker, workerCount } = task
  const { parquetModule } = task.setup as unknown as WorkerSetup
  const control = ControlBlock.attach(task.control, workerCount)
  const state = new WorkerState(worker, control, await createChecksum(), parquetModule)
  const host = new EngineHost(state, (message, transfer) => port.postMessage(message, transfer))
  runWorkerLoop(port, control, worker, host)
}
