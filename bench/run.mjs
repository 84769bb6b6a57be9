// Side-by-side benchmark: for each query, every engine gets a process of its own; after a warm-up in each, the runs
// alternate between the processes, so that noise of the machine hits all alike. Medians, ratios and peak memory are
// printed as a table and kept as JSON together with the facts of machine and commit.
//
// node bench/run.mjs [--rows 10000000] [--threads 2] [--runs 5] [--limit 400MB] [--only q1,q10-memory] [--engine a,b]
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateG1 } from './generate-g1.mjs'
import { machineFacts } from './machine-facts.mjs'
import { queries } from './queries.mjs'
import { writeReport } from './result-file.mjs'

/** Runs of each engine before the timed ones: code that is compiled while it runs is in its final form after these. */
const WARM_UP_RUNS = 3

const here = dirname(fileURLToPath(import.meta.url))

function readOptions(argv) {
  const get = (name, fallback) => {
    const at = argv.indexOf(`--${name}`)
    return at < 0 ? fallback : argv[at + 1]
  }
  const list = (text) => text.split(',').filter((each) => each !== '')
  const options = {
    rows: Number(get('rows', '10000000')),
    threads: Number(get('threads', '2')),
    runs: Number(get('runs', '5')),
    limit: get('limit', undefined),
    only: list(get('only', [...queries.keys()].join(','))),
    engines: list(get('engine', 'spillway,polars,polars-eager,duckdb')),
  }
  for (const name of options.only) {
    if (!queries.has(name)) throw new Error(`Unknown query: "${name}". Known: ${[...queries.keys()].join(', ')}`)
  }
  return options
}

/** Starts an engine process; `ask` sends one request and resolves with its answer, or rejects with its error. */
function startEngine(name, threads) {
  const child = fork(join(here, 'engine-process.mjs'), [], {
    env: { ...process.env, POLARS_MAX_THREADS: String(threads), UV_THREADPOOL_SIZE: '4' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ask = (action, options) =>
    new Promise((resolve, reject) => {
      const onExit = (code, signal) => reject(new Error(`process ended with ${signal ?? code}`))
      child.once('exit', onExit)
      child.once('message', (answer) => {
        child.off('exit', onExit)
        if (answer.error === undefined) resolve(answer.value)
        else reject(new Error(answer.error))
      })
      child.send({ action, options }, (error) => {
        if (error !== null && error !== undefined) reject(error)
      })
    })
  return { name, ask, stop: () => child.exitCode === null && child.kill('SIGKILL') }
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Runs one query in all engines; an engine that fails gets `error` instead of figures and the others go on. */
async function runQuery(query, file, options, scratch) {
  const results = new Map()
  const alive = []
  for (const name of options.engines) {
    const engine = startEngine(name, options.threads)
    try {
      await engine.ask('open', {
        engine: name,
        query: query.name,
        file,
        threads: options.threads,
        limit: options.limit,
        inMemory: query.kind === 'memory',
        target: join(scratch, `${name}.parquet`),
      })
      const { ms: warmUpMs } = await engine.ask('run')
      for (let run = 1; run < WARM_UP_RUNS; run++) await engine.ask('run')
      results.set(name, { warmUpMs, runsMs: [], runsCpuMs: [] })
      alive.push(engine)
    } catch (error) {
      results.set(name, { error: error.message.slice(0, 500) })
      engine.stop()
    }
  }
  for (let run = 0; run < options.runs; run++) {
    // The order rotates, so that no engine always runs after the same neighbour.
    for (let index = 0; index < alive.length; index++) {
      const engine = alive[(index + run) % alive.length]
      const result = results.get(engine.name)
      if (result.error !== undefined) continue
      try {
        const { ms, cpuMs } = await engine.ask('run')
        result.runsMs.push(ms)
        result.runsCpuMs.push(cpuMs)
      } catch (error) {
        result.error = error.message.slice(0, 500)
      }
    }
  }
  for (const engine of alive) {
    const result = results.get(engine.name)
    try {
      if (result.error === undefined) {
        result.medianMs = median(result.runsMs)
        result.medianCpuMs = median(result.runsCpuMs)
        result.peakBytes = await engine.ask('peak')
        result.check = await engine.ask('check')
        await engine.ask('close')
      }
    } catch (error) {
      result.error = error.message.slice(0, 500)
    }
    engine.stop()
  }
  return results
}

/** Queries that the geometric means are over. */
const COMPARED = ['q1', 'q2', 'q3', 'q4', 'q5', 'filter', 'scan']

/**
 * Geometric means of time of spillway / time of each other engine, of elapsed and of processor time (all threads): the
 * second one says more on a machine that has other work to do.
 */
function geometricMeans(report, engines) {
  const means = []
  for (const [kind, suffix] of [
    ['file', ''],
    ['memory', '-memory'],
  ]) {
    const measured = COMPARED.map((name) => report.queries[name + suffix]?.engines).filter((each) => each !== undefined)
    for (const engine of engines.filter((name) => name !== 'spillway')) {
      const pairs = measured.map((each) => [each.spillway, each[engine]])
      if (pairs.length === 0 || pairs.some(([own, other]) => !own?.medianMs || !other?.medianMs)) continue
      const mean = (field) =>
        Math.exp(pairs.reduce((sum, [own, other]) => sum + Math.log(own[field] / other[field]), 0) / pairs.length)
      means.push({ kind, engine, queries: pairs.length, elapsed: mean('medianMs'), cpu: mean('medianCpuMs') })
    }
  }
  return means
}

/** Names of engines whose answer differs from the first engine's: rows exactly, totals within 1e-9. */
function findDisagreement(results) {
  const answers = [...results].filter(([, result]) => result.check !== undefined)
  const [, first] = answers[answers.length - 1] ?? []
  return answers
    .filter(([, { check }]) => {
      const close = (a, b) => Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b), 1)
      return check.rows !== first.check.rows || !check.sums.every((sum, index) => close(sum, first.check.sums[index]))
    })
    .map(([name]) => name)
}

function printRow(query, engines, results) {
  const baseline = results.get('spillway')?.medianMs
  const cells = engines.map((name) => {
    const result = results.get(name)
    if (result.error !== undefined) return 'failed'.padStart(36)
    const ratio = baseline === undefined || name === 'spillway' ? '' : ` (${(result.medianMs / baseline).toFixed(2)}x)`
    const memory = `${Math.round(result.peakBytes / 2 ** 20)} MiB`
    return `${Math.round(result.medianMs)} ms${ratio} ${Math.round(result.medianCpuMs)} cpu ${memory}`.padStart(36)
  })
  console.log(`${query.padEnd(14)}${cells.join('')}`)
}

async function main() {
  const options = readOptions(process.argv.slice(2))
  const machine = machineFacts()
  const file = await generateG1(options.rows)
  console.log(
    `${options.rows} rows, ${options.threads} threads, median of ${options.runs} hot runs, peak resident memory`,
  )
  console.log(
    `limit ${options.limit ?? 'default'}; ratio = time of the engine / time of spillway (above 1: spillway ahead)`,
  )
  console.log(`${''.padEnd(14)}${options.engines.map((name) => name.padStart(36)).join('')}`)
  const scratch = mkdtempSync(join(tmpdir(), 'spillway-bench-'))
  const report = { startedAt: new Date().toISOString(), machine, options, queries: {} }
  try {
    for (const name of options.only) {
      const results = await runQuery(queries.get(name), file, options, scratch)
      const disagreeing = findDisagreement(results)
      printRow(name, options.engines, results)
      for (const [engine, { error }] of results) if (error !== undefined) console.log(`  ${engine}: ${error}`)
      if (disagreeing.length > 0) console.log(`  DIFFERENT ANSWER: ${disagreeing.join(', ')}`)
      report.queries[name] = { disagreeing, engines: Object.fromEntries(results) }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  report.geometricMeans = geometricMeans(report, options.engines)
  for (const { kind, engine, queries: count, elapsed, cpu } of report.geometricMeans) {
    console.log(
      `${kind}: spillway / ${engine} = ${elapsed.toFixed(2)} elapsed, ` +
        `${cpu.toFixed(2)} processor time (${count} queries)`,
    )
  }
  writeReport(report)
}

await main()
