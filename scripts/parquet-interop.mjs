// Parquet files between Spillway, pyarrow and polars, both ways: a one-off check, not part of CI. pyarrow and polars
// write a matrix of types × encodings × codecs × page versions × null patterns, which Spillway reads; what Spillway
// writes of the same rows in all codecs is read by both. Prints counts and every difference.
//
// node scripts/parquet-interop.mjs [--quick] [--python PATH]     (needs python3 with pyarrow and polars; build first)
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { tableFromIPC } from 'apache-arrow'
import { createEngine, fromArrow } from 'spillway'

const here = dirname(fileURLToPath(import.meta.url))
const load = (path) => import(pathToFileURL(join(here, '../packages/testkit/dist', path)).href)
const { tableOfArrow } = await load('arrow-cells.js')
const { exactDifference } = await load('parquet/exact-difference.js')

const quick = process.argv.includes('--quick')
const at = process.argv.indexOf('--python')
const python = at < 0 ? 'python3' : process.argv[at + 1]

function runPython(...rest) {
  const done = spawnSync(python, [join(here, 'parquet-interop.py'), ...rest], { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (done.status !== 0) throw new Error(`python failed: ${done.stderr.slice(-2000)}`)
  return JSON.parse(done.stdout)
}

/** Adds to the count of a text, to tell a thousand equal complaints in one line. */
function tally(counts, text, example) {
  const entry = counts.get(text) ?? { count: 0, example }
  counts.set(text, { ...entry, count: entry.count + 1 })
}

function printTally(title, counts) {
  console.log(title)
  for (const [text, { count, example }] of counts) console.log(`  ${count} × ${text}\n      first: ${example}`)
}

const truths = new Map()
function truthOf(path) {
  let truth = truths.get(path)
  if (truth === undefined) {
    const table = tableFromIPC(readFileSync(path))
    truth = { table, cells: tableOfArrow(table) }
    truths.set(path, truth)
  }
  return truth
}

/** A problem without what differs from file to file, so that equal causes count together. */
const causeOf = (text) =>
  text
    .replace(/ of \/\S+\.parquet.*/, '')
    .replace(/row group \d+, column "\w+"/, 'row group N, column C')
    .replace(/row \d+: .*/, 'values')

/** Reads what Python wrote. */
async function readBack(engine, files) {
  const problems = new Map()
  let right = 0
  for (const { file, truth, name } of files) {
    const { cells } = truthOf(truth)
    // INT96 and format 1.0 change units of time, which cells do not have: nanoseconds all the same.
    let problem
    try {
      problem = exactDifference(tableOfArrow((await engine.scanParquet(file).collect()).toArrow()), cells)
    } catch (error) {
      problem = `${error.code ?? ''} ${error.message}`
    }
    if (problem === undefined) right++
    else tally(problems, causeOf(problem), `${name}: ${problem.slice(0, 300)}`)
  }
  printTally(`read by Spillway: ${right} of ${files.length} right`, problems)
  return problems.size
}

/** Writes the same rows with all settings of our own; gives the list for Python. */
async function writeOwn(engine, folder, problems) {
  const written = []
  const codecs = ['uncompressed', 'snappy', 'zstd', 'lz4Raw', 'gzip', 'brotli']
  for (const [truth, { table }] of truths) {
    for (const compression of codecs) {
      for (const rowGroupSize of [undefined, 1000]) {
        const file = join(folder, `own-${written.length}.parquet`)
        const rows = rowGroupSize === undefined ? {} : { rowGroupSize }
        const name = `spillway ${compression} groups of ${rowGroupSize ?? 'default'}: ${truth}`
        try {
          const options = { compression, statistics: written.length % 3 !== 0, ...rows }
          await fromArrow(table, engine).lazy().sinkParquet(file, options)
          written.push({ file, truth, name })
        } catch (error) {
          tally(problems, causeOf(`${error.code} ${error.message}`), name)
        }
      }
    }
  }
  return written
}

const folder = mkdtempSync(join(tmpdir(), 'spillway-interop-'))
const engine = createEngine({ threads: 2 })
try {
  const { files, failed } = runPython('write', folder, ...(quick ? ['--quick'] : []))
  console.log(`${files.length} files written by pyarrow and polars; ${failed.length} refused by their writer`)
  for (const text of failed.slice(0, 5)) console.log(`  ${text}`)
  let wrong = await readBack(engine, files)
  const problems = new Map()
  const written = await writeOwn(engine, folder, problems)
  const list = join(folder, 'own.json')
  writeFileSync(list, JSON.stringify(written))
  for (const { name, reader, problem } of runPython('compare', list)) {
    tally(problems, `${reader}: ${causeOf(problem).slice(0, 200)}`, `${name}: ${problem.slice(0, 300)}`)
  }
  printTally(`${written.length} files of Spillway read by pyarrow and polars; problems: ${problems.size}`, problems)
  wrong += problems.size
  process.exitCode = wrong === 0 ? 0 : 1
} finally {
  await engine.close()
  rmSync(folder, { recursive: true, force: true })
}
