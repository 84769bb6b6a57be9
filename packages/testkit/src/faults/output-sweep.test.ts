/**
 * Every system call that writes an output fails once: opening, each write of each piece, the footer, the sync, keeping
 * what a name stood for, the renames. Under group-by, joins, sort and top-k, for one file and for several outputs of
 * one query. The query ends with OUTPUT_FAILED, every name stands for what it stood for before.
 * A write that takes half of its bytes changes nothing. Refused pages leave no file either.
 *
 * By default a sample of the calls is taken and the last ones, where names are given; SPILLWAY_SLOW=1 takes all.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SpillwayError } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  answerDifference,
  distinctQuery,
  FaultStage,
  type KnownQuery,
  sharedQuery,
  sortQuery,
  topQuery,
} from './fault-stage.ts'
import { fileDifference, lazySink } from './fuzz-queries.ts'
import { joinQuery, joinRowsQuery } from './join-queries.ts'
import { pointsOf } from './sweep.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
const SAMPLE = isSlow ? Number(process.env['SPILLWAY_SWEEP_POINTS'] ?? Number.POSITIVE_INFINITY) : 2
/** Calls at the end that are always taken: footers, syncs, links, renames. */
const LAST_CALLS = isSlow ? 10 : 6
const CALLS_LEAST = 15
const REFUSALS_LEAST = 2

/** One query per output; no file name: its rows stay in memory. */
interface Case {
  readonly outputs: (stage: FaultStage) => readonly { readonly query: KnownQuery; readonly file: string | undefined }[]
  readonly pieceRows: number
}

const one = (make: (stage: FaultStage) => KnownQuery, file: string, pieceRows: number): Case => ({
  outputs: (stage) => [{ query: make(stage), file }],
  pieceRows,
})
const groups = ({ engine }: FaultStage) => distinctQuery(engine, 400)
// Wide rows: without forced spilling they ask for pages beyond the guaranteed ones.
const sorted = ({ engine }: FaultStage) => sortQuery(engine, 240, 20_000)
const top = ({ engine }: FaultStage) => topQuery(engine, 360, 240, 20_000)
const joined = ({ engine }: FaultStage) => joinRowsQuery(engine, 'full', 'left', 6000)

const cases: { readonly [name: string]: Case } = {
  'group-by to Parquet': one(groups, 'a.parquet', 3),
  'group-by to IPC': one(groups, 'a.arrow', 3),
  'join to Parquet': one(joined, 'a.parquet', 60),
  'join to IPC': one(joined, 'a.arrow', 60),
  'sort to Parquet': one(sorted, 'a.parquet', 60),
  'sort to IPC': one(sorted, 'a.arrow', 60),
  'top-k to Parquet': one(top, 'a.parquet', 30),
  'top-k to IPC': one(top, 'a.arrow', 30),
  'two files of one query': {
    outputs: (stage) => {
      const query = groups(stage)
      return ['a.parquet', 'b.arrow'].map((file) => ({ query, file }))
    },
    pieceRows: 4,
  },
  'four outputs of different queries': {
    outputs: (stage) => [
      { query: sorted(stage), file: 'a.arrow' },
      { query: joinQuery(stage.engine, 'pairs', 'left', 'right'), file: undefined },
      { query: sharedQuery(stage.engine, 120), file: 'b.parquet' },
      { query: groups(stage), file: 'c.parquet' },
    ],
    pieceRows: 80,
  },
}

/** Left to SPILLWAY_SLOW=1. */
const slow = ['join to IPC', 'sort to Parquet', 'top-k to IPC']
const chosen = Object.entries(cases).filter(([name]) => isSlow || !slow.includes(name))

describe.each(chosen)('faults of outputs: %s', (name, { outputs: makeOutputs, pieceRows }) => {
  let stage: FaultStage
  let outputs: ReturnType<Case['outputs']>
  let folder: string
  let files: readonly string[]
  beforeAll(() => {
    stage = new FaultStage({ threads: 1 })
    outputs = makeOutputs(stage)
    folder = join(stage.folder, 'outputs')
    mkdirSync(folder)
    files = outputs.flatMap(({ file }) => file ?? [])
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  type Testing = KnownQuery['testing']
  /** Several outputs need more than each alone. */
  const budget = () => (outputs.length > 1 ? { budgetPages: 1500 } : {})

  /** The error, or undefined: all outputs are right. */
  const write = async (testing: Testing, threads = 1): Promise<SpillwayError | undefined> => {
    try {
      const written = outputs.map(({ query, file }) =>
        file === undefined
          ? { plan: query.frame.plan, target: undefined }
          : (({ plan, target }) => ({ plan, target }))(lazySink(query, join(folder, file), pieceRows)),
      )
      const results = await stage.engine.runAll(written, {
        threads,
        testing: { ...outputs[0]?.query.testing, ...budget(), ...testing },
      })
      for (const [index, { query, file }] of outputs.entries()) {
        const result = results[index]
        const wrong =
          file !== undefined
            ? await fileDifference(stage.engine, query, join(folder, file))
            : result !== undefined && 'toRecords' in result && answerDifference(query, result.toRecords())
        expect(wrong === false ? undefined : wrong, `${file}`).toBeUndefined()
      }
      return undefined
    } catch (error) {
      if (error instanceof SpillwayError) return error
      throw error
    }
  }

  /** Every other name stands for something already. */
  const prepare = (): Record<string, string> => {
    for (const left of readdirSync(folder)) rmSync(join(folder, left))
    files.forEach((file, index) => {
      if (index % 2 === 0) writeFileSync(join(folder, file), `the old ${file}`)
    })
    return state()
  }
  const state = (): Record<string, string> =>
    Object.fromEntries(readdirSync(folder).map((each) => [each, readFileSync(join(folder, each), 'latin1')]))

  const makeFault = (kind: 'fail' | 'short-write', operation: number) => ({
    ...{ kind, operation },
    counter: new SharedArrayBuffer(4),
  })

  for (const kind of ['fail', 'short-write'] as const) {
    it(`every call: ${kind}`, { timeout: 600_000 }, async () => {
      const dry = makeFault(kind, -1)
      prepare()
      expect(await write({ outputFault: dry })).toBeUndefined()
      const calls = Atomics.load(new Int32Array(dry.counter), 0)
      const lastFrom = kind === 'fail' ? Math.max(0, calls - LAST_CALLS) : calls
      const last = Array.from({ length: calls - lastFrom }, (_, index) => lastFrom + index)
      const points = [...new Set([...pointsOf(calls, SAMPLE), ...last])].sort((a, b) => a - b)
      let failures = 0
      for (const operation of points) {
        const before = prepare()
        const error = await write({ outputFault: makeFault(kind, operation) })
        if (error === undefined) {
          // The old file that was kept aside may stay when it cannot be removed.
          expect(
            readdirSync(folder)
              .filter((each) => !each.endsWith('.old'))
              .sort(),
          ).toEqual([...files].sort())
        } else {
          failures += 1
          expect(`${operation}: ${error.code}`).toBe(`${operation}: OUTPUT_FAILED`)
          expect(error.message).toContain('ENOSPC')
          expect(state()).toEqual(before)
        }
        expect(await stage.findDamage(), `after ${kind} at call ${operation}`).toBeUndefined()
      }
      console.log(`output sweep, ${name}, ${kind}: ${points.length} of ${calls} calls, ${failures} errors`)
      expect(calls).toBeGreaterThanOrEqual(kind === 'fail' ? CALLS_LEAST : CALLS_LEAST / 3)
      // The calls after the last rename: the folder's sync, which some systems refuse, and removing what was kept.
      const harmless = 2 + (kind === 'fail' ? Math.floor(files.length / 2) : points.length)
      expect(failures).toBeGreaterThanOrEqual(Math.max(0, points.length - harmless))
      if (kind === 'short-write') expect(failures).toBe(0)
    })
  }

  it('refused pages', { timeout: 600_000 }, async () => {
    for (const sticky of [false, true]) {
      const request = (at: number) => ({ at, sticky, counter: new SharedArrayBuffer(4) })
      const dry = request(1_000_000)
      prepare()
      expect(await write({ reservationFault: dry })).toBeUndefined()
      const requests = Atomics.load(new Int32Array(dry.counter), 0)
      expect(requests).toBeGreaterThanOrEqual(REFUSALS_LEAST)
      for (const at of pointsOf(requests, SAMPLE)) {
        const before = prepare()
        const error = await write({ reservationFault: request(at) })
        if (error !== undefined) {
          expect([sticky, error.code]).toEqual([true, 'MEMORY_LIMIT'])
          expect(state()).toEqual(before)
        } else expect(readdirSync(folder).sort()).toEqual([...files].sort())
        expect(await stage.findDamage(), `after refusing page request ${at}`).toBeUndefined()
      }
    }
  })
})
