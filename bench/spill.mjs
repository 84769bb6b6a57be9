// Benchmark with memory limits: group-by, join and sort that are larger than memory, each run in a process of its own,
// at no limit and at a quarter of the working set (the peak of Spillway's run without a limit), against DuckDB with the
// same memory_limit and nodejs-polars (which gets the limit as its spill budget). Reported: median time, peak resident
// memory of the process as the kernel counted it, bytes spilled. Answers are compared between the engines.
//
// node bench/spill.mjs [--runs 3] [--threads 2] [--only q10,join,sort,chain] [--engine spillway,duckdb,polars]
//                      [--limit 400MB] [--large] [--oracle 8GB] [--open-files 64]
//
// --oracle: the answer to compare with is computed by DuckDB first, with so much memory, outside the measurement.
// --open-files: the children may have so many files open (`ulimit -n`).
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machineFacts } from './machine-facts.mjs'
import { writeReport } from './result-file.mjs'
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
    oracle: get('oracle', undefined),
    openFiles: get('open-files', undefined),
    isLarge,
  }
}

/** One run in a child; `noSpill`: without the variables that let polars spill. */
function runOnce(engine, query, limit, scratch, { threads, openFiles }) {
  const target = join(scratch, `${engine}.parquet`)
  const spill = join(scratch, 'spill')
  mkdirSync(spill, { recursive: true })
  const budget = limit === undefined ? {} : { POLARS_OOC_MEMORY_BUDGET_MB: String(bytesOf(limit) / 1e6) }
  const env = { ...process.env, POLARS_MAX_THREADS: threads, POLARS_OOC_SPILL_DIR: spill, ...budget }
  const args = [join(here, 'spill-process.mjs'), engine, query, threads, target, spill]
  return new Promise((resolve) => {
    const few = openFiles === undefined ? '' : `ulimit -n ${openFiles} && `
    const command = ['-c', `${few}exec "$0" "$@"`, process.execPath, ...args, ...(limit === undefined ? [] : [limit])]
    const child = spawn('sh', command, { env, stdio: ['ignore', 'pipe', 'inherit'] })
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

const totalsOf = (query, rows) =>
  `SELECT count(*), ${query.sums.map((name) => `sum(${name})::DOUBLE`).join(', ')} FROM ${rows}`

/** Calls `use` with a connection to a DuckDB that may take `memory`. */
async function withDuckdb(memory, use) {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const scratch = mkdtempSync(join(tmpdir(), 'spillway-bench-'))
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2',
    memory_limit: memory,
    temp_directory: scratch,
  })
  const connection = await instance.connect()
  try {
    return await use(async (sql) => (await connection.runAndReadAll(sql)).getRows()[0].map(Number))
  } finally {
    connection.closeSync()
    instance.closeSync()
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Rows, totals and, where the answer is sorted, the number of rows that are out of order. */
async function fold(query, path) {
  if (!existsSync(path)) return undefined
  const rows = `read_parquet('${path.replaceAll("'", "''")}')`
  return withDuckdb('1GB', async (ask) => {
    const values = await ask(totalsOf(query, rows))
    if (query.orderedBy === undefined) return values
    const before = query.orderedBy.map((key) => `lag(${key}) OVER ()`).join(', ')
    // The first row has none before it: to DuckDB a row is less than one of nulls.
    const isFirst = `lag(${query.orderedBy[0]}) OVER () IS NULL`
    const disorder = `SELECT NOT ${isFirst} AND (${query.orderedBy.join(', ')}) < (${before}) AS wrong FROM ${rows}`
    return [...values, ...(await ask(`SELECT count(*) FROM (${disorder}) WHERE wrong`))]
  })
}

/** What `fold` should say, from DuckDB. */
async function oracleAnswer(query, files, memory) {
  const values = await withDuckdb(memory, (ask) => ask(totalsOf(query, `(${query.sql(files)})`)))
  return query.orderedBy === undefined ? values : [...values, 0]
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

async function measure(engine, name, limit, options) {
  const scratch = mkdtempSync(join(tmpdir(), 'spillway-bench-'))
  try {
    const runs = []
    for (let run = 0; run < options.runs; run++) {
      const result = await runOnce(engine, name, limit, scratch, options)
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
    const files = await spillQueries.get(name).files()
    let limits = [options.limit]
    if (options.limit === undefined) {
      const free = await measure('spillway', name, undefined, { ...options, runs: 1 })
      const quarter = free.error === undefined ? Math.ceil(free.peakBytes / 4e7) * 10 : 400
      limits = [undefined, `${quarter}MB`]
    }
    const { oracle } = options
    const answer = oracle === undefined ? undefined : await oracleAnswer(spillQueries.get(name), files, oracle)
    for (const limit of limits) {
      let reference = answer
      for (const engine of options.engines) {
        const result = await measure(engine, name, limit, options)
        reference ??= result.answer
        printRow(name, result, reference)
        report.rows.push({ name, ...result })
      }
    }
  }
  printMeans(report.rows, options.engines)
  writeReport(report, 'spill')
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
