/**
 * Signs of life of a process that cannot be seen. Ages are differences of times that one file system assigned, so the
 * clocks of two hosts need not agree.
 */
import { randomUUID } from 'node:crypto'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const HEARTBEAT_MS = 10_000
/** Silence after which a process that cannot be seen is taken for dead. */
export const SILENCE_MS_MAX = 10 * 60_000

/** The present by the clock that stamps the files under `root`; undefined where nothing can be written. */
export function fileSystemNow(root: string): number | undefined {
  const probe = join(root, `.spillway-clock-${randomUUID()}`)
  try {
    writeFileSync(probe, '.', { mode: 0o600 })
    return statSync(probe).mtimeMs
  } catch {
    return undefined
  } finally {
    rmSync(probe, { force: true })
  }
}
