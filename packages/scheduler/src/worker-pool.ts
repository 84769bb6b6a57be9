/**
 * The worker threads, kept by Piscina: one task per worker that runs for as long as there are queries.
 *
 * A running task keeps the process alive, so a pool that nobody holds rests: shortly after the last query the workers
 * leave their loop, their tasks end, and a program that has nothing else to do exits. Threads, arena and caches stay;
 * the next message starts one task per worker again (about 0.1 ms).
 *
 * The pool knows messages and threads, not queries. A worker that dies (out of memory, process.exit, a crash) is
 * reported once through `onWorkerLost`; the pool is then unusable and is replaced by its owner.
 */
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { ControlBlock } from './control-block.ts'
import type { FromWorker, ToWorker } from './protocol.ts'

export interface WorkerPoolOptions {
  readonly workerFile: string
  readonly control: ControlBlock
  readonly onMessage: (message: FromWorker) => void
  readonly onWorkerLost: (error: Error) => void
}

/** What a worker's first task receives; later ones get `undefined` and go on with the same port. */
export interface WorkerTask {
  readonly port: MessagePort
  readonly worker: number
  readonly workerCount: number
  readonly control: SharedArrayBuffer
}

/** Long enough that a loop of small queries never pays for waking. */
const REST_AFTER_MS = 25

export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #piscina: Piscina
  readonly #ports: MessagePort[] = []
  #closing = false
  #lost = false
  /** Those who need the workers awake and the process alive. */
  #holds = 0
  #isResting = false
  /** Tasks that have not ended: one per worker, more while workers are still on their way to a rest that was ended. */
  #unfinishedTasks = 0
  #restTimer: NodeJS.Timeout | undefined

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
    // A thread that dies by an uncaught error is reported here as well; unheard, it would end the process.
    this.#piscina.on('error', (error: Error) => this.#loseWorker(error))
    for (let worker = 0; worker < workerCount; worker++) this.#startWorker(worker)
    this.#restSoon()
  }

  #startWorker(worker: number): void {
    const { control, onMessage } = this.#options
    const { port1, port2 } = new MessageChannel()
    this.#ports.push(port1)
    port1.on('message', (message: FromWorker) => onMessage(message))
    // The tasks keep the process alive while there is something to do; the ports need not.
    port1.unref()
    const task: WorkerTask = { port: port2, worker, workerCount: control.workerCount, control: control.buffer }
    this.#runTask(task, [port2])
  }

  #runTask(task: WorkerTask | undefined, transferList: MessagePort[]): void {
    this.#unfinishedTasks++
    this.#piscina.run(task, { transferList }).then(
      (outcome: unknown) => {
        this.#unfinishedTasks--
        if (outcome !== 'rested') this.#loseWorker(new Error('a worker ended its loop'))
      },
      (error: unknown) => this.#loseWorker(error instanceof Error ? error : new Error(String(error))),
    )
  }

  #restSoon(): void {
    clearTimeout(this.#restTimer)
    this.#restTimer = setTimeout(() => {
      if (this.#holds > 0 || this.#isResting || this.#closing) return
      // Were it told twice to rest, a quick worker would take the next task of a slow one, and nobody would read what
      // is sent to that one.
      if (this.#unfinishedTasks > this.#ports.length) return this.#restSoon()
      this.#isResting = true
      for (const port of this.#ports) port.postMessage({ kind: 'rest' } satisfies ToWorker)
      this.#options.control.wakeWorkers()
    }, REST_AFTER_MS)
  }

  #wake(): void {
    if (!this.#isResting || this.#closing) return
    this.#isResting = false
    for (let worker = 0; worker < this.#ports.length; worker++) this.#runTask(undefined, [])
    if (this.#holds === 0) this.#restSoon()
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
    this.#wake()
    this.#ports[worker]?.postMessage(message)
  }

  broadcast(message: ToWorker): void {
    this.#wake()
    for (const port of this.#ports) port.postMessage(message)
    this.#options.control.wakeWorkers()
  }

  /**
   * While anybody holds it, the pool keeps the process alive and its workers awake. A query that nobody waits for (a
   * stream between two batches) does not hold it: its workers go on until they are blocked, and rest then.
   * @returns gives up the hold; may be called twice
   */
  hold(): () => void {
    this.#holds++
    this.#wake()
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#holds--
      if (this.#holds === 0) this.#restSoon()
    }
  }

  /**
   * Ends the workers: politely first (they leave their loop at a step boundary), by force after `graceMs`. When it
   * settles, none runs any more.
   */
  async close(graceMs: number): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    clearTimeout(this.#restTimer)
    for (const port of this.#ports) port.postMessage({ kind: 'shutdown' } satisfies ToWorker)
    this.#options.control.wakeWorkers()
    // Piscina's own promises may settle before a thread is gone that was being ended already.
    const exits = this.#piscina.threads.filter(({ threadId }) => threadId > 0).map(exitOf)
    let timer: NodeJS.Timeout | undefined
    const forced = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs)
    })
    await Promise.race([this.#piscina.close().catch(() => undefined), forced])
    clearTimeout(timer)
    await this.#piscina.destroy().catch(() => undefined)
    await Promise.all(exits)
    for (const port of this.#ports) port.close()
  }
}

/**
 * Settles when the thread is gone. Not `once` of node:events: that one rejects at an `error` event, here a worker that
 * fails while the pool is closing, and long before anybody awaits it: an unhandled rejection.
 */
function exitOf(thread: Worker): Promise<void> {
  return new Promise((resolve) => {
    thread.once('exit', () => resolve())
  })
}
