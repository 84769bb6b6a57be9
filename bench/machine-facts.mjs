// Facts of machine and commit that are kept beside every measurement.
import { spawnSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

export function machineFacts() {
  const git = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: here, encoding: 'utf8' })
  const dirty = spawnSync('git', ['status', '--porcelain'], { cwd: here, encoding: 'utf8' })
  return {
    commit: git.status === 0 ? git.stdout.trim() : 'unknown',
    dirty: dirty.status === 0 && dirty.stdout.trim() !== '',
    node: process.version,
    kernel: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
  }
}
