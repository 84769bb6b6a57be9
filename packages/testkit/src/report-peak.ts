/**
 * Preloaded into measured children (`node --import`): at exit writes the process's own peak resident memory, as the
 * kernel counted it, to the file named by SPILLWAY_PEAK_FILE. Read inside the process because `maxRSS` of a child
 * starts at its parent's size, and because afterwards there is nothing left to read.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

/** Peak resident bytes of this process: VmHWM, or the resource usage where there is no /proc. */
export function peakResidentBytes(): number {
  try {
    const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))
    if (match?.[1] !== undefined) return Number(match[1]) * 1024
  } catch {
    // No /proc on this system: the next best figure follows.
  }
  return process.resourceUsage().maxRSS * 1024
}

const target = process.env['SPILLWAY_PEAK_FILE']
// Worker threads inherit `--import`; only the main thread's exit is the process's exit.
if (target !== undefined && isMainThread) {
  process.once('exit', () => writeFileSync(target, String(peakResidentBytes())))
}
