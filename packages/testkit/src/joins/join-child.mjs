/**
 * A process of its own that joins two files into a third one under a limit and prints what it took, as JSON.
 * Its argument is JSON: { left, right, target, limit, threads, tempDir, how, buildSide, shape }; with the shape `chain`
 * a group-by and a sort follow the join, with `join` its rows are written.
 */
import { readFileSync } from 'node:fs'
import { createEngine, len, max, min, scanParquet, sum } from 'spillway'

const options = JSON.parse(process.argv[2])
const { limit, threads, tempDir, how, buildSide, shape, target } = options

const engine = createEngine({ memoryLimit: limit, threads, tempDir })
const scan = (path) => scanParquet(path, { session: engine })
const joined = scan(options.left).join(scan(options.right), {
  how,
  leftOn: 'l_id',
  rightOn: 'r_id',
  coalesce: false,
  buildSide,
})
const chain = () =>
  joined
    .groupBy('l_id')
    .agg(len().alias('n'), sum('r_row').alias('total'), min('l_payload').alias('least'), max('r_payload').alias('most'))
    .sort('l_id')
const outcome = {}
try {
  const { rowCount, metrics } = await (shape === 'chain' ? chain() : joined).sinkParquet(target)
  const joins = metrics.operators.filter(({ label }) => label.includes('EQUI_JOIN'))
  Object.assign(outcome, {
    rowCount: Number(rowCount),
    spilledBytes: metrics.spilledBytes,
    partitionsSpilled: joins.reduce((total, { partitionsSpilled }) => total + partitionsSpilled, 0),
    depth: Math.max(...joins.map(({ recursionDepth }) => recursionDepth)),
    threads: metrics.threads,
  })
} catch (error) {
  Object.assign(outcome, { code: error.code, message: error.message, details: error.details })
}
outcome.peakBytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
outcome.usage = await engine.usage()
await engine.close()
process.stdout.write(`${JSON.stringify(outcome)}\n`)
