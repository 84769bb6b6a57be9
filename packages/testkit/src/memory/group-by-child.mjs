/**
 * A process of its own that runs one group-by through sinkParquet under a limit and prints what it took, as JSON.
 * Arguments: file to read, file to write, memory limit, threads, shape (`q10`, `rows`), directory for spill files.
 */
import { readFileSync } from 'node:fs'
import { col, createEngine, len, scanParquet } from 'spillway'

const [source, target, limit, threads, shape, tempDir] = process.argv.slice(2)

function statusBytes(field) {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
}

const engine = createEngine({ memoryLimit: limit, threads: Number(threads), tempDir })
const frame = scanParquet(source, { session: engine })
const query =
  shape === 'q10'
    ? frame.groupBy('id1', 'id2', 'id3', 'id4', 'id5', 'id6').agg(col('v3').sum().alias('v3'), len().alias('n'))
    : frame.groupBy('key', 'name').agg(col('value').sum().alias('value'), len().alias('n'))
const startBytes = statusBytes('VmRSS')
const outcome = { startBytes }
try {
  const started = performance.now()
  const { rowCount, metrics } = await query.sinkParquet(target)
  Object.assign(outcome, {
    rowCount,
    timeMs: Math.round(performance.now() - started),
    spilledBytes: metrics.spilledBytes,
    floorBytes: metrics.floorBytes,
    threads: metrics.threads,
    arenaPeakBytes: metrics.arenaPeakBytes,
  })
} catch (error) {
  Object.assign(outcome, { code: error.code, message: error.message, details: error.details })
}
outcome.peakBytes = statusBytes('VmHWM')
outcome.usage = await engine.usage()
await engine.close()
process.stdout.write(`${JSON.stringify(outcome)}\n`)
