/**
 * Every system call that writes a file fails once: opening, each write of each row group or record batch, the footer,
 * the sync, the rename. The query ends with OUTPUT_FAILED, the folder holds what it held before, and the next query is
 * right. A write that takes half of its bytes changes nothing. Refused pages and cancelling leave no file either.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { fromArrow, SpillwayError } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answerDifference, FaultStage, type KnownQuery, distinctQuery } from './fault-stage.ts'

describe.each(['parquet', 'arrow'] as const)('faults of a sink: %s', (format) => {
  let stage: FaultStage
  let query: KnownQuery
  let folder: string
  let target: string
  beforeAll(() => {
    stage = new FaultStage({ threads: 1 })
    query = distinctQuery(stage.engine, 400)
    folder = join(stage.folder, 'outputs')
    mkdirSync(folder)
    target = join(folder, `result.${format}`)
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
      const { plan } = query.frame
      const shared = { threads, testing: { ...query.testing, ...testing } }
      if (format === 'arrow') await stage.engine.sinkIpc(plan, target, { recordBatchSize: 3, ...shared })
      else await stage.engine.sinkParquet(plan, target, { rowGroupSize: 3, dataPageSize: 64, ...shared })
      return undefined
    } catch (error) {
      if (error instanceof SpillwayError) return error
      throw error
    }
  }
  const expectAnswer = async (): Promise<void> => {
    const read =
      format === 'arrow'
        ? fromArrow(tableFromIPC(readFileSync(target)))
        : await stage.engine.scanParquet(target).collect()
    expect(answerDifference(query, read.toRecords())).toBeUndefined()
    expect(readdirSync(folder)).toEqual([`result.${format}`])
  }

  for (const kind of ['fail', 'short-write'] as const) {
    it(`every call: ${kind}`, { timeout: 600_000 }, async () => {
      const dry = makeFault(kind, -1)
      expect(await write({ outputFault: dry })).toBeUndefined()
      await expectAnswer()
      const calls = Atomics.load(new Int32Array(dry.counter), 0)
      // Pieces of three rows: each opens and writes; then the page indexes, the footer, the sync, the rename.
      expect(calls).toBeGreaterThan((kind === 'fail' ? 15 : 10) - (format === 'arrow' ? 4 : 0))
      // The last two calls sync the folder, which may fail on some systems: the file is complete by then.
      const fatal = kind === 'fail' ? calls - 2 : 0
      for (let operation = 0; operation < calls; operation++) {
        writeFileSync(target, 'the old file')
        const error = await write({ outputFault: makeFault(kind, operation) })
        if (operation < fatal) {
          expect(`${operation}: ${error?.code}`).toBe(`${operation}: OUTPUT_FAILED`)
          expect(error?.message).toContain('ENOSPC')
          expect(readFileSync(target, 'utf8')).toBe('the old file')
          expect(readdirSync(folder)).toEqual([`result.${format}`])
        } else {
          expect(error, `${kind} ${operation}`).toBeUndefined()
          await expectAnswer()
        }
        expect(await stage.findDamage(), `after ${kind} at call ${operation}`).toBeUndefined()
      }
      console.log(`output sweep, ${format}, ${kind}: ${calls} calls`)
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
        expect(readdirSync(folder)).toEqual([`result.${format}`])
        expect(await stage.findDamage(), `after refusing page request ${at}`).toBeUndefined()
      }
    }
  })
})
