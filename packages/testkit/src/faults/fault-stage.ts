/**
 * The stage of the fault tests: an engine with a temp directory of its own, queries with known answers, and the checks
 * that hold after every failure: no file left, nothing reserved, no handle open, and the next query is right.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  col,
  createEngine,
  type Engine,
  type EngineOptions,
  first,
  last,
  LazyFrame,
  len,
  max,
  min,
  nUnique,
  type QueryOptions,
  SpillwayError,
  sum,
} from 'spillway'

type Testing = NonNullable<QueryOptions['testing']>
export type FaultPlan = NonNullable<Testing['ioFaults']>
export type FaultKind = FaultPlan['kind']

/** Plain data that crosses to the workers: the operation with this index, among those of its kind, fails. */
export function makeFault(kind: FaultKind, operation: number, sticky = false): FaultPlan {
  return { kind, operation, sticky, counter: new SharedArrayBuffer(4) }
}

export function counted(plan: { readonly counter: SharedArrayBuffer }): number {
  return Atomics.load(new Int32Array(plan.counter), 0)
}

/** A query and its answer: one text per row, sorted unless the query itself defines the order. */
export interface KnownQuery {
  readonly name: string
  readonly isOrdered?: boolean
  readonly frame: LazyFrame
  readonly answer: readonly string[]
  readonly testing: Testing
}

export class FaultStage implements AsyncDisposable {
  readonly folder: string
  readonly tempDir: string
  readonly engine: Engine
  /** Small and quick: asked after every fault. */
  readonly probe: KnownQuery

  constructor(options: EngineOptions = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'spillway-faults-'))
    this.tempDir = join(this.folder, 'spill')
    mkdirSync(this.tempDir)
    this.engine = createEngine({
      threads: 2,
      memoryLimit: '1GB',
      tempDir: this.tempDir,
      // Where the system's temp directory lies in memory, the tests spill there all the same.
      allowTmpfs: true,
      ...options,
    })
    this.probe = distinctQuery(this.engine, 60)
  }

  /** Files of queries under the temp directory; the engine's own (owner, heartbeat) do not count. */
  spillFiles(): string[] {
    if (!existsSync(this.tempDir)) return []
    return readdirSync(this.tempDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !['owner.json', 'heartbeat'].includes(entry.name))
      .map((entry) => entry.name)
  }

  /** What is wrong after a query ended, or undefined. */
  async findLeftovers(): Promise<string | undefined> {
    const files = this.spillFiles()
    if (files.length > 0) return `spill files are left: ${files.join(', ')}`
    const { runningQueries, reservedPages, usedPages } = await this.engine.usage()
    if (runningQueries + reservedPages + usedPages > 0) {
      return `held: ${runningQueries} queries, ${reservedPages} reserved pages, ${usedPages} used pages`
    }
    const open = openFilesUnder(this.folder)
    return open.length > 0 ? `files are open: ${open.join(', ')}` : undefined
  }

  /** The same, and then the next query on the engine must be right. */
  async findDamage(): Promise<string | undefined> {
    const left = await this.findLeftovers()
    if (left !== undefined) return left
    const outcome = await runKnown(this.engine, this.probe, {})
    if (outcome !== 'right') return `the next query: ${outcome instanceof Error ? outcome.stack : outcome}`
    return this.findLeftovers()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close()
    const left = readdirSync(this.tempDir)
    rmSync(this.folder, { recursive: true, force: true })
    if (left.length > 0) throw new Error(`The closed engine left ${left.join(', ')} in its temp directory`)
  }
}

/** Descriptors of this process that point below `folder`. Empty where the system does not tell. */
export function openFilesUnder(folder: string): string[] {
  if (!existsSync('/proc/self/fd')) return []
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`)
      return path.startsWith(folder) ? [path] : []
    } catch {
      // The descriptor of the listing itself is closed by now.
      return []
    }
  })
}

/**
 * Runs a query to one of three ends: the right answer, a wrong one (described), or a typed error. Others are thrown.
 */
export async function runKnown(
  engine: Engine,
  query: KnownQuery,
  options: QueryOptions,
): Promise<'right' | string | SpillwayError> {
  try {
    const testing = { ...query.testing, ...options.testing }
    const result = await engine.collect(query.frame.plan, { ...options, testing })
    return answerDifference(query, result.toRecords()) ?? 'right'
  } catch (error) {
    if (error instanceof SpillwayError) return error
    throw error
  }
}

export function answerDifference(query: KnownQuery, records: readonly object[]): string | undefined {
  const found = records.map((record) => Object.values(record).map(String).join('|'))
  if (query.isOrdered !== true) found.sort()
  if (found.length !== query.answer.length) {
    return `${query.name}: ${found.length} rows instead of ${query.answer.length}`
  }
  const wrong = found.findIndex((row, index) => row !== query.answer[index])
  return wrong < 0 ? undefined : `${query.name}: "${found[wrong]}" instead of "${query.answer[wrong]}"`
}

/** Collects values by key, in order, as the twin of a group-by. */
function group<T>(rows: readonly { readonly key: string; readonly value: T }[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const { key, value } of rows) {
    const values = groups.get(key) ?? []
    values.push(value)
    groups.set(key, values)
  }
  return groups
}

/** Few groups, null keys, distinct strings short and long: two group-bys, both spilled after every batch. */
export function distinctQuery(engine: Engine, rowCount: number): KnownQuery {
  const rows = Array.from({ length: rowCount }, (_, row) => ({
    key: row % 11 === 0 ? null : `group ${row % 13}`,
    value: row % 7 === 0 ? null : `value ${row % 101}${'+'.repeat(row % 30)}`,
    amount: row,
  }))
  const frame = LazyFrame(
    {
      key: rows.map(({ key }) => key),
      value: rows.map(({ value }) => value),
      amount: rows.map(({ amount }) => amount),
    },
    { session: engine },
  )
    .groupBy('key')
    .agg(nUnique('value').alias('values'), sum('amount').alias('total'), first('value').alias('head'))
  const answer = [...group(rows.map((row) => ({ key: String(row.key), value: row })))].map(([key, group]) =>
    [
      key,
      new Set(group.map(({ value }) => value)).size,
      group.reduce((total, { amount }) => total + amount, 0),
      group[0]?.value,
    ]
      .join('|')
      .replace(/\|$/, '|null'),
  )
  const testing = { forceSpill: true, batchRows: 32, morselRows: 128, partitionBits: 1 }
  return { name: 'distinct', frame: frame as LazyFrame, answer: answer.sort(), testing }
}

/** An aggregation joined with itself: one side reads it from a multiplexer, which is spilled after every batch. */
export function sharedQuery(engine: Engine, rowCount: number): KnownQuery {
  const groups = Math.ceil(rowCount / 3)
  const rows = Array.from({ length: rowCount }, (_, row) => ({
    key: `key ${row % groups}`,
    value: row % 5 === 0 ? `short ${row}` : `a longer string of row ${row}${'+'.repeat(row % 50)}`,
    amount: row,
  }))
  const totals = LazyFrame(
    {
      key: rows.map(({ key }) => key),
      value: rows.map(({ value }) => value),
      amount: rows.map(({ amount }) => amount),
    },
    { session: engine },
  )
    .groupBy('key')
    .agg(sum('amount').alias('total'), first('value').alias('head'))
  const again = totals.select('key', col('head').alias('again'))
  const answer = [...group(rows.map((row) => ({ key: row.key, value: row })))].map(([key, group]) => {
    const total = group.reduce((all, { amount }) => all + amount, 0)
    return [key, total, group[0]?.value, group[0]?.value].join('|')
  })
  const frame = totals.join(again, { on: 'key' })
  const testing = { forceSpill: true, batchRows: 64, morselRows: 256, partitionBits: 2 }
  return { name: 'shared', frame: frame as LazyFrame, answer: answer.sort(), testing }
}

/**
 * Many long string keys in one partition of an arena that is too small for it: the merge splits it (recursion), and a
 * string among the states keeps the strings of merged rows alive.
 */
export function recursiveQuery(engine: Engine, rowCount: number, hashBits?: number): KnownQuery {
  const rows = Array.from({ length: rowCount }, (_, row) => ({
    key: `${((row * 7919) % Math.floor(rowCount * 0.9)).toString()}${'k'.repeat(900 + (row % 2))}`,
    value: row % 5 === 0 ? `short ${row}` : `a longer string of row ${row}`,
    amount: row,
  }))
  const frame = LazyFrame(
    {
      key: rows.map(({ key }) => key),
      value: rows.map(({ value }) => value),
      amount: rows.map(({ amount }) => amount),
    },
    { session: engine },
  )
    .groupBy('key')
    .agg(sum('amount').alias('total'), first('value').alias('head'), len().alias('rows'))
  const answer = [...group(rows.map((row) => ({ key: row.key, value: row })))].map(([key, group]) =>
    [key, group.reduce((total, { amount }) => total + amount, 0), group[0]?.value, group.length].join('|'),
  )
  const testing = { forceSpill: true, batchRows: 128, morselRows: 640, partitionBits: 0, budgetPages: 160, hashBits }
  return { name: 'recursive', frame: frame as LazyFrame, answer: answer.sort(), testing }
}

/** Groups of many rows whose long smallest, largest, first and last strings come from different batches. */
export function stringStatesQuery(engine: Engine, rowCount: number): KnownQuery {
  const groups = Math.floor(rowCount / 4)
  const rows = Array.from({ length: rowCount }, (_, row) => ({
    key: `${(row * 7919) % groups}${'k'.repeat(300)}`,
    value: `${String((row * 104_729) % 1_000_003).padStart(7, '0')}${'v'.repeat(20 + ((row * 31) % 200))}`,
  }))
  const frame = LazyFrame(
    { key: rows.map(({ key }) => key), value: rows.map(({ value }) => value) },
    { session: engine },
  )
    .groupBy('key')
    .agg(
      min('value').alias('low'),
      max('value').alias('high'),
      first('value').alias('head'),
      last('value').alias('tail'),
    )
  const answer = [...group(rows)].map(([key, values]) => {
    const sorted = [...values].sort()
    return [key, sorted[0], sorted.at(-1), values[0], values.at(-1)].join('|')
  })
  const testing = { forceSpill: true, batchRows: 128, morselRows: 640, partitionBits: 0, budgetPages: 160 }
  return { name: 'string states', frame: frame as LazyFrame, answer: answer.sort(), testing }
}

/** A few rows whose strings are many pages long. How many pages of memory they need, the test finds out. */
export function hugeStringsQuery(engine: Engine, rowCount: number, bytes: number): KnownQuery {
  const rows = Array.from({ length: rowCount }, (_, row) => ({
    key: `${row % Math.ceil(rowCount / 2)}${'h'.repeat(bytes)}`,
    value: `${row}${'v'.repeat(bytes)}`,
  }))
  const frame = LazyFrame(
    { key: rows.map(({ key }) => key), value: rows.map(({ value }) => value) },
    { session: engine },
  )
    .groupBy('key')
    .agg(max('value').alias('high'), len().alias('rows'))
  const answer = [...group(rows)].map(([key, values]) => [key, [...values].sort().at(-1), values.length].join('|'))
  const testing = { forceSpill: true, batchRows: 16, morselRows: 32, partitionBits: 0 }
  return { name: 'huge strings', frame: frame as LazyFrame, answer: answer.sort(), testing }
}

/**
 * Rows with long texts and many ties, as many runs that are merged in several passes: ties keep their order.
 * @param payloadBytes of a text that each row carries: with some, the rows need pages beyond the guaranteed ones
 */
export function sortQuery(engine: Engine, rowCount: number, payloadBytes = 0): KnownQuery {
  const rows = Array.from({ length: rowCount }, (_, row) => ({
    key: row % 13 === 0 ? null : `a text that begins as all others do, number ${(row * 7919) % 97}`,
    amount: (row * 31) % 7,
    row,
    payload: payloadBytes === 0 ? '' : `${row}${'p'.repeat(payloadBytes + (row % 5))}`,
  }))
  const frame = LazyFrame(
    {
      key: rows.map(({ key }) => key),
      amount: rows.map(({ amount }) => amount),
      row: rows.map(({ row }) => row),
      payload: rows.map(({ payload }) => payload),
    },
    { session: engine },
  ).sort(['key', 'amount'], { descending: [false, true] })
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  const answer = [...rows]
    .sort((a, b) => compare(a.key ?? '', b.key ?? '') || b.amount - a.amount || a.row - b.row)
    .map(({ key, amount, row, payload }) => [key, amount, row, payload].map(String).join('|'))
  const testing = { forceSpill: payloadBytes === 0, batchRows: 64, morselRows: 256, sortFanIn: 3, budgetPages: 200 }
  return {
    name: payloadBytes === 0 ? 'sort' : 'wide sort',
    isOrdered: true,
    frame: frame as LazyFrame,
    answer,
    testing,
  }
}

/** The first rows of the same order, more than are sorted at a time under this budget: runs of that many at most. */
export function topQuery(engine: Engine, rowCount: number, limit: number, payloadBytes = 0): KnownQuery {
  const sorted = sortQuery(engine, rowCount, payloadBytes)
  return {
    ...sorted,
    name: payloadBytes === 0 ? 'top' : 'wide top',
    frame: sorted.frame.head(limit),
    answer: sorted.answer.slice(0, limit),
  }
}
