/**
 * How the process that runs q10 behaves meanwhile: event loop delay, time until an abort settles (in the scan, in the
 * merge and sink), a lowered limit, closing. Arguments: file, key columns separated by commas, value column, tries.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { col, createEngine, len, scanParquet } from 'spillway'

const [source, keys, value, tries, folder] = process.argv.slice(2)
const residentMegabytes = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1e3
const engine = createEngine({ threads: 2, tempDir: folder })
const target = `${folder}/latency.parquet`
const query = () =>
  scanParquet(source, { session: engine })
    .groupBy(...keys.split(','))
    .agg(col(value).sum().alias('total'), len().alias('n'))

const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()
const started = performance.now()
await query().sinkParquet(target, { memoryLimit: '1GB' })
const wallMs = performance.now() - started
delay.disable()
const atOneGigabyte = residentMegabytes()
await scanParquet(source, { session: engine }).head(10).collect({ memoryLimit: '400MB' })
const afterLowering = residentMegabytes()

const settleMs = []
for (let index = 0; index < Number(tries); index++) {
  rmSync(target, { force: true })
  const abort = new AbortController()
  let abortedAt = 0
  setTimeout(
    () => {
      abortedAt = performance.now()
      abort.abort()
    },
    (wallMs * (index + 0.5)) / Number(tries),
  )
  const code = await query()
    .sinkParquet(target, { memoryLimit: '400MB', signal: abort.signal })
    .then(
      () => 'finished',
      (error) => error.code,
    )
  if (code === 'CANCELLED') settleMs.push(performance.now() - abortedAt)
  if (code !== 'finished' && existsSync(target)) throw new Error('an aborted sink left its file')
}
const breakAt = []
for (let index = 0; index < 3; index++) {
  for await (const batch of query().collectBatches({ memoryLimit: '400MB' })) {
    breakAt.push(performance.now())
    if (batch.numRows > 0) break
  }
  breakAt[index] = performance.now() - breakAt[index]
}
const usage = await engine.usage()
const pending = query()
  .sinkParquet(target, { memoryLimit: '400MB' })
  .catch((error) => error.code)
await new Promise((resolve) => setTimeout(resolve, Math.min(500, wallMs / 3)))
const closing = performance.now()
await engine.close()
const closeMs = performance.now() - closing
settleMs.sort((a, b) => a - b)
const outcome = {
  delayP99Ms: delay.percentile(99) / 1e6,
  delayMaxMs: delay.max / 1e6,
  aborts: settleMs.length,
  abortMedianMs: settleMs[settleMs.length >> 1],
  abortMaxMs: settleMs.at(-1),
  breakMs: breakAt,
  closeMs,
  closedWith: await pending,
  atOneGigabyte,
  afterLowering,
  afterClose: residentMegabytes(),
  usage,
  left: readdirSync(folder).filter((name) => name.startsWith('spillway')),
}
process.stdout.write(`${JSON.stringify(outcome)}\n`)
