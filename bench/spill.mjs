// Benchmark with memory limits: group-by, join and sort that are larger than memory, each run in a process of its own,
// at no limit and at a quarter of the working set (the peak of Spillway's run without a limit), against DuckDB with the
// same memory_limit and nodejs-polars (which gets the limit as its spill budget). Reported: median time, peak resident
// memory of the process as the kernel counted it, bytes spilled. Answers are compared between the engines.
//
// node bench/spill.mjs [--runs 3] [--threads 2] [--only q10,join,sort,chain] [--engine spillway,duckdb,polars]
//                      [--limit 400MB] [--large]
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machineFacts } from './machine-facts.mjs'
import { spillQueries } from './spill-queries.mjs'

const here = dirname(fileURLToPath(import.meta.url))

function readOptions(argv) {
  const get = (name, fallback) => {
    const at = argv.indexOf(`--${name}`)
    return at < 0 ? fallback : argv[at + 1]
  }
  const isLarge = argv.includes('--large')
  return {
    runs: Number(get('runs', isLarge ? '1' : '3')),
    threads: get('threads', '2'),
    only: get('only', isLarge ? 'join-large' : 'q10,join,sort').split(','),
    engines: get('engine', 'spillway,duckdb,polars').split(','),
    limit: get('limit', isLarge ? '1GB' : undefined),
    isLarge,
  }
}

/** One run in a child; `noSpill`: without the variables that let polars spill. */
function runOnce(engine, query, threads, limit, scratch) {
  const target = join(scratch, `${engine}.parquet`)
  const spill = join(scratch, 'spill')
  mkdirSync(spill, { recursive: true })
  const budget = limit === undefined ? {} : { POLARS_OOC_MEMORY_BUDGET_MB: String(bytesOf(limit) / 1e6) }
  const env = { ...process.env, POLARS_MAX_THREADS: threads, POLARS_OOC_SPILL_DIR: spill, ...budget }
  const args = [join(here, 'spill-process.mjs'), engine, query, threads, target, spill]
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...args, ...(limit === undefined ? [] : [limit])], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text
    })
    child.once('close', (code, signal) => {
      const left = readdirSync(spill, { recursive: true }).length
      rmSync(spill, { recursive: true, force: true })
      try {
        resolve({ ...JSON.parse(output.trim().split('\n').at(-1)), left })
      } catch {
        resolve({ error: `ended with ${signal ?? `code ${code}`}`, left })
      }
    })
  })
}

function bytesOf(text) {
  const match = /^([\d.]+)\s*(MB|GB)$/.exec(text)
  if (match === null) throw new Error(`Not a size: "${text}". Use 400MB or 1GB.`)
  return Number(match[1]) * { MB: 1e6, GB: 1e9 }[match[2]]
}

/** Rows, totals and, where the answer is sorted, whether it is. */
async function fold(query, path) {
  if (!existsSync(path)) return undefined
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '1GB' })
  const connection = await instance.connect()
  const totals = query.sums.map((name) => `sum(${name})::DOUBLE`).join(', ')
  const rows = `read_parquet('${path.replaceAll("'", "''")}')`
  const reader = await connection.runAndReadAll(`SELECT count(*), ${totals} FROM ${rows}`)
  const values = reader.getRows()[0].map(Number)
  if (query.orderedBy !== undefined) {
    const key = query.orderedBy
    const disorder = `SELECT count(*) FROM (SELECT ${key} < lag(${key}) OVER () AS wrong FROM ${rows}) WHERE wrong`
    values.push(Number((await connection.runAndReadAll(disorder)).getRows()[0][0]))
  }
  connection.closeSync()
  instance.closeSync()
  return values
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

async function measure(engine, name, limit, options) {
  const scratch = mkdtempSync(join(tmpdir(), 'spillway-bench-'))
  try {
    const runs = []
    for (let run = 0; run < options.runs; run++) {
      const result = await runOnce(engine, name, options.threads, limit, scratch)
      if (result.error !== undefined) return { engine, limit, error: result.error, peakBytes: result.peakBytes }
      runs.push(result)
    }
    const answer = await fold(spillQueries.get(name), join(scratch, `${engine}.parquet`))
    return {
      engine,
      limit,
      ms: median(runs.map(({ ms }) => ms)),
      cpuMs: median(runs.map(({ cpuMs }) => cpuMs)),
      peakBytes: Math.max(...runs.map(({ peakBytes }) => peakBytes)),
      spilledBytes: median(runs.map(({ spilledBytes }) => spilledBytes)),
      left: Math.max(...runs.map(({ left }) => left)),
      answer,
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`

function printRow(name, result, reference) {
  const cells = [name.padEnd(11), (result.limit ?? 'none').padEnd(8), result.engine.padEnd(9)]
  if (result.error !== undefined) cells.push(`failed: ${result.error.slice(0, 100)}`)
  else {
    const close = (a, b) => Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b), 1)
    const same = reference?.every((value, index) => close(value, result.answer?.[index])) ?? true
    cells.push(`${(result.ms / 1000).toFixed(2)} s`.padStart(9), `${(result.cpuMs / 1000).toFixed(2)} cpu`.padStart(11))
    cells.push(
      `peak ${megabytes(result.peakBytes)}`.padStart(15),
      `spilled ${megabytes(result.spilledBytes)}`.padStart(17),
    )
    cells.push(same ? '' : '  DIFFERENT ANSWER')
  }
  console.log(cells.join(' '))
}

async function main() {
  const options = readOptions(process.argv.slice(2))
  const report = { startedAt: new Date().toISOString(), machine: machineFacts(), options, rows: [] }
  for (const name of options.only) {
    await spillQueries.get(name).files()
    let limits = [options.limit]
    if (options.limit === undefined) {
      const free = await measure('spillway', name, undefined, { ...options, runs: 1 })
      const quarter = free.error === undefined ? Math.ceil(free.peakBytes / 4e7) * 10 : 400
      limits = [undefined, `${quarter}MB`]
    }
    for (const limit of limits) {
      let reference
      for (const engine of options.engines) {
        const result = await measure(engine, name, limit, options)
        reference ??= result.answer
        printRow(name, result, reference)
        report.rows.push({ name, ...result })
      }
    }
  }
  printMeans(report.rows, options.engines)
  mkdirSync(join(here, 'results'), { recursive: true })
  writeFileSync(join(here, 'results', 'spill.json'), `${JSON.stringify(report, undefined, 2)}\n`)
}

/** Geometric means of Spillway's time over each other engine's, over the rows in which both ended. */
function printMeans(rows, engines) {
  for (const engine of engines.filter((each) => each !== 'spillway')) {
    const ratios = rows
      .filter((row) => row.engine === engine && row.ms !== undefined)
      .flatMap((row) => {
        const own = rows.find(
          (each) => each.engine === 'spillway' && each.name === row.name && each.limit === row.limit,
        )
        return own?.ms === undefined ? [] : [own.ms / row.ms]
      })
    if (ratios.length === 0) continue
    const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)
    console.log(`time of spillway / ${engine}: ${mean.toFixed(2)} (geometric mean of ${ratios.length} rows)`)
  }
}

await main()
