/**
 * Runs a script in a child process and reads its peak resident memory: the only honest way to test a memory limit,
 * because generators and oracles of the test would count otherwise.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface ChildMeasure {
  /** Peak resident bytes (VmHWM), written by the child at its exit; undefined when it was killed. */
  readonly peakBytes: number | undefined
  readonly exitCode: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  readonly wallMs: number
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArguments?: readonly string[]
  /** The child is killed after this time. Default 120,000. */
  readonly timeoutMs?: number
  /** Called with the child's id once it runs: for tests that kill it. */
  readonly onStart?: (processId: number) => void
}

/** The preloaded reporter: built JavaScript also when this file runs from source, because Node runs no TypeScript. */
function reporterPath(): string {
  const here = fileURLToPath(new URL('.', import.meta.url))
  const built = join(here, '../dist/report-peak.js')
  return existsSync(built) ? built : join(here, 'report-peak.js')
}

/** Runs `node script ...args` to its end. Never throws for a failing child: look at `exitCode` and `stderr`. */
export async function measureChild(
  script: string,
  args: readonly string[] = [],
  options: ChildOptions = {},
): Promise<ChildMeasure> {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-peak-'))
  const peakFile = join(folder, 'peak')
  const start = performance.now()
  try {
    return await new Promise<ChildMeasure>((resolve, reject) => {
      const child = spawn(
        process.execPath,
        ['--import', reporterPath(), ...(options.nodeArguments ?? []), script, ...args],
        { env: { ...process.env, ...options.env, SPILLWAY_PEAK_FILE: peakFile }, stdio: ['ignore', 'pipe', 'pipe'] },
      )
      let stdout = ''
      let stderr = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text
      })
      const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 120_000)
      child.once('error', reject)
      child.once('spawn', () => options.onStart?.(child.pid ?? -1))
      child.once('close', (exitCode, signal) => {
        clearTimeout(timer)
        const peakBytes = existsSync(peakFile) ? Number(readFileSync(peakFile, 'utf8')) : undefined
        resolve({ peakBytes, exitCode, signal, stdout, stderr, wallMs: performance.now() - start })
      })
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
