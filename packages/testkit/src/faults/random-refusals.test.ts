/**
 * Random grants and refusals over concurrent queries on a small engine (group-bys, sorts, joins of every kind), with
 * random aborts, under a hang detector. Every query ends with the right answer or a typed error. Twelve seconds by
 * default, ten minutes with SPILLWAY_SLOW=1.
 */
import { type QueryOptions, SpillwayError } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  distinctQuery,
  FaultStage,
  type KnownQuery,
  recursiveQuery,
  runKnown,
  sharedQuery,
  sortQuery,
  stringStatesQuery,
  topQuery,
} from './fault-stage.ts'
import { joinKinds, joinQuery } from './join-queries.ts'

const seconds = Number(process.env['SPILLWAY_FUZZ_SECONDS'] ?? (process.env['SPILLWAY_SLOW'] === '1' ? 600 : 12))
const LANES = 5
/**
 * A query without an end for so many seconds hangs. Ticks of a second are counted instead of one long timer: a process
 * that was stopped meanwhile gets one tick for all that time.
 */
const HANG_TICKS = 20

/** A small generator of known sequence, so that a failure can be run again. */
function makeRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32
  }
}

/** Fails with what is known of the run when it does not end. */
async function withHangDetector<T>(stage: FaultStage, running: Promise<T>, describeRun: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const hang = new Promise<never>((_, reject) => {
    let ticks = 0
    timer = setInterval(async () => {
      ticks += 1
      if (ticks < HANG_TICKS) return
      const usage = await stage.engine.usage()
      const message = `A query hangs: ${describeRun()}, engine ${JSON.stringify(usage)}`
      // At once: closing the engine may hang, too.
      if (ticks === HANG_TICKS) console.error(message)
      reject(new Error(message))
    }, 1000)
  })
  return Promise.race([running, hang]).finally(() => clearInterval(timer))
}

/** Every operator that spills; of joins every kind, with build sides and forms by chance. */
function drawQueries({ engine }: FaultStage, random: () => number): readonly KnownQuery[] {
  const side = () => (random() < 0.5 ? 'left' : 'right')
  return [
    distinctQuery(engine, 1500),
    distinctQuery(engine, 300),
    recursiveQuery(engine, 2500),
    stringStatesQuery(engine, 2000),
    sortQuery(engine, 1500),
    topQuery(engine, 900, 600),
    sharedQuery(engine, 900),
    ...joinKinds.flatMap((how) => [
      joinQuery(engine, 'pairs', how, side()),
      joinQuery(engine, random() < 0.5 ? 'split' : 'chunks', how, side()),
    ]),
  ]
}

describe('random refusals', () => {
  let stage: FaultStage
  beforeAll(() => {
    stage = new FaultStage()
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  it('never hang and never give a wrong answer', { timeout: (seconds + 120) * 1000 }, async () => {
    const seed = Number(process.env['SPILLWAY_SEED'] ?? Date.now() % 1_000_000)
    const random = makeRandom(seed)
    const queries = drawQueries(stage, random)
    const counts = new Map<string, number>()
    const end = performance.now() + seconds * 1000
    /** By lane. */
    const running = new Map<number, string>()
    const runOne = async (lane: number): Promise<void> => {
      const query = queries[Math.floor(random() * queries.length)] as KnownQuery
      const isAborted = random() < 0.3
      const abort = new AbortController()
      const timer = isAborted ? setTimeout(() => abort.abort(), random() * 80) : undefined
      const testing = {
        budgetPages: 350,
        forceSpill: random() < 0.4,
        refuseProbability: random() < 0.2 ? 0 : 0.05 + random() * 0.45,
        partitionBits: Math.floor(random() * 3),
        poison: random() < 0.5,
      }
      const isStreamed = random() < 0.2
      const began = Math.round(performance.now())
      running.set(lane, JSON.stringify({ query: query.name, testing, isAborted, isStreamed, began }))
      const run = isStreamed
        ? takeBatches(query, 1 + Math.floor(random() * 3), { signal: abort.signal, testing })
        : runKnown(stage.engine, query, { signal: abort.signal, testing })
      const outcome = await withHangDetector(stage, run, () => {
        const lanes = [...running].map(
          ([other, what]) => `\n  lane ${other}${other === lane ? ' (hangs)' : ''}: ${what}`,
        )
        return `seed ${seed}, now ${Math.round(performance.now())}${lanes.join('')}`
      })
      running.delete(lane)
      clearTimeout(timer)
      const end = outcome instanceof SpillwayError ? outcome.code : outcome
      counts.set(end, (counts.get(end) ?? 0) + 1)
      const allowed = isAborted ? ['right', 'MEMORY_LIMIT', 'CANCELLED'] : ['right', 'MEMORY_LIMIT']
      expect(allowed, `seed ${seed}: ${outcome instanceof Error ? outcome.stack : ''}`).toContain(end)
    }
    /** A consumer that leaves after some batches. */
    const takeBatches = async (query: KnownQuery, count: number, options: QueryOptions) => {
      let taken = 0
      try {
        const testing = { ...query.testing, ...options.testing }
        for await (const batch of stage.engine.collectBatches(query.frame.plan, { ...options, testing })) {
          expect(batch.numRows).toBeGreaterThan(0)
          taken += 1
          if (taken === count) break
        }
        return 'right' as const
      } catch (error) {
        if (error instanceof SpillwayError) return error
        throw error
      }
    }
    const lanes = Array.from({ length: LANES }, async (_, lane) => {
      while (performance.now() < end) await runOne(lane)
    })
    await Promise.all(lanes)
    console.log(`random refusals, seed ${seed}: ${[...counts].map(([end, count]) => `${count} ${end}`).join(', ')}`)
    expect(counts.get('right') ?? 0).toBeGreaterThan(3)
    expect(counts.get('CANCELLED') ?? 0).toBeGreaterThan(0)
    expect(await stage.findDamage()).toBeUndefined()
  })
})
