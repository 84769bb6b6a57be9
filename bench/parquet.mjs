// Parquet side by side with DuckDB: reading one column or all with one thread each, writing and copying with two, and
// the first query of a fresh process against hot ones. Runs alternate between the engines' processes, so that noise
// of the machine hits both alike. Prints Markdown tables, and keeps them with a JSON report in bench/results.
//
// node bench/parquet.mjs [--rows 10000000] [--write-rows 4000000] [--runs 5] [--codecs snappy,zstd]
//   [--only int32,high_null,…] [--parts read,write,copy,cold]
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateG1 } from './generate-g1.mjs'
import { machineFacts } from './machine-facts.mjs'
import { parquetBenchFile, readQuestions, writeSets } from './parquet-data.mjs'
import { resultBase, writeReport } from './result-file.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const WARM_UP_RUNS = 2
const COLD_QUERIES = ['q1', 'q2', 'q3', 'q4', 'q5', 'filter', 'scan']
const COLD_PROCESSES = 3

function readOptions(argv) {
  const get = (name, fallback) => {
    const at = argv.indexOf(`--${name}`)
    return at < 0 ? fallback : argv[at + 1]
  }
  return {
    rows: Number(get('rows', '10000000')),
    writeRows: Number(get('write-rows', '4000000')),
    runs: Number(get('runs', '5')),
    codecs: get('codecs', 'snappy,zstd').split(','),
    only: get('only', [...readQuestions.keys()].join(',')).split(','),
    parts: get('parts', 'read,write,copy,cold').split(','),
  }
}

function startProcess() {
  const child = fork(join(here, 'parquet-process.mjs'), [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ask = (action, options) =>
    new Promise((resolve, reject) => {
      const onExit = (code, signal) => reject(new Error(`process ended with ${signal ?? code}`))
      child.once('exit', onExit)
      child.once('message', (answer) => {
        child.off('exit', onExit)
        if (answer.error === undefined) resolve(answer.value)
        else reject(new Error(answer.error))
      })
      child.send({ action, options })
    })
  return { ask, stop: () => child.kill('SIGKILL') }
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Asks both engines the same in turn; figures by engine, or its error. */
async function alternate(engines, runs, action, optionsOf) {
  const figures = {}
  for (const name of Object.keys(engines)) figures[name] = { ms: [], cpuMs: [] }
  for (let run = -WARM_UP_RUNS; run < runs; run++) {
    for (const [name, { ask }] of Object.entries(engines)) {
      const figure = figures[name]
      if (figure.error !== undefined) continue
      try {
        const { ms, cpuMs, ...rest } = await ask(action, optionsOf(name))
        Object.assign(figure, rest)
        if (run < 0) continue
        figure.ms.push(ms)
        figure.cpuMs.push(cpuMs)
      } catch (error) {
        figure.error = error.message.slice(0, 300)
      }
    }
  }
  for (const figure of Object.values(figures)) {
    if (figure.error !== undefined) continue
    figure.medianMs = median(figure.ms)
    figure.medianCpuMs = median(figure.cpuMs)
  }
  return figures
}

async function openEngines(threads) {
  const engines = { spillway: startProcess(), duckdb: startProcess() }
  for (const [name, { ask }] of Object.entries(engines)) await ask('open', { name, threads })
  return engines
}

const ratio = ({ spillway, duckdb }, field = 'medianMs') =>
  spillway.error === undefined && duckdb.error === undefined ? duckdb[field] / spillway[field] : undefined
const shown = (figure) => (figure.error === undefined ? figure.medianMs.toFixed(0) : 'failed')
const times = (value) => (value === undefined ? '–' : value.toFixed(2))

async function benchReading(options, print) {
  const results = []
  const engines = await openEngines(1)
  print(`\nReading, one thread each, ${options.rows} rows, median of ${options.runs} hot runs in ms.`)
  print('Speed = time of DuckDB / time of Spillway: above 1, Spillway is faster.\n')
  print('| codec | column | Spillway | DuckDB | speed | speed by processor time |')
  print('| --- | --- | ---: | ---: | ---: | ---: |')
  try {
    for (const codec of options.codecs) {
      const file = await parquetBenchFile(options.rows, codec)
      for (const question of options.only) {
        const figures = await alternate(engines, options.runs, 'read', () => ({ file, question }))
        const { spillway, duckdb } = figures
        const byCpu = times(ratio(figures, 'medianCpuMs'))
        print(
          `| ${codec} | ${question} | ${shown(spillway)} | ${shown(duckdb)} | ${times(ratio(figures))} | ${byCpu} |`,
        )
        if (spillway.error !== undefined) print(`\nSpillway failed: ${spillway.error}\n`)
        else if (spillway.count !== duckdb.count) {
          print(`\nDIFFERENT ANSWER: ${spillway.count}, DuckDB ${duckdb.count}\n`)
        }
        results.push({ codec, question, ...figures })
      }
    }
  } finally {
    for (const engine of Object.values(engines)) engine.stop()
  }
  return results
}

const g1Columns = ['id1', 'id2', 'id3', 'id4', 'id5', 'id6', 'v1', 'v2', 'v3']

/** From Parquet to Parquet: three columns of G1 (low-cardinality text, integers, doubles) and all nine. */
async function benchCopying(options, scratch, print) {
  const results = []
  const file = await generateG1(options.rows)
  print(`\nCopying G1, two threads each, ${options.rows} rows, median of ${options.runs} runs in ms.\n`)
  print('| codec | columns | Spillway | DuckDB | speed | by processor time | bytes, Spillway / DuckDB |')
  print('| --- | --- | ---: | ---: | ---: | ---: | ---: |')
  const engines = await openEngines(2)
  try {
    for (const codec of options.codecs) {
      for (const columns of [g1Columns.filter((name) => /id1|id6|v3/.test(name)), g1Columns]) {
        const question = (name) => ({ file, columns, codec, target: join(scratch, `${name}.parquet`) })
        const figures = await alternate(engines, options.runs, 'copy', question)
        const { spillway, duckdb } = figures
        const size = times(spillway.bytes / duckdb.bytes)
        const byCpu = times(ratio(figures, 'medianCpuMs'))
        const name = columns === g1Columns ? 'all of G1' : columns.join(', ')
        const speed = times(ratio(figures))
        print(`| ${codec} | ${name} | ${shown(spillway)} | ${shown(duckdb)} | ${speed} | ${byCpu} | ${size} |`)
        if (spillway.error !== undefined) print(`\nSpillway failed: ${spillway.error}\n`)
        results.push({ codec, set: name, ...figures })
      }
    }
  } finally {
    for (const engine of Object.values(engines)) engine.stop()
  }
  return results
}

async function benchWriting(options, scratch, print) {
  const results = []
  const file = await parquetBenchFile(options.rows, options.codecs[0])
  print(
    `\nWriting a loaded table, two threads each, ${options.writeRows} rows, median of ${options.runs} runs in ms.\n`,
  )
  print('| codec | columns | Spillway | DuckDB | speed | bytes, Spillway / DuckDB |')
  print('| --- | --- | ---: | ---: | ---: | ---: |')
  for (const [set, columns] of writeSets) {
    const engines = await openEngines(2)
    try {
      for (const { ask } of Object.values(engines)) await ask('load', { file, columns, rows: options.writeRows })
      for (const codec of options.codecs) {
        const target = (name) => ({ target: join(scratch, `${name}.parquet`), codec })
        const figures = await alternate(engines, options.runs, 'write', target)
        const { spillway, duckdb } = figures
        const size = times(spillway.bytes / duckdb.bytes)
        print(`| ${codec} | ${set} | ${shown(spillway)} | ${shown(duckdb)} | ${times(ratio(figures))} | ${size} |`)
        if (spillway.error !== undefined) print(`\nSpillway failed: ${spillway.error}\n`)
        results.push({ codec, set, ...figures })
      }
    } finally {
      for (const engine of Object.values(engines)) engine.stop()
    }
  }
  return results
}

async function benchCold(options, scratch, print) {
  const results = []
  const file = await generateG1(options.rows)
  print(`\nFirst query of a fresh process (package loaded, engine started, two threads), medians in ms.\n`)
  print('| query | cold | hot | allowed: 2 × hot + 150 | since process start |')
  print('| --- | ---: | ---: | ---: | ---: |')
  for (const query of COLD_QUERIES) {
    const rounds = []
    for (let round = 0; round < COLD_PROCESSES; round++) {
      const child = startProcess()
      const target = join(scratch, 'cold.parquet')
      try {
        rounds.push(await child.ask('first', { query, file, threads: 2, target, runs: options.runs + WARM_UP_RUNS }))
      } finally {
        child.stop()
      }
    }
    const cold = median(rounds.map(({ coldMs }) => coldMs))
    const hot = median(rounds.map(({ hotMs }) => median(hotMs.slice(WARM_UP_RUNS))))
    const sinceStart = median(rounds.map(({ sinceStartMs }) => sinceStartMs))
    const allowed = 2 * hot + 150
    const verdict = cold <= allowed ? allowed.toFixed(0) : `${allowed.toFixed(0)} (missed)`
    print(`| ${query} | ${cold.toFixed(0)} | ${hot.toFixed(0)} | ${verdict} | ${sinceStart.toFixed(0)} |`)
    results.push({ query, cold, hot, allowed, sinceStart, rounds })
  }
  return results
}

const options = readOptions(process.argv.slice(2))
const startedAt = new Date().toISOString()
const machine = machineFacts()
const lines = [`# Parquet benchmark, ${machine.commit}, Node ${machine.node}, ${machine.cores} × ${machine.cpu}`]
const print = (line) => {
  lines.push(line)
  console.log(line)
}
const scratch = mkdtempSync(join(tmpdir(), 'spillway-bench-parquet-'))
const report = { startedAt, machine, options }
try {
  if (options.parts.includes('read')) report.read = await benchReading(options, print)
  if (options.parts.includes('write')) report.write = await benchWriting(options, scratch, print)
  if (options.parts.includes('copy')) report.copy = await benchCopying(options, scratch, print)
  if (options.parts.includes('cold')) report.cold = await benchCold(options, scratch, print)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
writeReport(report, 'parquet')
writeFileSync(`${resultBase(report, 'parquet')}.md`, `${lines.join('\n')}\n`)
