/**
 * The fault sweep over group-by, sort and multiplexer. By default a sample of the points is taken; SPILLWAY_SLOW=1
 * takes all of them, or as many as SPILLWAY_SWEEP_POINTS says. (Joins have a sweep of their own.)
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  distinctQuery,
  FaultStage,
  type KnownQuery,
  recursiveQuery,
  sharedQuery,
  sortQuery,
  topQuery,
} from './fault-stage.ts'
import { type FilePhase, type PagePhase, sweepRefusals, sweepSpillFaults } from './sweep.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
/** Points per phase and kind. */
const SAMPLE = isSlow ? Number(process.env['SPILLWAY_SWEEP_POINTS'] ?? Number.POSITIVE_INFINITY) : 1

interface Case {
  readonly make: (stage: FaultStage) => KnownQuery
  readonly files: readonly FilePhase[]
  readonly pages: readonly PagePhase[]
}

/** Without `forceSpill`, so that there are rows in pages beyond the guaranteed ones. */
function keepingRows(query: KnownQuery, batchRows: number, morselRows: number): KnownQuery {
  return { ...query, name: `${query.name} in memory`, testing: { partitionBits: 0, batchRows, morselRows } }
}

const cases: { readonly [name: string]: Case } = {
  distinct: {
    make: ({ engine }) => distinctQuery(engine, 400),
    files: [{ name: 'group-by', least: 10 }],
    pages: [{ operator: 'groupByOutput', least: 2 }],
  },
  recursive: {
    make: ({ engine }) => recursiveQuery(engine, 2800),
    files: [{ name: 'group-by splits', least: 50 }],
    pages: [{ operator: 'groupByOutput', least: 50 }],
  },
  'groups in memory': {
    make: ({ engine }) => keepingRows(recursiveQuery(engine, 1200), 256, 640),
    files: [],
    pages: [{ operator: 'groupBy', least: 5 }],
  },
  shared: {
    make: ({ engine }) => sharedQuery(engine, 900),
    files: [
      { name: 'group-by', least: 4 },
      { name: 'multiplexer', least: 4 },
      { name: 'join build', least: 4 },
      { name: 'join probe', least: 4 },
    ],
    pages: [],
  },
  'shared in memory': {
    make: ({ engine }) => keepingRows(sharedQuery(engine, 9000), 512, 4096),
    files: [],
    pages: [{ operator: 'multiplexer', least: 3 }],
  },
  sort: { make: ({ engine }) => sortQuery(engine, 800), files: [{ name: 'sort runs', least: 15 }], pages: [] },
  top: { make: ({ engine }) => topQuery(engine, 800, 500), files: [{ name: 'sort runs', least: 15 }], pages: [] },
  'wide sort': {
    make: ({ engine }) => sortQuery(engine, 800, 6000),
    files: [{ name: 'sort runs', least: 5 }],
    pages: [{ operator: 'sort', least: 20 }],
  },
  'wide top': {
    make: ({ engine }) => topQuery(engine, 1500, 820, 6000),
    files: [{ name: 'sort runs', least: 5 }],
    pages: [{ operator: 'sort', least: 20 }],
  },
}

describe('fault sweep', () => {
  let stage: FaultStage
  const queries = new Map<string, KnownQuery>()
  beforeAll(() => {
    // One worker: the N-th operation is the same one in every run.
    stage = new FaultStage({ threads: 1 })
    for (const [name, { make }] of Object.entries(cases)) queries.set(name, make(stage))
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  for (const [name, { files, pages }] of Object.entries(cases)) {
    it.skipIf(files.length === 0)(`each failed spill operation: ${name}`, { timeout: 3_600_000 }, async () => {
      const points = await sweepSpillFaults(stage, queries.get(name) as KnownQuery, files, SAMPLE)
      // Seven kinds of faults, at least two points of each in every phase.
      expect(points).toBeGreaterThanOrEqual(files.length * 14)
    })
    it.skipIf(pages.length === 0)(`each refused page: ${name}`, { timeout: 3_600_000 }, async () => {
      const points = await sweepRefusals(stage, queries.get(name) as KnownQuery, pages, SAMPLE)
      expect(points).toBeGreaterThanOrEqual(pages.length * 4)
    })
  }

  const operatorsOf = async (name: string, testing: KnownQuery['testing'] = {}) => {
    const query = queries.get(name) as KnownQuery
    const { metrics } = await stage.engine.collect(query.frame.plan, { testing: { ...query.testing, ...testing } })
    return metrics?.operators ?? []
  }
  it.each(['recursive', 'sort', 'top'])('reaches recursion: %s', async (name) => {
    expect(Math.max(...(await operatorsOf(name)).map(({ recursionDepth }) => recursionDepth))).toBeGreaterThanOrEqual(1)
  })
  it('reaches the multiplexer, by force and by a refused page', async () => {
    const refused = { at: 0, sticky: true, operator: 'multiplexer', counter: new SharedArrayBuffer(4) }
    for (const operators of [
      await operatorsOf('shared'),
      await operatorsOf('shared in memory', { reservationFault: refused }),
    ]) {
      const stores = operators.filter(({ label }) => label === 'MULTIPLEXER')
      expect(stores.map(({ spilledBytes }) => spilledBytes > 0)).toEqual([true])
    }
  })
})
