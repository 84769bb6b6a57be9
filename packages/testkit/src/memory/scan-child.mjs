/**
 * A process of its own that only scans, and prints what it found and took, as JSON.
 * Arguments: file, shape (`bigints`, `texts`), memory limit, threads.
 */
import { col, createEngine, len } from 'spillway'

const [source, shape, memoryLimit, threads] = process.argv.slice(2)
const engine = createEngine({ memoryLimit, threads: Number(threads) })
const outcome = {}
try {
  const started = performance.now()
  const scan = engine.scanParquet(source)
  const query =
    shape === 'bigints'
      ? scan.filter(col('x').neq(409)).select(col('x').sum().alias('sum'), len().alias('rows'))
      : scan.filter(col('a').eq(col('b'))).select(col('id').sum().alias('sum'), len().alias('rows'), col('b').max())
  const frame = await query.collect()
  const [record] = frame.toRecords()
  for (const [name, value] of Object.entries(record)) outcome[name] = String(value)
  outcome.timeMs = Math.round(performance.now() - started)
  outcome.bytesRead = frame.metrics.bytesRead
  outcome.threads = frame.metrics.threads
} catch (error) {
  Object.assign(outcome, { code: error.code, message: error.message })
}
outcome.usage = await engine.usage()
await engine.close()
process.stdout.write(`${JSON.stringify(outcome)}\n`)
