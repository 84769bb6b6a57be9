/** Workers that cannot start are reported once, and never as an uncaught error of the process. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ControlBlock } from './control-block.ts'
import { WorkerPool } from './worker-pool.ts'

const uncaught: unknown[] = []
const note = (error: unknown): void => void uncaught.push(error)

beforeEach(() => {
  uncaught.length = 0
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
})
afterEach(() => {
  process.off('uncaughtException', note)
  process.off('unhandledRejection', note)
})

const pause = (timeMs: number): Promise<void> => new Promise((done) => setTimeout(done, timeMs))

function openWithoutFile(workerCount: number, onWorkerLost: (error: Error) => void): WorkerPool {
  const workerFile = new URL('./no-such-worker.js', import.meta.url).pathname
  const control = ControlBlock.create(workerCount)
  return new WorkerPool({ workerFile, control, onMessage: () => {}, onWorkerLost })
}

it('reports workers whose file is missing', async () => {
  const lost: Error[] = []
  const pool = openWithoutFile(2, (error) => void lost.push(error))
  for (let tries = 0; tries < 500 && lost.length === 0; tries++) await pause(10)
  await pool.close(0)
  await pause(20)
  expect(lost.map((error) => (error as NodeJS.ErrnoException).code)).toEqual(['ERR_MODULE_NOT_FOUND'])
  expect(uncaught).toEqual([])
})

it('leaves no rejection behind when the other workers fail while it closes', async () => {
  for (let round = 0; round < 3; round++) {
    let close: Promise<void> | undefined
    // As the engine does: the first loss closes the pool, and the errors of the others arrive meanwhile.
    const pool: WorkerPool = openWithoutFile(3, () => {
      close = pool.close(150)
    })
    for (let tries = 0; tries < 500 && close === undefined; tries++) await pause(5)
    expect(close).toBeDefined()
    await close
    await pause(20)
  }
  expect(uncaught).toEqual([])
})

it('shows why the exits of threads are not awaited with `once`: an error rejects it', async () => {
  const thread = new Worker('throw new Error("no start")', { eval: true })
  thread.on('error', () => {})
  await expect(once(thread, 'exit')).rejects.toThrow('no start')
})
