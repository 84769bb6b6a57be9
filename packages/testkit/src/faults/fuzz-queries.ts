/** What the fuzzer runs: every operator that spills, every kind of join in every form, and subplans that are shared. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type RecordBatch, Table, tableFromIPC } from 'apache-arrow'
import { col, type Engine, fromArrow, LazyFrame, type LazySink, type QueryOptions, SpillwayError } from 'spillway'
import {
  answerDifference,
  distinctQuery,
  type KnownQuery,
  recursiveQuery,
  sharedQuery,
  sortQuery,
  stringStatesQuery,
  topQuery,
} from './fault-stage.ts'
import { joinKinds, joinQuery } from './join-queries.ts'

export type Random = () => number

/** A small generator of known sequence, so that a failure can be run again. */
export function makeRandom(seed: number): Random {
  let state = seed
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32
  }
}

export const pick = <T>(random: Random, choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T

/** Build sides and forms of joins by chance. */
export function drawQueries(engine: Engine, random: Random): readonly KnownQuery[] {
  const side = () => pick(random, ['left', 'right'] as const)
  return [
    distinctQuery(engine, 1500),
    distinctQuery(engine, 300),
    recursiveQuery(engine, 2500),
    stringStatesQuery(engine, 2000),
    sortQuery(engine, 1500),
    sortQuery(engine, 6000),
    topQuery(engine, 900, 600),
    topQuery(engine, 4000, 50),
    sharedQuery(engine, 900),
    ...joinKinds.flatMap((how) => [
      joinQuery(engine, 'pairs', how, side()),
      joinQuery(engine, pick(random, ['split', 'chunks'] as const), how, side()),
    ]),
  ]
}

/** Needs next to no memory. */
export function smallQuery(engine: Engine, rowCount: number): KnownQuery {
  const rows = Array.from({ length: rowCount }, (_, row) => row)
  const frame = LazyFrame({ row: rows }, { session: engine }).filter(col('row').mod(3).eq(0)) as LazyFrame
  const answer = rows.filter((row) => row % 3 === 0).map(String)
  return { name: 'small', isOrdered: true, frame, answer, testing: {} }
}

/** How a query ended: the right answer, what was wrong, or a typed error. */
export type Outcome = 'right' | string | SpillwayError

/** Others than typed errors are thrown. */
export async function outcomeOf(run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof SpillwayError) return error
    throw error
  }
}

/** Takes batches, and leaves after some of them or stays to the end. @param pause between two batches */
export async function takeBatches(
  engine: Engine,
  query: KnownQuery,
  options: QueryOptions,
  { most, pause }: { readonly most: number; readonly pause: () => Promise<unknown> },
): Promise<Outcome> {
  const taken: RecordBatch[] = []
  for await (const batch of engine.collectBatches(query.frame.plan, options)) {
    if (batch.numRows === 0) return `${query.name}: an empty batch`
    taken.push(batch)
    if (taken.length === most) return 'right'
    await pause()
  }
  if (taken.length === 0) return query.answer.length === 0 ? 'right' : `${query.name}: no batch`
  return answerDifference(query, fromArrow(new Table(taken)).toRecords()) ?? 'right'
}

/** @param pieceRows of row groups or record batches */
export function lazySink({ frame }: KnownQuery, path: string, pieceRows: number): LazySink {
  return path.endsWith('.parquet')
    ? frame.sinkParquet(path, { lazy: true, rowGroupSize: pieceRows, dataPageSize: 64 * 1024 })
    : frame.sinkIpc(path, { lazy: true, recordBatchSize: pieceRows })
}

/**
 * One query with the rows of `first` in memory, the same rows in one file, and those of `second` in the other; or no
 * file at all.
 */
export async function writeAll(
  engine: Engine,
  [first, second]: readonly [KnownQuery, KnownQuery],
  paths: readonly [string, string],
  options: QueryOptions,
): Promise<Outcome> {
  try {
    const sinks = [lazySink(first, paths[0], 300), lazySink(second, paths[1], 300)]
    const outputs = [
      { plan: first.frame.plan, target: undefined },
      ...sinks.map(({ plan, target }) => ({ plan, target })),
    ]
    const [frame] = await engine.runAll(outputs, options).catch((error: unknown) => {
      const left = paths.flatMap(filesOf)
      if (left.length === 0) throw error
      throw new Error(`files are left after ${String(error)}: ${left.join(', ')}`)
    })
    if (frame === undefined || !('toRecords' in frame)) return 'no frame'
    const wrong = answerDifference(first, frame.toRecords())
    if (wrong !== undefined) return wrong
    for (const [index, path] of paths.entries()) {
      const found = await fileDifference(engine, index === 0 ? first : second, path)
      if (found !== undefined) return `${basename(path)}: ${found}`
    }
    return 'right'
  } finally {
    for (const path of paths) rmSync(path, { force: true })
  }
}

/** How the rows of a file differ from the answer of its query. */
export async function fileDifference(engine: Engine, query: KnownQuery, path: string): Promise<string | undefined> {
  if (!existsSync(path)) return 'there is no file'
  const read = path.endsWith('.parquet')
    ? await engine.collect((engine.scanParquet(path) as LazyFrame).plan, { testing: { budgetPages: 350 } })
    : fromArrow(tableFromIPC(readFileSync(path)))
  return answerDifference(query, read.toRecords())
}

/** The file and what else has its name as a beginning. */
const filesOf = (path: string): string[] => readdirSync(dirname(path)).filter((name) => name.startsWith(basename(path)))
