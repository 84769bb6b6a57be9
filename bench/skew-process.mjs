// One join of the proof of skew, in a process of its own, from its arguments as one JSON text:
// { left, right (files), leftPrefix, rightPrefix, how, key, buildSide, limit, threads, scratch }.
// Prints one line of JSON: { answer, ms, cpuMs, peakBytes, spilledBytes, partitionsSpilled, depth, chunks }, or
// { error, … }.
import { readFileSync } from 'node:fs'
import { col, createEngine, len, max, min, sum } from 'spillway'

const options = JSON.parse(process.argv[2])

function peakBytes() {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
}

/** Payload of both sides is used behind the join, where both come out of it. */
function aggregates({ leftPrefix: left, rightPrefix: right, how }) {
  const own = [len().alias('rows'), sum(`${left}_number`).alias('lefts'), min(`${left}_payload`).alias('least')]
  if (how === 'semi' || how === 'anti') return [...own, max(`${left}_payload`).alias('greatest')]
  return [
    ...own,
    sum(`${right}_number`).alias('rights'),
    col(`${left}_number`)
      .mul(col(`${right}_number`))
      .sum()
      .alias('products'),
    max(`${right}_payload`).alias('greatest'),
  ]
}

const engine = createEngine({ threads: options.threads, memoryLimit: options.limit, tempDir: options.scratch })
const { leftPrefix, rightPrefix, how, key, buildSide } = options
const query = engine
  .scanParquet(options.left)
  .join(engine.scanParquet(options.right), {
    how,
    leftOn: `${leftPrefix}_${key}`,
    rightOn: `${rightPrefix}_${key}`,
    coalesce: false,
    buildSide,
  })
  .select(...aggregates(options))
const cpuStart = process.cpuUsage()
const start = performance.now()
const outcome = {}
try {
  const result = await query.collect()
  const joins = result.metrics.operators.filter(({ label }) => label.includes('EQUI_JOIN'))
  const total = (name) => joins.reduce((sum, join) => sum + join[name], 0)
  Object.assign(outcome, {
    answer: Object.fromEntries(Object.entries(result.toRecords()[0]).map(([name, value]) => [name, String(value)])),
    spilledBytes: result.metrics.spilledBytes,
    partitionsSpilled: total('partitionsSpilled'),
    depth: Math.max(...joins.map(({ recursionDepth }) => recursionDepth)),
    chunks: total('terminalChunks'),
  })
} catch (error) {
  outcome.error = `${error.code}: ${error.message}`
}
const { user, system } = process.cpuUsage(cpuStart)
Object.assign(outcome, { ms: performance.now() - start, cpuMs: (user + system) / 1000, peakBytes: peakBytes() })
outcome.usage = await engine.usage()
await engine.close()
console.log(JSON.stringify(outcome))
