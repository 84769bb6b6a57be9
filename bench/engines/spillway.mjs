// The benchmark's Spillway side.
import * as spillway from 'spillway'
import { arrowTotals } from '../queries.mjs'

/** @param {{ file: string, threads: number, limit: string | undefined, inMemory: boolean, target: string }} options */
export async function open({ file, threads, limit, inMemory, target }) {
  const engine = await spillway.createEngine({ threads, ...(limit === undefined ? {} : { memoryLimit: limit }) })
  const scan = (path) => engine.scanParquet(path)
  const loaded = inMemory ? await scan(file).collect() : undefined
  const plan = (query) => query.build(loaded === undefined ? scan(file) : loaded.lazy(), spillway)
  let last
  return {
    async run(query) {
      last = undefined
      last = query.kind === 'sink' ? await plan(query).sinkParquet(target) : await plan(query).collect()
    },
    async check(query) {
      const frame = query.kind === 'sink' ? await scan(target).collect() : last
      return { rows: frame.height, sums: arrowTotals(frame.toArrow(), query.sums) }
    },
    async close() {
      await engine.close()
    },
  }
}
