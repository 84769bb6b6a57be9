/**
 * Runs mutants through a target and sorts what happens. Right data, other data where no checksum could tell, and typed
 * errors that name the place are fine; everything else is a finding: internal errors, unnamed places, hangs, memory,
 * damage under a checksum that went unnoticed, and a target that does not go on.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type ErrorCode, errorCodes, type SpillwayError } from '@spillway/stdx'
import type { FuzzTarget } from './fuzz-targets.ts'
import { type Mutant, mutateFile, type SoundFile } from './mutate-file.ts'
import { makeChoices } from './random-choices.ts'

export interface CampaignOptions {
  readonly pool: readonly SoundFile[]
  readonly folder: string
  readonly seed: number
  /** Mutants `first` to `first + count - 1` of the seed. */
  readonly first?: number
  readonly count: number
  /** No mutant is begun later than this after the start. */
  readonly limitMs?: number
  /** Opened again after a hang. */
  readonly openTarget: () => FuzzTarget | Promise<FuzzTarget>
  /** Bytes that the process may grow by, at any moment, over what it held at the campaign's beginning. */
  readonly growthBytes: number
}

/** A mutant that was not dealt with as it should be: seed and index make it again. */
export interface FuzzFinding {
  readonly seed: number
  readonly index: number
  readonly file: string
  readonly mutations: readonly string[]
  readonly kind: string
  readonly detail: string
}

export interface CampaignReport {
  /** How many mutants ended how. */
  readonly outcomes: Map<string, number>
  readonly findings: FuzzFinding[]
  /** Files of the pool that the target refuses although they are sound, with its words. */
  readonly unread: Map<string, string>
  readonly peakGrowthBytes: number
  readonly elapsedMs: number
}

const HANG_MS = 5000
/**
 * Names of mutants' files. The reader keeps footers of some thousands of files by name, which would count as growth; a
 * name used again at once could be taken for the file before, if its time and size are the same.
 */
const NAMES = 64
/** Mutants between two checks that the target still reads a sound file and holds nothing. */
const CHECK_EVERY = 100

/** Mutant `index` of a campaign, to look at it or run it alone. */
export function makeMutant(
  pool: readonly SoundFile[],
  seed: number,
  index: number,
): { file: SoundFile; mutant: Mutant } {
  const choices = makeChoices(seed, index)
  const file = choices.of(pool)
  return { file, mutant: mutateFile(file, choices) }
}

/** Peak of the process's resident memory since the last call; the present size where the system does not tell. */
function takePeakBytes(): number {
  try {
    const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))
    writeFileSync('/proc/self/clear_refs', '5')
    return Number(match?.[1] ?? 0) * 1024
  } catch {
    return process.memoryUsage.rss()
  }
}

/** Ends the process when the main thread itself stands still: no promise would ever time out then. */
function startWatchdog(progress: Int32Array): Worker {
  const source = `
    const { workerData: { progress } } = require('node:worker_threads')
    let last = -1, since = Date.now()
    setInterval(() => {
      const now = Atomics.load(progress, 0)
      if (now !== last) { last = now; since = Date.now() }
      else if (Date.now() - since > 60_000) {
        require('node:fs').writeSync(2, 'fuzz: the main thread hangs at mutant ' + now + '\\n')
        process.kill(process.pid, 'SIGKILL')
      }
    }, 1000)`
  const worker = new Worker(source, { eval: true, workerData: { progress } })
  worker.unref()
  return worker
}

type Ending = { readonly fingerprint: string } | { readonly error: unknown } | 'hang'

/**
 * A hang is five seconds of processor time, or six times as long by the clock: on a machine with other work to do the
 * clock alone would blame the innocent.
 */
async function readWithin(target: FuzzTarget, path: string): Promise<Ending> {
  const start = performance.now()
  const cpuStart = process.cpuUsage()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'hang'>((resolve) => {
    timer = setInterval(() => {
      const { user, system } = process.cpuUsage(cpuStart)
      if ((user + system) / 1000 > HANG_MS || performance.now() - start > 6 * HANG_MS) resolve('hang')
    }, 500)
  })
  const reading = target.read(path).then(
    (fingerprint) => ({ fingerprint }),
    (error: unknown) => ({ error }),
  )
  const ending = await Promise.race([reading, late])
  clearInterval(timer)
  return ending
}

/** How a mutant ended: a word for the table, and what is wrong with it, if anything. */
function judge(ending: Ending, mutant: Mutant, sound: string, path: string): { outcome: string; detail?: string } {
  if (ending === 'hang') return { outcome: 'hang', detail: `no end within ${HANG_MS} ms of processor time` }
  if ('fingerprint' in ending) {
    if (ending.fingerprint === sound) return { outcome: 'right data' }
    if (!mutant.isCovered) return { outcome: 'other data' }
    return { outcome: 'checksum missed', detail: 'other data came from pages whose checksum was not changed' }
  }
  const { error } = ending
  if (!isTyped(error))
    return { outcome: 'untyped error', detail: error instanceof Error ? (error.stack ?? '') : String(error) }
  const outcome = `${error.name} ${error.code}`
  const told = `${outcome}: ${error.message}`
  // The sound files are small: damage must not be told as a want of memory.
  if (error.name !== 'DataError') return { outcome, detail: told }
  if (!error.message.includes(path)) return { outcome: `${outcome}, file unnamed`, detail: told }
  const { rowGroup, column, page } = error.details
  if (mutant.hasSoundFooter && (rowGroup === undefined || column === undefined)) {
    return { outcome: `${outcome}, place unnamed`, detail: told }
  }
  // Where the footer is sound, all that can be wrong is a page, or a file too short for what the footer says.
  const isAboutPage = mutant.hasSoundFooter && !/lies outside of the file/.test(error.message)
  if (isAboutPage && page === undefined) return { outcome: `${outcome}, page unnamed`, detail: told }
  return { outcome }
}

/** By name and code: each bundle has a copy of the classes of its own. */
function isTyped(error: unknown): error is SpillwayError {
  if (!(error instanceof Error) || !('code' in error)) return false
  const known = errorCodes[error.code as ErrorCode] as { readonly family: string } | undefined
  return known?.family === error.name
}

/** Runs the campaign; the target is closed at its end. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const { pool, folder, seed, first = 0, count } = options
  const outcomes = new Map<string, number>()
  const findings: FuzzFinding[] = []
  const unread = new Map<string, string>()
  const sound = new Map<string, string>()
  let target = await options.openTarget()
  const replaceTarget = async (): Promise<void> => {
    await Promise.race([target.close(), new Promise((resolve) => setTimeout(resolve, 2000))])
    target = await options.openTarget()
  }
  for (const { name, assembled } of pool) {
    const path = join(folder, 'sound.parquet')
    rmSync(path, { force: true })
    writeFileSync(path, assembled.bytes)
    try {
      sound.set(name, await target.read(path))
    } catch (error) {
      unread.set(name, String(error))
    }
  }
  const usable = pool.filter(({ name }) => sound.has(name))
  const [checkFile] = usable
  if (checkFile === undefined) throw new Error(`The target reads no file of the pool: ${[...unread.values()][0]}`)
  const checkPath = join(folder, 'check.parquet')
  writeFileSync(checkPath, checkFile.assembled.bytes)
  takePeakBytes()
  const baseBytes = process.memoryUsage.rss()
  let peakGrowthBytes = 0
  const progress = new Int32Array(new SharedArrayBuffer(4))
  const watchdog = startWatchdog(progress)
  const start = performance.now()
  const { limitMs = Number.POSITIVE_INFINITY } = options
  for (let index = first; index < first + count && performance.now() - start < limitMs; index++) {
    Atomics.store(progress, 0, index)
    const { file, mutant } = makeMutant(usable, seed, index)
    const path = join(folder, `mutant-${index % NAMES}.parquet`)
    const found = (kind: string, detail: string): void => {
      const { mutations } = mutant
      findings.push({ seed, index, file: file.name, mutations, kind, detail: detail.slice(0, 500) })
    }
    writeFileSync(path, mutant.bytes)
    const ending = await readWithin(target, path)
    rmSync(path, { force: true })
    const { outcome, detail } = judge(ending, mutant, sound.get(file.name) ?? '', path)
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    if (detail !== undefined) found(outcome, detail)
    const growth = takePeakBytes() - baseBytes
    // Told once: a target may be unable to give memory back, and then every later mutant would be blamed.
    const isNewPeak = growth > options.growthBytes && growth > peakGrowthBytes * 1.1
    if (isNewPeak) found('memory', `the process grew by ${Math.round(growth / 1e6)} MB`)
    peakGrowthBytes = Math.max(peakGrowthBytes, growth)
    if (ending === 'hang') await replaceTarget()
    if (index % CHECK_EVERY === CHECK_EVERY - 1 || detail !== undefined) {
      const again = await readWithin(target, checkPath)
      if (again === 'hang' || !('fingerprint' in again) || again.fingerprint !== sound.get(checkFile.name)) {
        const text = again === 'hang' || 'fingerprint' in again ? 'wrong or no data' : String(again.error)
        found('does not go on', `a sound file gives ${text} afterwards`)
        await replaceTarget()
      }
      const leftovers = await target.findLeftovers()
      if (leftovers !== undefined) found('leftovers', leftovers)
    }
  }
  const elapsedMs = performance.now() - start
  await target.close()
  await watchdog.terminate()
  return { outcomes, findings, unread, peakGrowthBytes, elapsedMs }
}

/** The report as text: a table of outcomes, then the first findings of each kind. */
export function describeReport(report: CampaignReport): string {
  const total = [...report.outcomes.values()].reduce((sum, count) => sum + count, 0)
  const perMinute = Math.round((total / report.elapsedMs) * 60_000)
  const lines = [
    `${total} mutants, ${perMinute} per minute, memory grew by at most ${Math.round(report.peakGrowthBytes / 1e6)} MB`,
  ]
  for (const [outcome, count] of [...report.outcomes].sort((a, b) => b[1] - a[1])) {
    lines.push(`${String(count).padStart(8)}  ${outcome}`)
  }
  for (const [file, reason] of report.unread) lines.push(`unread: ${file}: ${reason.slice(0, 160)}`)
  const kinds = new Map<string, FuzzFinding[]>()
  for (const finding of report.findings) kinds.set(finding.kind, [...(kinds.get(finding.kind) ?? []), finding])
  for (const [kind, found] of kinds) {
    lines.push(`${found.length} × ${kind}`)
    for (const { seed, index, file, mutations, detail } of found.slice(0, 3)) {
      lines.push(`  seed ${seed}, mutant ${index} of ${file}: ${mutations.join('; ')}`, `    ${detail.slice(0, 240)}`)
    }
  }
  return lines.join('\n')
}
