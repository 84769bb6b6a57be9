/**
 * A worker traps, throws what is not ours, or leaves in mid-query: every query on its memory ends with InternalError,
 * the process and the engine live on, and the next query is right.
 */
import { type QueryOptions, SpillwayError } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { distinctQuery, FaultStage, runKnown } from './fault-stage.ts'

type WorkerFault = NonNullable<NonNullable<QueryOptions['testing']>['workerFault']>

const makeFault = (kind: WorkerFault['kind'], at: number): WorkerFault => ({
  kind,
  at,
  counter: new SharedArrayBuffer(4),
})

describe('loss of a worker', () => {
  let stage: FaultStage
  beforeAll(() => {
    stage = new FaultStage()
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  for (const kind of ['trap', 'throw', 'exit'] as const) {
    it(`ends the query and starts new workers: ${kind}`, async () => {
      const query = distinctQuery(stage.engine, 2000)
      for (const at of [0, 1, 7, 40]) {
        const outcome = await runKnown(stage.engine, query, { testing: { workerFault: makeFault(kind, at) } })
        expect(outcome, `${kind} at pull ${at}`).toBeInstanceOf(SpillwayError)
        const error = outcome as SpillwayError
        expect([error.name, error.code], error.message).toEqual(['InternalError', 'WORKER_FAILED'])
        expect(await stage.findDamage(), `after ${kind} at pull ${at}`).toBeUndefined()
      }
    })
  }

  it('ends all queries on the memory, and none of the next', async () => {
    const slow = distinctQuery(stage.engine, 20_000)
    const others = Array.from({ length: 4 }, () => runKnown(stage.engine, slow, { testing: { batchRows: 8 } }))
    await new Promise((resolve) => setTimeout(resolve, 30))
    const struck = runKnown(stage.engine, slow, { testing: { workerFault: makeFault('trap', 3) } })
    const outcomes = await Promise.all([struck, ...others])
    for (const outcome of outcomes) expect((outcome as SpillwayError).code).toBe('WORKER_FAILED')
    expect(await stage.findDamage()).toBeUndefined()
    const next = await Promise.all(Array.from({ length: 4 }, () => runKnown(stage.engine, stage.probe, {})))
    expect(next).toEqual(['right', 'right', 'right', 'right'])
    expect(await stage.findLeftovers()).toBeUndefined()
  })
})
