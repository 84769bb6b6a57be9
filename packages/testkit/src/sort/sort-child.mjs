/**
 * A process of its own that sorts a file into another one under a limit and prints what it took, as JSON.
 * Arguments: file to read, file to write, memory limit, threads, directory for spill files, keys (joined by commas).
 */
import { readFileSync } from 'node:fs'
import { createEngine, scanParquet } from 'spillway'

const [source, target, limit, threads, tempDir, keys] = process.argv.slice(2)

function statusBytes(field) {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
}

const engine = createEngine({ memoryLimit: limit, threads: Number(threads), tempDir })
const outcome = {}
try {
  const { rowCount, metrics } = await scanParquet(source, { session: engine }).sort(keys.split(',')).sinkParquet(target)
  const sort = metrics.operators.find(({ label }) => label === 'STREAMING_SORT')
  Object.assign(outcome, {
    rowCount,
    spilledBytes: metrics.spilledBytes,
    runs: sort.partitionsSpilled,
    depth: sort.recursionDepth,
    amplification: sort.amplification,
    threads: metrics.threads,
  })
} catch (error) {
  Object.assign(outcome, { code: error.code, message: error.message, details: error.details })
}
outcome.peakBytes = statusBytes('VmHWM')
outcome.usage = await engine.usage()
await engine.close()
process.stdout.write(`${JSON.stringify(outcome)}\n`)
