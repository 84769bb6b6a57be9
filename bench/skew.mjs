// Proof of skew at full size: one key on nine tenths of 8 million rows of one side, whose bytes are twice the limit,
// and on 200 rows of the other side: 1.44 billion matches. Every kind of join with either side kept and the hot side on
// either side, each in a process of its own; payload of both sides (112 digits, all distinct) is used behind the join.
// Answers are compared with those of DuckDB, which aggregates both sides by key and combines the groups instead.
// Ends with code 1 when an answer differs, a peak is above its limit, or a kept hot key was not joined in chunks.
//
// node bench/skew.mjs [--how inner,left,…] [--hot left,right] [--build left,right] [--limit 400MB] [--threads 2]
//                     [--rows 8000000] [--key id]
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machineFacts } from './machine-facts.mjs'
import { writeReport } from './result-file.mjs'
import { spillTable } from './spill-data.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const PROBE_ROWS = 1_000_000
const MIN_CHUNKS = 2

function readOptions(argv) {
  const get = (name, fallback) => {
    const at = argv.indexOf(`--${name}`)
    return at < 0 ? fallback : argv[at + 1]
  }
  return {
    kinds: get('how', 'inner,left,right,full,semi,anti').split(','),
    hotSides: get('hot', 'left,right').split(','),
    buildSides: get('build', 'left,right').split(','),
    limit: get('limit', '400MB'),
    threads: Number(get('threads', '2')),
    rows: Number(get('rows', '8000000')),
    key: get('key', undefined),
  }
}

/**
 * The answer without the join: rows of a key come out (left rows × right rows) times together, or alone where the kind
 * keeps rows without a match. All figures follow from counts, sums, least and greatest values by key.
 */
function answerSql({ left, right, leftPrefix, rightPrefix, how }) {
  const byKey = (path, prefix, side) => `(SELECT ${prefix}_id AS ${side}_id, count(*) AS ${side}_rows,
      sum(${prefix}_number) AS ${side}_sum, min(${prefix}_payload) AS ${side}_least,
      max(${prefix}_payload) AS ${side}_greatest FROM read_parquet('${path}') GROUP BY 1)`
  const sides = [byKey(left, leftPrefix, 'l'), byKey(right, rightPrefix, 'r')]
  if (how === 'semi' || how === 'anti') {
    return `SELECT sum(l_rows) AS rows, sum(l_sum) AS lefts, min(l_least) AS least, max(l_greatest) AS greatest
      FROM ${sides[0]} ${how.toUpperCase()} JOIN ${sides[1]} ON l_id = r_id`
  }
  return `SELECT sum(coalesce(l_rows, 1) * coalesce(r_rows, 1)) AS rows, sum(l_sum * coalesce(r_rows, 1)) AS lefts,
      min(l_least) AS least, sum(r_sum * coalesce(l_rows, 1)) AS rights, sum(l_sum * r_sum) AS products,
      max(r_greatest) AS greatest
    FROM ${sides[0]} ${how.toUpperCase()} JOIN ${sides[1]} ON l_id = r_id`
}

async function expectedAnswer(connection, run) {
  const reader = await connection.runAndReadAll(answerSql(run))
  return Object.fromEntries(Object.entries(reader.getRowObjects()[0]).map(([name, value]) => [name, String(value)]))
}

function runChild(run, scratch) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(here, 'skew-process.mjs'), JSON.stringify({ ...run, scratch })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text
    })
    child.once('close', (code, signal) => {
      try {
        resolve(JSON.parse(output.trim().split('\n').at(-1)))
      } catch {
        resolve({ error: `ended with ${signal ?? `code ${code}`}` })
      }
    })
  })
}

const bytesOf = (limit) => Number(/^(\d+)MB$/.exec(limit)[1]) * 1e6

/** What is wrong with an outcome, in words; nothing when all of the proof holds. */
function faultsOf(run, outcome, expected, filesLeft) {
  if (outcome.error !== undefined) return [outcome.error]
  const faults = Object.keys(expected)
    .filter((name) => outcome.answer[name] !== expected[name])
    .map((name) => `${name} is ${outcome.answer[name]} and should be ${expected[name]}`)
  if (outcome.peakBytes > bytesOf(run.limit)) faults.push('peak above the limit')
  if (run.buildSide === run.hotSide && outcome.chunks < MIN_CHUNKS) faults.push(`only ${outcome.chunks} chunks`)
  if (outcome.usage.reservedPages !== 0 || outcome.usage.usedPages !== 0) faults.push('pages left')
  if (filesLeft > 0) faults.push(`${filesLeft} spill files left`)
  return faults
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`
const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`

function printRow(run, outcome, faults) {
  const facts =
    outcome.error === undefined
      ? [
          seconds(outcome.ms).padStart(8),
          `${seconds(outcome.cpuMs)} cpu`.padStart(12),
          `peak ${megabytes(outcome.peakBytes)}`.padStart(12),
          `spilled ${megabytes(outcome.spilledBytes)}`.padStart(16),
          `${outcome.chunks} chunks`.padStart(10),
          `rows ${outcome.answer.rows}`,
        ]
      : []
  const name = `${run.how.padEnd(6)} hot ${run.hotSide.padEnd(6)} build ${run.buildSide.padEnd(6)}`
  console.log([name, ...facts, faults.length === 0 ? 'right' : `WRONG: ${faults.join('; ')}`].join(' '))
}

/** Of the other side, semi and anti joins keep the keys only: as text of 120 characters they are many bytes too. */
const keyOf = (how) => (how === 'semi' || how === 'anti' ? 'text' : 'id')

async function main() {
  const options = readOptions(process.argv.slice(2))
  const hot = { path: spillTable('hot', options.rows), prefix: 'h' }
  const cold = { path: spillTable('cold', PROBE_ROWS), prefix: 'c' }
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '4GB' })
  const connection = await instance.connect()
  const report = { startedAt: new Date().toISOString(), machine: machineFacts(), options, rows: [] }
  for (const hotSide of options.hotSides) {
    const [left, right] = hotSide === 'left' ? [hot, cold] : [cold, hot]
    for (const how of options.kinds) {
      const sides = { left: left.path, right: right.path, leftPrefix: left.prefix, rightPrefix: right.prefix }
      const { limit, threads, key = keyOf(how) } = options
      const expected = await expectedAnswer(connection, { ...sides, how })
      for (const buildSide of options.buildSides) {
        const run = { ...sides, how, key, buildSide, hotSide, limit, threads }
        const scratch = mkdtempSync('/var/tmp/spillway-skew-')
        const outcome = await runChild(run, scratch)
        const faults = faultsOf(run, outcome, expected, readdirSync(scratch).length)
        rmSync(scratch, { recursive: true, force: true })
        printRow(run, outcome, faults)
        report.rows.push({ how, hotSide, buildSide, key, faults, ...outcome })
        if (faults.length > 0) process.exitCode = 1
      }
    }
  }
  connection.closeSync()
  instance.closeSync()
  writeReport(report, 'skew')
}

await main()
