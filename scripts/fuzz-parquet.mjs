/**
 * Fuzzes the Parquet reader with damaged files and prints how they ended (after a build).
 *
 *   node scripts/fuzz-parquet.mjs [--count 10000] [--seed 1] [--first 0] [--target decoder|engine|both]
 *     [--seconds 36000] [--growth 600]
 *
 * The decoder is driven on this thread, with red zones around all of its buffers; the engine as users do. Both must
 * give right data, other data where no checksum could tell, or a typed error that names the place, and go on. Traps,
 * red zones that were hit, hangs, untyped errors, damage that a checksum should have shown, what stays held, and growth
 * of the process by more than --growth megabytes are findings: the exit code is then 1. Seed and index of a mutant make
 * it again: --first INDEX --count 1. A line per 10,000 mutants tells how far it is.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const parquet = new URL('../packages/testkit/dist/parquet/', import.meta.url)
const { describeReport, runCampaign } = await import(new URL('fuzz-campaign.js', parquet))
const { makeFuzzPool } = await import(new URL('fuzz-pool.js', parquet))
const { openDecoderTarget, openEngineTarget } = await import(new URL('fuzz-targets.js', parquet))

const NAMES = ['count', 'seed', 'first', 'target', 'seconds', 'growth']
/** The engine counts the whole process, with what the harness itself holds. */
const openTargets = { decoder: openDecoderTarget, engine: () => openEngineTarget('600MB') }

/** @throws Error for an option that is not known, or has no value */
function readOptions(argv) {
  const options = { count: '10000', seed: '1', first: '0', target: 'decoder', seconds: '36000', growth: '600' }
  for (let at = 0; at < argv.length; at += 2) {
    const name = argv[at].replace(/^--/, '')
    const value = argv[at + 1]
    if (!NAMES.includes(name) || value === undefined) throw new Error(`Unknown option: ${argv[at]}`)
    if (name !== 'target' && !/^\d+$/.test(value)) throw new Error(`Not a number: ${argv[at]} ${value}`)
    options[name] = value
  }
  const targets = options.target === 'both' ? Object.keys(openTargets) : [options.target]
  for (const target of targets) if (!(target in openTargets)) throw new Error(`Unknown target: ${target}`)
  return { ...options, targets }
}

/** Mutants of a campaign; several campaigns follow one another, so that there is something to see. */
const PART = 10_000

/** Runs all mutants of a target; one report of all campaigns. */
async function fuzz(pool, folder, target, { seed, first, count, seconds, growth }) {
  const all = { outcomes: new Map(), findings: [], unread: new Map(), peakGrowthBytes: 0, elapsedMs: 0 }
  for (let done = 0; done < count && all.elapsedMs < seconds * 1000; done += PART) {
    const part = await runCampaign({
      pool,
      folder,
      seed: Number(seed),
      first: Number(first) + done,
      count: Math.min(PART, count - done),
      limitMs: seconds * 1000 - all.elapsedMs,
      openTarget: openTargets[target],
      growthBytes: growth * 1e6,
    })
    for (const [outcome, times] of part.outcomes) all.outcomes.set(outcome, (all.outcomes.get(outcome) ?? 0) + times)
    for (const [file, reason] of part.unread) all.unread.set(file, reason)
    all.findings.push(...part.findings)
    all.peakGrowthBytes = Math.max(all.peakGrowthBytes, part.peakGrowthBytes)
    all.elapsedMs += part.elapsedMs
    const seen = [...all.outcomes.values()].reduce((sum, times) => sum + times, 0)
    console.log(`${target}: ${seen} mutants, ${all.findings.length} findings, ${Math.round(all.elapsedMs / 1000)} s`)
  }
  return all
}

const options = readOptions(process.argv.slice(2))
const folder = mkdtempSync(join(tmpdir(), 'spillway-fuzz-'))
let findings = 0
try {
  const pool = await makeFuzzPool(folder)
  console.log(`${pool.length} sound files, seed ${options.seed}, mutants from ${options.first} on`)
  for (const target of options.targets) {
    const report = await fuzz(pool, folder, target, options)
    console.log(`${target}: ${describeReport(report)}`)
    findings += report.findings.length + report.unread.size
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(findings === 0 ? 'no finding' : `${findings} findings`)
process.exitCode = findings === 0 ? 0 : 1
