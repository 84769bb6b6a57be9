/** Resident memory of this process, as the kernel counts it: what a memory limit is judged by. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

/** Bytes resident now (VmRSS). Without /proc, what Node reports. */
export function readResidentBytes(): number {
  return findStatusBytes('VmRSS') ?? process.memoryUsage.rss()
}

/** Most bytes ever resident (VmHWM). Without /proc, what the system reports for the whole process. */
export function readPeakResidentBytes(): number {
  return findStatusBytes('VmHWM') ?? process.resourceUsage().maxRSS * 1024
}

/**
 * Bytes resident of the writable mapping that is `mappedBytes` long; of several, the least. Undefined when there is
 * none, or no way to tell. Takes milliseconds, beside the event loop: the kernel walks the page tables of the whole
 * process.
 */
export async function findMappingResidentBytes(mappedBytes: number): Promise<number | undefined> {
  let text: string
  try {
    text = await readFile('/proc/self/smaps', 'latin1')
  } catch {
    return undefined
  }
  const mapping = /^[0-9a-f]+-[0-9a-f]+ rw.*\nSize:\s+(\d+) kB\n(?:.*\n){0,4}?Rss:\s+(\d+) kB$/gm
  const resident = [...text.matchAll(mapping)]
    .filter(([, size]) => Number(size) * 1024 === mappedBytes)
    .map(([, , rss]) => Number(rss) * 1024)
  return resident.length === 0 ? undefined : Math.min(...resident)
}

function findStatusBytes(field: string): number | undefined {
  try {
    const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
    return match === null ? undefined : Number(match[1]) * 1024
  } catch {
    return undefined
  }
}
