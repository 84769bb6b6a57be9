/**
 * Joins with known totals for the fault tests, for every kind and each build side, in four shapes: a build side that
 * stays in memory, partitions on disk
 * that are joined pair by pair, partitions that are split again, and partitions that no split makes smaller, joined in
 * chunks with the flags of the streamed rows in files.
 */
import { col, type Engine, LazyFrame, len, max, min } from 'spillway'
import type { KnownQuery } from './fault-stage.ts'

export const joinKinds = ['inner', 'left', 'right', 'full', 'semi', 'anti'] as const
export type JoinKind = (typeof joinKinds)[number]
export type BuildSide = 'left' | 'right'
export type JoinForm = 'memory' | 'pairs' | 'split' | 'chunks'

interface Row {
  readonly key: number | null
  readonly payload: string
  /** The second key, where there are two. */
  readonly text: string
}

interface Form {
  readonly buildRows: number
  readonly probeRows: number
  /** Different keys. */
  readonly keys: number
  readonly buildPayloadBytes: number
  readonly testing: KnownQuery['testing']
}

const forms: { readonly [K in JoinForm]: Form } = {
  memory: {
    ...{ buildRows: 30_000, probeRows: 600, keys: 1_000_003, buildPayloadBytes: 10 },
    testing: { batchRows: 1024, morselRows: 8192, partitionBits: 0, budgetPages: 900 },
  },
  pairs: {
    ...{ buildRows: 200, probeRows: 300, keys: 90, buildPayloadBytes: 20 },
    testing: { forceSpill: true, batchRows: 32, morselRows: 128, partitionBits: 1 },
  },
  split: {
    ...{ buildRows: 1700, probeRows: 600, keys: 1600, buildPayloadBytes: 1200 },
    testing: { batchRows: 256, morselRows: 1024, partitionBits: 0, budgetPages: 190 },
  },
  // More streamed rows with a key than flags are in memory at a time (32,768).
  chunks: {
    ...{ buildRows: 1200, probeRows: 36_000, keys: 40_000, buildPayloadBytes: 1100 },
    testing: { batchRows: 1024, morselRows: 4096, partitionBits: 0, budgetPages: 190, hashBits: 0 },
  },
}

/** Keys from two ranges that overlap in half; every 17th is null. */
function makeRows(count: number, keys: number, from: number, payloadBytes: number): Row[] {
  return Array.from({ length: count }, (_, row) => ({
    key: row % 17 === 0 ? null : from + ((row * 7919) % keys),
    payload: `${row}${'p'.repeat(payloadBytes + (row % 13))}`,
    text: '',
  }))
}

/**
 * Puts the payload of the right side among the keys. A semi or anti join keeps only the keys of its right side, and
 * would keep little. Of the left rows that have a partner every 16th has its text, too.
 */
function withTexts(left: readonly Row[], right: readonly Row[]): [Row[], Row[]] {
  const texts = new Map(right.map(({ key, payload }) => [key, payload]))
  return [
    left.map((row, at) => ({ ...row, text: (at % 16 === 5 ? texts.get(row.key) : undefined) ?? 'no such text' })),
    right.map((row) => ({ ...row, text: row.payload })),
  ]
}

const frameOf = (engine: Engine, side: 'l' | 'r', rows: readonly Row[]): LazyFrame =>
  LazyFrame(
    {
      [`${side}_key`]: rows.map(({ key }) => key),
      [`${side}_row`]: rows.map((_, row) => row),
      [`${side}_payload`]: rows.map(({ payload }) => payload),
      [`${side}_text`]: rows.map(({ text }) => text),
    },
    { session: engine },
  ) as LazyFrame

/** Pairs of row numbers as a join puts them out; undefined: the side is null. */
function* joinedRows(how: JoinKind, left: readonly Row[], right: readonly Row[]) {
  const byKey = new Map<string, number[]>()
  right.forEach(({ key, text }, row) => {
    if (key === null) return
    const rows = byKey.get(`${key} ${text}`)
    if (rows === undefined) byKey.set(`${key} ${text}`, [row])
    else rows.push(row)
  })
  const seen = new Set<number>()
  for (const [row, { key, text }] of left.entries()) {
    const matches = key === null ? [] : (byKey.get(`${key} ${text}`) ?? [])
    for (const match of matches) seen.add(match)
    if (how === 'semi' || how === 'anti') {
      if (matches.length > 0 === (how === 'semi')) yield [row, undefined] as const
      continue
    }
    for (const match of matches) yield [row, match] as const
    if (matches.length === 0 && (how === 'left' || how === 'full')) yield [row, undefined] as const
  }
  if (how !== 'right' && how !== 'full') return
  for (const row of right.keys()) if (!seen.has(row)) yield [undefined, row] as const
}

function answerOf(how: JoinKind, left: readonly Row[], right: readonly Row[]): string {
  let [n, lefts, rights, pairs] = [0, 0, 0, 0]
  let text: string | null = null
  let other: string | null = null
  const isOneSided = how === 'semi' || how === 'anti'
  for (const [l, r] of joinedRows(how, left, right)) {
    n += 1
    if (l !== undefined) {
      const { payload } = left[l] as Row
      lefts += 1
      if (text === null || payload > text) text = payload
    }
    if (r !== undefined) {
      const { payload } = right[r] as Row
      rights += 1
      if (other === null || payload < other) other = payload
    }
    if (l !== undefined && isOneSided) pairs += (l * 31) % 10_007
    if (l !== undefined && r !== undefined) pairs += (l * 31 + r * 17) % 10_007
  }
  return [n, lefts, pairs, text, ...(isOneSided ? [] : [rights, other])].map(String).join('|')
}

/** The number of rows a join puts out, of each side's, a sum that depends on who met whom, and texts of both sides. */
export function joinQuery(engine: Engine, form: JoinForm, how: JoinKind, buildSide: BuildSide): KnownQuery {
  const { buildRows, probeRows, keys, buildPayloadBytes, testing } = forms[form]
  const build = makeRows(buildRows, keys, 0, buildPayloadBytes)
  const probe = makeRows(probeRows, keys, keys >> 1, 3)
  const isOneSided = how === 'semi' || how === 'anti'
  const hasTexts = isOneSided && buildSide === 'right'
  const sides: [Row[], Row[]] = buildSide === 'left' ? [build, probe] : [probe, build]
  const [left, right] = hasTexts ? withTexts(...sides) : sides
  const on = hasTexts
    ? { leftOn: ['l_key', 'l_text'], rightOn: ['r_key', 'r_text'] }
    : { leftOn: 'l_key', rightOn: 'r_key' }
  const pairs = isOneSided ? col('l_row').mul(31) : col('l_row').mul(31).add(col('r_row').mul(17))
  const frame = frameOf(engine, 'l', left)
    .join(frameOf(engine, 'r', right), { ...on, how, buildSide, coalesce: false })
    .select(
      len().alias('n'),
      col('l_row').count().alias('lefts'),
      pairs.mod(10_007).sum().alias('pairs'),
      max('l_payload').alias('text'),
      ...(isOneSided ? [] : [col('r_row').count().alias('rights'), min('r_payload').alias('other')]),
    )
  const name = `${form} ${how}, build ${buildSide}`
  return { name, frame: frame as LazyFrame, answer: [answerOf(how, left, right)], testing }
}

/**
 * A small join whose rows are the answer: row numbers of both sides and a text of the left one.
 * @param payloadBytes of that text: with some kilobytes the rows need pages beyond the guaranteed ones
 */
export function joinRowsQuery(
  engine: Engine,
  how: 'inner' | 'left' | 'right' | 'full',
  buildSide: BuildSide,
  payloadBytes: number,
): KnownQuery {
  const left = makeRows(120, 60, 0, payloadBytes)
  const right = makeRows(150, 60, 30, 3)
  const frame = frameOf(engine, 'l', left)
    .join(frameOf(engine, 'r', right), { leftOn: 'l_key', rightOn: 'r_key', how, buildSide, coalesce: false })
    .select('l_row', 'r_row', 'l_payload')
  const answer = [...joinedRows(how, left, right)].map(([l, r]) =>
    [l ?? null, r ?? null, l === undefined ? null : left[l]?.payload].map(String).join('|'),
  )
  const testing = { batchRows: 32, morselRows: 128, partitionBits: 0, budgetPages: 200 }
  return { name: `rows of a ${how} join`, frame: frame as LazyFrame, answer: answer.sort(), testing }
}
