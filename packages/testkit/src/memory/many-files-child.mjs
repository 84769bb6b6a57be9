/**
 * A process of its own that scans many files, and prints what it found as JSON.
 * Arguments: format (`parquet`, `ipc`), folder, memory limit, most bytes to read ahead (or `default`).
 */
import { createEngine, len, sum } from 'spillway'

const [format, folder, memoryLimit, readAhead] = process.argv.slice(2)
const engine = createEngine({ memoryLimit, threads: 2 })
const options = readAhead === 'default' ? {} : { readAheadBytes: readAhead, maxConcurrentFiles: 1 }
const outcome = {}
try {
  const scan = format === 'ipc' ? engine.scanIpc(folder, options) : engine.scanParquet(folder, options)
  const [record] = (await scan.select(len(), sum('c0'), sum('c9')).collect()).toRecords()
  for (const [name, value] of Object.entries(record)) outcome[name] = String(value)
  let rows = 0
  for await (const batch of scan.collectBatches()) rows += batch.numRows
  outcome.streamed = rows
} catch (error) {
  Object.assign(outcome, { code: error.code, message: error.message })
}
await engine.close()
process.stdout.write(`${JSON.stringify(outcome)}\n`)
