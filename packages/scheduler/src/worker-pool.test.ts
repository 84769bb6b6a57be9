/** Workers that cannot start are reported once, and never as an uncaught error of the process. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ControlBlock } from './control-block.ts'
import type { FromWorker } from './protocol.ts'
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

const scheduler = new URL('../dist/index.js', import.meta.url).href
/** Answers pings; a ping with an odd ticket keeps worker 1 from its messages for a while. */
const slowWorker = `
  import { ControlBlock, WorkerLoop } from ${JSON.stringify(scheduler)}
  let loop
  export default async function run(task) {
    if (task !== undefined) {
      const { port, worker, workerCount } = task
      const control = ControlBlock.attach(task.control, workerCount)
      const host = {
        handle: ({ kind, ticket }) => {
          if (ticket % 2 === 1 && worker === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
          port.postMessage({ kind: 'answered', ticket, worker })
        },
      }
      const parked = new WorkerLoop(port, control, worker, host)
      loop = () => parked.run()
    }
    return loop()
  }
`

it('keeps every worker reading when one is slow to rest and the pool is woken and rests again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-pool-'))
  const workerFile = join(folder, 'slow-worker.mjs')
  writeFileSync(workerFile, slowWorker)
  const answers: number[] = []
  const onMessage = (message: FromWorker): void => {
    if (message.kind === 'answered') answers.push(message.ticket)
  }
  const lost: Error[] = []
  const control = ControlBlock.create(2)
  const pool = new WorkerPool({ workerFile, control, onMessage, onWorkerLost: (error) => void lost.push(error) })
  const ask = async (ticket: number, count: number): Promise<void> => {
    pool.broadcast({ kind: 'ping', ticket })
    for (let tries = 0; tries < 300 && answers.filter((each) => each === ticket).length < count; tries++) await pause(5)
    expect(answers.filter((each) => each === ticket).length).toBeGreaterThanOrEqual(count)
  }
  try {
    await ask(0, 2)
    // Worker 1 is slow; worker 0 rests meanwhile, is woken, and would rest again before worker 1 has read of the first.
    await ask(1, 1)
    await pause(60)
    await ask(2, 2)
    await pause(60)
    await ask(4, 2)
    expect(lost).toEqual([])
  } finally {
    await pool.close(500)
    rmSync(folder, { recursive: true })
  }
})
