/**
 * The fault sweep of one query: the N-th spill operation fails, or the N-th page beyond the guaranteed ones is refused,
 * for N = 0, 1, 2, … until a run passes untouched. Each run ends with the right answer or with the error that belongs
 * to the fault, and leaves nothing behind.
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
const kinds = Object.keys(faultErrors) as FaultKind[]

/** 0 … total - 1, all or about `sample` of them, with both ends. */
export function pointsOf(total: number, sample: number): number[] {
  if (total === 0) return []
  const step = Math.max(1, total / sample)
  const points: number[] = []
  for (let at = 0; at < total; at += step) points.push(Math.floor(at))
  return [...new Set([...points, total - 1])]
}

/** @throws an error that shows both, when they differ */
function requireSame(found: unknown, wanted: unknown, what: string): void {
  if (found !== wanted) throw new Error(`${what}: ${String(found)} instead of ${String(wanted)}`)
}

async function requireRight(stage: FaultStage, query: KnownQuery, testing: KnownQuery['testing']): Promise<void> {
  requireSame(await runKnown(stage.engine, query, { testing }), 'right', `${query.name} without a fault`)
}

/** Fails spill operations; returns the number of points. @param sample points per kind of fault, at most, + 1 */
export async function sweepSpillFaults(stage: FaultStage, query: KnownQuery, sample: number): Promise<number> {
  const swept: string[] = []
  let total = 0
  for (const kind of kinds) {
    const dry = makeFault(kind, Number.MAX_SAFE_INTEGER)
    await requireRight(stage, query, { ioFaults: dry })
    const operations = counted(dry)
    const points = pointsOf(operations, sample)
    for (const operation of points) {
      const ioFaults = makeFault(kind, operation)
      const outcome = await runKnown(stage.engine, query, { testing: { ioFaults } })
      const code = outcome instanceof SpillwayError ? outcome.code : outcome
      requireSame(code, faultErrors[kind] ?? 'right', `${query.name}, ${kind} at operation ${operation}`)
      requireSame(await stage.findDamage(), undefined, `${query.name}, after ${kind} at operation ${operation}`)
    }
    swept.push(`${kind} ${points.length}/${operations}`)
    total += points.length
  }
  console.log(`fault sweep, ${query.name}: ${total} points (${swept.join(', ')})`)
  return total
}

/** Refuses pages, one and from one on; returns the number of points. */
export async function sweepRefusals(stage: FaultStage, query: KnownQuery, sample: number): Promise<number> {
  let total = 0
  let right = 0
  const asked: number[] = []
  for (const sticky of [false, true]) {
    const request = (at: number) => ({ at, sticky, counter: new SharedArrayBuffer(4) })
    const dry = request(1_000_000_000)
    await requireRight(stage, query, { reservationFault: dry })
    const requests = counted(dry)
    asked.push(requests)
    for (const at of pointsOf(Math.max(1, requests), sample)) {
      const outcome = await runKnown(stage.engine, query, { testing: { reservationFault: request(at) } })
      const code = outcome instanceof SpillwayError ? outcome.code : outcome
      // One refusal is an occasion to spill; only a lasting one may end the query.
      if (!(sticky && code === 'MEMORY_LIMIT')) {
        const message = outcome instanceof SpillwayError ? `: ${outcome.message}` : ''
        const what = `${query.name}, refusing page request ${at}${sticky ? ' and all that follow' : ''}${message}`
        requireSame(code, 'right', what)
      }
      if (code === 'right') right += 1
      requireSame(await stage.findDamage(), undefined, `${query.name}, after refusing page request ${at}`)
      total += 1
    }
  }
  console.log(`refusal sweep, ${query.name}: ${total} points of ${asked.join(' + ')}, ${right} right answers`)
  return total
}
