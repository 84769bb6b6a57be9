/**
 * A process of its own that asks what `collect` needs and then collects with exactly that limit. Prints both as JSON.
 * Arguments: Parquet file, IPC file, query.
 */
import { col, createEngine, sum } from 'spillway'

const [parquet, ipc, name] = process.argv.slice(2)
const engine = createEngine({ threads: 2, memoryLimit: '8GB' })
const queries = {
  scan: () => engine.scanParquet(parquet),
  ipc: () => engine.scanIpc(ipc),
  filter: () => engine.scanParquet(parquet).filter(col('n').mod(2).eq(0)).select('n', 'text'),
  head: () => engine.scanParquet(parquet).head(1000),
  project: () => engine.scanParquet(parquet).select(col('n').cast({ kind: 'utf8' }), col('text').eq('x').alias('is')),
  groups: () => engine.scanParquet(parquet).groupBy('text').agg(sum('n').alias('n')),
  sorted: () => engine.scanParquet(parquet).sort('text').head(500_000),
  joined: () =>
    engine.scanParquet(parquet).join(engine.scanIpc(ipc).select('n', col('seventh').alias('s')), { on: 'n' }),
  total: () => engine.scanParquet(parquet).select(sum('n')),
}
const frame = queries[name]()
const outcome = { requiredBytes: await frame.estimateMemoryRequired() }
outcome.fitsExactly = await frame.canFitInMemory({ memoryLimit: outcome.requiredBytes + 8e6 })
outcome.fitsBelow = await frame.canFitInMemory({ memoryLimit: outcome.requiredBytes * 0.8 })
try {
  const result = await frame.collect({ memoryLimit: outcome.requiredBytes })
  outcome.rows = result.height
} catch (error) {
  Object.assign(outcome, { code: error.code, message: error.message })
}
await engine.close()
process.stdout.write(`${JSON.stringify(outcome)}\n`)
