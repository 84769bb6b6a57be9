/**
 * What a query takes outside the arena beyond what the process held before: VmHWM minus the arena's touched pages,
 * minus the same difference of VmRSS after a first query, which starts the workers and compiles the codec.
 * The figures behind `MAIN_GROWTH_BYTES` and `WORKER_GROWTH_BYTES` (docs/topics/memory.md). The query is q10 of h2o.
 *
 * node packages/testkit/src/memory/growth-child.mjs bench/data/g1-10000000-k100.parquet 400MB 2
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { col, createEngine, len } from 'spillway'

const [source, memoryLimit, threads] = process.argv.slice(2)

function statusBytes(field) {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
}

const folder = mkdtempSync('/var/tmp/spillway-growth-')
const engine = createEngine({ memoryLimit, threads: Number(threads), tempDir: folder })
try {
  const rows = engine.scanParquet(source)
  await rows.head(1).sinkParquet(join(folder, 'first.parquet'))
  const before = statusBytes('VmRSS') - (await engine.usage()).arenaBytes
  const { metrics } = await rows
    .groupBy('id1', 'id2', 'id3', 'id4', 'id5', 'id6')
    .agg(col('v3').sum().alias('v3'), len().alias('n'))
    .sinkParquet(join(folder, 'groups.parquet'))
  const { arenaBytes } = await engine.usage()
  const peakBytes = statusBytes('VmHWM')
  const growthBytes = peakBytes - arenaBytes - before
  console.log(JSON.stringify({ memoryLimit, threads: metrics.threads, before, peakBytes, arenaBytes, growthBytes }))
} finally {
  await engine.close()
  rmSync(folder, { recursive: true, force: true })
}
