/**
 * The fault sweep over joins: every kind with each build side, while partitions on disk are joined pair by pair, while
 * they are split again, and while they are joined in chunks. Each phase (build, probe, loading and splitting pairs,
 * flags of chunks, the table in memory) has points of its own, counted by the files it touches and the pages it asks
 * for. By default a few points are taken of some; SPILLWAY_SLOW=1 takes all of them, or as many per kind of fault as
 * SPILLWAY_SWEEP_POINTS says.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answerDifference, FaultStage, type KnownQuery } from './fault-stage.ts'
import { type BuildSide, type JoinForm, type JoinKind, joinKinds, joinQuery } from './join-queries.ts'
import { type FilePhase, type PagePhase, sweepRefusals, sweepSpillFaults } from './sweep.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
const POINTS = Number(process.env['SPILLWAY_SWEEP_POINTS'] ?? Number.POSITIVE_INFINITY)
/** Points per phase and kind of fault in the sample, and one: see `pointsOf`. */
const SAMPLES: { readonly [K in JoinForm]: number } = { memory: 1, pairs: 1, split: 0, chunks: 0 }
const joinForms: readonly JoinForm[] = ['memory', 'pairs', 'split', 'chunks']

/** Swept without SPILLWAY_SLOW, too. */
const sampled = [
  'memory full, build left',
  'pairs full, build right',
  'split left, build left',
  'chunks full, build right',
]

/** What each form writes and reads: the fewest operations of each direction. */
const filesOf: { readonly [K in JoinForm]: readonly FilePhase[] } = {
  memory: [],
  pairs: [
    { name: 'join build', least: 2 },
    { name: 'join probe', least: 2 },
  ],
  split: [
    { name: 'join build', least: 2 },
    { name: 'join probe', least: 1 },
    { name: 'join splits', least: 8 },
  ],
  chunks: [
    { name: 'join build', least: 2 },
    { name: 'join probe', least: 2 },
  ],
}
/** Only of the streamed side's rows that are put out by whether they had a match. */
const flags: FilePhase = { name: 'join flags', least: 1 }

/** Who asks for pages beyond the guaranteed ones. */
const pagesOf: { readonly [K in JoinForm]: readonly PagePhase[] } = {
  memory: [
    { operator: 'joinBuild', least: 10 },
    { operator: 'joinTable', least: 1 },
  ],
  // Small partitions: all they need is guaranteed.
  pairs: [],
  split: [
    { operator: 'joinBuild', least: 2 },
    { operator: 'joinPairs', least: 5 },
  ],
  chunks: [
    { operator: 'joinBuild', least: 2 },
    { operator: 'joinPairs', least: 5 },
  ],
}

interface Facts {
  readonly depth: number
  readonly chunks: number
  readonly partitionsSpilled: number
  /** Written while pairs were joined: parts of a split, or flags. */
  readonly pairBytes: number
}

/** Rows of the side that is streamed past the chunks come out by whether they had a match. */
const needsFlags = (how: JoinKind, side: BuildSide): boolean =>
  how === 'full' || (how === 'right' ? side === 'left' : how !== 'inner' && side === 'right')

const expectReached: { readonly [K in JoinForm]: (facts: Facts) => void } = {
  memory: ({ partitionsSpilled }) => expect(partitionsSpilled).toBe(0),
  pairs: ({ partitionsSpilled }) => expect(partitionsSpilled).toBeGreaterThanOrEqual(2),
  split: ({ depth }) => expect(depth).toBeGreaterThanOrEqual(1),
  chunks: ({ chunks }) => expect(chunks).toBeGreaterThanOrEqual(2),
}

describe('fault sweep of joins', () => {
  let stage: FaultStage
  let points = 0
  let refusals = 0
  beforeAll(() => {
    // One worker: the N-th operation is the same one in every run.
    stage = new FaultStage({ threads: 1 })
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  const reach = async (query: KnownQuery): Promise<Facts> => {
    const result = await stage.engine.collect(query.frame.plan, { testing: query.testing })
    expect(answerDifference(query, result.toRecords())).toBeUndefined()
    const joins = (result.metrics?.operators ?? []).filter(({ label }) => label.includes('EQUI_JOIN'))
    return {
      depth: Math.max(...joins.map(({ recursionDepth }) => recursionDepth)),
      chunks: joins.reduce((sum, { terminalChunks }) => sum + terminalChunks, 0),
      partitionsSpilled: joins.reduce((sum, { partitionsSpilled }) => sum + partitionsSpilled, 0),
      pairBytes: joins.find(({ label }) => label === 'EQUI_JOIN PAIRS')?.spilledBytes ?? 0,
    }
  }

  for (const form of joinForms) {
    for (const how of joinKinds) {
      for (const side of ['left', 'right'] as const) {
        const name = `${form} ${how}, build ${side}`
        it.skipIf(!isSlow && !sampled.includes(name))(name, { timeout: 3_600_000 }, async () => {
          const query = joinQuery(stage.engine, form, how, side)
          const facts = await reach(query)
          expectReached[form](facts)
          if (form === 'chunks') expect(facts.pairBytes > 0).toBe(needsFlags(how, side))
          const files = form === 'chunks' && needsFlags(how, side) ? [...filesOf[form], flags] : filesOf[form]
          points += await sweepSpillFaults(stage, query, files, isSlow ? POINTS : SAMPLES[form])
          refusals += await sweepRefusals(stage, query, pagesOf[form], isSlow ? POINTS : SAMPLES[form])
        })
      }
    }
  }

  it('took as many points as it should', () => {
    console.log(`fault sweep of joins: ${points} failed operations, ${refusals} refused pages`)
    expect(points).toBeGreaterThanOrEqual(isSlow ? 1000 : 60)
    expect(refusals).toBeGreaterThanOrEqual(isSlow ? 100 : 12)
  })
})
