/**
 * A process of its own that writes or reads Arrow IPC files, and prints what it found and took, as JSON.
 * Arguments: what to do (`sink`: rows from nothing into the file, `scan`: sums of the file), file, rows, memory limit.
 */
import { col, createEngine, intRange, LazyFrame, len } from 'spillway'

const [action, path, rows, memoryLimit] = process.argv.slice(2)
const engine = createEngine({ memoryLimit, threads: 2 })
const outcome = {}
try {
  if (action === 'sink') {
    const frame = LazyFrame({ n: intRange(0, Number(rows)) }, { session: engine }).select(
      'n',
      col('n').mul(7).alias('seven'),
      col('n').cast({ kind: 'utf8' }).alias('text'),
      col('n').div(3).alias('third'),
    )
    const { rowCount, bytes } = await frame.sinkIpc(path)
    Object.assign(outcome, { rowCount, bytes })
  } else {
    const scan = engine.scanIpc(path).filter(col('text').neq('409'))
    const frame = await scan.select(len(), col('seven').sum().alias('sum'), col('text').max()).collect()
    for (const [name, value] of Object.entries(frame.toRecords()[0])) outcome[name] = String(value)
    outcome.bytesRead = frame.metrics.bytesRead
  }
} catch (error) {
  Object.assign(outcome, { code: error.code, message: error.message })
}
outcome.usage = await engine.usage()
await engine.close()
process.stdout.write(`${JSON.stringify(outcome)}\n`)
