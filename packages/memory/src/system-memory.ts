/**
 * Memory this process may use: the machine's, or the smallest limit of the control groups around it.
 *
 * In a container `os.totalmem()` tells the host's memory, and going over the group's limit is a kill, not an error.
 * Limits nest, so every group from ours up to the root is asked. `memory.high` is not: crossing it is slow, not fatal.
 */
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'

/** Where the facts are read from; tests point it at a directory of their own. */
export interface SystemMemorySource {
  /** The file that names our control groups. */
  readonly membershipFile: string
  readonly cgroupRoot: string
  readonly totalBytes: number
}

export function systemMemoryBytes(
  source: SystemMemorySource = {
    membershipFile: '/proc/self/cgroup',
    cgroupRoot: '/sys/fs/cgroup',
    totalBytes: totalmem(),
  },
): number {
  const limits = readLines(source.membershipFile).flatMap((line) => groupLimits(line, source.cgroupRoot))
  return Math.min(source.totalBytes, ...limits)
}

/** A line is `0::/path` for version 2, `7:cpu,memory:/path` for version 1. */
function groupLimits(line: string, cgroupRoot: string): number[] {
  const match = /^(\d+):([^:]*):(\/.*)$/.exec(line)
  if (match === null) return []
  const [, hierarchy, controllers = '', path = '/'] = match
  if (hierarchy === '0' && controllers === '') return limitsUpward(cgroupRoot, path, 'memory.max')
  if (!controllers.split(',').includes('memory')) return []
  return limitsUpward(join(cgroupRoot, 'memory'), path, 'memory.limit_in_bytes')
}

/** Limits from a group up to the root; inside a container the path may not exist, and its ancestors do. */
function limitsUpward(root: string, path: string, file: string): number[] {
  const limits: number[] = []
  for (let group = join('/', path); ; group = dirname(group)) {
    // "max", and a group or file that is not there, are no limit.
    const limit = Number.parseInt(readLines(join(root, group, file))[0] ?? '', 10)
    if (limit > 0) limits.push(limit)
    if (group === '/') return limits
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch {
    return []
  }
}
