// One engine in one process for parquet.mjs, steered by messages: open, read, load, write, first. Each request is
// answered by one message, { value } or { error }; times are taken here.
import { rmSync, statSync } from 'node:fs'
import { readQuestions } from './parquet-data.mjs'

async function timed(run) {
  const cpuStart = process.cpuUsage()
  const start = performance.now()
  const result = await run()
  const ms = performance.now() - start
  const { user, system } = process.cpuUsage(cpuStart)
  return { ms, cpuMs: (user + system) / 1000, result }
}

async function openSpillway(threads) {
  const spillway = await import('spillway')
  const engine = spillway.createEngine({ threads })
  let loaded
  return {
    async read(file, question) {
      const frame = await question.build(engine.scanParquet(file), spillway).collect()
      return frame.toArrow().getChild('n')?.get(0)
    },
    async load(file, columns, rows) {
      loaded = undefined
      loaded = await engine
        .scanParquet(file, { nRows: rows })
        .select(...columns)
        .collect()
    },
    write: (target, codec) => loaded.lazy().sinkParquet(target, { compression: codec }),
    copy: (file, columns, target, codec) =>
      engine
        .scanParquet(file)
        .select(...columns)
        .sinkParquet(target, { compression: codec }),
    close: () => engine.close(),
  }
}

async function openDuckdb(threads) {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { threads: String(threads) })
  const connection = await instance.connect()
  const quote = (path) => `'${path.replaceAll("'", "''")}'`
  return {
    async read(file, question) {
      const reader = await connection.runAndReadAll(question.sql(`read_parquet(${quote(file)})`))
      return reader.getRows()[0]?.[0]
    },
    load(file, columns, rows) {
      const select = `SELECT ${columns.join(', ')} FROM read_parquet(${quote(file)}) LIMIT ${rows}`
      return connection.run(`CREATE OR REPLACE TABLE loaded AS ${select}`)
    },
    write: (target, codec) =>
      connection.run(`COPY loaded TO ${quote(target)} (FORMAT PARQUET, COMPRESSION ${codec}, ROW_GROUP_SIZE 122880)`),
    copy: (file, columns, target, codec) =>
      connection.run(
        `COPY (SELECT ${columns.join(', ')} FROM read_parquet(${quote(file)})) TO ${quote(target)}
          (FORMAT PARQUET, COMPRESSION ${codec}, ROW_GROUP_SIZE 122880)`,
      ),
    async close() {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

let engine
const actions = {
  async open({ name, threads }) {
    engine = await (name === 'spillway' ? openSpillway(threads) : openDuckdb(threads))
  },
  async read({ file, question }) {
    const { ms, cpuMs, result } = await timed(() => engine.read(file, readQuestions.get(question)))
    return { ms, cpuMs, count: Number(result) }
  },
  load: ({ file, columns, rows }) => engine.load(file, columns, rows),
  async write({ target, codec }) {
    rmSync(target, { force: true })
    const { ms, cpuMs } = await timed(() => engine.write(target, codec))
    return { ms, cpuMs, bytes: statSync(target).size }
  },
  async copy({ file, columns, target, codec }) {
    rmSync(target, { force: true })
    const { ms, cpuMs } = await timed(() => engine.copy(file, columns, target, codec))
    return { ms, cpuMs, bytes: statSync(target).size }
  },
  /** The first query of this process, from loading the package to the answer, then the same again, hot. */
  async first({ query, file, threads, target, runs }) {
    const start = performance.now()
    const { queries } = await import('./queries.mjs')
    const { open } = await import('./engines/spillway.mjs')
    const opened = await open({ file, threads, limit: undefined, inMemory: false, target })
    await opened.run(queries.get(query))
    const coldMs = performance.now() - start
    const hotMs = []
    for (let run = 0; run < runs; run++) hotMs.push((await timed(() => opened.run(queries.get(query)))).ms)
    await opened.close()
    return { coldMs, sinceStartMs: start + coldMs, hotMs }
  },
}

process.on('message', async ({ action, options }) => {
  try {
    process.send({ value: await actions[action](options) })
  } catch (error) {
    process.send({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) })
  }
})
