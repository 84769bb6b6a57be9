// One run of one query of the benchmark with limits in a process of its own. Prints one line of JSON:
// { ms, cpuMs, peakBytes, spilledBytes } or { error }.
// node bench/spill-process.mjs ENGINE QUERY THREADS TARGET SCRATCH [LIMIT]
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { spillQueries } from './spill-queries.mjs'

const [, , engine, name, threads, target, scratch, limit] = process.argv

function peakBytes() {
  const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return match === null ? process.resourceUsage().maxRSS * 1024 : Number(match[1]) * 1024
}

/** Most bytes that lay in a folder, looked at now and then: what other engines spill, at least. */
function watchFolder(folder) {
  let most = 0
  const look = () => {
    try {
      const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      most = Math.max(
        most,
        entries.reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0),
      )
    } catch {
      // A file was removed between the listing and its size: the next look sees the rest.
    }
  }
  const timer = setInterval(look, 100)
  return () => {
    clearInterval(timer)
    return most
  }
}

const runs = {
  async spillway(query, files) {
    const api = await import('spillway')
    const engine = api.createEngine({ threads: Number(threads), tempDir: scratch })
    const frame = query.build((path) => engine.scanParquet(path), files, api)
    return async () => {
      const options = limit === undefined ? {} : { memoryLimit: limit }
      const { metrics } = await engine.sinkParquet(frame.plan, target, options)
      const operators = metrics.operators.map(
        ({ label, spilledBytes, recursionDepth, terminalChunks, amplification }) => ({
          label,
          spilledBytes,
          recursionDepth,
          terminalChunks,
          amplification,
        }),
      )
      if (process.env.SPILLWAY_VERBOSE === '1') console.error(operators.filter((o) => o.spilledBytes > 0))
      return { spilledBytes: metrics.spilledBytes, close: () => engine.close() }
    }
  },
  async polars(query, files) {
    const { default: pl } = await import('nodejs-polars')
    return async () => {
      const sink = query.build((path) => pl.scanParquet(path), files, pl).sinkParquet(target, { compression: 'snappy' })
      const watched = watchFolder(scratch)
      // The asynchronous form, so that the folder is watched meanwhile.
      if (sink?.collect !== undefined) await sink.collect({ engine: 'streaming' })
      return { spilledBytes: watched(), close: () => {} }
    }
  },
  async duckdb(query, files) {
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const instance = await DuckDBInstance.create(':memory:', {
      threads,
      temp_directory: scratch,
      ...(limit === undefined ? {} : { memory_limit: limit }),
    })
    const connection = await instance.connect()
    return async () => {
      const watched = watchFolder(scratch)
      await connection.run(
        `COPY (${query.sql(files)}) TO '${target.replaceAll("'", "''")}' (FORMAT PARQUET, COMPRESSION SNAPPY)`,
      )
      return { spilledBytes: watched(), close: () => instance.closeSync() }
    }
  },
}

try {
  const query = spillQueries.get(name)
  const run = await runs[engine](query, await query.files())
  const cpuStart = process.cpuUsage()
  const start = performance.now()
  const { spilledBytes, close } = await run()
  const ms = performance.now() - start
  const { user, system } = process.cpuUsage(cpuStart)
  console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1000, peakBytes: peakBytes(), spilledBytes }))
  await close()
  process.exit(0)
} catch (error) {
  console.log(JSON.stringify({ error: String(error?.message ?? error).slice(0, 300), peakBytes: peakBytes() }))
  process.exit(0)
}
