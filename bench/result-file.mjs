// Where results of a benchmark are kept: one file per run, named by its time and commit, so that none replaces another
// and every figure in the documentation keeps its source.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = join(dirname(fileURLToPath(import.meta.url)), 'results')

/**
 * The file's path without its extension: `2026-11-21T172141-2bb6c96`, after the benchmark's name if it has one.
 * @param report `startedAt` (ISO 8601) and `machine`, the facts of machine and commit
 */
export function resultBase({ startedAt, machine }, name = '') {
  const run = `${startedAt.slice(0, 19).replaceAll(':', '')}-${machine.commit}`
  return join(folder, name === '' ? run : `${name}-${run}`)
}

/** Writes the report as JSON and says where. */
export function writeReport(report, name = '') {
  mkdirSync(folder, { recursive: true })
  const path = `${resultBase(report, name)}.json`
  writeFileSync(path, `${JSON.stringify(report, undefined, 2)}\n`)
  console.log(`written: ${path}`)
}
