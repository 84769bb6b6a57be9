/**
 * The fault sweep of one query: the N-th spill operation fails, or the N-th page beyond the guaranteed ones is refused,
 * for N = 0, 1, 2, …. Each run ends with the right answer or with the error that belongs to the fault, and leaves
 * nothing behind. Operations are swept phase by phase, told apart by the files they touch and the operators that ask: a
 * phase with fewer points than it is said to have fails the sweep. A test that injects nothing proves nothing.
 */
import type { ErrorCode } from '@spillway/stdx'
import { SpillwayError } from 'spillway'
import { counted, type FaultKind, type FaultStage, type KnownQuery, makeFault, runKnown } from './fault-stage.ts'

/** Undefined: the operation is repeated, so the answer must be right. */
export const faultErrors: { readonly [K in FaultKind]: ErrorCode | undefined } = {
  enospc: 'SPILL_DISK_FULL',
  'eio-write': 'SPILL_IO',
  'short-write': undefined,
  eacces: 'SPILL_IO',
  'eio-read': 'SPILL_IO',
  'short-read': undefined,
  'corrupt-byte': 'SPILL_CORRUPTION',
}
const readFaults: readonly FaultKind[] = ['eio-read', 'short-read', 'corrupt-byte']
const writeFaults: readonly FaultKind[] = ['enospc', 'eio-write', 'short-write', 'eacces']

/** Spill files by what their names say. */
export const spillFiles = {
  'group-by': '-s\\d+-w\\d+-p\\d+\\.arrow$',
  'group-by splits': '-p[\\d.]+\\.\\d+\\.arrow$',
  'sort runs': '-s\\d+-w\\d+-r\\d+-\\d+\\.arrow$',
  multiplexer: '-m\\d+-q',
  'join build': '-j\\d+-build-w',
  'join probe': '-j\\d+-probe-w',
  'join splits': '-j\\d+-split-',
  'join flags': '-seen\\d',
} as const

/** Files that are written and read by one phase of a query. */
export interface FilePhase {
  readonly name: keyof typeof spillFiles
  /** Operations of each direction, at least. */
  readonly least: number
}

/** Operators that ask for pages; see `reservationFault` of the engine's testing options. */
export interface PagePhase {
  readonly operator: string
  readonly least: number
}

/** 0 … total - 1, all or about `sample` of them, with both ends; with a sample of 0 one in the middle. */
export function pointsOf(total: number, sample: number): number[] {
  if (total === 0) return []
  if (sample === 0) return [total >> 1]
  const step = Math.max(1, total / sample)
  const points: number[] = []
  for (let at = 0; at < total; at += step) points.push(Math.floor(at))
  return [...new Set([...points, total - 1])]
}

/** @throws an error that shows both, when they differ */
function requireSame(found: unknown, wanted: unknown, what: string): void {
  if (found !== wanted) throw new Error(`${what}: ${String(found)} instead of ${String(wanted)}`)
}

function requireLeast(found: number, least: number, what: string): void {
  if (found < least) throw new Error(`${what}: ${found} points, it should have ${least} at least`)
}

async function requireRight(stage: FaultStage, query: KnownQuery, testing: KnownQuery['testing']): Promise<void> {
  requireSame(await runKnown(stage.engine, query, { testing }), 'right', `${query.name} without a fault`)
}

/**
 * Fails spill operations of each phase; returns the number of points.
 * @param sample points per phase and kind of fault, at most, + 1
 */
export async function sweepSpillFaults(
  stage: FaultStage,
  query: KnownQuery,
  phases: readonly FilePhase[],
  sample: number,
): Promise<number> {
  const swept: string[] = []
  let total = 0
  for (const { name, least } of phases) {
    for (const kinds of [writeFaults, readFaults]) {
      const of = (kind: FaultKind, at: number) => ({ ...makeFault(kind, at), files: spillFiles[name] })
      const dry = of(kinds[0] as FaultKind, Number.MAX_SAFE_INTEGER)
      await requireRight(stage, query, { ioFaults: dry })
      const operations = counted(dry)
      const direction = kinds === writeFaults ? 'writes' : 'reads'
      requireLeast(operations, least, `${query.name}, ${direction} of ${name}`)
      for (const kind of kinds) {
        const points = pointsOf(operations, sample)
        for (const operation of points) {
          const what = `${query.name}, ${kind} at operation ${operation} of ${name}`
          const outcome = await runKnown(stage.engine, query, { testing: { ioFaults: of(kind, operation) } })
          const code = outcome instanceof SpillwayError ? outcome.code : outcome
          requireSame(code, faultErrors[kind] ?? 'right', what)
          requireSame(await stage.findDamage(), undefined, `after ${what}`)
        }
        total += points.length
      }
      swept.push(`${operations} ${direction} of ${name}`)
    }
  }
  console.log(`fault sweep, ${query.name}: ${total} points of ${swept.join(', ')}`)
  return total
}

/** Refuses pages of each phase, one and from one on; returns the number of points. */
export async function sweepRefusals(
  stage: FaultStage,
  query: KnownQuery,
  phases: readonly PagePhase[],
  sample: number,
): Promise<number> {
  let total = 0
  let right = 0
  const asked: string[] = []
  for (const { operator, least } of phases) {
    const request = (at: number, sticky: boolean) => ({ at, sticky, operator, counter: new SharedArrayBuffer(4) })
    const dry = request(1_000_000_000, false)
    await requireRight(stage, query, { reservationFault: dry })
    const requests = counted(dry)
    requireLeast(requests, least, `${query.name}, pages for ${operator}`)
    asked.push(`${requests} for ${operator}`)
    for (const sticky of [false, true]) {
      for (const at of pointsOf(requests, sample)) {
        const outcome = await runKnown(stage.engine, query, { testing: { reservationFault: request(at, sticky) } })
        const code = outcome instanceof SpillwayError ? outcome.code : outcome
        const what = `${query.name}, refusing page ${at}${sticky ? ' and all that follow' : ''} for ${operator}`
        // One refusal is an occasion to spill; only a lasting one may end the query.
        if (!(sticky && code === 'MEMORY_LIMIT')) {
          const message = outcome instanceof SpillwayError ? `: ${outcome.message}` : ''
          requireSame(code, 'right', `${what}${message}`)
        }
        if (code === 'right') right += 1
        requireSame(await stage.findDamage(), undefined, `after ${what}`)
        total += 1
      }
    }
  }
  console.log(`refusal sweep, ${query.name}: ${total} points of ${asked.join(', ')}; ${right} right answers`)
  return total
}
