/** Resident memory of this process, as the kernel counts it: what a memory limit is judged by. */
import { readFileSync } from 'node:fs'

/** Bytes resident now (VmRSS). Without /proc, what Node reports. */
export function readResidentBytes(): number {
  return findStatusBytes('VmRSS') ?? process.memoryUsage.rss()
}

/** Most bytes ever resident (VmHWM). Without /proc, what the system reports for the whole process. */
export function readPeakResidentBytes(): number {
  return findStatusBytes('VmHWM') ?? process.resourceUsage().maxRSS * 1024
}

function findStatusBytes(field: string): number | undefined {
  try {
    const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
    return match === null ? undefined : Number(match[1]) * 1024
  } catch {
    return undefined
  }
}
