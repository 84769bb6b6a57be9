// The package in a thread of the program's own, which ends when the work is done.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const worker = new Worker(new URL('./import.mjs', import.meta.url))
const [code] = await once(worker, 'exit')
process.exitCode = code
