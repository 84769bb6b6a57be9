/**
 * Every system call that writes a Parquet file fails once: opening, each write of each row group, the footer, the sync,
 * the rename. The query ends with OUTPUT_FAILED, the folder holds what it held before, and the next query is right. A
 * write that takes half of its bytes changes nothing. Refused pages and cancelling leave no file either.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SpillwayError } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answerDifference, FaultStage, type KnownQuery, distinctQuery } from './fault-stage.ts'

describe('faults of a Parquet sink', () => {
  let stage: FaultStage
  let query: KnownQuery
  let folder: string
  let target: string
  beforeAll(() => {
    stage = new FaultStage({ threads: 1 })
    query = distinctQuery(stage.engine, 400)
    folder = join(stage.folder, 'outputs')
    mkdirSync(folder)
    target = join(folder, 'result.parquet')
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  const makeFault = (kind: 'fail' | 'short-write', operation: number) => ({
    ...{ kind, operation },
    counter: new SharedArrayBuffer(4),
  })
  type Testing = KnownQuery['testing']

  /** Few rows per row group and page, so that there are many writes. */
  const write = async (testing: Testing, threads = 1): Promise<SpillwayError | undefined> => {
    try {
      await stage.engine.sinkParquet(query.frame.plan, target, {
        ...{ rowGroupSize: 3, dataPageSize: 64, threads },
        testing: { ...query.testing, ...testing },
      })
      return undefined
    } catch (error) {
      if (error instanceof SpillwayError) return error
      throw error
    }
  }
  const expectAnswer = async (): Promise<void> => {
    const read = await stage.engine.scanParquet(target).collect()
    expect(answerDifference(query, read.toRecords())).toBeUndefined()
    expect(readdirSync(folder)).toEqual(['result.parquet'])
  }

  for (const kind of ['fail', 'short-write'] as const) {
    it(`every call: ${kind}`, { timeout: 600_000 }, async () => {
      const dry = makeFault(kind, -1)
      expect(await write({ outputFault: dry })).toBeUndefined()
      await expectAnswer()
      const calls = Atomics.load(new Int32Array(dry.counter), 0)
      // Row groups of three rows: each opens and writes; then the page indexes, the footer, the sync, the rename.
      expect(calls).toBeGreaterThan(kind === 'fail' ? 15 : 10)
      // The last two calls sync the folder, which may fail on some systems: the file is complete by then.
      const fatal = kind === 'fail' ? calls - 2 : 0
      for (let operation = 0; operation < calls; operation++) {
        writeFileSync(target, 'the old file')
        const error = await write({ outputFault: makeFault(kind, operation) })
        if (operation < fatal) {
          expect(`${operation}: ${error?.code}`).toBe(`${operation}: OUTPUT_FAILED`)
          expect(error?.message).toContain('ENOSPC')
          expect(readFileSync(target, 'utf8')).toBe('the old file')
          expect(readdirSync(folder)).toEqual(['result.parquet'])
        } else {
          expect(error, `${kind} ${operation}`).toBeUndefined()
          await expectAnswer()
        }
        expect(await stage.findDamage(), `after ${kind} at call ${operation}`).toBeUndefined()
      }
      console.log(`output sweep, ${kind}: ${calls} calls`)
    })
  }

  it('every refused page', { timeout: 600_000 }, async () => {
    for (const sticky of [false, true]) {
      const request = (at: number) => ({ at, sticky, counter: new SharedArrayBuffer(4) })
      const dry = request(1_000_000)
      expect(await write({ reservationFault: dry })).toBeUndefined()
      const requests = Atomics.load(new Int32Array(dry.counter), 0)
      for (let at = 0; at < requests; at++) {
        writeFileSync(target, 'the old file')
        const error = await write({ reservationFault: request(at) })
        if (error === undefined) await expectAnswer()
        else expect([sticky, error.code]).toEqual([true, 'MEMORY_LIMIT'])
        expect(readdirSync(folder)).toEqual(['result.parquet'])
        expect(await stage.findDamage(), `after refusing page request ${at}`).toBeUndefined()
      }
    }
  })
})
