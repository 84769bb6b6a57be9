// The benchmark's nodejs-polars side, streaming engine. Threads are set by POLARS_MAX_THREADS, which the runner puts in
// the environment, because Polars reads it once when it loads. It has no memory limit to set.
import pl from 'nodejs-polars'

/** @param {{ file: string, inMemory: boolean, target: string, engine?: 'streaming' | 'in-memory' }} options */
export async function open({ file, inMemory, target, engine = 'streaming' }) {
  const loaded = inMemory ? pl.readParquet(file) : undefined
  const plan = (query) => query.build(loaded === undefined ? pl.scanParquet(file) : loaded.lazy(), pl)
  let last
  return {
    async run(query) {
      last = undefined
      if (query.kind === 'sink') {
        const sink = plan(query).sinkParquet(target, { compression: 'snappy' })
        last = await (sink?.collect === undefined ? sink : sink.collect({ engine }))
      } else {
        last = plan(query).collectSync({ engine })
      }
    },
    async check(query) {
      const frame = query.kind === 'sink' ? pl.readParquet(target) : last
      return { rows: frame.height, sums: query.sums.map((name) => Number(frame.getColumn(name).sum())) }
    },
    async close() {},
  }
}
