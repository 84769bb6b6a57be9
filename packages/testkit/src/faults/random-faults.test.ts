/**
 * Random faults over many queries at once on one small engine: refused pages, failing disks, requests to spill, aborts,
 * consumers that are slow, leave, or run a query between two batches; group-bys, sorts, joins of every kind, shared
 * subplans, files. Every query ends with the right answer or the error of its fault, none hangs, and nothing is left.
 *
 * Twelve seconds by default; SPILLWAY_FUZZ_SECONDS says how many, SPILLWAY_SEED what is drawn.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type QueryOptions, SpillwayError } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FaultKind, FaultStage, type KnownQuery, makeFault, runKnown } from './fault-stage.ts'
import {
  drawQueries,
  makeRandom,
  type Outcome,
  outcomeOf,
  pick,
  smallQuery,
  type Random,
  takeBatches,
  writeAll,
} from './fuzz-queries.ts'
import { HangDetector } from './hang-detector.ts'
import { faultErrors } from './sweep.ts'

const seconds = Number(process.env['SPILLWAY_FUZZ_SECONDS'] ?? (process.env['SPILLWAY_SLOW'] === '1' ? 600 : 12))
const LANES = 6
/** The engine is idle and looked at after so long. */
const ROUND_SECONDS = 6
const MORE_SECONDS_MAX = 90
const diskFaults = Object.keys(faultErrors) as FaultKind[]

/** One query as it was drawn. */
interface Draw {
  readonly query: KnownQuery
  readonly how: 'collect' | 'batches' | 'files'
  readonly testing: NonNullable<QueryOptions['testing']>
  readonly isAborted: boolean
  readonly threads: number
  /** Codes with which it may end. */
  readonly allowed: readonly string[]
}

/**
 * A query that was admitted finishes, whatever the others do: where no page was refused on purpose, memory may be short
 * before it starts, and for a result that is kept in memory.
 */
function isMemoryShort({ code, details }: SpillwayError, keepsResult: boolean): boolean {
  const operator = details['operator']
  if (code !== 'MEMORY_LIMIT') return false
  return operator === 'admission' || (operator === 'COLLECT' && keepsResult)
}

function isAllowed({ allowed, how, testing }: Draw, outcome: Outcome): boolean {
  if (!(outcome instanceof SpillwayError)) return allowed.includes(outcome)
  if (!allowed.includes(outcome.code)) return false
  if (outcome.code !== 'MEMORY_LIMIT' || testing.refuseProbability !== 0) return true
  return isMemoryShort(outcome, how !== 'batches')
}

function draw(random: Random, queries: readonly KnownQuery[]): Draw {
  const isAborted = random() < 0.25
  const refuseProbability = random() < 0.4 ? 0 : 0.05 + random() * 0.45
  const disk = random() < 0.2 ? pick(random, diskFaults) : undefined
  const how = pick(random, ['collect', 'collect', 'collect', 'batches', 'files'] as const)
  const outputFault = how === 'files' && random() < 0.4
  const query = pick(random, queries)
  const testing = {
    ...query.testing,
    budgetPages: 350,
    forceSpill: random() < 0.4,
    refuseProbability,
    ...(random() < 0.3 ? { spillRequestEvery: 1 + Math.floor(random() * 12) } : {}),
    ...(random() < 0.5 ? { partitionBits: Math.floor(random() * 3) } : {}),
    poison: random() < 0.5,
    ...(disk === undefined ? {} : { ioFaults: makeFault(disk, Math.floor(random() ** 2 * 60), random() < 0.3) }),
    ...(outputFault
      ? { outputFault: { ...makeFault('enospc', Math.floor(random() * 40)), kind: 'fail' as const } }
      : {}),
  }
  const ofDisk = disk === undefined ? undefined : faultErrors[disk]
  const allowed = [
    ...['right', 'MEMORY_LIMIT'],
    ...(isAborted ? ['CANCELLED'] : []),
    ...(ofDisk === undefined ? [] : [ofDisk]),
    ...(outputFault ? ['OUTPUT_FAILED'] : []),
  ]
  return { query, how, testing, isAborted, threads: random() < 0.3 ? 1 : 2, allowed }
}

describe('random faults', () => {
  let stage: FaultStage
  let folder: string
  let detector: HangDetector
  let small: KnownQuery
  let isNested = false
  beforeAll(() => {
    stage = new FaultStage()
    folder = join(stage.folder, 'outputs')
    mkdirSync(folder)
    small = smallQuery(stage.engine, 40)
    detector = new HangDetector(() => stage.engine.report())
  })
  afterAll(async () => {
    detector.stop()
    await stage[Symbol.asyncDispose]()
  })

  const run = (drawn: Draw, random: Random, options: QueryOptions, queries: readonly KnownQuery[], name: string) => {
    const { engine } = stage
    const { query, how } = drawn
    return outcomeOf((): Promise<Outcome> => {
      if (how === 'files') {
        const paths = ['parquet', 'arrow'].map((format) => join(folder, `${name}.${format}`)) as [string, string]
        return writeAll(engine, [query, pick(random, queries)], random() < 0.5 ? paths : [paths[1], paths[0]], options)
      }
      if (how === 'collect') return runKnown(engine, query, options)
      const pause = async (): Promise<unknown> => {
        const kind = random()
        if (kind < 0.2) return sleep(random() * 30)
        if (kind > 0.3 || isNested) return undefined
        // A query between two batches of another one, on the same engine. One lane at a time: programs that all keep
        // memory while they wait for each other's are told so, but after half a minute only.
        isNested = true
        const nested = await runKnown(engine, pick(random, [stage.probe, small]), { testing: { budgetPages: 350 } })
        isNested = false
        if (nested === 'right') return nested
        // An error of another kind is none that the query around it may have.
        throw nested instanceof SpillwayError && isMemoryShort(nested, true) ? nested : new Error(`nested: ${nested}`)
      }
      const most = random() < 0.5 ? 1 + Math.floor(random() * 3) : Number.POSITIVE_INFINITY
      return takeBatches(engine, query, options, { most, pause })
    })
  }

  it('never hang and never give a wrong answer', { timeout: (seconds * 2 + 300) * 1000 }, async () => {
    const seed = Number(process.env['SPILLWAY_SEED'] ?? Date.now() % 1_000_000)
    const queries = drawQueries(stage.engine, makeRandom(seed))
    const counts = new Map<string, number>()
    const ran = new Map<string, number>()
    const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)
    let runs = 0
    const runOne = async (lane: number, random: Random): Promise<void> => {
      const drawn = draw(random, queries)
      const { query, how, testing, isAborted, threads } = drawn
      const abort = new AbortController()
      const timer = isAborted ? setTimeout(() => abort.abort(), random() * 80) : undefined
      const name = `run${runs++}`
      const { ioFaults, outputFault, ...plain } = testing
      const text = JSON.stringify({
        ...plain,
        ioFaults: ioFaults?.kind,
        at: ioFaults?.operation,
        sticky: ioFaults?.sticky,
      })
      const place = `seed ${seed} lane ${lane} ${name}`
      const what = `${place}: ${query.name} ${how} threads=${threads} aborted=${isAborted} ${text}`
      let progress = 'waiting'
      const onProgress = (facts: object): void => {
        progress = JSON.stringify(facts)
      }
      const running = run(drawn, random, { signal: abort.signal, testing, threads, onProgress }, queries, name)
      const outcome = await detector.watch(running, { what, progress: () => progress })
      clearTimeout(timer)
      const end = outcome instanceof SpillwayError ? outcome.code : outcome
      count(counts, end === 'MEMORY_LIMIT' && testing.refuseProbability === 0 ? 'MEMORY_LIMIT unrefused' : end)
      if (end === 'MEMORY_LIMIT' && testing.refuseProbability === 0)
        console.log(`${what}: ${(outcome as Error).message}`)
      if (end === 'right') count(ran, how)
      const found = outcome instanceof SpillwayError ? `${outcome.stack} ${JSON.stringify(outcome.details)}` : outcome
      expect(isAllowed(drawn, outcome), `${what}: ${found}`).toBe(true)
    }
    const randoms = Array.from({ length: LANES }, (_, lane) => makeRandom(seed * LANES + lane))
    // On a busy machine few queries run in that time: it goes on until every kind of end was reached.
    const isReached = (): boolean =>
      ['collect', 'batches', 'files'].every((how) => (ran.get(how) ?? 0) > 3) &&
      (counts.get('CANCELLED') ?? 0) > 0 &&
      [...counts.keys()].some((code) => code.startsWith('SPILL_'))
    const end = performance.now() + seconds * 1000
    const latest = end + MORE_SECONDS_MAX * 1000
    while (performance.now() < end || (!isReached() && performance.now() < latest)) {
      const roundEnd = performance.now() + Math.min(seconds, ROUND_SECONDS) * 1000
      await Promise.all(
        randoms.map(async (random, lane) => {
          while (performance.now() < roundEnd) await runOne(lane, random)
        }),
      )
      expect(await stage.findDamage(), `seed ${seed}, after ${runs} runs`).toBeUndefined()
    }
    console.log(`random faults, seed ${seed}: ${[...counts].map(([end, count]) => `${count} ${end}`).join(', ')}`)
    expect(isReached(), JSON.stringify([...ran, ...counts])).toBe(true)
  })
})
