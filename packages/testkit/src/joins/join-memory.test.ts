/**
 * The memory contract of joins, judged by VmHWM of processes that do nothing else; their data is made by others. From
 * the floor upward every limit holds, and no limit fails or answers otherwise where a smaller one succeeded.
 * SPILLWAY_SLOW=1 takes ten limits and every kind of join with either side kept.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Oracle } from '../duckdb-oracle.ts'
import { measureChild } from '../measure-child.ts'
import { kinds } from './join-stage.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
const ROWS = isSlow ? 1_200_000 : 250_000
const LIMITS = isSlow ? 10 : 2
/** In the last of the ten limits nothing has to be spilled; two of them stay near the floor. */
const LAST_MEGABYTES = isSlow ? 1200 : 260

let folder: string
let oracle: Oracle
beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/spillway-join-memory-')
  oracle = await Oracle.open()
  await oracle.execute(`SET threads = 1; SET memory_limit = '2GB'; SET temp_directory = '${folder}'`)
  for (const [side, shift] of [['l', 0] as const, ['r', ROWS / 4] as const]) {
    const digits = [1, 2, 3, 4].map((part) => `printf('%016x', hash(i * 8 + ${part + shift * 64}))`).join(' || ')
    await oracle.writeParquet(
      `(SELECT CASE WHEN i % 97 = 0 THEN NULL ELSE ${shift} + hash(i + ${shift}) % ${ROWS} END::BIGINT AS ${side}_id,
        i AS ${side}_row, ${digits} AS ${side}_payload FROM (SELECT range AS i FROM range(${ROWS})))`,
      join(folder, `${side}.parquet`),
    )
  }
}, 300_000)
afterAll(() => {
  oracle.close()
  rmSync(folder, { recursive: true, force: true })
})

const child = fileURLToPath(new URL('join-child.mjs', import.meta.url))

interface Run {
  readonly shape: 'join' | 'chain'
  readonly how: (typeof kinds)[number]
  readonly buildSide: 'left' | 'right'
}

async function runWithin(run: Run, megabytes: number): Promise<Record<string, unknown>> {
  const files = { left: join(folder, 'l.parquet'), right: join(folder, 'r.parquet'), target: join(folder, 'o.parquet') }
  const options = { ...run, ...files, limit: `${megabytes}MB`, threads: 2, tempDir: folder }
  const { exitCode, stderr, stdout } = await measureChild(child, [JSON.stringify(options)], { timeoutMs: 500_000 })
  expect(exitCode, stderr).toBe(0)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, unknown>
}

function answerSql({ shape, how }: Run): string {
  const [left, right] = ['l', 'r'].map((side) => `read_parquet('${join(folder, `${side}.parquet`)}')`)
  const joined = `${left} ${how.toUpperCase()} JOIN ${right} ON l_id = r_id`
  if (shape === 'join') return `(SELECT * FROM ${joined})`
  return `(SELECT l_id, count(*) AS n, sum(r_row)::BIGINT AS total, min(l_payload) AS least, max(r_payload) AS most
    FROM ${joined} GROUP BY l_id)`
}

/** Number of rows, and a sum of their hashes. */
async function foldOf({ shape, how }: Run, rows: string): Promise<readonly unknown[]> {
  const both = [
    'l_id',
    'l_row',
    'l_payload',
    ...(how === 'semi' || how === 'anti' ? [] : ['r_id', 'r_row', 'r_payload']),
  ]
  const columns = shape === 'chain' ? ['l_id', 'n', 'total', 'least', 'most'] : both
  const { rows: found } = await oracle.query(`SELECT count(*), sum(hash(${columns.join(', ')}) % 1000003) FROM ${rows}`)
  return found[0] ?? []
}

async function expectOrdered(target: string): Promise<void> {
  const wrong =
    await oracle.query(`SELECT count(*) FROM (SELECT l_id <= lag(l_id) OVER (ORDER BY file_row_number) AS wrong
    FROM read_parquet('${target}', file_row_number = true)) WHERE wrong`)
  expect(wrong.rows[0]?.[0]).toBe(0n)
}

async function sweep(run: Run): Promise<void> {
  const expected = await foldOf(run, answerSql(run))
  const refused = await runWithin(run, 50)
  expect(refused['code']).toBe('MEMORY_LIMIT')
  const floor = Math.ceil((refused['details'] as { floorBytes: number }).floorBytes / 1e6)
  for (let step = 0; step < LIMITS; step++) {
    const megabytes = Math.round(floor * (LAST_MEGABYTES / floor) ** (step / (LIMITS - 1)))
    const outcome = await runWithin(run, megabytes)
    const facts = `${JSON.stringify(run)} ${megabytes} MB: ${JSON.stringify(outcome)}`
    console.log(facts)
    expect(outcome['message'], facts).toBeUndefined()
    expect(outcome['peakBytes'], facts).toBeLessThanOrEqual(megabytes * 1e6)
    expect(outcome['usage']).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
    if (step === 0) expect(outcome['spilledBytes'], facts).toBeGreaterThan(0)
    if (isSlow && step === LIMITS - 1) expect(outcome['spilledBytes'], facts).toBe(0)
    const target = join(folder, 'o.parquet')
    expect(await foldOf(run, `read_parquet('${target}')`), facts).toEqual(expected)
    if (run.shape === 'chain') await expectOrdered(target)
  }
}

const sides = ['left', 'right'] as const
const chain = { shape: 'chain', how: 'inner', buildSide: 'left' } as const
const joins = kinds.flatMap((how) => sides.map((buildSide) => ({ shape: 'join', how, buildSide }) as const))
const runs: readonly Run[] = [
  chain,
  ...joins.filter(({ how, buildSide }) => isSlow || (how === 'full' && buildSide === 'left')),
]

describe('memory limit of a join', () => {
  it.each(runs)('holds from the floor upward: $shape, $how, $buildSide side kept', { timeout: 1_800_000 }, sweep)
})
