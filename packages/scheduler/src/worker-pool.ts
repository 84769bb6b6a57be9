/**
 * The worker threads, kept by Piscina: one task per worker that runs for the pool's life.
 *
 * The pool knows messages and threads, not queries. A worker that dies (out of memory, process.exit, a crash) is
 * reported once through `onWorkerLost`; the pool is then unusable and is replaced by its owner.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { ControlBlock } from './control-block.ts'
import type { FromWorker, ToWorker } from './protocol.ts'

export interface WorkerPoolOptions {
  readonly workerFile: string
  readonly control: ControlBlock
  /** Plain data given to every worker's task. */
  readonly setup: Readonly<Record<string, unknown>>
  readonly onMessage: (message: FromWorker) => void
  readonly onWorkerLost: (error: Error) => void
}

/** What a worker's task receives. */
export interface WorkerTask {
  readonly port: MessagePort
  readonly worker: number
  readonly workerCount: number
  readonly control: SharedArrayBuffer
  readonly setup: Readonly<Record<string, unknown>>
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #piscina: Piscina
  readonly #ports: MessagePort[] = []
  #closing = false
  #lost = false

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    const { workerCount } = options.control
    this.#piscina = new Piscina({
      filename: options.workerFile,
      minThreads: workerCount,
      maxThreads: workerCount,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    })
    for (let worker = 0; worker < workerCount; worker++) this.#startTask(worker)
    this.setReferenced(false)
  }

  #startTask(worker: number): void {
    const { control, setup, onMessage } = this.#options
    const { port1, port2 } = new MessageChannel()
    this.#ports.push(port1)
    port1.on('message', (message: FromWorker) => onMessage(message))
    const task: WorkerTask = { port: port2, worker, workerCount: control.workerCount, control: control.buffer, setup }
    this.#piscina.run(task, { transferList: [port2] }).then(
      () => this.#loseWorker(new Error('a worker ended its loop')),
      (error: unknown) => this.#loseWorker(error instanceof Error ? error : new Error(String(error))),
    )
  }

  #loseWorker(error: Error): void {
    if (this.#closing || this.#lost) return
    this.#lost = true
    this.#options.onWorkerLost(error)
  }

  get workerCount(): number {
    return this.#ports.length
  }

  /** Posts to one worker; wakes are the caller's (one `wakeWorkers` after several posts). */
  post(worker: number, message: ToWorker): void {
    this.#ports[worker]?.postMessage(message)
  }

  broadcast(message: ToWorker): void {
    for (const port of this.#ports) port.postMessage(message)
    this.#options.control.wakeWorkers()
  }

  /** While referenced, the pool keeps the process alive: only as long as a query runs. */
  setReferenced(referenced: boolean): void {
    for (const port of this.#ports) {
      if (referenced) port.ref()
      else port.unref()
    }
    for (const thread of this.#piscina.threads) thread.unref()
  }

  /** Ends the workers: politely first (they leave their loop at a step boundary), by force after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    this.broadcast({ kind: 'shutdown' })
    for (const thread of this.#piscina.threads) thread.ref()
    let timer: NodeJS.Timeout | undefined
    const forced = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs)
    })
    await Promise.race([this.#piscina.close().catch(() => undefined), forced])
    clearTimeout(timer)
    await this.#piscina.destroy().catch(() => undefined)
    for (const port of this.#ports) port.close()
  }
}
