/**
 * The fault sweep: the N-th spill operation fails, or the N-th page beyond the guaranteed ones is refused, for N = 0,
 * 1, 2, … until a run passes untouched. Each run ends with the right answer or with the error that belongs to the
 * fault, and leaves nothing behind. By default a sample of the points is taken; SPILLWAY_SLOW=1 takes all of them.
 */
import type { ErrorCode } from '@spillway/stdx'
import { SpillwayError } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  counted,
  distinctQuery,
  type FaultKind,
  FaultStage,
  type KnownQuery,
  makeFault,
  recursiveQuery,
  runKnown,
  sortQuery,
} from './fault-stage.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
/** Points per kind and query in the sample. */
const SAMPLE = 10

/** Undefined: the operation is repeated, so the answer must be right. */
const expected: { readonly [K in FaultKind]: ErrorCode | undefined } = {
  enospc: 'SPILL_DISK_FULL',
  'eio-write': 'SPILL_IO',
  'short-write': undefined,
  eacces: 'SPILL_IO',
  'eio-read': 'SPILL_IO',
  'short-read': undefined,
  'corrupt-byte': 'SPILL_CORRUPTION',
}
const kinds = Object.keys(expected) as FaultKind[]

/** 0 … total - 1, all or a sample that holds both ends. */
function pointsOf(total: number): number[] {
  const step = isSlow ? 1 : Math.max(1, total / SAMPLE)
  const points: number[] = []
  for (let at = 0; at < total; at += step) points.push(Math.floor(at))
  return [...new Set([...points, total - 1])]
}

describe('fault sweep', () => {
  let stage: FaultStage
  const queries = new Map<string, KnownQuery>()
  beforeAll(() => {
    // One worker: the N-th operation is the same one in every run.
    stage = new FaultStage({ threads: 1 })
    queries.set('distinct', distinctQuery(stage.engine, 400))
    queries.set('recursive', recursiveQuery(stage.engine, 2800))
    queries.set('sort', sortQuery(stage.engine, 800))
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  for (const [name, floor] of [
    ['distinct', isSlow ? 300 : 70],
    ['recursive', isSlow ? 2000 : 70],
    ['sort', isSlow ? 300 : 70],
  ] as const) {
    it(`ends every failed spill operation with its error: ${name}`, { timeout: 3_600_000 }, async () => {
      const query = queries.get(name) as KnownQuery
      const swept: string[] = []
      let total = 0
      for (const kind of kinds) {
        const dry = makeFault(kind, Number.MAX_SAFE_INTEGER)
        expect(await runKnown(stage.engine, query, { testing: { ioFaults: dry } })).toBe('right')
        const operations = counted(dry)
        const points = pointsOf(operations)
        for (const operation of points) {
          const ioFaults = makeFault(kind, operation)
          const outcome = await runKnown(stage.engine, query, { testing: { ioFaults } })
          const code = outcome instanceof SpillwayError ? outcome.code : outcome
          expect(`${kind} ${operation}: ${code}`).toBe(`${kind} ${operation}: ${expected[kind] ?? 'right'}`)
          expect(await stage.findDamage(), `after ${kind} at operation ${operation}`).toBeUndefined()
        }
        swept.push(`${kind} ${points.length}/${operations}`)
        total += points.length
      }
      console.log(`fault sweep, ${name}: ${total} points (${swept.join(', ')})`)
      expect(total).toBeGreaterThanOrEqual(floor)
    })

    it(`survives every refused page: ${name}`, { timeout: 3_600_000 }, async () => {
      const query = { ...(queries.get(name) as KnownQuery) }
      let total = 0
      let right = 0
      const asked: number[] = []
      for (const sticky of [false, true]) {
        const request = (at: number) => ({ at, sticky, counter: new SharedArrayBuffer(4) })
        const dry = request(1_000_000)
        expect(await runKnown(stage.engine, query, { testing: { reservationFault: dry } })).toBe('right')
        const requests = counted(dry)
        asked.push(requests)
        for (const at of pointsOf(Math.max(1, requests))) {
          const outcome = await runKnown(stage.engine, query, { testing: { reservationFault: request(at) } })
          const code = outcome instanceof SpillwayError ? outcome.code : outcome
          // One refusal is an occasion to spill; only a lasting one may end the query.
          const allowed = sticky ? ['right', 'MEMORY_LIMIT'] : ['right']
          expect(allowed, `refusing page request ${at}, sticky ${sticky}`).toContain(code)
          if (code === 'right') right += 1
          expect(await stage.findDamage(), `after refusing page request ${at}`).toBeUndefined()
          total += 1
        }
      }
      console.log(`refusal sweep, ${name}: ${total} points of ${asked.join(' + ')}, ${right} right answers`)
      expect(total).toBeGreaterThanOrEqual(2)
    })
  }

  it.each(['recursive', 'sort'])('reaches recursion: %s', async (name) => {
    const query = queries.get(name) as KnownQuery
    const { metrics } = await stage.engine.collect(query.frame.plan, { testing: query.testing })
    const depth = Math.max(...(metrics?.operators ?? []).map(({ recursionDepth }) => recursionDepth))
    expect(depth).toBeGreaterThanOrEqual(1)
  })
})
